"""The loss in chunks of several sizes: figures of each, and the size asked for is the size that is used."""

from pathlib import Path

import pytest
import torch

from omnina import loss as loss_module
from omnina.benchmarks.chunks import measure_chunks
from omnina.loss import fused_cross_entropy

TINY = str(Path(__file__).parents[1] / "configs" / "model" / "tiny.yaml")
APART = "time over the baseline's: median (ratio), lowest and highest turn"


def test_each_size_has_seconds_and_memory_beside_the_usual_one():
    small = 2**19
    [table] = measure_chunks([TINY], "fp32", tokens=16_384, turns=2, sizes=[small])  # 42 MB of logits
    rows = {row["metric"]: row for row in table}
    assert set(rows) == {
        f"chunks of {size}: {figure}"
        for size in ("0.5 MiB", "64 MiB")
        for figure in ("ms, median", APART, "peak memory, MiB")
    }
    assert rows["chunks of 64 MiB: ms, median"]["ratio"] == 1
    few, apart = rows["chunks of 0.5 MiB: ms, median"], rows[f"chunks of 0.5 MiB: {APART}"]
    assert few["ratio"] == pytest.approx(few["ours"] / few["baseline"])
    assert apart["ours"] <= apart["ratio"] <= apart["baseline"]
    assert all(row["ours"] > 0 for row in table)
    # All logits at once against 0.5 MiB of them.
    few, all_logits = (rows[f"chunks of {size}: peak memory, MiB"]["ours"] for size in ("0.5 MiB", "64 MiB"))
    assert all_logits > few + 30


@pytest.mark.parametrize(("chunk_bytes", "products"), [(4 * 11 * 7, 3), (4 * 11 * 5, 4), (4, 20), (None, 1)])
def test_the_size_asked_for_is_used(monkeypatch, chunk_bytes, products):
    """20 tokens, 11 pieces in float32: so many products of logits, and the loss and its gradient stay."""
    made, linear = [], torch.nn.functional.linear
    monkeypatch.setattr(loss_module.F, "linear", lambda *given: made.append(1) or linear(*given))
    torch.manual_seed(0)
    states, weight = torch.randn(20, 6, requires_grad=True), torch.randn(11, 6, requires_grad=True)
    targets = torch.randint(11, (20,))
    loss = fused_cross_entropy(states, weight, targets, chunk_bytes=chunk_bytes)
    assert len(made) == products
    whole = torch.nn.functional.cross_entropy(states @ weight.T, targets, reduction="sum")
    torch.testing.assert_close(loss, whole)
    ours, theirs = (torch.autograd.grad(each, (states, weight)) for each in (loss, whole))
    torch.testing.assert_close(ours, theirs)
