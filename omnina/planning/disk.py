"""Disk that a run takes: token ids, checkpoints, the model at the end; and how much of it is free."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from omnina.planning.parameters import Parameters
from omnina.planning.steps import Steps, times
from omnina.scaling import FLOAT32
from omnina.trainer_settings import TrainerSettings


@dataclass(frozen=True)
class Disk:
    """Bytes on disk.

    Attributes:
        cache: token ids of all tables; None where the tables are not known.
        checkpoint: one of them; ``checkpoints``: how many lie there at once, that being written included;
            None where their number is not known.
        model: at the end of the run.
        free: where the run writes.
    """

    cache: int | None
    checkpoint: int
    checkpoints: int | None
    model: int
    free: int

    @property
    def total(self) -> int | None:
        """At most at once; None where a part is not known."""
        if self.cache is None or self.checkpoints is None:
            return None
        return self.cache + self.checkpoint * self.checkpoints + self.model


def planned_disk(args: TrainerSettings, known: Parameters, steps: Steps, cache: int | None) -> Disk:
    """What a run takes; logs, plots and the tokenizer, a few MB, are left out."""
    weights = FLOAT32 * known.trained  # of LoRA the adapters alone are in a checkpoint
    return Disk(
        cache,
        weights + known.optimizer_bytes + known.average_bytes,
        _checkpoints(args, steps),
        FLOAT32 * known.model,
        shutil.disk_usage(_existing(Path(args.output_dir))).free,
    )


def _checkpoints(args: TrainerSettings, steps: Steps) -> int | None:
    """Kept ones, and the next one while it is written: the oldest goes only then."""
    if steps.count is None:
        return None
    written = times(args.save_strategy, args.save_steps, steps.count, steps.epochs)
    if not written:
        return written
    if not args.save_total_limit:
        return written
    kept = max(args.save_total_limit, 2 if args.load_best_model_at_end else 1)  # the best one stays too
    return min(kept + 1, written)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that there is."""
    whole = folder.resolve()
    return next(path for path in (whole, *whole.parents) if path.exists())
