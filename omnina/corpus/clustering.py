"""Clusters of near-duplicates among all passages that stay, where a configuration asks for them.

They are found in one process that holds every passage's signature (see ``dedup.neighbours``):
BYTES_A_PASSAGE each, so that 64 GB are enough for 9 million passages, or 27 billion bases in windows of
3,000. Whether there is as much is checked before the reading begins. For more, split by accession or taxon.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import psutil

from omnina.corpus.candidate import Candidate
from omnina.corpus.choice import KEY, duplicates_of, place_of
from omnina.corpus.dedup.exact import strand_free_key
from omnina.corpus.dedup.neighbours import NeighbourIndex
from omnina.errors import UserError

# 1,280 of signature and 1,920 of bands, both twice while they are stacked and sorted; names.
BYTES_A_PASSAGE = 7_000


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


def clusters_of(candidates: Iterable[Candidate]) -> np.ndarray:
    """(passages,) KEY: place, and the smallest digest among the near-duplicates, of each, in their order.

    A passage that is too short to be told from chance is a cluster of its own.
    """
    places: list[tuple[int, str]] = []
    clusters = NeighbourIndex(_noted(candidates, places)).clusters()
    names = ((place, clusters.get(name, name)) for place, name in places)
    return np.array([(int(name[:16], 16), int(name[16:], 16), place) for place, name in names], KEY)


def near_duplicates_of(clusters: np.ndarray) -> np.ndarray:
    """(duplicates,) uint64 places of all but the first of each cluster, ascending."""
    return duplicates_of([np.sort(clusters, order=list(KEY.names))])


def _noted(candidates: Iterable[Candidate], places: list) -> Iterator[tuple[str, str]]:
    for one in candidates:
        name = strand_free_key(one.item.sequence).hex()
        places.append((place_of(one.unit, one.number), name))
        yield name, one.item.sequence
