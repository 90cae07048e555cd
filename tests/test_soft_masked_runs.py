"""Pretraining runs in which bases in lower case weigh otherwise, or nothing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tables import random_dna, write_table
from world import arguments, make_world

from omnina import finetune, pretrain
from omnina.errors import UserError

ROOT = Path(__file__).parents[1]
SHORT = {"max_steps": 4, "save_steps": 2, "eval_steps": 4}
RANDOM = {"resolution": "random", "both_strands": True, "write_sequences": True, "window": 250}
NOTHING = {"loss_weights": {"soft_masked": 0}}
ALONE = {"loss_weights": {"instruction": 0, "answer": 0, "soft_masked": 0}}


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """As in other tests, and a training table with repeats in lower case."""
    folder = make_world(tmp_path_factory.mktemp("world"))
    rows = []
    for number in range(60):
        bases, place = random_dna(300, number), 5 * number % 200
        cell = bases[:place] + bases[place : place + 90].lower() + bases[place + 90 :]
        rows.append({"sequence": cell, "response": f"gene {number}"})
    write_table(folder / "masked.csv", rows)
    for case in ("upper", "lower"):
        in_case = getattr(str, case)
        write_table(folder / f"{case}.csv", [row | {"sequence": in_case(row["sequence"])} for row in rows])
    return folder


def run(world: Path, output: Path, table: str, **changes) -> Path:
    pretrain.main(
        arguments(world, "pretrain", output, **SHORT | {"train_files": str(world / table)} | changes)
    )
    return output


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(one: Path, other: Path) -> bool:
    other_weights = weights(other)
    return all(torch.equal(tensor, other_weights[name]) for name, tensor in weights(one).items())


def losses(folder: Path) -> list[float]:
    history = json.loads((folder / "checkpoint-4" / "trainer_state.json").read_text())["log_history"]
    return [entry["loss"] for entry in history if "loss" in entry]


@pytest.mark.parametrize("weight", [0, 1])
def test_at_weight_0_nothing_is_learned_of_masked_bases(world, tmp_path, weight):
    """Nothing behind them is trained, so what they are shows in no gradient, to the bit."""
    beginning = random_dna(200, 1)
    for name, end in (("one", "acgt" * 20), ("other", "ttag" * 20)):
        row = {"sequence": beginning + end, "response": "a gene"}
        write_table(world / f"{name}_{weight}.csv", [row] * 8)
    changes = {"resolution": "bases", "loss_weights": ALONE["loss_weights"] | {"soft_masked": weight}}
    one, other = (run(world, tmp_path / name, f"{name}_{weight}.csv", **changes) for name in ("one", "other"))
    assert same(one, other) == (weight == 0)
    assert not torch.equal(
        weights(one)["lm_head.weight"],
        load_file(one / "checkpoint-2" / "model.safetensors")["lm_head.weight"],
    )


def test_a_run_goes_on_with_the_same_bits_and_micro_batches_do_not_matter(world, tmp_path):
    changes = NOTHING | RANDOM
    whole = run(world, tmp_path / "whole", "masked.csv", **changes)
    assert json.loads((whole / "run.json").read_text())["counts"]["train"]["soft_masked_bases"] > 0
    shutil.copytree(whole, tmp_path / "kept")
    shutil.rmtree(whole / "checkpoint-4")
    (whole / "run.json").unlink()
    run(world, whole, "masked.csv", **changes)
    assert same(whole, tmp_path / "kept")
    parts = run(world, tmp_path / "parts", "masked.csv", **changes, tokens_per_device=512)
    assert losses(parts) == pytest.approx(losses(whole), abs=2e-4)


def test_two_processes_give_the_losses_of_one(world, tmp_path):
    one = run(world, tmp_path / "one", "masked.csv", **NOTHING | RANDOM)
    config = {"compute_environment": "LOCAL_MACHINE", "distributed_type": "MULTI_GPU", "num_machines": 1}
    config |= {"num_processes": 2, "machine_rank": 0, "mixed_precision": "no", "use_cpu": False}
    (tmp_path / "accelerate.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file"]
    command += [str(tmp_path / "accelerate.yaml"), "--main_process_port", "0", "-m", "omnina.pretrain"]
    changes = SHORT | {"train_files": str(world / "masked.csv")} | NOTHING | RANDOM
    command += arguments(world, "pretrain", tmp_path / "two", **changes)
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("ACCELERATE_")}
    done = subprocess.run(command, cwd=ROOT, env=inherited, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert losses(tmp_path / "two") == pytest.approx(losses(one), abs=2e-4)


def test_unset_case_changes_nothing(world, tmp_path):
    """To the bit, of rows that are all the same: the order of others hangs on the table's bytes."""
    row = {"sequence": random_dna(100, 1) + random_dna(200, 2).lower(), "response": "a gene"}
    write_table(world / "mixed.csv", [row] * 8)
    write_table(world / "same.csv", [row | {"sequence": row["sequence"].upper()}] * 8)
    mixed, upper = (run(world, tmp_path / name, f"{name}.csv") for name in ("mixed", "same"))
    assert same(mixed, upper)


@pytest.mark.parametrize(("case", "share"), [("upper", "no"), ("lower", "every")])
def test_tables_in_one_case_are_refused(world, tmp_path, case, share):
    with pytest.raises(UserError, match=f"{share} base of the training tables is in lower case"):
        run(world, tmp_path / "run", f"{case}.csv", **NOTHING)


def test_fine_tuning_refuses_it(world, tmp_path):
    with pytest.raises(UserError, match="soft_masked is pretraining's alone; leave it out of fine-tuning"):
        finetune.main(arguments(world, "finetune", tmp_path / "run", **NOTHING))
