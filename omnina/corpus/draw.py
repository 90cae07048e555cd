"""What no passage decides alone: what several groups share, which are held out, which rows are sampled.

One step decides it from the notes of all tasks, by seeded keys; the same whatever the number of tasks.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from omnina.corpus.choice import KEY, place_of
from omnina.corpus.corpus_config import CorpusConfig
from omnina.corpus.dedup.splits import SplitRule
from omnina.corpus.notes import GROUP, NO_GROUP, ROW_PLACE, Noted, seeded_bits
from omnina.corpus.progress import Progress
from omnina.corpus.sample_config import Sample
from omnina.corpus.split_config import TRAIN
from omnina.files.durable import write_whole

SIDE = np.dtype([*GROUP.descr, ("side", "<u4")])

Group = tuple[int, int]


@dataclass(frozen=True)
class Draw:
    """What was decided.

    Attributes:
        shared: (.,) uint64 places of the passages that are in several groups, ascending.
        sides: (.,) SIDE of the groups that are not trained on; the side's number in the shares.
        drawn: (.,) ROW_PLACE of the rows that are taken where there is a limit, in canonical order.
    """

    shared: np.ndarray
    sides: np.ndarray
    drawn: np.ndarray

    def save(self, path: Path) -> None:
        """Write all of it."""
        write_whole(path, lambda stream: np.savez(stream, **vars(self)))

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

    def of_unit(self, unit: int) -> tuple[set[int], set[tuple[int, int]]]:
        """Numbers of the shared passages of a unit, and (number, row) of the rows drawn from it."""
        first, of_unit = place_of(unit, 0), range(unit, unit + 1)
        shared = self.shared[_span(self.shared, of_unit)].tolist()
        drawn = self.drawn[_span(self.drawn["place"], of_unit)].tolist()
        return {place - first for place in shared}, {(place - first, row) for place, row in drawn}


def draw_among(
    runs: Sequence[np.ndarray], duplicates: np.ndarray, config: CorpusConfig, progress: Progress
) -> Draw:
    """Decide from the keys' runs of all tasks, the places of duplicates, and the tasks' notes."""
    noted = Noted.load(progress.notes_file(task) for task in range(progress.tasks))
    shared = _shared(noted, runs, config)
    usable = ~np.isin(noted.places, np.concatenate((duplicates, shared)))
    usable &= noted.groups != np.array(NO_GROUP, GROUP)
    places, groups = noted.places[usable], noted.groups[usable]
    sides = {}
    if config.split.fill:
        of_sources = _groups_of_sources(places, groups, config)
        sides = filled(of_sources, config.split.rule.shares, set(noted.train_only.tolist()))
    drawn = _drawn(noted.rows, places, groups, sides, config)
    names = list(config.split.rule.shares)
    held = [(high, low, names.index(side)) for (high, low), side in sorted(sides.items())]
    return Draw(shared, np.array(held, SIDE), np.sort(drawn))


def shared_of(keys: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(.,) uint64 places of the passages whose digest is in two or more groups, ascending.

    From (passages,) KEY and the GROUP of each.
    """
    if not len(keys):
        return np.empty(0, np.uint64)
    order = np.lexsort((groups["low"], groups["high"], keys["low"], keys["high"]))
    digests, owners = keys[["high", "low"]][order], groups[order]
    begins = np.concatenate(([True], digests[1:] != digests[:-1]))
    run = np.cumsum(begins) - 1
    several = np.zeros(run[-1] + 1, dtype=bool)
    several[run[1:][~begins[1:] & (owners[1:] != owners[:-1])]] = True
    return np.sort(keys["place"][order[several[run]]])


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


def _shared(noted: Noted, runs: Sequence[np.ndarray], config: CorpusConfig) -> np.ndarray:
    """(.,) uint64 places of what is shared in the tables that leave it out, ascending."""
    found = [np.empty(0, np.uint64)]
    for units in (units for table, units in config.units_of_tables if table.shared):
        keys = [np.empty(0, KEY), *(run[_within(run["place"], units)] for run in runs)]
        keys = np.concatenate(keys)
        found.append(shared_of(keys, noted.groups[np.searchsorted(noted.places, keys["place"])]))
    return np.concatenate(found)


def _groups_of_sources(places: np.ndarray, groups: np.ndarray, config: CorpusConfig) -> Iterable[np.ndarray]:
    """Groups of the first table's passages of each source by its name, in the order of the first units."""
    _, of_table = config.units_of_tables[0]
    units: dict[str | None, list[int]] = {}
    for number in of_table:
        units.setdefault(config.units[number].spec.source, []).append(number)
    for numbers in units.values():
        spans = [groups[_span(places, range(number, number + 1))] for number in numbers]
        yield np.concatenate(spans)


def _drawn(
    rows: np.ndarray, places: np.ndarray, groups: np.ndarray, sides: dict[Group, str], config: CorpusConfig
) -> np.ndarray:
    """(.,) ROW_PLACE of what the samples take, from the ROWs of the usable passages.

    ``places`` and ``groups`` are those of the usable passages, ascending.
    """
    rows = rows[np.isin(rows["place"], places)]
    of_groups = groups[np.searchsorted(places, rows["place"])]
    found, number = np.unique(of_groups, return_inverse=True)
    rule = config.split.rule
    named = [
        sides.get(group, TRAIN) if config.split.fill else rule.side_at(group[0]) for group in found.tolist()
    ]
    row_sides = np.array(named, dtype=str)[number] if len(rows) else np.empty(0, dtype=str)
    taken = [np.empty(0, ROW_PLACE)]
    for table, units in config.units_of_tables:
        of_table = _within(rows["place"], units)
        for side, name, limit in _limits(table.sample) if table.sample else ():
            pool = rows[of_table & (row_sides == side) & (rows["name"] == table.sample.names.index(name))]
            taken.append(first_bytes(pool, limit))
    return np.concatenate(taken)


def _limits(sample: Sample) -> Iterable[tuple[str, str, int]]:
    return ((side, name, limit) for side, named in sample.bytes.items() for name, limit in named.items())


def first_bytes(rows: np.ndarray, limit: int) -> np.ndarray:
    """(.,) ROW_PLACE of rows in seeded order, up to the first that would exceed ``limit`` bytes."""
    order = np.lexsort((rows["row"], rows["place"], rows["low"], rows["high"], rows["later"]))
    ordered = rows[order]
    ordered = ordered[np.cumsum(ordered["bytes"]) <= limit]
    places = np.empty(len(ordered), ROW_PLACE)
    for name in places.dtype.names:
        places[name] = ordered[name]
    return places


def _within(places: np.ndarray, units: range) -> np.ndarray:
    """(places,) bool: which are in these units."""
    return (places >= place_of(units.start, 0)) & (places < place_of(units.stop, 0))


def _span(places: np.ndarray, units: range) -> slice:
    """Where these units stand among ascending places."""
    borders = np.array([place_of(units.start, 0), place_of(units.stop, 0)], np.uint64)
    return slice(*np.searchsorted(places, borders))
