"""Float8 products, in torchao's emulation, which any device computes."""

import copy
import sys

import pytest
import torch
from transformers import AutoModelForCausalLM

from omnina.errors import UserError
from omnina.fp8 import convert_layers

CPU = torch.device("cpu")


@pytest.fixture
def converted(small_model):
    pytest.importorskip("torchao")
    model = copy.deepcopy(small_model)
    convert_layers(model, "tensorwise", CPU, emulate=True)
    return model


def test_only_products_of_whole_batches_are_converted(converted):
    names = {name for name, part in converted.named_modules() if type(part).__name__ == "Float8Linear"}
    expected = {f"model.layers.{layer}.self_attn.{part}_proj" for layer in range(3) for part in "qkvo"}
    expected |= {
        f"model.layers.{layer}.mlp.{part}_proj" for layer in (0, 1) for part in ("gate", "up", "down")
    }
    assert names == expected


@pytest.mark.parametrize("scaling", ["tensorwise", "rowwise"])
def test_loss_and_gradients_are_near_those_of_float32(small_model, rows, collator, scaling):
    pytest.importorskip("torchao")
    model = copy.deepcopy(small_model)
    convert_layers(model, scaling, CPU, emulate=True)
    filled = collator([*rows, {"input_ids": [1] * 2, "answer_start": 1}])  # 144 tokens, a multiple of 16
    near, exact = (each(**filled).loss for each in (model, small_model))
    assert near != exact
    torch.testing.assert_close(near, exact, rtol=0.02, atol=0)
    near.backward(), exact.backward()
    for ours, theirs in zip(model.parameters(), small_model.parameters(), strict=True):
        likeness = torch.cosine_similarity(ours.grad.flatten(), theirs.grad.flatten(), dim=0)
        assert likeness > 0.97


def test_a_checkpoint_is_a_plain_model(converted, small_model, tmp_path):
    converted.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path).state_dict()
    assert loaded.keys() == small_model.state_dict().keys()
    for name, weight in small_model.state_dict().items():
        assert torch.equal(loaded[name], weight)


def test_without_torchao_or_such_a_gpu_it_says_what_to_do(small_model, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchao.float8", None)
    with pytest.raises(UserError, match=r"requirements-gpu\.txt"):
        convert_layers(small_model, "tensorwise", CPU)
    monkeypatch.undo()
    pytest.importorskip("torchao")
    with pytest.raises(UserError, match="compute capability"):
        convert_layers(small_model, "tensorwise", CPU)
