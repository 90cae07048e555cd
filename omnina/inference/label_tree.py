"""Possible answers as a tree of tokens, so that what they share is computed once.

Labels ``Yes .`` and ``Yes ma'am .`` (``.`` ends an answer) share their first node:

    prompt - Yes - .            an edge ends in a node's token or in the end of the answer;
                 - ma'am - .    a label is the edges on its way from the prompt

Nodes are numbered in preorder, a node before what hangs on it, so that a node's subtree is a run of numbers
and a tree can be read in parts of bounded size: a run of nodes, behind those on the way to its first one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

PROMPT_NODE = -1


@dataclass(frozen=True)
class TreePart:
    """Some nodes of a tree, with all nodes on the way to each.

    Attributes:
        nodes: (n,) which, in preorder.
        sees: (n, n) bool; row i marks node i and the nodes on its way.
        edges: (e,) edges to score.
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
        subtree_ends: (N,) first node after those that hang on each, so that i's way leads over j if
            j <= i < subtree_ends[j].
        edge_parents: (E,) node that an edge leaves, or PROMPT_NODE.
        edge_tokens: (E,) token that it leads to.
        label_edges: for each label, its edges in order.
        edge_branches: (E,) the first edge on the way to each; all labels of a branch begin with its token.
        log_prior: (labels,) nats taken off each label's score; zeros where scores stay as they are.
    """

    tokens: np.ndarray
    depths: np.ndarray
    subtree_ends: np.ndarray
    edge_parents: np.ndarray
    edge_tokens: np.ndarray
    label_edges: tuple[tuple[int, ...], ...]
    edge_branches: np.ndarray
    log_prior: np.ndarray

    @classmethod
    def of(cls, labels: Sequence[Sequence[int]], log_prior: Sequence[float] | None = None) -> "LabelTree":
        """The tree of labels given as token ids, each with the end token last.

        Raises ValueError if two labels are equal or one is empty.
        """
        if not labels or not all(labels) or len(set(map(tuple, labels))) != len(labels):
            raise ValueError("labels must have tokens and differ from each other")
        ways = [[tuple(label[:length]) for length in range(1, len(label) + 1)] for label in labels]
        in_preorder = sorted({way for of_label in ways for way in of_label[:-1]})
        nodes = {way: node for node, way in enumerate(in_preorder)}
        edges: dict[tuple[int, ...], int] = {}
        label_edges = tuple(tuple(edges.setdefault(way, len(edges)) for way in of_label) for of_label in ways)
        depths = np.array([len(way) - 1 for way in nodes], dtype=np.int64)
        return cls(
            tokens=np.array([way[-1] for way in nodes], dtype=np.int64),
            depths=depths,
            subtree_ends=_subtree_ends(depths),
            edge_parents=np.array([nodes.get(way[:-1], PROMPT_NODE) for way in edges], dtype=np.int64),
            edge_tokens=np.array([way[-1] for way in edges], dtype=np.int64),
            label_edges=label_edges,
            edge_branches=np.array([edges[way[:1]] for way in edges], dtype=np.int64),
            log_prior=np.zeros(len(labels)) if log_prior is None else np.array(log_prior),
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

    def branch_weights(self, temperature: float) -> np.ndarray:
        """(branches,) sums over a branch's labels of 1 / prior^(1 / T), in the order of ``first_edges``."""
        weights = np.exp(-self.log_prior / temperature)
        return np.bincount(self._label_branches, weights, len(self.edge_tokens))[self.first_edges]

    @cached_property
    def _label_branches(self) -> np.ndarray:
        """(labels,) the first edge of each."""
        return np.array([edges[0] for edges in self.label_edges], dtype=np.int64)

    @cached_property
    def _edges_by_parent(self) -> tuple[np.ndarray, np.ndarray]:
        """Edges in the order of the nodes that they leave, and those nodes; the first edges come first."""
        order = np.argsort(self.edge_parents, kind="stable")
        return order, self.edge_parents[order]

    @cached_property
    def _label_ends(self) -> tuple[np.ndarray, np.ndarray]:
        """All labels' edges end to end, and where each label starts."""
        lengths = np.array([len(edges) for edges in self.label_edges])
        return np.concatenate([np.array(edges) for edges in self.label_edges]), np.cumsum(lengths) - lengths

    def parts(self, branches: np.ndarray, most_nodes: int) -> Iterator[TreePart]:
        """What lies behind the first edges of some branches, each edge in one part.

        Args:
            branches: (branches,) bool, in the order of ``first_edges``.
            most_nodes: of a part; one with a longer way may hold as many as that way.
        """
        chosen = np.zeros(len(self.edge_tokens), dtype=bool)
        chosen[self.first_edges[branches]] = True
        nodes = np.flatnonzero(chosen[self.node_branches])
        start = 0
        while start < len(nodes):
            way = self._way_before(nodes[start])
            run = nodes[start : start + max(1, most_nodes - len(way))]
            yield self._part(way, run)
            start += len(run)

    def _way_before(self, node: int) -> np.ndarray:
        """The nodes from the prompt to this one, without it."""
        before = np.arange(node)
        return before[self.subtree_ends[:node] > node]

    def _part(self, way: np.ndarray, run: np.ndarray) -> TreePart:
        """The nodes of a run in preorder; whatever lies on their ways is in it or on the way to its first."""
        nodes = np.concatenate([way, run])
        sees = (nodes <= nodes[:, None]) & (nodes[:, None] < self.subtree_ends[nodes])
        edges, parents = self._edges_by_parent
        first, stop = np.searchsorted(parents, [run[0], run[-1] + 1])
        leaving = np.isin(parents[first:stop], run)
        edges, parents = edges[first:stop][leaving], parents[first:stop][leaving]
        return TreePart(nodes, sees, edges, np.searchsorted(nodes, parents))

    def label_scores(self, edge_scores: np.ndarray) -> np.ndarray:
        """Sums over each label's edges, less the prior: (E,) -> (labels,)."""
        edges, starts = self._label_ends
        return np.add.reduceat(edge_scores[edges], starts) - self.log_prior

    def __len__(self) -> int:
        return len(self.tokens)


def _subtree_ends(depths: np.ndarray) -> np.ndarray:
    """(N,) the next node in preorder that is no deeper, or the end."""
    ends = np.full(len(depths), len(depths))
    open_nodes: list[int] = []
    for node, depth in enumerate(depths):
        while len(open_nodes) > depth:
            ends[open_nodes.pop()] = node
        open_nodes.append(node)
    return ends
