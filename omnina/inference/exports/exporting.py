"""The export of a checkpoint: what its folder is good for as it stands, then each format asked for."""

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

from omnina.errors import UserError
from omnina.files.durable import whole_folder
from omnina.files.new_file import check_new_file
from omnina.inference.exports import REQUIREMENTS
from omnina.inference.exports.checkpoint import ExportedCheckpoint


def check_formats(formats: Sequence[str], output: Path | None) -> None:
    """UserError, before the checkpoint is read, for a format without its packages or a place."""
    if formats and output is None:
        raise UserError("--formats needs --output: the folder to write.")
    if output is not None and not formats:
        raise UserError("--output needs --formats: what to write there.")
    if output is not None:
        check_new_file(output, "--output")
    for name in formats:
        _writer(name)


def export(folder: Path, formats: Sequence[str], output: Path | None, gguf_type: str) -> Iterator[str]:
    """Check a checkpoint, then write each format into ``output``, which appears whole or not at all.

    Args:
        folder: the checkpoint.
        formats: of ``FORMATS``.
        output: must not exist; None without formats.
        gguf_type: how a GGUF file holds matrices.

    Yields sentences on what was found and written. Raises UserError for a checkpoint that is not whole, or an
    export that does not compute what the checkpoint does.
    """
    check_formats(formats, output)
    checkpoint = ExportedCheckpoint(folder)
    yield checkpoint.check_transformers()
    yield from checkpoint.told_readers()
    if output is None:
        return
    with whole_folder(output) as aside:
        told = [_written(name, checkpoint, aside, gguf_type) for name in dict.fromkeys(formats)]
    yield from (sentence.replace(str(aside), str(output)) for sentence in told)


def _written(name: str, checkpoint: ExportedCheckpoint, output: Path, gguf_type: str) -> str:
    if name == "transformers":
        return f"{checkpoint.copy(output)}: the files that others need, without the run's own"
    if name == "gguf":
        return _writer(name).export_gguf(checkpoint, output, gguf_type)
    return _writer(name).export_onnx(checkpoint, output)


def _writer(name: str) -> ModuleType | Callable | None:
    """The module that writes a format; its packages are no part of the usual set."""
    module = {"gguf": "gguf_file", "onnx": "onnx_graph"}.get(name)
    if module is None:
        return None
    try:
        return import_module(f"omnina.inference.exports.{module}")
    except ImportError as error:
        raise UserError(
            f"the {name} export needs packages beyond the usual set ({error}): pip install -r {REQUIREMENTS}"
        ) from error
