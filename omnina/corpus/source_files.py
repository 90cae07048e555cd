"""The ``sources`` of a corpus configuration -> one checked spec for each record file."""

import glob
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import NoneType
from typing import get_args, get_type_hints

from omnina.corpus.readers.source import SourceSpec, checked_format
from omnina.corpus.readers.streams import COMPRESSIONS
from omnina.corpus.section import checked_mapping, flag, text, texts, whole_number
from omnina.errors import UserError

_OF_EACH = re.compile(r"\{(?:folder|stem)\}")


def source_files(listed: object, folder: Path, where: str) -> Iterator[SourceSpec]:
    """The files of all sources, as listed, the files of a glob by name; UserError for any mistake."""
    if not isinstance(listed, list) or not listed:
        raise UserError(f"{where}: expected a list of sources ('- path: ...'), not {listed!r}.")
    for place, entry in enumerate(listed):
        for one in _patterns(entry, folder, f"{where}[{place}]"):
            yield from _files(_spec(one, f"{where}[{place}]"), folder, f"{where}[{place}]")


def _patterns(entry: object, folder: Path, where: str) -> Iterator[object]:
    """The entry for each pattern of a list in ``path`` that has files; UserError if none has."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("path"), list):
        yield entry
        return
    listed = texts(entry["path"], f"{where}.path")
    found = [path for path in listed if _matches(path, folder)]
    if not found:
        raise UserError(
            f"{where}.path: no file of {', '.join(listed)} in {folder}; is --input the right folder?"
        )
    yield from ({**entry, "path": path} for path in found)


def _matches(pattern: str, folder: Path) -> list[Path]:
    """Files by name; a name that is a file is not taken for a glob."""
    if (folder / pattern).is_file():
        return [folder / pattern]
    # glob and not Path.glob, which has no absolute patterns
    matches = glob.glob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207
    return sorted(path for match in matches if (path := folder / match).is_file())


def _spec(entry: object, where: str) -> SourceSpec:
    hints = get_type_hints(SourceSpec)
    del hints["folder"]  # the input folder
    entry = checked_mapping(entry, tuple(hints), where)
    if "path" not in entry:
        raise UserError(f"{where}: no 'path' in it; name the record file, or several by a glob.")
    return SourceSpec(**{key: _value(value, hints[key], f"{where}.{key}") for key, value in entry.items()})


def _value(value: object, kind: object, where: str) -> object:
    """The value of a key of SourceSpec, by the type of its field."""
    if kind is bool:
        return flag(value, where)
    if kind is int:
        return whole_number(value, 0, where)
    if kind == tuple[str, ...]:
        return texts(value, where)
    if kind == Mapping[str, str]:
        return _fields(value, where)
    if value is None and NoneType in get_args(kind):
        return None
    return text(value, where)


def _fields(value: object, where: str) -> dict[str, str]:
    if not isinstance(value, Mapping) or not value:
        raise UserError(f"{where}: expected lines of the form 'organism: Homo sapiens', not {value!r}.")
    return {str(name): text(said, f"{where}.{name}") for name, said in value.items()}


def _annotation(spec: SourceSpec, path: Path, folder: Path, where: str) -> Path | None:
    """A record file's own annotation: ``{folder}/{stem}.gff.gz`` is named after each."""
    if spec.annotation is None:
        return None
    parent = path.parent.relative_to(folder) if path.is_relative_to(folder) else path.parent
    name = str(spec.annotation).replace("{folder}", str(parent)).replace("{stem}", stem_of(path))
    if not (folder / name).is_file():
        raise UserError(f"{where}.annotation: there is no file {folder / name}.")
    return folder / name


def stem_of(path: Path) -> str:
    """A record file's name without the suffixes of its compression and format."""
    name = path.name
    name = name[: -len(path.suffix)] if path.suffix.lower() in COMPRESSIONS else name
    return name.removesuffix(Path(name).suffix)


def _files(spec: SourceSpec, folder: Path, where: str) -> Iterator[SourceSpec]:
    """One spec for each file."""
    if str(spec.path) == "-":
        raise UserError(f"{where}.path: a corpus is read twice, which stdin cannot be; name a file.")
    paths = _matches(str(spec.path), folder)
    if not paths:
        raise UserError(f"{where}.path: no file '{spec.path}' in {folder}; is --input the right folder?")
    if len(paths) > 1 and spec.annotation is not None and not _OF_EACH.search(str(spec.annotation)):
        raise UserError(
            f"{where}.annotation: one file for {len(paths)} record files; list each alone, or name it after "
            "each, as in '{folder}/{stem}.gff.gz'."
        )
    for path in paths:
        made = replace(spec, path=path, annotation=_annotation(spec, path, folder, where), folder=folder)
        try:
            checked_format(made)
        except UserError as error:
            raise UserError(f"{where}: {error}") from error
        yield made
