"""Clusters of near-duplicates among all passages, where a configuration asks for them, and groups of a split.

A group is stricter than a cluster: passages of one record overlap (windows, flanks, genes and the record that
they are on), and one that is a small part of another is not near it as a whole. So a group holds all passages
of an accession, in all its versions, and all of the accessions that a cluster links. That a passage is left
out as a duplicate changes nothing: its bases may stand in others of its accession.

They are found in one process that holds every passage's signature (see ``dedup.neighbours``):
BYTES_A_PASSAGE each, so that 64 GB are enough for 9 million passages, or 27 billion bases in windows of
3,000. Whether there is as much is checked before the reading begins. For more, split by accession or taxon.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import psutil

from omnina.corpus.candidate import Candidate
from omnina.corpus.choice import KEY, Walk, duplicates_of, place_of
from omnina.corpus.dedup.clusters import UnionFind
from omnina.corpus.dedup.exact import strand_free_key
from omnina.corpus.dedup.neighbours import NeighbourIndex
from omnina.corpus.split_config import unversioned
from omnina.errors import UserError

# 1,280 of signature and 1,920 of bands, both twice while they are stacked and sorted; names, their sets.
BYTES_A_PASSAGE = 7_200


def check_memory(passages: int) -> None:
    """UserError if the signatures of so many passages do not fit into the memory that is free."""
    needed, free = passages * BYTES_A_PASSAGE, psutil.virtual_memory().available
    if needed > free:
        raise UserError(
            f"dedup.near, or split.by: cluster, among {passages:,} passages takes about "
            f"{needed / 1e9:.1f} GB of memory in one process, and {free / 1e9:.1f} GB are free here; run on "
            "a larger machine, build several smaller corpora, or set near: false and split by accession or "
            "taxon."
        )


@dataclass(frozen=True)
class Clusters:
    """What passages that are no duplicates belong to.

    Attributes:
        near: (passages,) KEY of each, in their order: place, and the smallest digest among near-duplicates.
        groups: the same of the passages that must be on one side.
    """

    near: np.ndarray
    groups: np.ndarray


def clusters_of(candidates: Iterable[Candidate], duplicates: np.ndarray) -> Clusters:
    """From all candidates, and the places (ascending) of the duplicates among them.

    A passage that is too short to be told from chance is near no other.
    """
    links = _Links(duplicates)
    near = NeighbourIndex(links.taking(candidates)).clusters()
    for name, cluster in near.items():
        links.groups.join(name, cluster)
    return Clusters(
        _keys(links.places, [near.get(name, name) for name in links.names]),
        _keys(links.places, list(map(links.groups.smallest, links.names))),
    )


def near_duplicates_of(clusters: np.ndarray) -> np.ndarray:
    """(duplicates,) uint64 places of all but the first of each cluster, ascending."""
    return duplicates_of([np.sort(clusters, order=list(KEY.names))])


@dataclass
class _Links:
    """Notes names (digests) of passages, those of an accession as one group, while they are indexed."""

    duplicates: np.ndarray
    places: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    groups: UnionFind = field(default_factory=UnionFind)
    _first_of: dict[str, str] = field(default_factory=dict)

    def taking(self, candidates: Iterable[Candidate]) -> Iterator[tuple[str, str]]:
        """Give name and sequence of those that are no duplicates."""
        again = Walk(self.duplicates)
        for one in candidates:
            if one.kept:
                place, name = place_of(one.unit, one.number), strand_free_key(one.item.sequence).hex()
                self.groups.join(name, self._first_of.setdefault(unversioned(one.item.accession), name))
                if again.index(place) is None:
                    self.places.append(place)
                    self.names.append(name)
                    yield name, one.item.sequence


def _keys(places: list[int], names: list[str]) -> np.ndarray:
    pairs = zip(places, names, strict=True)
    return np.array([(int(name[:16], 16), int(name[16:], 16), place) for place, name in pairs], KEY)
