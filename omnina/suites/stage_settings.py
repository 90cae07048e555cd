"""A stage's settings as its runs will read them, and what they start from, before the first run begins.

What is found here is noted with a run's figures (omnina/suites/stamp.py): the contents of the architecture,
tokenizer, checkpoint and tables that a YAML names, which may change while the YAML stays.
"""

from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path

import torch

from omnina.attention import chosen_attention
from omnina.checkpoints.contents import weights_digest
from omnina.config import parse_run
from omnina.errors import UserError
from omnina.mixing import check_mixing
from omnina.planning.architecture import architecture_of
from omnina.planning.settings import STAGES, planned_settings
from omnina.run_settings import RunSettings
from omnina.stage import tokenizer_of
from omnina.suites.launching import ROOT
from omnina.tables.digests import digested_tables
from omnina.tables.table import expand_paths
from omnina.tokenizer import vocabulary_digest
from omnina.trainer_settings import TrainerSettings


@contextmanager
def at_root(name: str) -> Iterator[None]:
    """Paths are from the repository's root, as for the stages' scripts; UserErrors begin with a name."""
    try:
        with chdir(ROOT):
            yield
    except UserError as error:
        raise UserError(f"{name}: {error}") from error


def stage_settings(stage: str, config: Path, flags: Sequence[str]) -> tuple[RunSettings, TrainerSettings]:
    """As the run reads them; beside a GPU as if for a CPU, so that the GPU is left to the runs.

    Args:
        stage: ``pretrain`` or ``finetune``.
        config: its YAML file.
        flags: over it, as on the command line.

    Raises UserError for settings that a run would refuse, that name a checkpoint to resume, or that need a
    GPU where there is none.
    """
    arguments = [str(config), *flags]
    if torch.cuda.is_available():
        run, args = planned_settings(arguments, stage, elsewhere=True)
    else:
        run, args = parse_run(arguments, STAGES[stage])
    if args.resume_from_checkpoint:
        raise UserError("resume_from_checkpoint: these runs go on by themselves; leave it out.")
    _check_device(run, args)
    return run, args


def _check_device(run: RunSettings, args: TrainerSettings) -> None:
    """UserError for what needs a GPU where there is none; beside one, the run itself tells."""
    if torch.cuda.is_available():
        return
    chosen_attention(run.attention, cuda=False, half=bool(args.bf16 or args.fp16))
    if run.fp8:
        raise UserError("fp8: true needs a GPU that multiplies float8, and here is none; leave it out.")


def check_table_weights(run: RunSettings) -> None:
    """UserError for training tables that are not there, or weights that do not fit them."""
    tables = len(expand_paths(run.train_files))
    try:
        check_mixing(tables, run.train_weights or [1.0] * tables, run.mixing_temperature)
    except ValueError as error:
        raise UserError(f"{error}.") from error


def start_of(run: RunSettings) -> dict[str, str]:
    """``start``: the weights of the checkpoint, or the architecture of random ones; and the ``tokenizer``.

    Raises UserError if one of them is not there, or they do not fit each other or ``max_length``.
    """
    tokenizer = tokenizer_of(run)
    architecture_of(run, tokenizer)
    start = (
        weights_digest(Path(run.checkpoint))
        if run.checkpoint
        else Path(run.model_config).read_text(encoding="utf-8")
    )
    return {"start": start, "tokenizer": vocabulary_digest(tokenizer)}


def table_digests(files: Sequence[str], cache_dir: str) -> list[str]:
    """sha256 of each table, remembered in the cache folder; UserError for one that is not there."""
    Path(cache_dir).mkdir(parents=True, exist_ok=True)
    return [table.sha256 for table in digested_tables(expand_paths(files), Path(cache_dir))]
