"""Which checkpoint a run goes on from: the last one that is whole to the byte."""

from pathlib import Path

from omnina.checkpoints.manifest import manifest_fault
from omnina.errors import UserError
from omnina.files.json_file import read_object
from omnina.run_folder import numbered_checkpoints

STATE_FILE = "trainer_state.json"


def last_whole_checkpoint(folder: Path, *, needs_best: bool = False) -> Path | None:
    """The whole checkpoint with the most steps; the others above it are named with what is wrong.

    Args:
        folder: the run's.
        needs_best: the run ends with its best checkpoint, so that one has to be whole too.

    Returns: None if there is no checkpoint at all. Raises UserError if there are some and none is whole.
    """
    checkpoints = numbered_checkpoints(folder)
    for checkpoint in reversed(checkpoints):
        fault = checkpoint_fault(checkpoint) or (_best_fault(checkpoint) if needs_best else None)
        if fault is None:
            return checkpoint
        print(f"Passed over: {checkpoint} is damaged: {fault}.", flush=True)
    if checkpoints:
        raise UserError(
            f"{folder}: none of its {len(checkpoints)} checkpoints is whole (see above). Copy one again from "
            f"elsewhere, or remove {folder} to begin at step 0 on purpose."
        )
    return None


def check_named_checkpoint(checkpoint: Path, *, needs_best: bool = False) -> None:
    """UserError unless this one, or with ``needs_best`` also the best one before it, is whole."""
    if not checkpoint.is_dir():
        raise UserError(f"resume_from_checkpoint: {checkpoint} is not a folder.")
    fault = checkpoint_fault(checkpoint) or (_best_fault(checkpoint) if needs_best else None)
    if fault:
        raise UserError(
            f"resume_from_checkpoint: {checkpoint} is damaged: {fault}. Name another; without the flag the "
            "run goes on from the last whole one."
        )


def checkpoint_fault(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint, in words; reads all of it."""
    fault = manifest_fault(checkpoint)
    if fault is None and not (checkpoint / STATE_FILE).is_file():
        return f"{STATE_FILE} is missing: this is no checkpoint of a run"
    return fault


def checkpoint_step(checkpoint: Path) -> int:
    """Steps done at a whole checkpoint."""
    return _state(checkpoint)["global_step"]


def _best_fault(checkpoint: Path) -> str | None:
    best = _state(checkpoint).get("best_model_checkpoint")
    if best is None or Path(best).resolve() == checkpoint.resolve():
        return None
    fault = checkpoint_fault(Path(best))
    return fault and f"its best one, {best}, is: {fault}"


def _state(checkpoint: Path) -> dict:
    path = checkpoint / STATE_FILE
    state = read_object(path)
    step, best = state.get("global_step"), state.get("best_model_checkpoint")
    if isinstance(step, bool) or not isinstance(step, int) or step < 0:
        raise UserError(f"{path}: global_step is {step!r}, no number of steps; copy the checkpoint again.")
    if best is not None and (not isinstance(best, str) or "\0" in best):
        raise UserError(f"{path}: best_model_checkpoint is {best!r}, no folder; copy the checkpoint again.")
    return state
