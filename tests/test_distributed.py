"""DDP, FSDP2, several machines and changing numbers of processes give the run that one process gives."""

import json
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from launching import ROOT, command, environment, launched, losses, rows_by_step, weights
from transformers import AutoModelForCausalLM, LlamaForCausalLM
from world import arguments, make_world

CURVE = 1e-4  # nats per token by which the order of sums may move a loss


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def alone(world, tmp_path_factory) -> Callable[[str], tuple[Path, list[dict]]]:
    """A stage in one process: its folder and report; run once."""
    folder = tmp_path_factory.mktemp("alone")

    @cache
    def run(stage: str) -> tuple[Path, list[dict]]:
        report = folder / f"{stage}_report"
        found = launched("cpu.yaml", 1, report, stage, arguments(world, stage, folder / stage))
        return folder / stage, found

    return run


def same_files(one: Path, other: Path) -> None:
    assert {path.name for path in one.iterdir() if path.is_file()} == {
        path.name for path in other.iterdir() if path.is_file()
    }


@pytest.mark.parametrize(
    ("engine", "stage"),
    [
        ("fsdp", "pretrain"),
        pytest.param("fsdp", "finetune", marks=pytest.mark.slow),
        pytest.param("ddp", "pretrain", marks=pytest.mark.slow),
        pytest.param("ddp", "finetune", marks=pytest.mark.slow),
    ],
)
def test_two_processes_give_the_curve_and_the_folder_of_one(world, alone, tmp_path, engine, stage):
    folder = tmp_path / "two"
    processes = launched(f"{engine}.yaml", 2, tmp_path / "report", stage, arguments(world, stage, folder))
    assert [process["rank"] for process in processes] == [0, 1]
    for process in processes:
        assert process["world_size"] == 2
        assert process["is_fsdp2"] == (engine == "fsdp")
        wrapper = {"ddp": "DistributedDataParallel", "fsdp": "FSDPOmniNAForCausalLM"}[engine]
        assert process["wrapper"] == wrapper
        assert process["wrapped_layers"] == (2 if engine == "fsdp" else 0)
        assert process["dtensors"] == (process["parameters"] if engine == "fsdp" else 0)
    single, report = alone(stage)
    assert rows_by_step(processes) == rows_by_step(report)
    assert len(losses(folder)) == 20
    assert losses(folder) == pytest.approx(losses(single), abs=CURVE)
    same_files(folder, single)
    ours, theirs = weights(folder), weights(single)
    assert {name: tensor.shape for name, tensor in ours.items()} == {
        name: tensor.shape for name, tensor in theirs.items()
    }
    for path in (folder, folder / "checkpoint-10"):
        model, found = AutoModelForCausalLM.from_pretrained(path, output_loading_info=True)
        assert type(model) is LlamaForCausalLM
        assert not found["missing_keys"] and not found["unexpected_keys"]
    assert not list(folder.glob("**/*.bin"))
    records = [json.loads((path / "run.json").read_text()) for path in (folder, single)]
    assert records[0]["parameters"] == records[1]["parameters"]
    both = [record["validation_at_start"] for record in records]
    assert both[0] == pytest.approx(both[1], abs=1e-5)


@pytest.mark.slow
def test_one_run_goes_on_with_other_processes_engines_and_micro_batches(world, alone, tmp_path):
    """1 -> FSDP2 x 2 -> DDP x 2 -> 1, another tokens_per_device each time, data in several shards."""
    folder, rows = tmp_path / "elastic", {}
    parts = [("cpu", 1, 1024, 5), ("fsdp", 2, 512, 10), ("ddp", 2, 2048, 15), ("cpu", 1, 2048, 20)]
    for engine, processes, tokens, stop in parts:
        run = arguments(world, "pretrain", folder, tokens_per_device=tokens, save_steps=5)
        report = tmp_path / f"report-{stop}"
        found = rows_by_step(launched(f"{engine}.yaml", processes, report, "pretrain", run))
        rows |= {step: found[step] for step in range(stop - 5, stop)}
        for later in folder.glob("checkpoint-*"):  # as if the run had been stopped there
            if int(later.name.split("-")[1]) > stop:
                shutil.rmtree(later)
        if stop < 20:
            (folder / "run.json").unlink()
    single, report = alone("pretrain")
    assert rows == rows_by_step(report)
    assert losses(folder) == pytest.approx(losses(single), abs=CURVE)


@pytest.mark.slow
def test_fsdp2_goes_on_with_the_same_bits(world, tmp_path):
    folder = tmp_path / "fsdp"
    run = arguments(world, "finetune", folder, load_best_model_at_end=True, metric_for_best_model="accuracy")
    launched("fsdp.yaml", 2, tmp_path / "first", "finetune", run)
    whole, curve = weights(folder), losses(folder)
    shutil.rmtree(folder / "checkpoint-20")
    (folder / "run.json").unlink()
    launched("fsdp.yaml", 2, tmp_path / "second", "finetune", run)
    assert losses(folder) == curve
    assert all(torch.equal(tensor, whole[name]) for name, tensor in weights(folder).items())
    (folder / "run.json").unlink()  # killed after the last step: only the end is made up for
    processes = launched("fsdp.yaml", 2, tmp_path / "third", "finetune", run)
    assert all(torch.equal(tensor, whole[name]) for name, tensor in weights(folder).items())
    assert sorted(process["is_main"] for process in processes) == [False, True]  # one opens the logs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "changes"), [("fsdp", {"layer_decay": 0.5}), ("ddp", {"layer_decay": 0.5, "ema_decay": 0.9})]
)
def test_layer_decay_and_averages_of_two_processes_are_those_of_one(world, tmp_path, engine, changes):
    one, two = tmp_path / "one", tmp_path / "two"
    launched("cpu.yaml", 1, tmp_path / "r1", "finetune", arguments(world, "finetune", one, **changes))
    run = arguments(world, "finetune", two, **changes)
    launched(f"{engine}.yaml", 2, tmp_path / "r2", "finetune", run)
    assert losses(two) == pytest.approx(losses(one), abs=CURVE)
    whole, alone = weights(two), weights(one)
    for name, tensor in alone.items():
        torch.testing.assert_close(whole[name], tensor, rtol=0, atol=1e-3)
    shutil.rmtree(two / "checkpoint-20")
    (two / "run.json").unlink()
    launched(f"{engine}.yaml", 2, tmp_path / "r3", "finetune", run)
    assert all(torch.equal(tensor, whole[name]) for name, tensor in weights(two).items())


@pytest.mark.slow
def test_adapters_under_fsdp2_are_those_of_one_process(world, tmp_path):
    # One process alone has a row to answer: the other one must not be waited for.
    run = {"lora_rank": 4, "activation_checkpointing": True, "checkpointed_share": 0.5}
    run |= {"validation_documents": 1}
    one, two = tmp_path / "one", tmp_path / "two"
    launched("cpu.yaml", 1, tmp_path / "r1", "finetune", arguments(world, "finetune", one, **run))
    of_two = arguments(world, "finetune", two, **run)
    processes = launched("fsdp.yaml", 2, tmp_path / "r2", "finetune", of_two)
    assert all(process["is_fsdp2"] and process["recomputed"] == 1 for process in processes)
    assert losses(two) == pytest.approx(losses(one), abs=CURVE)
    base, ours, theirs = weights(world / "base"), weights(two), weights(one)
    assert ours.keys() == base.keys()
    assert not torch.equal(
        ours["model.layers.0.mlp.up_proj.weight"], base["model.layers.0.mlp.up_proj.weight"]
    )
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=0, atol=1e-3)
    shutil.rmtree(two / "checkpoint-20")
    (two / "run.json").unlink()
    launched("fsdp.yaml", 2, tmp_path / "r3", "finetune", of_two)
    assert all(torch.equal(tensor, ours[name]) for name, tensor in weights(two).items())


@pytest.mark.slow
def test_bf16_under_fsdp2_reduces_and_returns_float32(world, tmp_path):
    curves = []
    for engine in ("ddp", "fsdp"):
        folder = tmp_path / engine
        run = arguments(world, "pretrain", folder, bf16=True, activation_checkpointing=True)
        processes = launched(f"{engine}.yaml", 2, tmp_path / f"report-{engine}", "pretrain", run)
        assert all(process["recomputed"] >= 2 for process in processes)
        assert {tensor.dtype for tensor in weights(folder).values()} == {torch.float32}
        curves.append(losses(folder))
    policy = ["torch.bfloat16", "torch.float32", "torch.float32"]  # parameters, reductions, outputs
    assert [process["policy"] for process in processes] == [policy, policy]
    assert curves[1] == pytest.approx(curves[0], abs=0.02)


def test_fsdp_that_would_run_as_ddp_is_refused(world, tmp_path):
    run = [*command("fsdp.yaml", "--num_processes", "2", "--main_process_port", "0"), "-m", "omnina.pretrain"]
    run += arguments(world, "pretrain", tmp_path / "run")
    done = subprocess.run(run, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr[-3000:]
    assert "asks for FSDP, but" in done.stderr
