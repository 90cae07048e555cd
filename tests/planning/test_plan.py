"""Every shipped YAML can be planned, for any GPU; wrong wishes are told in words."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from world import arguments, make_world

from omnina.errors import UserError
from omnina.planning import speed as planning_speed
from omnina.planning.architecture import architecture_of
from omnina.planning.gpus import GPUS, gpu_of_device
from omnina.planning.plan import make_plan
from omnina.planning.printed import plan_json, plan_table
from omnina.planning.settings import planned_settings, stage_of
from omnina.planning.speed import measured_rates, nearest_rate
from omnina.planning.subject import Wish
from omnina.scaling import H100, compute_seconds

ROOT = Path(__file__).parents[2]
PRETRAIN = sorted((ROOT / "configs" / "pretrain").glob("*.yaml"))


@pytest.fixture(autouse=True)
def at_root(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(planning_speed, "matrix_ceiling", lambda *_: 1e11)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    return make_world(tmp_path_factory.mktemp("planned"))


@pytest.fixture(scope="module")
def command():
    spec = importlib.util.spec_from_file_location("plan_script", ROOT / "scripts" / "plan.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", PRETRAIN, ids=lambda path: path.stem)
@pytest.mark.parametrize("gpus", [1, 8])
def test_shipped_files_are_planned_for_gpus(path, gpus, monkeypatch):
    monkeypatch.setattr("omnina.planning.tables.SHOWN", 50)
    plan = make_plan(Wish([str(path), "--cache_dir", "output/none"], gpu="h100", gpus=gpus, price=2.0))
    figures = json.loads(json.dumps(plan_json(plan)))
    assert figures["memory"]["fits"] and figures["memory"]["largest_tokens_per_device"] > 2048
    assert figures["duration"]["cost"] == pytest.approx(figures["duration"]["hours"] * gpus * 2)
    table = plan_table(plan)
    assert f"{gpus} x H100" in table and "ASSUMED" in table


def test_the_short_sequences_are_planned_without_tables():
    plan = make_plan(Wish([str(ROOT / "configs" / "finetune" / "short_sequences.yaml")]))
    assert plan.subject.steps.count is None and "not known" in plan_table(plan)


def test_a_gpus_hours_are_those_of_its_data_sheet():
    plan = make_plan(Wish([str(ROOT / "configs" / "pretrain" / "omnina-66m.yaml")], gpu="H100"))
    run, _ = planned_settings([plan.config], plan.subject.stage, elsewhere=True)
    steps = plan.subject.steps
    seconds = compute_seconds(architecture_of(run), steps.all_tokens, steps.document, 0.0, H100)
    assert plan.duration.training == pytest.approx(seconds / 3600)


def test_half_precision_by_choice_is_that_of_the_device():
    example = str(ROOT / "configs" / "pretrain" / "example.yaml")
    assert planned_settings([example], "pretrain", elsewhere=True)[1].bf16 is True
    assert planned_settings([example, "--bf16", "false"], "pretrain", elsewhere=True)[1].bf16 is False


@pytest.mark.parametrize("instructions", [True, False])
def test_a_processor_that_would_emulate_bf16_has_no_known_speed(monkeypatch, instructions):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": instructions})
    published = str(ROOT / "configs" / "pretrain" / "omnina-66m.yaml")
    table = plan_table(make_plan(Wish([published, "--cache_dir", "output/none", "--use_cpu", "true"])))
    assert ("this processor has no instructions for bf16" not in table) is instructions


def test_what_fsdp_cannot_train_with_is_noted():
    example = [str(ROOT / "configs" / "pretrain" / "example.yaml"), "--cache_dir", "output/none"]
    table = plan_table(make_plan(Wish(example, gpu="h100", gpus=8, engine="fsdp")))
    assert "with FSDP the run refuses muon" in table
    assert "refuses muon" not in plan_table(make_plan(Wish(example, gpu="h100", gpus=8)))


def test_the_stage_is_told_by_keys_before_the_folder(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("window: 500\n")
    assert stage_of(path, [], None) == "pretrain"
    path.write_text("max_length: 500\n")
    assert stage_of(path, ["--lora_rank=4"], None) == "finetune"
    assert stage_of(path, [], "finetune") == "finetune"
    with pytest.raises(UserError, match="--stage"):
        stage_of(path, [], None)
    with pytest.raises(UserError, match="--stage"):
        stage_of(path, ["--lora_rank", "4", "--window", "3"], None)


def test_gpus_are_known_by_what_drivers_call_them():
    assert gpu_of_device("NVIDIA H100 80GB HBM3").name == "H100"
    assert gpu_of_device("NVIDIA H100 PCIe").name == "H100-PCIe"
    assert gpu_of_device("NVIDIA A100-SXM4-80GB").name == "A100-80GB"
    assert gpu_of_device("NVIDIA GeForce RTX 4090").name == "RTX4090"
    assert gpu_of_device("NVIDIA L40S").name == "L40S"
    assert gpu_of_device("Some other card") is None


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"gpu": "H10"}, "H100"),
        ({"gpu": "abacus"}, "RTX4090"),
        ({"gpu": "H100", "calibrate": True}, "leave --gpu out"),
        ({"gpus": 4}, "--gpu"),
    ],
)
def test_wishes_that_cannot_be_met(world, tmp_path, wish, told):
    with pytest.raises(UserError, match=told):
        make_plan(Wish(arguments(world, "pretrain", tmp_path / "run"), "pretrain", **wish))


def test_a_checkpoint_that_is_not_there_is_told(world, tmp_path):
    given = arguments(world, "finetune", tmp_path / "run", checkpoint=str(tmp_path / "pretrain"))
    with pytest.raises(UserError, match=r"bash pretrain\.sh"):
        make_plan(Wish(given, "finetune"))


def test_rates_are_of_the_nearest_size():
    rates = measured_rates()
    assert all(0 < rate.share < 1 and rate.device in {"cpu", *GPUS} for rate in rates)
    assert all((ROOT / rate.where.split("(")[1].rstrip(")")).is_file() for rate in rates), (
        "pages that say how"
    )
    assert nearest_rate(rates, "cpu", "fp32", 3_000_000).model == "tiny"
    assert nearest_rate(rates, "cpu", "bf16", 10**9).model == "omnina-66m"
    assert nearest_rate(rates, "L4", "bf16", 10**9) is None


def test_the_command_writes_what_it_prints(world, tmp_path, capsys, command):
    given = arguments(world, "pretrain", tmp_path / "run")
    command.main([*given, "--stage", "pretrain", "--json", str(tmp_path / "a" / "plan.json"), "--seed", "5"])
    figures = json.loads((tmp_path / "a" / "plan.json").read_text())
    assert {"date", "commit", "hardware"} <= set(figures["made"])
    assert f"{figures['plan']['parameters']:,}" in capsys.readouterr().out


def test_flags_of_neither_are_refused_with_the_nearest(world, tmp_path, command):
    with pytest.raises(UserError, match="Did you mean 'seed'"):
        command.main([*arguments(world, "pretrain", tmp_path / "run"), "--stage", "pretrain", "--sed", "5"])


def test_a_share_of_layers_computed_again_is_planned_and_advised():
    path = str(ROOT / "configs" / "pretrain" / "omnina-330m.yaml")
    planned = ["--tokens_per_device", "32768", "--activation_checkpointing", "true"]
    some, every = (
        make_plan(Wish([path, *planned, "--checkpointed_share", share], gpu="A10")) for share in ("0.5", "1")
    )
    assert plan_json(some)["memory"]["layers_computed_again"] == 8
    assert "8 of 16 layers computed again" in plan_table(some)
    assert some.memory.total > some.memory.usable >= every.memory.total
    assert some.duration.training / every.duration.training == pytest.approx((7 / 6) / (4 / 3))
    advice = [line for line in plan_table(some).splitlines() if line.split()[:2] == ["fits", "NO"]]
    assert advice[0].endswith("or set activation_checkpointing: true, checkpointed_share: 0.75")


@pytest.mark.parametrize(
    ("tokens", "advice"),
    [
        (2048, "set activation_checkpointing: true, checkpointed_share: 0.5"),
        (16_384, "set activation_checkpointing: true"),
    ],
)
def test_where_no_pass_fits_layers_are_to_be_computed_again(tokens, advice):
    path = str(ROOT / "configs" / "pretrain" / "omnina-1.7b.yaml")
    given = [path, "--activation_checkpointing", "false", "--tokens_per_device", str(tokens)]
    table = plan_table(make_plan(Wish(given, gpu="A100-40GB")))
    assert f"NO  {advice}\n" in table
