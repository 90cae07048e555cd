"""Computing activations a second time, in any share of the layers, changes no gradient and no run."""

import copy
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from launching import weights
from transformers import modeling_utils
from world import arguments, make_world

from omnina import pretrain
from omnina.attention import FEW
from omnina.checkpointed_layers import checkpoint_layers, checkpointed, checkpointed_count
from omnina.collation import FlatCollator
from omnina.lora import LoRA

PREFIX = np.arange(3, 11)  # tokens that every row begins with


@pytest.fixture
def behind_a_prefix(rows) -> list[dict]:
    """Rows whose answer is the last token or two."""
    documents = [np.concatenate([PREFIX, row["input_ids"], [2]]) for row in rows]
    return [{"input_ids": ids, "answer_start": len(ids) - 1 - len(ids) % 2} for ids in documents]


def with_gradients(model, batch: dict) -> dict[str, torch.Tensor]:
    """Gradients of the trained weights, dropout drawn from one seed."""
    torch.manual_seed(0)
    model.train()
    model(**batch).loss.backward()
    found = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert any(gradient.any() for gradient in found.values())
    return found


@pytest.mark.parametrize("share", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("rank", [None, 4])
@pytest.mark.parametrize("labels", ["all", "answers", "answers behind a shared prefix"])
def test_gradient_checkpointing_changes_no_gradient(
    small_model, behind_a_prefix, labels, rank, dropout, share
):
    for layer in small_model.model.layers:
        layer.dropout.p = dropout
    collator = FlatCollator(128, labels != "all", filler_id=2, share_prefix=labels.endswith("prefix"))
    batch = collator(behind_a_prefix)
    few = (batch["labels"] != -100).sum() <= FEW * batch["labels"].numel()
    assert few == (labels != "all")  # attention of the wanted tokens alone is tried too
    assert batch.get("shared_prefix", 0) == (len(PREFIX) if labels.endswith("prefix") else 0)

    again = copy.deepcopy(small_model)
    checkpoint_layers(again, share)
    assert sum(layer.gradient_checkpointing for layer in again.model.layers) == round(3 * share)
    models = [small_model, again]
    if rank:
        models = [LoRA(rank, alpha=None, seed=0).applied(model) for model in models]
    expected, found = (with_gradients(model, batch) for model in models)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert torch.equal(found[name], gradient), name


@pytest.mark.parametrize("layers", range(1, 33))
def test_a_share_is_spread_evenly_and_leaves_the_last_layer_out(layers):
    for tenths in range(11):
        again = checkpointed(layers, tenths / 10)
        assert len(again) == layers and sum(again) == checkpointed_count(layers, tenths / 10)
        assert abs(sum(again) - layers * tenths / 10) <= 0.5 or sum(again) == 1 > layers * tenths / 10
        assert again[-1] == all(again)
        lengths = [len(run) for run in "".join("1" if one else "0" for one in again).split("0")][:-1]
        assert not lengths or max(lengths) - min(lengths) <= 1, again  # between layers that keep theirs


def test_which_layers_by_hand():
    assert checkpointed(8, 0.5) == [True, False] * 4
    assert checkpointed(8, 0.25) == [True, False, False, False] * 2
    assert checkpointed(4, 0.75) == [True, True, True, False]
    assert checkpointed(3, 0.1) == [True, False, False]
    assert checkpointed(2, 0.0) == [False, False] and checkpointed(2, 1.0) == [True, True]


@pytest.fixture(scope="module")
def pretraining(tmp_path_factory) -> Path:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def computed_again(monkeypatch) -> list:
    """One entry for each pass of a layer that keeps no activations."""
    calls, original = [], modeling_utils.checkpoint

    def checkpoint(*args, **kwargs):
        calls.append(args)
        return original(*args, **kwargs)

    monkeypatch.setattr(modeling_utils, "checkpoint", checkpoint)
    return calls


def test_a_run_goes_on_with_another_share_and_the_same_bits(pretraining, tmp_path, computed_again):
    short = {"max_steps": 4, "save_steps": 2, "eval_steps": 4, "tokens_per_step": 1024, "dropout": 0.1}
    plain, shared = tmp_path / "plain", tmp_path / "shared"
    pretrain.main(arguments(pretraining, "pretrain", plain, **short))
    assert not computed_again
    half = short | {"activation_checkpointing": True, "checkpointed_share": 0.5}
    pretrain.main(arguments(pretraining, "pretrain", shared, **half))
    assert len(computed_again) == 4  # one layer of two, in one pass of each step
    shutil.rmtree(shared / "checkpoint-4")
    (shared / "run.json").unlink()
    computed_again.clear()
    pretrain.main(arguments(pretraining, "pretrain", shared, **half | {"checkpointed_share": 1.0}))
    assert len(computed_again) == 2 * 2
    expected = weights(plain)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(shared).items())
