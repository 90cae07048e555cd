"""Computing activations a second time changes no gradient, whatever the batch and the trained weights."""

import copy

import numpy as np
import pytest
import torch

from omnina.attention import FEW
from omnina.lora import LoRA
from omnina.packing import FlatCollator

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


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("rank", [None, 4])
@pytest.mark.parametrize("labels", ["all", "answers", "answers behind a shared prefix"])
def test_gradient_checkpointing_changes_no_gradient(small_model, behind_a_prefix, labels, rank, dropout):
    for layer in small_model.model.layers:
        layer.dropout.p = dropout
    collator = FlatCollator(128, labels != "all", filler_id=2, share_prefix=labels.endswith("prefix"))
    batch = collator(behind_a_prefix)
    few = (batch["labels"] != -100).sum() <= FEW * batch["labels"].numel()
    assert few == (labels != "all")  # attention of the wanted tokens alone is tried too
    assert batch.get("shared_prefix", 0) == (len(PREFIX) if labels.endswith("prefix") else 0)

    checkpointed = copy.deepcopy(small_model)
    checkpointed.gradient_checkpointing_enable()
    assert all(layer.gradient_checkpointing for layer in checkpointed.model.layers)
    models = [small_model, checkpointed]
    if rank:
        models = [LoRA(rank, alpha=None, seed=0).applied(model) for model in models]
    expected, found = (with_gradients(model, batch) for model in models)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert torch.equal(found[name], gradient), name
