"""The GPU path's shapes on a CPU: varlen attention replaced by SDPA under a block-diagonal mask."""

import numpy as np
import pytest
import torch
from torch._dynamo.utils import counters

from omnina.collation import FixedShape, FlatCollator
from omnina.model import OmniNAForCausalLM
from omnina.packing import StepPlan, partition

BUDGET, BINS, LONGEST = 8192, 4, 60
VOCABULARY = 97


def attend_block_diagonal(query, key, value, documents):
    """Every token sees those of its document up to itself; (T, N, D) each, the shapes constant."""
    places = torch.arange(len(query))
    document = torch.bucketize(places, documents.boundaries, right=True)
    seen = (document[:, None] == document) & (places[:, None] >= places)  # (T, T)
    heads = (tensor.transpose(0, 1)[None] for tensor in (query, key, value))
    attended = torch.nn.functional.scaled_dot_product_attention(*heads, attn_mask=seen)
    return attended[0].transpose(0, 1)


@pytest.fixture
def batches() -> list[dict]:
    """Micro-batches of several steps, of different rows, filled up to one shape."""
    generator = np.random.default_rng(0)
    lengths = generator.integers(20, LONGEST, 2000)
    documents = [{"input_ids": generator.integers(3, 90, length), "answer_start": 1} for length in lengths]
    plan = StepPlan(lengths, tokens_per_step=BUDGET, seed=1, data_hash="x")
    collator = FlatCollator(LONGEST, False, 2, FixedShape.for_plan(plan, BINS))
    return [
        collator([documents[row] for row in rows[place]])
        for step in range(3)
        for rows in [plan.rows(step)]
        for place in partition(lengths[rows], BINS)
    ]


@pytest.fixture
def varlen_on_cpu(monkeypatch):
    monkeypatch.setattr("omnina.model.attend_varlen", attend_block_diagonal)
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def test_nothing_is_compiled_again_after_warming_up(small_config, batches, varlen_on_cpu, monkeypatch):
    monkeypatch.setattr("omnina.loss.COMPILED_ON", {"cpu"})
    monkeypatch.setattr("omnina.loss.FEW_LOGITS", 0)  # the loss as it is with a large vocabulary
    assert len({(batch["input_ids"].shape, batch["cu_seq_lens_q"].shape) for batch in batches}) == 1
    model = OmniNAForCausalLM(small_config, attention="varlen")
    model.compile_layers(backend="aot_eager")  # the graphs are the same, without a compiler's minutes

    def validate(batch: dict) -> None:
        model.eval()
        with torch.no_grad():
            model(**batch, per_token=True)
        model.train()

    validate(batches[0])  # as the Trainer does before the first step
    model(**batches[0]).loss.backward()
    # Without and with gradients: a layer that computes all tokens, and the last one, the supervised alone.
    # And the loss.
    assert counters["stats"]["unique_graphs"] == 5
    assert len({int((batch["labels"] >= 0).sum()) for batch in batches}) > 2
    for batch in batches:
        model(**batch).loss.backward()
    validate(batches[-1])
    assert counters["stats"]["unique_graphs"] == 5
    assert not counters["graph_break"]


def test_the_mask_is_attention_within_documents(small_model, small_config, batches, varlen_on_cpu):
    masked = OmniNAForCausalLM(small_config, attention="varlen")
    masked.load_state_dict(small_model.state_dict())
    torch.testing.assert_close(masked(**batches[0]).loss, small_model(**batches[0]).loss)
