"""The small world that runs suffer faults in, and how two runs are told to be the same."""

import json
import random
import re
from dataclasses import dataclass
from pathlib import Path

import run_child
import torch
import yaml
from safetensors.torch import load_file

STEP = ("omnina.trainer", "OmniNATrainer.training_step")  # called twice a step: two micro-batches


@dataclass(frozen=True)
class World:
    """Tables, a tokenizer and an architecture in one folder; runs beside them."""

    folder: Path

    def arguments(self, name: str, **changes) -> list[str]:
        """Of a run of 8 steps with a checkpoint every two."""
        values = {
            "train_files": str(self.folder / "train.csv"),
            "validation_files": str(self.folder / "val.csv"),
            "tokenizer": str(self.folder / "tokenizer"),
            "model_config": str(self.folder / "model.yaml"),
            "max_length": 512,
            "tokens_per_step": 1024,
            "tokens_per_device": 512,
            "max_steps": 8,
            "learning_rate": 1e-2,
            "output_dir": str(self.folder / name),
            "cache_dir": str(self.folder / "cache"),
            "save_steps": 2,
            "eval_steps": 4,
            "logging_steps": 1,
            "workers": 1,
            "disable_tqdm": True,
            "use_cpu": True,
            "seed": 3,
        } | changes
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(values))
        return [str(path)]

    def run(self, name: str, *faults: run_child.Fault, **changes) -> tuple[int, str]:
        """Exit status and what was printed."""
        return run_child.run(
            "pretrain", self.arguments(name, **changes), self.folder / f"{name}.log", *faults
        )


def write_tables(folder: Path) -> None:
    generator = random.Random(0)
    for name, rows in (("train", 60), ("val", 6)):
        lines = ["sequence,response"]
        for index in range(rows):
            sequence = "".join(generator.choices("ACGT", k=generator.randint(200, 300)))
            lines.append(f"{sequence},{'gene' if index % 2 else 'repeat'} number {index}")
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")


def came_from(log: str) -> int:
    found = re.search(r"Going on from .*checkpoint-(\d+) ", log)
    return int(found[1]) if found else 0


def assert_same_run(folder: Path, reference: Path) -> None:
    """Weights and losses to the bit."""
    ours, theirs = (load_file(place / "model.safetensors") for place in (folder, reference))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert losses(folder) == losses(reference)


def losses(folder: Path) -> list[float]:
    state = json.loads((folder / "checkpoint-8" / "trainer_state.json").read_text())
    return [entry["loss"] for entry in state["log_history"] if "loss" in entry]
