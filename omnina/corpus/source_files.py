"""The ``sources`` of a corpus configuration -> one checked spec for each record file."""

import glob
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import NoneType
from typing import get_args, get_type_hints

from omnina.corpus.readers.source import SourceSpec, checked_format
from omnina.corpus.section import checked_mapping, flag, text, texts, whole_number
from omnina.errors import UserError


def source_files(listed: object, folder: Path, where: str) -> Iterator[SourceSpec]:
    """The files of all sources, as listed, the files of a glob by name; UserError for any mistake."""
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
        return flag(value, where)
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
    matches = [whole] if whole.is_file() else glob.glob(str(spec.path), root_dir=folder, recursive=True)  # noqa: PTH207
    paths = sorted(path for match in matches if (path := folder / match).is_file())
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
