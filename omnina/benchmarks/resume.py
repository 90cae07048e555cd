"""CPU seconds from a process's start to its first step, when a run goes on at a small and at a large step.

A run of a few steps leaves a checkpoint. Its state is then set to each of the steps to measure at: the number
in ``trainer_state.json``, with as many entries of the log as such a run has. The same command goes on from
there, in a process of its own, for one step.
"""

import json
import shutil
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from omnina import pretrain
from omnina.benchmarks.child import in_child
from omnina.benchmarks.figures import lowest_and_highest, single
from omnina.checkpoints.manifest import write_manifest
from omnina.files.yaml_file import read_yaml
from omnina.run_folder import RECORD_FILE, SETTINGS_FILE
from omnina.trainer import OmniNATrainer

FIRST_STEPS = 2
LOGGED_EVERY = 50


def measure_resume(
    table: str, tokenizer: str, model_config: str, steps: list[int], repeats: int
) -> list[dict]:
    """Five rows for each step, medians of the repeats and how far these are apart; minutes in all.

    CPU seconds count from the start of the process to the end of its first step (imports, tables, model), or
    from the call of ``train`` on: weights, optimizer, place in the data, step.
    """
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _first_steps(folder, table, tokenizer, model_config)
        return [row for step in steps for row in _at(folder, step, repeats)]


def go_on(config: str, checkpoint: str) -> dict:
    """For a child process: go on from a checkpoint for one step; what it took since the process began."""
    taken: dict[str, float] = {}
    train, step = OmniNATrainer.train, OmniNATrainer.training_step

    def timed_train(self, *arguments, **options):
        taken["before"] = time.process_time()
        taken["epochs"] = self.plan.epoch(self.first_step)
        return train(self, *arguments, **options)

    def timed_step(self, *arguments, **options):
        loss = step(self, *arguments, **options)
        taken["cpu_seconds"] = time.process_time()
        taken["resume_seconds"] = taken["cpu_seconds"] - taken["before"]
        return loss

    OmniNATrainer.train, OmniNATrainer.training_step = timed_train, timed_step
    pretrain.main([config, "--resume_from_checkpoint", checkpoint])
    return {name: value for name, value in taken.items() if name != "before"}


def _first_steps(folder: Path, table: str, tokenizer: str, model_config: str) -> None:
    """Train for a few steps, which tokenises the table too."""
    values = {
        "train_files": table, "validation_files": table, "validation_documents": 8, "bad_rows": "skip",
        "tokenizer": tokenizer, "model_config": model_config, "cache_dir": str(folder / "cache"),
        "max_length": read_yaml(Path(model_config))["max_position_embeddings"],
        "tokens_per_step": 4096, "tokens_per_device": 4096, "max_steps": FIRST_STEPS,
        "save_steps": FIRST_STEPS, "eval_strategy": "no", "eval_on_start": False, "learning_rate": 1e-4,
        "lr_scheduler_type": "constant",
        "output_dir": str(folder / "run"), "report_to": "none", "disable_tqdm": True,
    }  # fmt: skip
    (folder / "run.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    pretrain.main([str(folder / "run.yaml")])


def _at(folder: Path, step: int, repeats: int) -> list[dict]:
    checkpoint = folder / "run" / f"checkpoint-{step}"
    if step != FIRST_STEPS:
        shutil.copytree(folder / "run" / f"checkpoint-{FIRST_STEPS}", checkpoint)
    _set_step(checkpoint / "trainer_state.json", step)
    write_manifest(checkpoint)  # else the checkpoint would be taken for a damaged one
    values = yaml.safe_load((folder / "run.yaml").read_text(encoding="utf-8"))
    values |= {"max_steps": step + 1, "save_strategy": "no"}
    config = folder / f"from-{step}.yaml"
    config.write_text(yaml.safe_dump(values), encoding="utf-8")
    found = []
    for _ in range(repeats):
        for name in (RECORD_FILE, SETTINGS_FILE):
            (folder / "run" / name).unlink(missing_ok=True)
        found.append(in_child("omnina.benchmarks.resume", "go_on", str(config), str(checkpoint)))
    names = {
        "epochs": "epochs before",
        "cpu_seconds": "start to first step, CPU s",
        "resume_seconds": "of it from train() on, CPU s",
    }
    taken = {name: [each[name] for each in found] for name in found[0]}
    work = f"going on at step {step:,}"
    return [
        *(single(work, names[name], statistics.median(values)) for name, values in taken.items()),
        *(
            single(work, f"{names[name]}, lowest and highest", lowest_and_highest(taken[name]))
            for name in ("cpu_seconds", "resume_seconds")
        ),
    ]


def _set_step(path: Path, step: int) -> None:
    state = json.loads(path.read_text(encoding="utf-8"))
    entry = next(entry for entry in state["log_history"] if "loss" in entry)
    state["log_history"] = [entry | {"step": at} for at in range(LOGGED_EVERY, step, LOGGED_EVERY)]
    state["global_step"] = step
    path.write_text(json.dumps(state), encoding="utf-8")
