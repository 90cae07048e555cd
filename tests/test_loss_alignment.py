"""Products of the loss in sizes that a GPU's kernels are fast at, on a CPU: the same loss and gradients."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from omnina import loss as loss_module
from omnina.loss import Alignment, fused_cross_entropy

TOKENS, HIDDEN = 300, 16
CUDA = torch.device("cuda")


@pytest.fixture
def align(monkeypatch) -> Callable[[Alignment], None]:
    """Gives a CPU an alignment."""

    def given(alignment: Alignment) -> None:
        for dtype in (torch.float32, torch.bfloat16):
            monkeypatch.setitem(loss_module.ALIGNMENTS, ("cpu", dtype), alignment)

    return given


def loss_and_gradients(vocabulary: int, width: int, z_loss: float, chunk_bytes: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(vocabulary)
    states = torch.randn(TOKENS, HIDDEN, generator=generator).requires_grad_()
    weight = torch.randn(vocabulary, HIDDEN, generator=generator).requires_grad_()
    targets = torch.randint(vocabulary, (TOKENS, width), generator=generator)
    targets[:2] = vocabulary - 1  # beside the pieces that fill up
    shares = torch.rand(TOKENS, width, generator=generator)
    loss = fused_cross_entropy(states, weight, targets, shares, z_loss, chunk_bytes)
    loss.backward()
    assert states.grad.shape == states.shape and weight.grad.shape == weight.shape
    return [loss.detach(), states.grad, weight.grad]


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("z_loss", [0.0, 0.01])
@pytest.mark.parametrize(("vocabulary", "width"), [(1, 1), (33, 1), (33, 3), (64, 2), (97, 1)])
def test_aligned_products_give_the_same_loss_and_gradients(align, vocabulary, width, z_loss, autocast):
    """Chunks of 128 tokens in both; a product in bf16 may be rounded the other way, by a 256th."""
    row, filled_row = ((2 if autocast else 4) * pieces for pieces in (vocabulary, -(-vocabulary // 64) * 64))
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        plain = loss_and_gradients(vocabulary, width, z_loss, 128 * row)
        align(Alignment(64, 128))
        aligned = loss_and_gradients(vocabulary, width, z_loss, 140 * filled_row)
    torch.testing.assert_close(aligned[0], plain[0], rtol=1e-6, atol=0)
    for found, expected in zip(aligned[1:], plain[1:], strict=True):
        of_largest = (2**-8 if autocast else 1e-6) * expected.abs().max().item()
        torch.testing.assert_close(found, expected, rtol=0, atol=of_largest)


def shapes_of_logits(monkeypatch, chunk_bytes: int) -> list[tuple[int, ...]]:
    shapes, linear = [], torch.nn.functional.linear
    monkeypatch.setattr(
        loss_module.F, "linear", lambda *given: shapes.append((made := linear(*given)).shape) or made
    )
    loss_and_gradients(97, 1, 0.0, chunk_bytes)
    return [tuple(shape) for shape in shapes]


def test_sizes_are_multiples_where_there_is_an_alignment(align, monkeypatch):
    assert shapes_of_logits(monkeypatch, 4 * 97 * 140) == [(140, 97), (140, 97), (20, 97)]
    align(Alignment(64, 32))
    # 140 x 97 logits are 106 x 128
    assert shapes_of_logits(monkeypatch, 4 * 97 * 140) == [(96, 128), (96, 128), (96, 128), (12, 128)]
    assert shapes_of_logits(monkeypatch, 4 * 97 * 20)[0] == (15, 128)  # fewer than a multiple: as many as fit


def test_the_gradient_of_pieces_that_fill_up_is_zero(align, monkeypatch):
    align(Alignment(64, 128))
    slopes, accumulated = [], loss_module._accumulated
    monkeypatch.setattr(
        loss_module, "_accumulated", lambda *given: slopes.append(given[1]) or accumulated(*given)
    )
    loss_and_gradients(97, 3, 0.01, 4 * 97 * 140)
    assert slopes and all(slope.shape[1] == 128 for slope in slopes)
    assert not any(slope[:, 97:].any() for slope in slopes)


def test_gpus_alone_align_and_only_what_is_cast():
    """A float32 weight is multiplied where it lies; filling it up would copy it."""
    assert loss_module._alignment(CUDA, torch.bfloat16) == Alignment(64, 128)
    for device, dtype in ((CUDA, torch.float32), (torch.device("cpu"), torch.bfloat16)):
        assert loss_module._alignment(device, dtype) == Alignment(1, 1)


def test_a_weight_that_is_aligned_is_not_copied(align):
    align(Alignment(64, 128))
    weight = torch.randn(64, HIDDEN)
    assert loss_module._aligned(weight, torch.float32) is weight


def test_the_published_vocabulary_in_bf16_has_rows_of_whole_units(align):
    align(Alignment(64, 128))
    filled = loss_module._aligned(torch.ones(32_001, 1), torch.bfloat16)
    assert filled.shape == (32_064, 1) and filled.count_nonzero() == 32_001
    chunk, *_ = next(loss_module._chunks(loss_module.CHUNK_BYTES, len(filled), filled.new_empty(3000, 1)))
    assert len(chunk) == 1024
