"""The Markov baseline of a run: counted on its training tables, measured on its validation tables.

Tables of more than READ_BYTES together are not read to their end: row groups of Parquet files, and whole text
tables, are drawn by the seed as for a tokenizer (``omnina/vocabulary/units.py``) until they have READ_BYTES,
and reading ends at READ_BYTES bases. ``run.json`` then says so under ``markov_sample``. Of each source
SOURCE_BASES are used at most.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from omnina.dataset import sources_of
from omnina.markov import markov_bits_per_base
from omnina.progress import counted
from omnina.tables.part import WHOLE, TablePart
from omnina.tables.rows import DataSettings
from omnina.tables.table import expand_paths
from omnina.vocabulary.units import InputFile, Unit, choose_units, list_units

SOURCE_BASES = 50_000_000
ALL_ROWS = "all rows"
READ_BYTES = 1_000_000_000  # a minute or two


@dataclass(frozen=True)
class Sample:
    """What of a run's tables the baseline has seen.

    Args:
        sequences: by source.
        table_bytes: of text in all tables.
        bases_read: of it.
        whole: every table was read to its end.
    """

    sequences: dict[str, list[str]]
    table_bytes: int
    bases_read: int
    whole: bool


def markov_baselines(
    train_files: list[str], validation_files: list[str], settings: DataSettings, seed: int
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, int]]]:
    """Bits per base by source, and how much was read of those tables that were not read to their end.

    Without a column of sources all rows are one.

    The first: of order 5 (``order_5``), and of the order that is best on validation (``best``,
    ``best_order``). The second: ``table_bytes``, ``bases_read`` and ``seed`` of ``train`` and ``validation``.
    """
    samples = {
        side: sampled(files, settings, seed)
        for side, files in (("train", train_files), ("validation", validation_files))
    }
    training, validation = (sample.sequences for sample in samples.values())
    if settings.source_column is None:  # sources are files then, and no file is on both sides
        training, validation = _together(training), _together(validation)
    found = {}
    for source in sorted(validation):
        if source in training:
            bits = markov_bits_per_base(training[source], validation[source])
            best = int(np.argmin(bits))
            found[source] = {"order_5": bits[5], "best": bits[best], "best_order": best}
    return found, {
        side: {"table_bytes": sample.table_bytes, "bases_read": sample.bases_read, "seed": seed}
        for side, sample in samples.items()
        if not sample.whole
    }


def _together(sequences: Mapping[str, list[str]]) -> dict[str, list[str]]:
    return {ALL_ROWS: [bases for of_source in sequences.values() for bases in of_source]}


def sampled(files: list[str], settings: DataSettings, seed: int) -> Sample:
    """Sequences of tables by source: all, or those of parts that the seed draws."""
    units = list_units(InputFile(path) for path in expand_paths(files))
    chosen = choose_units(units, READ_BYTES, seed)
    sequences: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    read, whole = 0, len(chosen) == len(units)
    for source, bases in counted(_sequences(chosen, settings), "reading for the baseline", "sequences"):
        if read >= READ_BYTES:
            whole = False
            break
        read += len(bases)
        if sizes.get(source, 0) < SOURCE_BASES:
            sequences.setdefault(source, []).append(bases)
            sizes[source] = sizes.get(source, 0) + len(bases)
    return Sample(sequences, sum(unit.text_bytes for unit in units), read, whole)


def _sequences(units: list[Unit], settings: DataSettings) -> Iterator[tuple[str, str]]:
    for unit in units:
        group = unit.row_group
        part = WHOLE if group is None else TablePart(group, group + 1)
        yield from sources_of(unit.file.path, part, settings)
