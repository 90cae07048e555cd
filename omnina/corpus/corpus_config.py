"""The YAML of a corpus run, checked: what to read, what to say of it, what to leave out, how to write it.

    sources:
      - path: genbank/*.gbff.gz        # a glob stands for its files, in the order of their names
        passages: features             # every key of readers.source.SourceSpec but folder
      - path: ["**/*.fna.gz"]          # several globs are read one after another; some may find nothing
        annotation: "{folder}/{stem}.gff.gz"  # each file's own, named after it
        passages: features
        fields: {organism: Homo sapiens}  # where the files do not say it
    templates: {annotations: [...]}    # or questions: [...]; templates.Templates
    filters: {min_bases: 200}          # filters.PassageFilters
    dedup: {near: false, shared: false}  # equal sequences, on either strand, are always kept once; shared
                                       # true: what is in several groups of the split is left out
    sample: {bytes: ...}               # sample_config
    output: {format: parquet}          # shards.ShardSettings
    split: {by: accession, shares: {train: 0.98, val: 0.01, test: 0.01}, seed: 0}   # split_config
    forbid: [test.csv]                 # nothing near these tables gets into ``train``
    seed: 0                            # draws who is asked a question that has a share, samples, and orders
    range_bytes: 268435456             # of a plain FASTA or flat file that one task reads at a time

Several tables in one run have a name each and the keys above down to ``output``; a group of the split is on
one side in all of them, with ``fill`` on that where the first table's passages put it (groups that the first
table lacks are trained on):

    tables:
      pretrain: {sources: ..., templates: ...}
      finetune: {sources: ..., templates: ...}
    split: ...

Paths of sources are looked up in the input folder (``**/x.gbk`` is x.gbk wherever it lies below), those of
``forbid`` where the command runs.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path

from omnina.corpus.readers.source import SourceSpec, source_parts
from omnina.corpus.section import checked_mapping, texts, whole_number
from omnina.corpus.split_config import TRAIN, SplitSettings, read_split
from omnina.corpus.table_config import TABLE_KEYS, Table, Unit, read_table
from omnina.errors import UserError
from omnina.tables.table import expand_paths

RUN_KEYS = ("split", "forbid", "seed", "range_bytes")
RANGE_BYTES = 256 * 2**20
END_BYTES = 2**20


@dataclass(frozen=True)
class CorpusConfig:
    """A checked configuration; see the module's docstring.

    Attributes:
        tables: one or more.
        units: what a task reads at a time, files or parts of them, in canonical order: table after table, its
            sources as listed, the files of a glob by name.
        seed: of draws and orders.
        as_written: what decides the rows, as JSON values; recorded beside them.
    """

    tables: tuple[Table, ...]
    units: tuple[Unit, ...]
    split: SplitSettings
    forbid: tuple[Path, ...]
    seed: int
    as_written: Mapping

    @cached_property
    def units_of_tables(self) -> tuple[tuple[Table, range], ...]:
        """Each table with the numbers of its units."""
        counts = Counter(unit.table.name for unit in self.units)
        stops = list(accumulate(counts[table.name] for table in self.tables))
        return tuple(zip(self.tables, map(range, [0, *stops], stops), strict=True))

    @property
    def near(self) -> bool:
        """Whether near-duplicates are left out."""
        return any(table.near for table in self.tables)

    @property
    def clusters(self) -> bool:
        """Whether near-duplicates must be found among all passages."""
        return self.near or self.split.by == "cluster"

    @property
    def draws(self) -> bool:
        """Whether something is decided by all groups or rows together, and not by each alone."""
        return self.split.fill or any(table.shared or table.sample for table in self.tables)


def read_corpus_config(values: Mapping, folder: Path, forbid: tuple[str, ...], where: str) -> CorpusConfig:
    """Check the mapping of a YAML file.

    Args:
        values: the file's content.
        folder: that relative paths of sources are looked up in.
        forbid: further tables, from the command line.
        where: the file's name, for messages.

    Raises UserError, naming file and key, for whatever is not as it should be, files that are not there too.
    """
    several = "tables" in values
    values = checked_mapping(values, (*(("tables",) if several else TABLE_KEYS), *RUN_KEYS), where)
    seed = whole_number(values.get("seed", 0), 0, f"{where}: seed")
    range_bytes = whole_number(values.get("range_bytes", RANGE_BYTES), 1, f"{where}: range_bytes")
    split = read_split(values.get("split", {}), f"{where}: split")
    sections = _sections(values, where)
    tables = tuple(
        read_table(name, section, folder, split.rule.shares, seed, _prefix(name, where))
        for name, section in sections.items()
    )
    forbidden = _forbidden(values.get("forbid", []), forbid, split, f"{where}: forbid")
    config = CorpusConfig(tables, _units(tables, range_bytes), split, forbidden, seed, as_written={})
    _check_clusters(config, where)
    written = _as_json(config, sections, folder) | {"range_bytes": range_bytes}
    return replace(config, as_written=written | {"split": _split_as_json(split, values.get("split", {}))})


def _sections(values: Mapping, where: str) -> Mapping[str, Mapping]:
    """The tables' own keys, by name."""
    if "tables" not in values:
        return {"": {key: value for key, value in values.items() if key in TABLE_KEYS}}
    tables = values["tables"]
    if not isinstance(tables, Mapping) or not tables:
        raise UserError(f"{where}: tables: expected tables by name ('pretrain: ...'), not {tables!r}.")
    return {
        str(name): checked_mapping(section, TABLE_KEYS, f"{where}: tables.{name}")
        for name, section in tables.items()
    }


def _units(tables: tuple[Table, ...], range_bytes: int) -> tuple[Unit, ...]:
    return tuple(
        Unit(table, spec, part)
        for table in tables
        for spec in table.sources
        for part in source_parts(spec, range_bytes)
    )


def _prefix(name: str, where: str) -> str:
    return f"{where}: tables.{name}." if name else f"{where}: "


def _check_clusters(config: CorpusConfig, where: str) -> None:
    if config.clusters and (len(config.tables) > 1 or config.draws):
        raise UserError(
            f"{where}: near-duplicates and clusters are found for one table, without fill, shared or sample; "
            "set dedup.near: false and split.by: accession or taxon."
        )


def _forbidden(listed: object, more: tuple[str, ...], split: SplitSettings, where: str) -> tuple[Path, ...]:
    named = [*(texts(listed, where) if listed else ()), *more]
    if named and TRAIN not in split.rule.shares:
        raise UserError(f"{where}: it keeps rows out of '{TRAIN}', but split.shares has no such side.")
    return tuple(path.resolve() for path in expand_paths(named)) if named else ()


def _as_json(config: CorpusConfig, sections: Mapping[str, Mapping], folder: Path) -> dict:
    """What decides the rows: not where files lie, but their names in the input folder and sizes."""
    tables = {table.name: table.as_written(sections[table.name]) for table in config.tables}
    return {
        **tables.get("", {"tables": tables}),
        "files": _listing([spec for table in config.tables for spec in table.sources], folder),
        "forbid": [{"file": path.name, "sha256": _sha256(path)} for path in config.forbid],
        "seed": config.seed,
    }


def _split_as_json(split: SplitSettings, section: Mapping) -> dict:
    return {
        "by": split.by,
        "rank": section.get("rank", "organism"),
        "shares": dict(split.rule.shares),
        "seed": split.rule.seed,
        **({"fill": True, "train_only": section.get("train_only", [])} if split.fill else {}),
    }


def _listing(sources: Iterable[SourceSpec], folder: Path) -> dict:
    """Number and bytes of the record files, and a digest of names, sizes, ends (all of nt takes an hour)."""
    paths = [path for spec in sources for path in (spec.path, spec.annotation) if path is not None]
    sizes = [path.stat().st_size for path in paths]
    digest = hashlib.sha256()
    for path, size in zip(paths, sizes, strict=True):
        digest.update(f"{_name(path, folder)}\t{size}\t{_digest_of_ends(path, size)}\n".encode())
    return {"number": len(sizes), "bytes": sum(sizes), "names_sizes_ends_sha256": digest.hexdigest()}


def _name(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def _digest_of_ends(path: Path, size: int) -> str:
    """sha256 of the first and the last END_BYTES, all of a short file."""
    with path.open("rb") as stream:
        digest = hashlib.sha256(stream.read(END_BYTES))
        stream.seek(max(END_BYTES, size - END_BYTES))
        digest.update(stream.read())
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
