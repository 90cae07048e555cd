"""The YAML of a corpus run, checked: what to read, what to say of it, what to leave out, how to write it.

    sources:
      - path: genbank/*.gbff.gz        # a glob stands for its files, in the order of their names
        passages: features             # every key of readers.source.SourceSpec
    templates: {annotations: [...]}    # or questions: [...]; templates.Templates
    filters: {min_bases: 200}          # filters.PassageFilters
    output: {format: parquet}          # shards.ShardSettings
    split: {by: accession, shares: {train: 0.98, val: 0.01, test: 0.01}, seed: 0}
    dedup: {near: false}               # equal sequences, on either strand, are always kept once
    forbid: [test.csv]                 # nothing near these tables gets into ``train``
    seed: 0                            # draws who is asked a question that has a share
    range_bytes: 268435456             # of a plain FASTA or flat file that one task reads at a time

Paths of sources are looked up in the input folder, those of ``forbid`` where the command runs.
"""

import glob
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from types import NoneType
from typing import get_args, get_type_hints

from omnina.corpus.dedup.splits import SplitRule
from omnina.corpus.filters import PassageFilters
from omnina.corpus.readers.parts import FilePart
from omnina.corpus.readers.source import SourceSpec, checked_format, source_parts
from omnina.corpus.section import checked_mapping, choice, number, text, texts, whole_number
from omnina.corpus.shards import ShardSettings
from omnina.corpus.templates import Templates
from omnina.corpus.wording import checked_field
from omnina.errors import UserError
from omnina.table import expand_paths

KEYS = ("sources", "templates", "filters", "output", "split", "dedup", "forbid", "seed", "range_bytes")
GROUPS = ("accession", "taxon", "cluster")
SHARES = {"train": 0.98, "val": 0.01, "test": 0.01}
TRAIN = "train"
RANGE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class SplitSettings:
    """What must stay together, and which share goes where.

    Attributes:
        by: ``accession``, ``taxon`` or ``cluster`` (of near-duplicates).
        rank: for ``taxon``, the field that names it: ``organism``, or a rank such as ``lineage.-1``.
    """

    by: str = "accession"
    rank: str = "organism"
    rule: SplitRule = field(default_factory=lambda: SplitRule(0, dict(SHARES)))


@dataclass(frozen=True)
class CorpusConfig:
    """A checked configuration; see the module's docstring.

    Attributes:
        sources: one for each file, in canonical order: as listed, the files of a glob by name.
        units: what a task reads at a time: files or parts of them, in the same order.
        as_written: what decides the rows, as JSON values; recorded beside them.
    """

    sources: tuple[SourceSpec, ...]
    units: tuple[tuple[SourceSpec, FilePart], ...]
    templates: Templates
    filters: PassageFilters
    output: ShardSettings
    split: SplitSettings
    near: bool
    forbid: tuple[Path, ...]
    as_written: Mapping

    @property
    def clusters(self) -> bool:
        """Whether near-duplicates must be found among all passages."""
        return self.near or self.split.by == "cluster"


def read_corpus_config(values: Mapping, folder: Path, forbid: tuple[str, ...], where: str) -> CorpusConfig:
    """Check the mapping of a YAML file.

    Args:
        values: the file's content.
        folder: that relative paths of sources are looked up in.
        forbid: further tables, from the command line.
        where: the file's name, for messages.

    Raises UserError, naming file and key, for whatever is not as it should be, files that are not there too.
    """
    values = checked_mapping(values, KEYS, where)
    for key in ("sources", "templates"):
        if key not in values:
            raise UserError(f"{where}: no '{key}' in it; see configs/corpus/genbank.yaml for one.")
    where = f"{where}: "
    seed = whole_number(values.get("seed", 0), 0, f"{where}seed")
    templates = _templates(values["templates"], f"{where}templates", seed)
    sources = tuple(_sources(values["sources"], folder, f"{where}sources"))
    split = _split(values.get("split", {}), f"{where}split")
    range_bytes = whole_number(values.get("range_bytes", RANGE_BYTES), 1, f"{where}range_bytes")
    forbidden = _forbidden(values.get("forbid", []), forbid, split, f"{where}forbid")
    config = CorpusConfig(
        sources=sources,
        units=tuple((spec, part) for spec in sources for part in source_parts(spec, range_bytes)),
        templates=templates,
        filters=PassageFilters.from_yaml_section(values.get("filters", {}), f"{where}filters"),
        output=ShardSettings.from_yaml_section(
            values.get("output", {}), f"{where}output", questions=bool(templates.questions_asked)
        ),
        split=split,
        near=_near(values.get("dedup", {}), f"{where}dedup"),
        forbid=forbidden,
        as_written={},
    )
    return replace(config, as_written=_as_json(config, values, folder, seed, range_bytes))


def _templates(section: object, where: str, seed: int) -> Templates:
    templates = Templates.from_yaml_section(section, where, seed)
    if templates.annotations and templates.questions_asked:
        raise UserError(
            f"{where}: annotations and questions make different tables; "
            "write two configurations, one with each."
        )
    return templates


def _sources(listed: object, folder: Path, where: str) -> Iterator[SourceSpec]:
    if not isinstance(listed, list) or not listed:
        raise UserError(f"{where}: expected a list of sources ('- path: ...'), not {listed!r}.")
    for place, entry in enumerate(listed):
        yield from _files(_spec(entry, f"{where}[{place}]"), folder, f"{where}[{place}]")


def _spec(entry: object, where: str) -> SourceSpec:
    hints = get_type_hints(SourceSpec)
    entry = checked_mapping(entry, tuple(hints), where)
    if "path" not in entry:
        raise UserError(f"{where}: no 'path' in it; name the record file, or several by a glob.")
    return SourceSpec(**{key: _value(value, hints[key], f"{where}.{key}") for key, value in entry.items()})


def _value(value: object, kind: object, where: str) -> object:
    """The value of a key of SourceSpec, by the type of its field."""
    if kind is bool:
        if not isinstance(value, bool):
            raise UserError(f"{where}: expected true or false, not {value!r}.")
        return value
    if kind is int:
        return whole_number(value, 0, where)
    if kind == tuple[str, ...]:
        return texts(value, where)
    if value is None and NoneType in get_args(kind):
        return None
    return text(value, where)


def _files(spec: SourceSpec, folder: Path, where: str) -> Iterator[SourceSpec]:
    """One spec for each file; a name that is a file is not taken for a glob."""
    if str(spec.path) == "-":
        raise UserError(f"{where}.path: a corpus is read twice, which stdin cannot be; name a file.")
    whole = folder / spec.path
    # glob and not Path.glob, which has no absolute patterns
    matches = [whole] if whole.is_file() else map(Path, glob.glob(str(whole), recursive=True))  # noqa: PTH207
    paths = sorted(path for path in matches if path.is_file())
    if not paths:
        raise UserError(f"{where}.path: no file '{spec.path}' in {folder}; is --input the right folder?")
    if spec.annotation is not None:
        if len(paths) > 1:
            raise UserError(f"{where}.annotation: one file for {len(paths)} record files; list each alone.")
        spec = replace(spec, annotation=folder / spec.annotation)
        if not spec.annotation.is_file():
            raise UserError(f"{where}.annotation: there is no file {spec.annotation}.")
    for path in paths:
        made = replace(spec, path=path)
        try:
            checked_format(made)
        except UserError as error:
            raise UserError(f"{where}: {error}") from error
        yield made


def _split(section: object, where: str) -> SplitSettings:
    section = checked_mapping(section, ("by", "rank", "shares", "seed"), where)
    by = choice(section.get("by", "accession"), GROUPS, f"{where}.by")
    if "rank" in section and by != "taxon":
        raise UserError(f"{where}.rank: it names the taxon; set by: taxon or leave it out.")
    rank = checked_field(text(section.get("rank", "organism"), f"{where}.rank"), f"{where}.rank")
    shares = section.get("shares", SHARES)
    if not isinstance(shares, Mapping) or not shares:
        raise UserError(f"{where}.shares: expected lines of the form 'train: 0.98', not {shares!r}.")
    shares = {str(side): number(share, 0, 1, f"{where}.shares.{side}") for side, share in shares.items()}
    for side in shares:
        if not side.replace("_", "").isalnum():
            raise UserError(f"{where}.shares: '{side}' must be letters, digits and underscores only.")
    try:
        rule = SplitRule(whole_number(section.get("seed", 0), 0, f"{where}.seed"), shares)
    except ValueError as error:
        raise UserError(f"{where}.shares: {error}.") from error
    return SplitSettings(by, rank, rule)


def _forbidden(listed: object, more: tuple[str, ...], split: SplitSettings, where: str) -> tuple[Path, ...]:
    named = [*(texts(listed, where) if listed else ()), *more]
    if named and TRAIN not in split.rule.shares:
        raise UserError(f"{where}: it keeps rows out of '{TRAIN}', but split.shares has no such side.")
    return tuple(path.resolve() for path in expand_paths(named)) if named else ()


def _near(section: object, where: str) -> bool:
    section = checked_mapping(section, ("near",), where)
    return _value(section.get("near", False), bool, f"{where}.near")


def _as_json(config: CorpusConfig, values: Mapping, folder: Path, seed: int, range_bytes: int) -> dict:
    """What decides the rows: not where files lie, but their names in the input folder and sizes."""
    return {
        "sources": values["sources"],
        "files": _listing(config.sources, folder),
        "templates": values["templates"],
        "filters": asdict(config.filters),
        "output": {entry.name: getattr(config.output, entry.name) for entry in fields(config.output)},
        "split": {
            "by": config.split.by,
            "rank": config.split.rank,
            "shares": dict(config.split.rule.shares),
            "seed": config.split.rule.seed,
        },
        "dedup": {"near": config.near},
        "forbid": [{"file": path.name, "sha256": _sha256(path)} for path in config.forbid],
        "seed": seed,
        "range_bytes": range_bytes,
    }


def _listing(sources: tuple[SourceSpec, ...], folder: Path) -> dict:
    """Number and bytes of the record files, and a digest of names and sizes (to hash nt takes an hour)."""
    paths = [path for spec in sources for path in (spec.path, spec.annotation) if path is not None]
    sizes = [(_name(path, folder), path.stat().st_size) for path in paths]
    lines = "".join(f"{name}\t{size}\n" for name, size in sizes)
    digest = hashlib.sha256(lines.encode()).hexdigest()
    return {"number": len(sizes), "bytes": sum(size for _, size in sizes), "names_and_sizes_sha256": digest}


def _name(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
