"""Muon for matrices beside AdamW: each parameter steps as its own optimizer alone would step it."""

import pytest
import torch
from torch import nn
from torch.optim import AdamW, Muon
from transformers import TrainingArguments

from omnina.config import PretrainSettings, parse_run
from omnina.errors import UserError
from omnina.matrix_optimizer import matrix_optimizer
from omnina.muon import ProcessorMuon, orthogonal


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(7, 4)
        self.model = nn.Module()
        self.model.layers = nn.ModuleList([nn.Linear(4, 4), nn.LayerNorm(4)])

    def forward(self, ids):
        linear, norm = self.model.layers
        return norm(linear(self.embed(ids)))


def arguments() -> TrainingArguments:
    return TrainingArguments("unused", learning_rate=0.1, weight_decay=0.01, use_cpu=True, report_to="none")


def trained(model: Small, optimizers, steps: int = 3) -> Small:
    for step in range(steps):
        model(torch.arange(7)).square().mul(torch.arange(4) + step).sum().backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    return model


def apart(model: Small) -> list[torch.optim.Optimizer]:
    linear, norm = model.model.layers
    vectors = [linear.bias, *norm.parameters()]
    decayed = [{"params": [model.embed.weight]}, {"params": vectors, "weight_decay": 0.0}]
    return [
        ProcessorMuon([linear.weight], 0.1, 0.01),
        AdamW(decayed, 0.1, (0.9, 0.999), 1e-8, 0.01, fused=True),
    ]


def same(one: Small, other: Small) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_it_steps_as_both_apart():
    together, alone = Small(), Small()
    trained(together, [matrix_optimizer(together, arguments())])
    trained(alone, apart(alone))
    assert same(together, alone)
    assert not same(together, Small())


def test_the_schedule_reaches_both():
    model = Small()
    optimizer = matrix_optimizer(model, arguments())
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    assert same(trained(model, [optimizer]), Small())


def test_a_loaded_state_goes_on_with_the_same_bits():
    whole, resumed = Small(), Small()
    trained(whole, [optimizer := matrix_optimizer(whole, arguments())])
    trained(whole, [optimizer])
    trained(resumed, [before := matrix_optimizer(resumed, arguments())])
    after = matrix_optimizer(resumed, arguments())
    after.load_state_dict(before.state_dict())
    trained(resumed, [after])
    assert same(whole, resumed)


def test_another_optimizer_beside_it_is_refused():
    config = ["configs/pretrain/example.yaml", "--muon", "true", "--optim", "adafactor"]
    with pytest.raises(UserError, match=r"muon: true works beside plain AdamW: leave optim .adafactor."):
        parse_run(config, PretrainSettings)


def test_a_sharded_model_is_refused_before_anything_is_read(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")  # as accelerate launch sets it
    parse_run(["configs/pretrain/omnina-66m.yaml", "--use_cpu", "true"], PretrainSettings)
    with pytest.raises(UserError, match=r"muon needs whole matrices .* leave ACCELERATE_CONFIG out"):
        parse_run(["configs/pretrain/example.yaml"], PretrainSettings)


@pytest.mark.parametrize("shape", [(8, 8), (4, 12), (12, 4)])
def test_it_is_torchs_muon_but_for_rounding(shape):
    torch.manual_seed(1)
    start = torch.randn(shape)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    optimizers = [
        ProcessorMuon([ours], 0.1, 0.05),
        Muon([theirs], 0.1, 0.05, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
    ]
    for _ in range(3):
        gradient = torch.randn(shape)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        for optimizer in optimizers:
            optimizer.step()
    moved = (theirs.detach() - start).abs().max().item()
    torch.testing.assert_close(ours, theirs, atol=0.03 * moved, rtol=0)  # theirs is computed in bf16


def test_singular_values_come_near_one():
    torch.manual_seed(2)
    found = orthogonal(torch.randn(64, 96), (3.4445, -4.775, 2.0315), 5, 1e-7)
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.6 and values.max() < 1.4
