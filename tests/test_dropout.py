import pytest
import torch

from omnina.dropout import Dropout


def test_the_share_is_dropped_and_the_mean_kept():
    torch.manual_seed(0)
    x = torch.ones(400, 1001)
    dropped = Dropout(0.1)(x)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.1, abs=2e-3)
    assert dropped.unique().tolist() == pytest.approx([0, 1 / 0.9], rel=1e-4)
    assert dropped.mean().item() == pytest.approx(1, abs=2e-3)


def test_elements_of_one_draw_are_independent():
    torch.manual_seed(0)
    kept = (Dropout(0.5)(torch.ones(100_000, 4)) != 0).float()
    assert torch.corrcoef(kept.T).fill_diagonal_(0).abs().max() < 0.02


def test_the_gradient_goes_where_the_value_went():
    torch.manual_seed(0)
    x = torch.randn(1000, requires_grad=True)
    dropped = Dropout(0.3)(x)
    dropped.sum().backward()
    torch.testing.assert_close(x.grad * x, dropped)


def test_nothing_is_dropped_outside_training():
    x = torch.randn(5)
    assert Dropout(0.3).eval()(x) is x
    assert Dropout(0.0)(x) is x
