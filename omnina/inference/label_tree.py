"""Possible answers as a tree of tokens, so that what they share is computed once.

Labels ``Yes .`` and ``Yes ma'am .`` (``.`` ends an answer) share their first node:

    prompt - Yes - .            an edge ends in a node's token or in the end of the answer;
                 - ma'am - .    a label is the edges on its way from the prompt
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PROMPT_NODE = -1


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
    """

    tokens: np.ndarray
    depths: np.ndarray
    sees: np.ndarray
    edge_parents: np.ndarray
    edge_tokens: np.ndarray
    label_edges: tuple[tuple[int, ...], ...]

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
        )

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
