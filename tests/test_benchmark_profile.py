"""Where a pass's time goes: parts that add up to the whole, and operators that stand where they belong."""

from dataclasses import replace

import pytest
import torch
from example_work import example_work
from torch.profiler import ProfilerActivity, profile

from omnina.benchmarks.operator_parts import (
    ATTENTION,
    CASTS,
    GATHERING,
    LOSS,
    MARK,
    NORMS,
    OTHER,
    PARTS,
    PRODUCTS,
    marked_modules,
    operators_by_part,
    part_of,
)
from omnina.benchmarks.profiling import SHARE, measure_profile
from omnina.benchmarks.training import run_pass
from omnina.benchmarks.ways import OURS, Choices, make_way
from omnina.errors import UserError

WORK = example_work("bf16", batch_rows=2, batches=1)


def test_the_parts_of_a_profile_add_up_to_its_whole():
    rows = {row["metric"]: row["value"] for row in measure_profile(WORK)}
    shares = [rows[f"{part}, {SHARE}"] for part in PARTS]
    assert sum(shares) == pytest.approx(1)
    assert all(share > 0 for share in shares)
    largest = [value for metric, value in rows.items() if metric.startswith(f"{OTHER}: ")]
    assert 0 < sum(largest) <= rows[f"{OTHER}, {SHARE}"] + 1e-9
    assert largest == sorted(largest, reverse=True)
    assert 0.1 < rows["operators' time, share of the passes' seconds"] <= 1.01


def test_a_table_of_one_pass_is_refused():
    with pytest.raises(UserError, match="smaller --batch_rows"):
        measure_profile(replace(WORK, batch_rows=100_000))


@pytest.fixture
def parts(small_config, rows, monkeypatch) -> dict[str, set[str]]:
    """Of each operator that a small model's pass calls, the parts that it was put into."""
    monkeypatch.setattr("omnina.loss.FEW_LOGITS", 0)  # the loss as it is with a large vocabulary
    choices = Choices(small_config, torch.device("cpu"), half=True)
    way = make_way(OURS, choices)
    with marked_modules(way.model), profile(activities=[ProfilerActivity.CPU]) as profiler:
        run_pass(way, choices, rows)
    found: dict[str, set[str]] = {}
    for event, part in operators_by_part(profiler.events()):
        found.setdefault(event.name, set()).add(part)
    return found


def test_operators_stand_in_their_parts_backwards_too(parts):
    assert parts["aten::mm"] == {PRODUCTS}
    assert parts["_FusedCrossEntropy"] == parts["_FusedCrossEntropyBackward"] == {LOSS}
    assert parts["aten::exp_"] == {LOSS}
    assert parts["aten::_scaled_dot_product_flash_attention_for_cpu_backward"] == {ATTENTION}
    assert parts["aten::embedding"] == parts["aten::embedding_dense_backward"] == {GATHERING}
    assert parts["ToCopyBackward0"] == {CASTS}
    assert parts["NegBackward0"] == parts["aten::rsqrt"] == {NORMS}  # rotations; norms
    assert parts["aten::silu"] == parts["aten::silu_backward"] == {OTHER}
    # Rotations and norms, the feed-forward part's gate, and the loss multiply alike, in both directions.
    assert parts["MulBackward0"] == {NORMS, OTHER}
    assert not any(name.startswith(MARK) for name in parts)


def test_hooks_are_gone_after_the_block(small_model):
    with marked_modules(small_model):
        assert small_model.lm_head._forward_hooks
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in small_model.modules())


@pytest.mark.parametrize(
    ("names", "part"),
    [
        (["aten::copy_", "aten::_to_copy", "aten::to", "aten::linear"], CASTS),
        (["aten::mm", "aten::matmul", "aten::linear", MARK + NORMS], PRODUCTS),
        (["aten::mm", "_FusedCrossEntropy", MARK + LOSS], PRODUCTS),
        (["aten::copy_", "_FusedCrossEntropy", MARK + LOSS], LOSS),
        (["aten::mul", MARK + NORMS], NORMS),
        (["aten::_flash_attention_forward", "torch_attn::_varlen_attn"], ATTENTION),  # a GPU's
        (["aten::add_", "torch::autograd::AccumulateGrad"], OTHER),
    ],
)
def test_a_part_is_told_by_names(names, part):
    assert part_of(names) == part
