"""Clusters of near-duplicates among all passages, where a configuration asks for them, and groups of a split.

A group is stricter than a cluster: passages of one record overlap (windows, flanks, genes and the record that
they are on), and one that is a small part of another is not near it as a whole. So a group holds all passages
of an accession, in all its versions, and all of the accessions that a cluster links. That a passage is left
out as a duplicate changes nothing: its bases may stand in others of its accession.

Everything is on disk, BYTES_A_PASSAGE each; whether there is as much is checked before signatures are made.
What grows with the passages in memory are mapped files, which the system may take back: 4 bytes each for the
clusters, 8 for the places, and 16 for the names of groups. Shapes: P passages, by number (``numbering``).
"""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

from omnina.corpus.choice import KEY, repeated, stretches
from omnina.corpus.dedup.clusters import BLOCK, UnionFind
from omnina.corpus.dedup.sketch import DEFAULT
from omnina.errors import UserError

NAME = np.dtype([("high", "<u8"), ("low", "<u8")])
# A signature and its bands; place, accession and group; for a while parents, places and names.
BYTES_A_PASSAGE = 4 * DEFAULT.values + 12 * DEFAULT.bands + 8 + 24 + 24 + 4 + 8 + 16


def check_disk(passages: int, folder: Path) -> None:
    """UserError if the signatures of so many passages do not fit onto the disk of a folder."""
    needed, free = passages * BYTES_A_PASSAGE, shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"{folder}: dedup.near, or split.by: cluster, among {passages:,} passages takes about "
            f"{needed / 1e9:.1f} GB of disk, and {free / 1e9:.1f} GB are free; choose an --output with more, "
            "build several smaller corpora, or set near: false and split by accession or taxon."
        )


def write_near_duplicates(path: Path, clusters: UnionFind, places: np.ndarray) -> None:
    """Write (duplicates,) uint64 places of all but the first of each cluster, ascending, as ``.npy``."""
    number = sum(map(len, clusters.links()))
    duplicates = np.lib.format.open_memmap(path, "w+", places.dtype, (number,))
    done = 0
    for links in clusters.links():
        duplicates[done : done + len(links)] = places[links[:, 0]]
        done += len(links)


def join_equal(runs: Sequence[np.ndarray], places: np.ndarray, clusters: UnionFind) -> None:
    """Join passages of one digest, from ascending runs of KEY."""
    for stretch in stretches(runs):
        again = np.flatnonzero(repeated(stretch))
        before, after = stretch["place"][again - 1], stretch["place"][again]
        clusters.join(_numbers(before, places), _numbers(after, places))


def write_groups(path: Path, runs: Sequence[np.ndarray], places: np.ndarray, groups: UnionFind) -> None:
    """Write (P,) KEY of all passages by place, as ``.npy``: the digest is the smallest of its group.

    ``runs`` are the ascending KEYs of all passages.
    """
    found = np.lib.format.open_memmap(path, "w+", KEY, (len(places),))
    with TemporaryFile(dir=path.parent) as file:
        names = np.memmap(file, NAME, "w+", shape=(len(places) + 1,)).view(np.ndarray)
        for stretch in stretches(runs, falling=True):
            # From the highest digests to the lowest: the last one that a root is given stays.
            roots, first = np.unique(groups.roots(_numbers(stretch["place"], places)), return_index=True)
            names[roots] = stretch[["high", "low"]][first]
        for start in range(0, len(places), BLOCK):
            block = slice(start, start + BLOCK)
            numbers = np.arange(start, min(start + BLOCK, len(places)), dtype=np.uint32)
            named = names[groups.roots(numbers)]
            found["high"][block], found["low"][block] = named["high"], named["low"]
            found["place"][block] = places[block]


def join_links(files: Iterable[Path], clusters: UnionFind) -> None:
    """Join the links that ``UnionFind.links`` gave to several tasks."""
    for file in files:
        for start in range(0, file.stat().st_size, BLOCK):
            links = np.fromfile(file, np.uint32, BLOCK // 4, offset=start).reshape(-1, 2)
            clusters.join(links[:, 0], links[:, 1])


def _numbers(wanted: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(n,) places -> (n,) int64 numbers, looked up in ascending order, as a mapped file is best read."""
    order = np.argsort(wanted)
    numbers = np.empty(len(wanted), dtype=np.int64)
    numbers[order] = np.searchsorted(places, wanted[order])
    return numbers
