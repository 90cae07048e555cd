"""Possible answers as a tree of tokens, so that what they share is computed once.

Labels ``Yes .`` and ``Yes ma'am .`` (``.`` ends an answer) share their first node:

    prompt - Yes - .            an edge ends in a node's token or in the end of the answer;
                 - ma'am - .    a label is the edges on its way from the prompt
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

PROMPT_NODE = -1


@dataclass(frozen=True)
class TreePart:
    """Some branches of a tree.

    Attributes:
        nodes: (n,) their nodes.
        sees: (n, n) bool; row i marks node i and the nodes on its way.
        edges: (e,) their edges but the first ones.
        edge_parents: (e,) place among ``nodes`` of the node that an edge leaves.
    """

    nodes: np.ndarray
    sees: np.ndarray
    edges: np.ndarray
    edge_parents: np.ndarray


@dataclass(frozen=True)
class LabelTree:
    """The tree of some labels' token ids.

    Attributes:
        tokens: (N,) token of each node; ends of answers are edges without a node.
        depths: (N,) from 0: how far behind the prompt a node stands.
        sees: (N, N) bool; row i marks node i and the nodes on its way.
        edge_parents: (E,) node that an edge leaves, or PROMPT_NODE.
        edge_tokens: (E,) token that it leads to.
        label_edges: for each label, its edges in order.
        edge_branches: (E,) the first edge on the way to each; all labels of a branch begin with its token.
    """

    tokens: np.ndarray
    depths: np.ndarray
    sees: np.ndarray
    edge_parents: np.ndarray
    edge_tokens: np.ndarray
    label_edges: tuple[tuple[int, ...], ...]
    edge_branches: np.ndarray

    @classmethod
    def of(cls, labels: Sequence[Sequence[int]]) -> "LabelTree":
        """The tree of labels given as token ids, each with the end token last.

        Raises ValueError if two labels are equal or one is empty.
        """
        if not labels or not all(labels) or len(set(map(tuple, labels))) != len(labels):
            raise ValueError("labels must have tokens and differ from each other")
        nodes: dict[tuple[int, ...], int] = {}
        edges: dict[tuple[int, ...], int] = {}
        label_edges = []
        for label in labels:
            ways = [tuple(label[:length]) for length in range(1, len(label) + 1)]
            for way in ways[:-1]:
                nodes.setdefault(way, len(nodes))
            label_edges.append(tuple(edges.setdefault(way, len(edges)) for way in ways))
        return cls(
            tokens=np.array([way[-1] for way in nodes], dtype=np.int64),
            depths=np.array([len(way) - 1 for way in nodes], dtype=np.int64),
            sees=_ways_to(nodes),
            edge_parents=np.array([nodes.get(way[:-1], PROMPT_NODE) for way in edges], dtype=np.int64),
            edge_tokens=np.array([way[-1] for way in edges], dtype=np.int64),
            label_edges=tuple(label_edges),
            edge_branches=np.array([edges[way[:1]] for way in edges], dtype=np.int64),
        )

    @cached_property
    def first_edges(self) -> np.ndarray:
        """(branches,) edges that leave the prompt."""
        return np.flatnonzero(self.edge_parents == PROMPT_NODE)

    @cached_property
    def node_branches(self) -> np.ndarray:
        """(N,) the first edge on the way to each node."""
        branches = np.empty(len(self), dtype=np.int64)
        leaving = self.edge_parents != PROMPT_NODE  # some edge leaves every node
        branches[self.edge_parents[leaving]] = self.edge_branches[leaving]
        return branches

    @cached_property
    def branch_sizes(self) -> np.ndarray:
        """(branches,) labels of each branch, in the order of ``first_edges``."""
        counts = np.bincount([edges[0] for edges in self.label_edges], minlength=len(self.edge_tokens))
        return counts[self.first_edges]

    def part(self, branches: np.ndarray) -> "TreePart":
        """What lies behind the first edges of some branches, (branches,) bool in their order."""
        chosen = np.zeros(len(self.edge_tokens), dtype=bool)
        chosen[self.first_edges[branches]] = True
        nodes = np.flatnonzero(chosen[self.node_branches])
        edges = np.flatnonzero(chosen[self.edge_branches] & (self.edge_parents != PROMPT_NODE))
        parents = np.searchsorted(nodes, self.edge_parents[edges])
        return TreePart(nodes, self.sees[np.ix_(nodes, nodes)], edges, parents)

    def label_scores(self, edge_scores: np.ndarray) -> np.ndarray:
        """Sums over each label's edges: (E,) -> (labels,)."""
        return np.array([edge_scores[list(edges)].sum() for edges in self.label_edges])

    def __len__(self) -> int:
        return len(self.tokens)


def _ways_to(nodes: dict[tuple[int, ...], int]) -> np.ndarray:
    sees = np.zeros((len(nodes), len(nodes)), dtype=bool)
    for way, node in nodes.items():
        for length in range(1, len(way) + 1):
            sees[node, nodes[way[:length]]] = True
    return sees
