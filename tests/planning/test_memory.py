"""Memory by formula: the model's own parameters, the parts of scaling.py, the largest pass that fits."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from omnina.files.yaml_file import read_yaml
from omnina.lora import LoRA
from omnina.matrix_optimizer import matrix_optimizer
from omnina.model import OmniNAForCausalLM
from omnina.planning.calibration import Measured
from omnina.planning.machine import Machine, named_machine
from omnina.planning.memory import (
    COPIES,
    TILE,
    Shape,
    expected_memory,
    fitting_share,
    measured_memory,
    state_parts,
)
from omnina.planning.parameters import Parameters
from omnina.planning.settings import planned_settings
from omnina.scaling import FLOAT32, gpu_state_bytes, kept_bytes, layer_bytes, parameter_count

ROOT = Path(__file__).parents[2]
MODELS = sorted((ROOT / "configs" / "model").glob("*.yaml"))
TINY = ROOT / "configs" / "model" / "tiny.yaml"


def config_of(path: Path) -> LlamaConfig:
    return LlamaConfig(**read_yaml(path))


def shape_of(path: Path, **changes) -> Shape:
    config = config_of(path)
    values = {"tokens": 4096, "accumulation": 2, "recomputed": 0.0, "half": True} | changes
    return Shape(config, Parameters(parameter_count(config)), **values)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_parameters_are_those_of_transformers(path):
    with torch.device("meta"):
        model = LlamaForCausalLM(config_of(path))
    assert shape_of(path).parameters.model == model.num_parameters()


@pytest.mark.parametrize(("lora", "muon"), [(None, False), (8, False), (None, True), (8, True)])
def test_what_trains_and_its_moments(world, tmp_path, lora, muon, small_config):
    from answering import settings  # a fine-tuning run's

    given = [*settings(world, tmp_path / "run"), "--muon", str(muon)]
    given += ["--lora_rank", str(lora)] if lora else []
    run, args = planned_settings(given, "finetune", elsewhere=False)
    model = OmniNAForCausalLM(small_config)
    model = LoRA(lora, None, 0).applied(model) if lora else model
    trained = [value for value in model.parameters() if value.requires_grad]
    known = Parameters.of(small_config, run)
    assert known.trained == sum(value.numel() for value in trained)
    assert known.weight_bytes == sum(value.nbytes for value in model.parameters())
    optimizer = matrix_optimizer(model, args) if muon else torch.optim.AdamW(trained)
    for value in trained:
        value.grad = torch.zeros_like(value)
    optimizer.step()
    moments = [m for state in optimizer.state.values() for m in state.values() if m.dim()]
    assert known.optimizer_bytes == sum(moment.nbytes for moment in moments)


@pytest.mark.parametrize("lora", [None, 8])
def test_an_average_is_a_copy_of_what_trains(world, tmp_path, lora, small_config):
    from answering import settings  # a fine-tuning run's

    given = settings(world, tmp_path / "run", lora_rank=lora, ema_decay=0.9)
    known = Parameters.of(small_config, planned_settings(given, "finetune", elsewhere=False)[0])
    assert known.average_bytes == FLOAT32 * known.trained
    machine = named_machine("H100", 1, "ddp")
    plain, averaged = (
        expected_memory(replace(shape_of(TINY), parameters=replace(known, averaged=averaged)), machine)
        for averaged in (False, True)
    )
    assert averaged.total - plain.total == known.average_bytes


@pytest.mark.parametrize(("engine", "gpus"), [("ddp", 1), ("ddp", 8), ("fsdp", 8), ("fsdp", 64)])
@pytest.mark.parametrize("accumulation", [1, 4])
def test_parts_are_those_of_the_scaling_formulas(engine, gpus, accumulation):
    shape = shape_of(MODELS[0], accumulation=accumulation)
    parts = state_parts(shape, named_machine("H100", gpus, engine))
    expected = gpu_state_bytes(shape.config, engine, gpus, accumulation)
    assert sum(parts.values()) == pytest.approx(expected, abs=4)  # each part is rounded down alone


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
@pytest.mark.parametrize("recomputed", [0.0, 0.5, 1.0])
def test_the_largest_pass_fits_and_a_larger_one_does_not(path, recomputed):
    shape = shape_of(path, recomputed=recomputed)
    machine = named_machine("A100-40GB", 1, "ddp")
    most = expected_memory(shape, machine).most_tokens
    assert expected_memory(replace(shape, tokens=most), machine).fits
    assert not expected_memory(replace(shape, tokens=most + TILE), machine).fits


def test_no_pass_fits_where_the_model_does_not():
    memory = expected_memory(shape_of(MODELS[0].with_name("omnina-1.7b.yaml")), named_machine("L4", 1, "ddp"))
    assert (memory.fits, memory.most_tokens) == (False, 0)


def test_what_was_measured_is_what_is_planned():
    """At the pass that was measured the peak itself; beyond it, what each token adds by formula."""
    machine = Machine("the processor here", "cpu", 1, 10**10, "ddp")
    measured = Measured(400_000_000, 4096, 1_000_000_000, 10_000, 10.0, 0.1)
    memory = measured_memory(shape_of(TINY, half=False), machine, measured)
    assert memory.total == measured.peak
    shape = shape_of(TINY, half=False, tokens=5120)
    more = measured_memory(shape, machine, measured)
    logits = 1024 * shape.config.vocab_size * 4
    added = kept_bytes(shape.config, 1024, 0.0, half=False) + 1024 * layer_bytes(shape.config, False) + logits
    assert more.total - measured.peak == pytest.approx(COPIES["cpu"] * added)
    assert replace(memory, usable=more.total).most_tokens == 5120


def test_the_share_that_is_advised_is_the_least_that_fits():
    shape = shape_of(MODELS[0].with_name("omnina-66m.yaml"), tokens=16_384)
    machine = named_machine("H100", 1, "ddp")
    parts = {
        share: expected_memory(replace(shape, recomputed=share), machine) for share in (0.0, 0.25, 0.5, 1.0)
    }
    assert parts[0.0].total > parts[0.25].total > parts[0.5].total > parts[1.0].total

    def advised(usable: int, **changes) -> float | None:
        changed = replace(shape, **changes)
        return fitting_share(changed, machine, replace(expected_memory(changed, machine), usable=usable))

    assert advised(parts[0.25].total) == 0.25
    assert advised(parts[0.25].total - 1) == 0.5
    assert advised(parts[0.5].total - 1, recomputed=0.5) == 0.75
    assert advised(parts[1.0].total) == 1.0
    assert advised(parts[1.0].total - 1) is None
    measured = Measured(0, 16_384, 3 * 10**9, 10_000, 10.0, 0.1)
    memory = measured_memory(shape, machine, measured)
    usable = memory.total - (parts[0.0].total - parts[0.5].total)
    assert fitting_share(shape, machine, replace(memory, usable=usable)) == 0.5
