"""What no passage decides alone: what several groups share, which are held out, which rows are sampled.

One step decides it from the notes of all tasks, by seeded keys; the same whatever the number of tasks.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from omnina.corpus.choice import PLACE
from omnina.corpus.corpus_config import CorpusConfig
from omnina.corpus.dedup.splits import SplitRule
from omnina.corpus.notes import GROUP, NO_GROUP, ROW_PLACE, Noted, seeded_bits
from omnina.corpus.progress import Progress
from omnina.corpus.sample_config import Sample
from omnina.corpus.split_config import TRAIN

SIDE = np.dtype([*GROUP.descr, ("side", "<u4")])
_FILE_BITS = 40  # of a place as one number, the passage's number below

Group = tuple[int, int]


@dataclass(frozen=True)
class Draw:
    """What was decided.

    Attributes:
        shared: (.,) PLACE of passages that are in several groups, in canonical order.
        sides: (.,) SIDE of the groups that are not trained on; the side's number in the shares.
        drawn: (.,) ROW_PLACE of the rows that are taken where there is a limit, in canonical order.
    """

    shared: np.ndarray
    sides: np.ndarray
    drawn: np.ndarray

    def save(self, path: Path) -> None:
        """Write aside and rename."""
        aside = path.with_name(f".{path.name}")
        np.savez(aside, **vars(self))
        aside.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Draw":
        """What ``save`` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{name: arrays[name] for name in arrays.files})

    def filled_sides(self, rule: SplitRule) -> Callable[[str], str]:
        """Where a group goes by its name."""
        names = list(rule.shares)
        held = {(high, low): names[side] for high, low, side in self.sides.tolist()}
        return lambda group: held.get(seeded_bits(rule.seed, group), TRAIN)

    def of_file(self, file: int) -> tuple[set[int], set[tuple[int, int]]]:
        """Numbers of the shared passages of a record file, and (number, row) of the rows drawn from it."""
        shared, drawn = (array[_span(array, file)] for array in (self.shared, self.drawn))
        return set(shared["number"].tolist()), set(drawn[["number", "row"]].tolist())


def draw_among(keys: np.ndarray, duplicates: np.ndarray, config: CorpusConfig, progress: Progress) -> Draw:
    """Decide from the keys of all tasks, the PLACEs of duplicates, and the tasks' notes."""
    noted = Noted.load(progress.notes_file(task) for task in range(progress.tasks))
    order = np.argsort(_codes(keys))
    keys, groups = keys[order], noted.groups[order]
    tables = [(table, _span(keys, files.start, files.stop)) for table, files in config.files_of_tables]
    shared = [shared_of(keys[span], groups[span]) for table, span in tables if table.shared]
    shared = np.concatenate([np.empty(0, PLACE), *shared])
    usable = ~np.isin(_codes(keys), np.concatenate((_codes(duplicates), _codes(shared))))
    usable &= groups != np.array(NO_GROUP, GROUP)
    sides = {}
    if config.split.fill:
        _, span = tables[0]
        of_sources = _groups_of_sources(keys[span][usable[span]], groups[span][usable[span]], config)
        sides = filled(of_sources, config.split.rule.shares, set(noted.train_only.tolist()))
    drawn = _drawn(noted, keys[usable], groups[usable], sides, config)
    names = list(config.split.rule.shares)
    held = [(high, low, names.index(side)) for (high, low), side in sorted(sides.items())]
    return Draw(shared, np.array(held, SIDE), np.sort(drawn))


def shared_of(keys: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(.,) PLACE of the passages whose digest is in two or more groups, from (passages,) KEY and GROUP."""
    if not len(keys):
        return np.empty(0, PLACE)
    order = np.lexsort((groups["low"], groups["high"], keys["low"], keys["high"]))
    digests, owners = keys[["high", "low"]][order], groups[order]
    begins = np.concatenate(([True], digests[1:] != digests[:-1]))
    run = np.cumsum(begins) - 1
    several = np.zeros(run[-1] + 1, dtype=bool)
    several[run[1:][~begins[1:] & (owners[1:] != owners[:-1])]] = True
    found = np.sort(order[several[run]])
    places = np.empty(len(found), PLACE)
    for name in places.dtype.names:
        places[name] = keys[name][found]
    return places


def filled(
    groups_of_sources: Iterable[np.ndarray], shares: Mapping[str, float], train_only: set[Group]
) -> dict[Group, str]:
    """The groups that are not trained on, and their sides.

    Args:
        groups_of_sources: for each source (passages,) GROUP.
        shares: of the passages, by side.
        train_only: groups that stay with ``train``.
    """
    placed: dict[Group, str] = {}
    for groups in groups_of_sources:
        found, sizes = np.unique(groups, return_counts=True)  # sorted, so in seeded order
        wanted = {side: share * len(groups) for side, share in shares.items() if side != TRAIN}
        for group, size in zip(found.tolist(), sizes.tolist(), strict=True):
            side = placed.get(group) or next((side for side, left in wanted.items() if left > 0), None)
            if side is not None and group not in train_only:
                placed[group] = side
                wanted[side] -= size
    return placed


def _groups_of_sources(keys: np.ndarray, groups: np.ndarray, config: CorpusConfig) -> Iterable[np.ndarray]:
    """Groups of the passages of each source by its name, in the order of the first files."""
    names = [spec.source for spec in config.sources]
    for name in dict.fromkeys(names):
        files = [file for file, other in enumerate(names) if other == name]
        yield groups[np.isin(keys["file"], files)]


def _drawn(
    noted: Noted, keys: np.ndarray, groups: np.ndarray, sides: dict[Group, str], config: CorpusConfig
) -> np.ndarray:
    """(.,) ROW_PLACE of what the samples take, from the usable passages in canonical order."""
    rows = noted.rows[np.isin(_codes(noted.rows), _codes(keys))]
    of_groups = groups[np.searchsorted(_codes(keys), _codes(rows))]
    found, number = np.unique(of_groups, return_inverse=True)
    rule = config.split.rule
    named = [
        sides.get(group, TRAIN) if config.split.fill else rule.side_at(group[0]) for group in found.tolist()
    ]
    row_sides = np.array(named, dtype=str)[number] if len(rows) else np.empty(0, dtype=str)
    taken = [np.empty(0, ROW_PLACE)]
    for table, files in config.files_of_tables:
        of_table = (rows["file"] >= files.start) & (rows["file"] < files.stop)
        for side, name, limit in _limits(table.sample) if table.sample else ():
            pool = rows[of_table & (row_sides == side) & (rows["name"] == table.sample.names.index(name))]
            taken.append(first_bytes(pool, limit))
    return np.concatenate(taken)


def _limits(sample: Sample) -> Iterable[tuple[str, str, int]]:
    return ((side, name, limit) for side, named in sample.bytes.items() for name, limit in named.items())


def first_bytes(rows: np.ndarray, limit: int) -> np.ndarray:
    """(.,) ROW_PLACE of rows in seeded order, up to the first that would exceed ``limit`` bytes."""
    order = np.lexsort((rows["row"], rows["number"], rows["file"], rows["low"], rows["high"], rows["later"]))
    ordered = rows[order]
    ordered = ordered[np.cumsum(ordered["bytes"]) <= limit]
    places = np.empty(len(ordered), ROW_PLACE)
    for name in places.dtype.names:
        places[name] = ordered[name]
    return places


def _codes(places: np.ndarray) -> np.ndarray:
    """(.,) uint64: places as numbers that sort like them."""
    return (places["file"].astype(np.uint64) << np.uint64(_FILE_BITS)) | places["number"].astype(np.uint64)


def _span(array: np.ndarray, first: int, stop: int | None = None) -> slice:
    """Where the record files from ``first`` to before ``stop`` stand in an array in canonical order."""
    return slice(*np.searchsorted(array["file"], [first, first + 1 if stop is None else stop]))
