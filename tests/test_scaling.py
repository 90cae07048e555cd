"""The formulas of docs/scaling.md against what a CPU can measure, and laws that hold for any size."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig

from omnina import loss
from omnina.checkpointed_layers import checkpoint_layers
from omnina.collation import FlatCollator
from omnina.files.yaml_file import read_yaml
from omnina.model import OmniNAForCausalLM
from omnina.scaling import (
    FLOAT32,
    Hardware,
    activation_bytes,
    efficiency,
    gpu_state_bytes,
    kept_bytes,
    parameter_count,
    repeated_work,
    state_bytes,
    step_traffic,
)

ROOT = Path(__file__).parents[1]
MODELS = sorted((ROOT / "configs" / "model").glob("*.yaml"))
SIZES = ("omnina-66m", "omnina-330m", "omnina-1.7b")


def config_of(name: str) -> LlamaConfig:
    return LlamaConfig(**read_yaml(ROOT / "configs" / "model" / f"{name}.yaml"))


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_parameters_are_those_of_the_model(path):
    config = config_of(path.stem)
    with torch.device("meta"):
        model = OmniNAForCausalLM(config)
    assert parameter_count(config) == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", ["tiny", "omnina-66m"])
def test_weights_gradients_and_moments_take_what_the_formula_says(name):
    config = config_of(name)
    model = OmniNAForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    held = [*model.parameters(), *(parameter.grad for parameter in model.parameters())]
    held += [
        moment for state in optimizer.state.values() for moment in (state["exp_avg"], state["exp_avg_sq"])
    ]
    assert sum(tensor.numel() * tensor.element_size() for tensor in held) == state_bytes(
        parameter_count(config)
    )


def kept_by_forward(config: LlamaConfig, rows: int, recomputed: float, half: bool) -> int:
    """Bytes that a forward pass over rows of 128 tokens keeps for the backward pass, weights left out."""
    model = OmniNAForCausalLM(config).train()
    checkpoint_layers(model, recomputed)
    row = {"input_ids": list(range(3, 131)), "answer_start": 1}
    batch = FlatCollator(128, answers_only=False, filler_id=2)([row] * rows)
    sizes: dict[int, int] = {}
    alive = []  # held, so that no storage's place comes up twice

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        alive.append(tensor)
        sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    precision = torch.autocast("cpu", torch.bfloat16, enabled=half)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t), precision:
        model(**batch)
    return sum(sizes.values())


@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize(("recomputed", "within"), [(1.0, 0.02), (0.7, 0.35), (0.3, 0.35), (0.0, 0.35)])
def test_activations_are_near_what_the_formula_says(recomputed, within, half, monkeypatch):
    """What a token adds; a CPU keeps copies inside layers that the formula, made for GPUs, leaves out."""
    monkeypatch.setattr(loss, "FEW_LOGITS", 0)  # the loss as it is with a large vocabulary
    config = config_of("tiny")
    few, many = (kept_by_forward(config, rows, recomputed, half) for rows in (16, 48))
    measured = (many - few) / (32 * 128)
    assert measured == pytest.approx(kept_bytes(config, 1, recomputed, half=half), rel=within)


def test_each_layer_computed_again_keeps_as_much_less(monkeypatch):
    """So memory is a straight line over the number of layers, as the formula has it."""
    monkeypatch.setattr(loss, "FEW_LOGITS", 0)
    config = config_of("tiny")
    kept = [kept_by_forward(config, 16, layers / 3, half=True) for layers in range(4)]
    saved = [before - after for before, after in pairwise(kept)]
    assert min(saved) > 0
    assert saved == pytest.approx([saved[0]] * 3, rel=0.05)  # the last to go takes what they have shared


def test_a_share_of_layers_is_computed_again_in_memory_and_time():
    config = config_of("omnina-66m")  # 8 layers
    kept = [kept_bytes(config, 1000, eighths / 8) for eighths in range(9)]
    assert {before - after for before, after in pairwise(kept)} == {(kept[0] - kept[8]) // 8}
    # All layers: one more is held while it is computed again; fewer: the last one's are free by then.
    whole, part = (activation_bytes(config, 1000, share) for share in (1.0, 7 / 8))
    assert whole - part == 1000 * config.hidden_size * FLOAT32
    assert [repeated_work(config, share) for share in (0.0, 0.5, 1.0)] == pytest.approx([1, 7 / 6, 4 / 3])


@pytest.mark.parametrize("name", SIZES)
def test_sharding_divides_the_state(name):
    config = config_of(name)
    shares = [gpu_state_bytes(config, "fsdp", gpus, 1) for gpus in (8, 64, 512)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] < gpu_state_bytes(config, "ddp", 8, 1) / 2
    assert gpu_state_bytes(config, "fsdp", 8, 4) > shares[0]  # whole gradients until the last pass


@pytest.mark.parametrize("name", SIZES)
def test_traffic(name):
    config = config_of(name)
    assert step_traffic(config, "ddp", 1, 1) == step_traffic(config, "fsdp", 1, 1) == 0
    assert step_traffic(config, "ddp", 8, 4) == step_traffic(config, "ddp", 8, 1)
    assert step_traffic(config, "fsdp", 8, 1) == step_traffic(config, "ddp", 8, 1)
    assert step_traffic(config, "fsdp", 8, 4) > 2 * step_traffic(config, "ddp", 8, 4)


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("engine", ["ddp", "fsdp"])
def test_efficiency_falls_with_more_gpus_on_the_same_step(name, engine):
    step = {"tokens_per_step": 524_288, "tokens_per_device": 8192}
    found = [efficiency(config_of(name), engine, gpus, **step) for gpus in (1, 8, 64, 512)]
    assert found[0] == 1
    assert found[1:] == sorted(found[1:], reverse=True)
    assert all(0 < value <= 1 for value in found)
    endless = Hardware(inside=float("inf"), between=float("inf"))
    assert efficiency(config_of(name), engine, 512, **step, hardware=endless) == 1
