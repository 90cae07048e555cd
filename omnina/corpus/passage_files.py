"""What each task writes of its passages where near-duplicates are sought, and all of it together.

``places``                         uint64 places of the passages that could be rows, duplicates too, in order
``counts.npy``                     (the task's units,) int64 how many of them each unit has
``signatures``, ``bands-00000``    see ``dedup.signature_files``; duplicates are not compared
``accessions-00000.npy``           KEYs of accessions, without their versions, in sorted runs

Memory is that of a run, however many passages there are. Shapes: P passages of all tasks.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import numpy as np

from omnina.corpus.candidate import Candidate
from omnina.corpus.choice import DUPLICATE, mapped, place_of, sorted_runs
from omnina.corpus.dedup.exact import KEY_BYTES
from omnina.corpus.dedup.numbering import Numbering
from omnina.corpus.dedup.signature_files import SignatureWriter
from omnina.corpus.dedup.sketch import DEFAULT
from omnina.corpus.split_config import unversioned

PLACE = np.dtype("<u8")
BLOCK = 1 << 20  # places copied at a time
_PLACES, _COUNTS = "places", "counts.npy"


def write_passages(folder: Path, candidates: Iterable[Candidate], units: Sequence[int]) -> None:
    """Fill an empty folder from the candidates of a task's units, in order, duplicates among them marked."""
    counts = dict.fromkeys(units, 0)
    with SignatureWriter(folder, DEFAULT) as signatures, (folder / _PLACES).open("wb") as places:
        accessions = _writing(candidates, signatures, places, counts)
        for number, run in enumerate(sorted_runs(accessions)):
            np.save(folder / f"accessions-{number:05d}.npy", run, allow_pickle=False)
    np.save(folder / _COUNTS, np.array([*counts.values()], dtype=np.int64), allow_pickle=False)


def numbering_of(folders: Sequence[Path], units: int) -> Numbering:
    """Of the passages that the tasks wrote to their folders; ``units`` is how many all tasks have."""
    counts = np.zeros(units, dtype=np.int64)
    for task, folder in enumerate(folders):
        counts[task :: len(folders)] = np.load(folder / _COUNTS, allow_pickle=False)
    return Numbering(counts, len(folders))


def places_of(folders: Sequence[Path], numbering: Numbering, scratch: Path) -> np.ndarray:
    """(P,) uint64 places by number, ascending; a file without a name in the folder ``scratch``, mapped."""
    with TemporaryFile(dir=scratch) as file:
        for task, row, count in numbering.spans():
            for start in range(row, row + count, BLOCK):
                size = min(BLOCK, row + count - start)
                file.write(np.fromfile(folders[task] / _PLACES, PLACE, size, offset=8 * start).tobytes())
        file.write(bytes(8))  # nothing at all cannot be mapped
        file.flush()
        return np.memmap(file, PLACE, "r")[: numbering.passages]


def accession_runs(folders: Sequence[Path]) -> list[np.ndarray]:
    """Ascending runs of KEY, left on disk."""
    return [mapped(path) for folder in folders for path in sorted(folder.glob("accessions-*.npy"))]


def _writing(
    candidates: Iterable[Candidate], signatures: SignatureWriter, places: BinaryIO, counts: dict[int, int]
) -> Iterator[tuple[bytes, int]]:
    """Write and count what could be a row; gives digest of the accession and place."""
    for one in candidates:
        if one.kept or one.left_out == DUPLICATE:
            place = place_of(one.unit, one.number)
            places.write(place.to_bytes(8, "little"))
            signatures.add(one.item.sequence if one.kept else None)
            counts[one.unit] += 1
            accession = unversioned(one.item.accession).encode()
            yield hashlib.blake2b(accession, digest_size=KEY_BYTES).digest(), place
