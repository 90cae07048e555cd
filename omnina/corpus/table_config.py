"""One table of a corpus run: what is read for it, what is said, what is left out, how it is written."""

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from omnina.corpus.filters import PassageFilters
from omnina.corpus.readers.parts import FilePart
from omnina.corpus.readers.source import SourceSpec
from omnina.corpus.sample_config import Sample, read_sample
from omnina.corpus.section import checked_mapping, flag
from omnina.corpus.shards import ShardSettings
from omnina.corpus.source_files import source_files
from omnina.corpus.templates import Templates
from omnina.errors import UserError

TABLE_KEYS = ("sources", "templates", "filters", "dedup", "sample", "output")
_NAME = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Table:
    """A table's checked section.

    Attributes:
        name: empty where a configuration has one table.
        sources: one for each file, in canonical order: as listed, the files of a glob by name.
        near: leave out near-duplicates too.
        shared: leave out what is in several groups of the split.
        sample: None: every row is taken.
    """

    name: str
    sources: tuple[SourceSpec, ...]
    templates: Templates
    filters: PassageFilters
    near: bool
    shared: bool
    sample: Sample | None
    output: ShardSettings

    def as_written(self, section: Mapping) -> dict:
        """What decides the rows, as JSON values, defaults filled in."""
        return {
            "sources": section["sources"],
            "source_settings": self._source_settings(),
            "templates": section["templates"],
            "filters": asdict(self.filters),
            "dedup": {"near": self.near, "shared": self.shared},
            "sample": section.get("sample"),
            "output": asdict(self.output),
        }

    def _source_settings(self) -> list[dict]:
        """Each different way in which files are read, defaults filled in; the files are listed elsewhere."""
        of_place = ("path", "annotation", "folder")
        found = [
            {name: value for name, value in asdict(spec).items() if name not in of_place}
            for spec in self.sources
        ]
        return [settings for place, settings in enumerate(found) if settings not in found[:place]]


@dataclass(frozen=True)
class Unit:
    """What a task reads at a time: a record file for a table, or a part of one."""

    table: Table
    spec: SourceSpec
    part: FilePart

    @property
    def label(self) -> str:
        """What its passages are counted under: its table's name and its source's, if they have one."""
        return " ".join(filter(None, (self.table.name, self.spec.source)))


def read_table(
    name: str, section: Mapping, folder: Path, sides: Collection[str], seed: int, where: str
) -> Table:
    """Read a table's keys from a mapping, whose other keys are checked already.

    ``where`` is what stands before a key in messages. Raises UserError for whatever is not as it should be.
    """
    if name and not _NAME.fullmatch(name):
        raise UserError(f"{where}the table's name '{name}' must be letters and digits only.")
    for key in ("sources", "templates"):
        if key not in section:
            raise UserError(f"{where}no '{key}' in it; see configs/corpus/genbank.yaml for one.")
    templates = _templates(section["templates"], f"{where}templates", seed)
    sources = tuple(source_files(section["sources"], folder, f"{where}sources"))
    names = _source_names(sources, f"{where}sources")
    dedup = checked_mapping(section.get("dedup", {}), ("near", "shared"), f"{where}dedup")
    asked = bool(templates.questions_asked)
    return Table(
        name=name,
        sources=sources,
        templates=templates,
        filters=PassageFilters.from_yaml_section(section.get("filters", {}), f"{where}filters"),
        near=flag(dedup.get("near", False), f"{where}dedup.near"),
        shared=flag(dedup.get("shared", False), f"{where}dedup.shared"),
        sample=_sample(section, sides, names, templates, where),
        output=ShardSettings.from_yaml_section(
            section.get("output", {}), f"{where}output", questions=asked, source=bool(names)
        ),
    )


def _templates(section: object, where: str, seed: int) -> Templates:
    templates = Templates.from_yaml_section(section, where, seed)
    if templates.annotations and templates.questions_asked:
        raise UserError(
            f"{where}: annotations and questions make different tables; "
            "write two configurations, one with each, or two 'tables'."
        )
    return templates


def _source_names(sources: tuple[SourceSpec, ...], where: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(spec.source for spec in sources if spec.source))
    if names and not all(spec.source for spec in sources):
        raise UserError(f"{where}: some have a 'source' and some do not; name all or none.")
    return names


def _sample(
    section: Mapping, sides: Collection[str], sources: tuple[str, ...], templates: Templates, where: str
) -> Sample | None:
    if "sample" not in section:
        return None
    names = {"source": sources, "question": [one.name for one in templates.questions_asked]}
    return read_sample(section["sample"], sides, names, f"{where}sample")
