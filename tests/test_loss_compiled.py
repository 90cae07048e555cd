"""The loss's elementwise work compiled, as a GPU has it, on a CPU: the same loss and gradients, one graph."""

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters

from omnina import loss as loss_module
from omnina.loss import Alignment, fused_cross_entropy

VOCABULARY, HIDDEN = 97, 16
CHUNK = 4 * VOCABULARY * 40  # 40 tokens
GRAPHS_ALONE = "aot_eager"  # without a compiler's seconds


@pytest.fixture(autouse=True)
def no_graphs():
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


@pytest.fixture
def compiled_on_cpu(monkeypatch):
    monkeypatch.setattr(loss_module, "COMPILED_ON", {"cpu"})


def loss_and_gradients(tokens: int, width: int, z_loss: float, backend: str | None) -> list[Tensor]:
    generator = torch.Generator().manual_seed(tokens)
    states, weight = (
        torch.randn(size, HIDDEN, generator=generator).requires_grad_() for size in (tokens, VOCABULARY)
    )
    targets = torch.randint(VOCABULARY, (tokens, width), generator=generator)
    shares = torch.rand(tokens, width, generator=generator)
    loss = fused_cross_entropy(states, weight, targets, shares, z_loss, CHUNK, backend)
    loss.backward()
    return [loss.detach(), states.grad, weight.grad]


def assert_equal(backend: str, tokens: int, z_loss: float, within: float = 1e-6) -> None:
    compiled, eager = (loss_and_gradients(tokens, 1, z_loss, each) for each in (backend, None))
    torch.testing.assert_close(compiled[0], eager[0], rtol=within, atol=0)
    for found, expected in zip(compiled[1:], eager[1:], strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=within * expected.abs().max().item())


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("z_loss", [0.0, 0.01])
def test_one_graph_computes_the_same_for_any_number_of_tokens(compiled_on_cpu, monkeypatch, z_loss, aligned):
    if aligned:
        monkeypatch.setitem(loss_module.ALIGNMENTS, ("cpu", torch.float32), Alignment(64, 16))
    for tokens in (100, 33, 40, 87, 7):
        assert_equal(GRAPHS_ALONE, tokens, z_loss)
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]


def test_the_compiler_of_training_computes_the_same_too(compiled_on_cpu):
    for tokens in (100, 33):
        assert_equal("inductor", tokens, z_loss=0.01, within=1e-5)  # its exponentials are faster ones
    assert counters["stats"]["unique_graphs"] == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_one_pass_makes_the_gradient_that_the_passes_in_place_make(dtype):
    torch.manual_seed(0)
    logits, targets, shares = torch.randn(50, VOCABULARY) * 5, torch.randint(97, (50, 1)), torch.rand(50, 1)
    logits = logits.to(dtype)
    logits[:, 90:] = -torch.inf  # pieces that fill up
    targets %= 90
    loss, slope = loss_module._one_pass(logits, targets, shares, 0.01)
    assert not slope[:, 90:].any()
    expected = loss_module._into_gradient(logits, targets, shares, 0.01)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(slope, logits, rtol=1e-5 if dtype == torch.float32 else 2**-7, atol=1e-7)


def test_several_candidates_are_not_compiled(compiled_on_cpu):
    loss_and_gradients(100, 3, 0.01, GRAPHS_ALONE)
    assert not counters["stats"]["unique_graphs"]


def test_a_cpu_compiles_no_loss():
    compiled, eager = (loss_and_gradients(100, 1, 0.01, each) for each in (GRAPHS_ALONE, None))
    assert all(map(torch.equal, compiled, eager))
    assert not counters["stats"]["unique_graphs"]
