"""A training on planted data, by the way that ``bash pretrain.sh`` goes, and what must come of it.

Tables, token ids on disk, packing, model, Trainer, a checkpoint: all as in a real run, under the accelerate
configuration for this machine, with a model of 0.2 M parameters. Half a minute on one core.
"""

import os
import subprocess
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import yaml

from omnina.doctor.check import FAILED, OK, Check
from omnina.doctor.groups import ROOT, run_group
from omnina.doctor.planted import Optimum, write_tables
from omnina.files.json_file import read_object

TIME_LIMIT = 900  # seconds
ABOVE, BELOW = 0.03, 0.01  # bits per base off the optimum; runs end 0.006 above it
ANNOTATION_ABOVE = 0.05  # nats per token; runs end 0.004 above it
CHANCE = 2.0  # bits per base
LAUNCH = 'source scripts/launch.sh; launch omnina.pretrain "$@"'
LOG_FILE, RUN_FOLDER = "log.txt", "run"
MODEL = {
    "vocab_size": 641,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}
STEPS = {
    "resolution": "bases",
    "min_bases": 1,
    "max_length": 512,
    "tokens_per_step": 2048,
    "tokens_per_device": 2048,
    "max_steps": 120,
    "learning_rate": 1e-2,
    "warmup_steps": 0.1,
    "lr_scheduler_type": "cosine",
    "weight_decay": 0.01,
    "adam_beta2": 0.95,
    "seed": 1,
    "bf16": "auto",
    "logging_steps": 20,
    "eval_steps": 120,
    "save_steps": 120,
}


def checks(folder: str) -> list[Check]:
    """What came of a training in an empty folder."""
    return PlantedRun(Path(folder)).checks()


@dataclass(frozen=True)
class PlantedRun:
    """A run in a folder of its own.

    Attributes:
        folder: where its tables, log and results go.
    """

    folder: Path

    def checks(self) -> list[Check]:
        """Train, then compare with the optimum, then read the checkpoint by plain transformers."""
        optimum = write_tables(self.folder / "train.csv", self.folder / "validation.csv")
        status = self._train(self._write_config())
        if status:
            return [self._failed(f"ended with status {status}: {self._last_words()}")]
        record = read_object(self.folder / RUN_FOLDER / "run.json")
        return [*compared(record, optimum), *run_group("saved", [str(self.folder / RUN_FOLDER)])]

    def _write_config(self) -> Path:
        files = {
            "train_files": str(self.folder / "train.csv"),
            "validation_files": str(self.folder / "validation.csv"),
            "tokenizer": str(ROOT / "data" / "tokenizer"),
            "model_config": str(self.folder / "model.yaml"),
            "output_dir": str(self.folder / RUN_FOLDER),
            "cache_dir": str(self.folder / "cache"),
        }
        Path(files["model_config"]).write_text(yaml.safe_dump(MODEL), encoding="utf-8")
        path = self.folder / "run.yaml"
        path.write_text(yaml.safe_dump(files | STEPS), encoding="utf-8")
        return path

    def _train(self, config: Path) -> int | str:
        """The launcher's exit status, or that it did not end in time."""
        command = ["bash", "-c", LAUNCH, "doctor", str(config)]
        environment = {**os.environ, "PYTHON": sys.executable}
        with (self.folder / LOG_FILE).open("w", encoding="utf-8") as log:
            started = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
            try:
                return started.wait(TIME_LIMIT)
            except subprocess.TimeoutExpired:
                return f"none within {TIME_LIMIT} s"
            finally:
                started.terminate()  # the launcher passes it on to its workers
                started.wait()

    def _last_words(self) -> str:
        with (self.folder / LOG_FILE).open(encoding="utf-8", errors="replace") as log:
            return next((line.strip() for line in reversed(deque(log, 20)) if line.strip()), "without a word")

    def _failed(self, found: str) -> Check:
        return Check("training", FAILED, found, f"see {self.folder / LOG_FILE}")


def compared(record: dict, optimum: Optimum) -> list[Check]:
    """What a run's record says beside the optimum."""
    end, speed = (
        record["validation_at_end"],
        f"{record['seconds']:.0f} s, {record['tokens_per_second']:.0f} tokens/s",
    )
    bits, nats = end["eval_bits_per_base"], end["eval_annotation_loss"]
    excess = bits - optimum.bits_per_base
    sequences = f"{bits:.3f} bits per base; optimum {optimum.bits_per_base:.3f}, chance {CHANCE:.3f}; {speed}"
    annotations = f"{nats:.3f} nats per token; optimum {optimum.annotation_nats:.3f} per row"
    return [
        _within("training, sequences", -BELOW <= excess <= ABOVE, sequences),
        _within("training, annotations", nats <= optimum.annotation_nats + ANNOTATION_ABOVE, annotations),
    ]


def _within(what: str, right: bool, found: str) -> Check:
    if right:
        return Check(what, OK, found)
    remedy = (
        "training is wrong on this machine: run it on the CPU (CUDA_VISIBLE_DEVICES=) to tell GPU from code"
    )
    return Check(what, FAILED, found, remedy)
