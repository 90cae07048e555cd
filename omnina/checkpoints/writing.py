"""Checkpoints that are there whole or not at all, also when a process is killed or the disk is full.

All processes write into ``.checkpoint-N.partial``. When every one of them is done, the main one lists sizes
and checksums, waits until all of it is on disk, and renames the folder. Only then older ones are removed. A
folder named ``checkpoint-N`` was therefore written to its end; its manifest tells whether it still is.

The model at the end of a run lies among the run's other files, so its files are moved one by one, the
manifest last.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from safetensors import SafetensorError
from torch.distributed.checkpoint.api import CheckpointException

from omnina.checkpoints.manifest import MANIFEST_FILE, write_manifest
from omnina.errors import UserError
from omnina.files.durable import flush, publish
from omnina.files.modes import follow_umask
from omnina.ranks import by_main, first_text
from omnina.run_folder import numbered_checkpoints

PARTIAL = ".partial"
WRITE_ERRORS = (OSError, SafetensorError, RuntimeError, CheckpointException)
TORCH_WRITER = ("PytorchStreamWriter", "inline_container", "file write failed")  # torch.save's, in C++
LATER = "questions.json"  # written again when temperatures are fitted

Part = Callable[[str], object]


def write_checkpoint(path: Path, parts: Sequence[Part]) -> None:
    """Have every process write its parts of a checkpoint, then put it at ``path``.

    Args:
        path: ``OUTPUT/checkpoint-N``.
        parts: each writes into the folder that it is given; the same number in every process.

    Raises UserError in all processes if one could not write; what was written is removed then.
    """
    _write_aside(path, parts, _put_folder)


def write_model(folder: Path, save: Part) -> None:
    """Have ``save`` write a model, then put its files into ``folder``; raises as ``write_checkpoint``."""
    _write_aside(folder / "model", [save], lambda aside, _: _put_files(aside, folder))


def prune_checkpoints(folder: Path, limit: int | None, keep: set[Path]) -> None:
    """Remove the oldest checkpoints beyond ``limit``, but none of ``keep``.

    Args:
        folder: of the run.
        limit: how many may be there; no limit if None or 0.
        keep: the one just written, and the best one.
    """
    oldest_first = sorted(numbered_checkpoints(folder), key=lambda path: path.stat().st_mtime_ns)
    excess = len(oldest_first) - limit if limit else 0
    for path in [path for path in oldest_first if path not in keep][: max(excess, 0)]:
        aside = _aside(path)  # renamed first: a kill in the midst leaves no half checkpoint of that name
        path.rename(aside)
        shutil.rmtree(aside)


def remove_partial(folder: Path) -> None:
    """Remove what a run that died left half written; the caller holds the run's lock."""
    for left in folder.glob(f".*{PARTIAL}"):
        shutil.rmtree(left)


def _write_aside(path: Path, parts: Sequence[Part], put: Callable[[Path, Path], None]) -> None:
    aside = _aside(path)
    by_main(lambda: _begin(aside))
    fault = first_text(_write_parts(aside, parts))
    if fault is None:
        fault = by_main(lambda: _fault_of(lambda: _finish(aside, path, put)))
    if fault is not None:
        raise UserError(by_main(lambda: _removed(aside, path, fault)))


def _begin(aside: Path) -> None:
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir()
    except OSError as error:
        raise UserError(_message(aside, aside, _cause(error))) from error


def _write_parts(aside: Path, parts: Sequence[Part]) -> str | None:
    """The first fault; the other parts are tried too, since processes may wait for each other in them."""
    faults = [_fault_of(lambda part=part: part(str(aside))) for part in parts]
    return next((fault for fault in faults if fault), None)


def _finish(aside: Path, path: Path, put: Callable[[Path, Path], None]) -> None:
    follow_umask(aside)
    write_manifest(aside)
    put(aside, path)


def _put_folder(aside: Path, path: Path) -> None:
    replaced = path.with_name(f".{path.name}.replaced{PARTIAL}")
    if path.exists():  # passed over as damaged, or from before the run went on at an earlier step
        path.rename(replaced)
    publish(aside, path)
    shutil.rmtree(replaced, ignore_errors=True)


def _put_files(aside: Path, folder: Path) -> None:
    """Move a model's files; without a manifest there is no telling that they belong together."""
    (aside / MANIFEST_FILE).unlink()
    names = [path.name for path in aside.iterdir()]
    for name in names:
        flush(aside / name)
    (folder / MANIFEST_FILE).unlink(missing_ok=True)
    for old in folder.glob("model*.safetensors*"):
        old.unlink()
    for name in names:
        (aside / name).replace(folder / name)
    aside.rmdir()
    write_manifest(folder, [name for name in names if name != LATER])


def _fault_of(write: Callable[[], object]) -> str | None:
    """Why the disk did not take it, in words; None if it did."""
    try:
        write()
    except WRITE_ERRORS as error:
        if isinstance(error, RuntimeError) and not any(mark in str(error) for mark in TORCH_WRITER):
            raise
        return _cause(error)
    return None


def _cause(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())


def _removed(aside: Path, path: Path, fault: str) -> str:
    """Remove what was written; the message."""
    shutil.rmtree(aside, ignore_errors=True)
    return _message(path, aside, fault)


def _message(path: Path, aside: Path, fault: str) -> str:
    older = numbered_checkpoints(path.parent)
    left = f"The last checkpoint, {older[-1]}, is as it was" if older else "There is no earlier checkpoint"
    free = shutil.disk_usage(aside.parent).free / 1e9
    return (
        f"{path} could not be written: {fault} ({free:.1f} GB are free there). What was written of it is "
        f"removed. {left}; make room, or lift the limit, and run the same command again."
    )


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}{PARTIAL}")
