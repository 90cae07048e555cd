import copy
import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import yaml
from torch.nn.attention import varlen
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from omnina import loss as loss_module
from omnina.collation import FixedShape, FlatCollator
from omnina.model import OmniNAForCausalLM
from omnina.rotary import rotary_tables, rotate

CONFIGS = Path(__file__).parents[1] / "configs" / "model"
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


def oracle(model: OmniNAForCausalLM) -> LlamaForCausalLM:
    llama = LlamaForCausalLM(copy.deepcopy(model.config))
    llama.load_state_dict(model.state_dict())
    return llama


def gradients(model) -> dict[str, torch.Tensor]:
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def without_first_labels(batch: dict) -> torch.Tensor:
    return batch["labels"][0, 1:] != -100


@pytest.mark.parametrize("kv_heads", [4, 2])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("factor", [None, 0.5])
def test_logits_and_gradients_equal_llamas(small_config, rows, collator, kv_heads, tied, factor):
    small_config.num_key_value_heads = kv_heads
    if factor:
        small_config.rope_parameters |= {"rope_type": "linear", "factor": factor}
    small_config.tie_word_embeddings = tied
    torch.manual_seed(1)
    ours = OmniNAForCausalLM(small_config)
    llama = oracle(ours)
    llama.tie_weights()
    batch = collator(rows)
    expected = llama(input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False).logits
    logits = ours(**(batch | {"labels": None})).logits
    torch.testing.assert_close(logits, expected, **TOLERANCE)

    labels = batch["labels"][0, 1:]
    torch.nn.functional.cross_entropy(expected[0, :-1], labels).backward()
    ours(**batch).loss.backward()
    found, wanted = gradients(ours), gradients(llama)
    assert found.keys() == wanted.keys()
    for name in wanted:
        torch.testing.assert_close(found[name], wanted[name], **TOLERANCE, msg=name)


def test_packed_batch_equals_its_documents_one_by_one(small_model, rows, collator):
    alone = copy.deepcopy(small_model)
    small_model(**collator(rows)).loss.backward()
    tokens = sum(len(row["input_ids"]) - 1 for row in rows)
    total = 0.0
    for row in rows:
        loss = alone(**collator([row]), num_items_in_batch=tokens).loss
        loss.backward()
        total += loss.item()
    assert total == pytest.approx(small_model(**collator(rows)).loss.item(), rel=1e-5)
    for name, expected in gradients(alone).items():
        torch.testing.assert_close(gradients(small_model)[name], expected, **TOLERANCE, msg=name)


@pytest.mark.parametrize("kv_heads", [4, 2])
def test_answers_behind_a_shared_prefix_have_llamas_loss_and_gradients(small_config, kv_heads):
    small_config.num_key_value_heads = kv_heads
    torch.manual_seed(3)
    model = OmniNAForCausalLM(small_config)
    llama = oracle(model)
    rows = rows_behind_a_prefix([10, 30, 31, 33, 12])
    tokens = sum(len(row["input_ids"]) - row["answer_start"] for row in rows)
    shared = FlatCollator(64, True, filler_id=2, share_prefix=True)(rows)
    assert shared["shared_prefix"] == 6
    loss = model(**shared).loss
    loss.backward()
    total = 0.0
    for row in rows:
        ids = torch.tensor(row["input_ids"])[None]
        labels = torch.where(torch.arange(ids.shape[1]) < row["answer_start"], -100, ids)
        theirs = llama(input_ids=ids, labels=labels, num_items_in_batch=tokens).loss
        theirs.backward()
        total += theirs.item()
    assert loss.item() == pytest.approx(total, rel=1e-5)
    for name, expected in gradients(llama).items():
        torch.testing.assert_close(gradients(model)[name], expected, **TOLERANCE, msg=name)


def rows_behind_a_prefix(lengths: list[int]) -> list[dict]:
    """Six first tokens are the same; the last three are the answer."""
    ids = torch.Generator().manual_seed(5)
    rows = [torch.randint(3, 60, (length,), generator=ids) for length in lengths]
    for row in rows:
        row[:6] = torch.arange(10, 16)
    return [{"input_ids": row.tolist(), "answer_start": len(row) - 3} for row in rows]


@pytest.mark.parametrize("autocast", [False, True])
def test_gradients_do_not_depend_on_the_chunk_size(small_model, rows, collator, monkeypatch, autocast):
    found = []
    for tokens in (2**18, 7):
        monkeypatch.setattr(loss_module, "CHUNK_BYTES", tokens * 4 * small_model.config.vocab_size)
        monkeypatch.setattr(loss_module, "CACHED_LOGITS", 3 * small_model.config.vocab_size)
        monkeypatch.setattr(loss_module, "FEW_LOGITS", 0)
        small_model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            small_model(**collator(rows)).loss.backward()
        found.append(gradients(small_model))
    tolerance = {"rtol": 0.02, "atol": 1e-3} if autocast else TOLERANCE
    torch.testing.assert_close(*found, **tolerance)


def test_loss_does_not_depend_on_the_chunk_size(small_model, rows, collator, monkeypatch):
    whole = small_model(**collator(rows)).loss
    monkeypatch.setattr(loss_module, "CHUNK_BYTES", 7 * 4 * small_model.config.vocab_size)
    monkeypatch.setattr(loss_module, "FEW_LOGITS", 0)
    torch.testing.assert_close(small_model(**collator(rows)).loss, whole)


def test_loss_gradient_is_the_numerical_one():
    torch.manual_seed(0)
    states = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(9, 6, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([0, 8, 3, 3, 1])
    loss_module.fused_cross_entropy(states, weight, targets).backward()
    twin_states, twin_weight = (tensor.detach().clone().requires_grad_() for tensor in (states, weight))
    torch.nn.functional.cross_entropy(twin_states @ twin_weight.T, targets, reduction="sum").backward()
    torch.testing.assert_close(states.grad, twin_states.grad, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(weight.grad, twin_weight.grad, rtol=1e-5, atol=1e-6)


def test_bf16_autocast_stays_near_float32(small_model, rows, collator):
    exact = small_model(**collator(rows)).loss
    with torch.autocast("cpu", torch.bfloat16):
        rough = small_model(**collator(rows)).loss
    assert rough.dtype == torch.float32
    assert rough.item() == pytest.approx(exact.item(), rel=0.02)
    rough.backward()
    assert all(torch.isfinite(gradient).all() for gradient in gradients(small_model).values())


def test_token_losses_sum_to_the_loss_and_are_zero_where_unsupervised(small_model, rows, collator):
    batch = collator(rows)
    losses = small_model(**batch, per_token=True).loss
    supervised = batch["labels"][0] != -100
    assert torch.equal(losses != 0, supervised)
    torch.testing.assert_close(losses.sum() / supervised.sum(), small_model(**batch).loss)


def test_batch_without_labels_gives_zero_loss_and_zero_gradients(small_model, collator):
    loss = small_model(**collator([]), num_items_in_batch=10).loss
    loss.backward()
    assert loss.item() == 0
    assert all((gradient == 0).all() for gradient in gradients(small_model).values())
    assert None not in gradients(small_model).values()


def test_filler_changes_nothing(small_model, rows, collator):
    filled = FlatCollator(64, answers_only=False, filler_id=2, fixed_shape=FixedShape(256, 128))
    batch = filled(rows)
    assert batch["input_ids"].shape == (1, 256)
    assert batch["cu_seq_lens_q"].shape == (129,)
    torch.testing.assert_close(small_model(**batch).loss, small_model(**collator(rows)).loss)


def test_dropout_is_of_training_alone_and_of_no_checkpoint(small_config, rows, collator, tmp_path):
    torch.manual_seed(0)
    model = OmniNAForCausalLM(small_config, dropout=0.5)
    plain = OmniNAForCausalLM(small_config)
    plain.load_state_dict(model.state_dict())
    batch = collator(rows)
    expected = plain(**batch).loss
    assert model.eval()(**batch).loss == expected
    assert model.train()(**batch).loss != expected
    model.save_pretrained(tmp_path)
    assert "dropout" not in json.loads((tmp_path / "config.json").read_text())


def test_saved_folder_is_a_plain_llama_without_pickle(small_model, rows, collator, tmp_path):
    small_model.save_pretrained(tmp_path)
    llama = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert type(llama) is LlamaForCausalLM
    batch = collator(rows)
    logits = llama(input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False).logits
    torch.testing.assert_close(small_model(**(batch | {"labels": None})).logits, logits, **TOLERANCE)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"config.json", "generation_config.json", "model.safetensors"}
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == ["LlamaForCausalLM"]


def test_a_saved_model_generates_with_its_cache_though_the_trainer_switched_it_off(small_model, tmp_path):
    small_model.config.use_cache = False
    small_model.save_pretrained(tmp_path)
    llama = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert llama.config.use_cache and llama.generation_config.use_cache


def test_a_llama_checkpoint_loads_as_ours(small_config, rows, collator, tmp_path):
    torch.manual_seed(3)
    llama = LlamaForCausalLM(small_config)
    llama.save_pretrained(tmp_path)
    ours = OmniNAForCausalLM.from_pretrained(tmp_path)
    batch = collator(rows)
    expected = llama(input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False).logits
    torch.testing.assert_close(ours(**(batch | {"labels": None})).logits, expected, **TOLERANCE)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("omnina-66m", 66_332_160), ("omnina-330m", 334_007_296), ("omnina-1.7b", 1_741_789_184)],
)
def test_published_sizes_are_exact(name, parameters):
    config = LlamaConfig(**yaml.safe_load((CONFIGS / f"{name}.yaml").read_text()))
    assert config.head_dim == 64
    with torch.device("meta"):
        model, llama = OmniNAForCausalLM(config), LlamaForCausalLM(config)
    assert sum(p.numel() for p in llama.parameters()) == sum(p.numel() for p in model.parameters())
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_initialisation_is_normal_with_the_configured_deviation():
    config = LlamaConfig(**yaml.safe_load((CONFIGS / "tiny.yaml").read_text()))
    torch.manual_seed(0)
    for name, parameter in OmniNAForCausalLM(config).named_parameters():
        if "norm" in name:
            assert (parameter == 1).all(), name
        else:
            five_sigma = 5 * 0.02 / parameter.numel() ** 0.5
            assert abs(parameter.std().item() - 0.02) < five_sigma, name
            assert abs(parameter.mean().item()) < five_sigma, name


def test_compiled_layers_give_the_same_gradients(small_model, rows, collator):
    plain = copy.deepcopy(small_model)
    names = list(small_model.state_dict())
    small_model.compile_layers()
    small_model(**collator(rows)).loss.backward()
    plain(**collator(rows)).loss.backward()
    assert list(small_model.state_dict()) == names
    for name, expected in gradients(plain).items():
        torch.testing.assert_close(gradients(small_model)[name], expected, **TOLERANCE, msg=name)


def test_rotation_keeps_lengths_and_depends_on_distance_alone(small_config):
    torch.manual_seed(0)
    query, key = torch.randn(1, 1, 8), torch.randn(1, 1, 8)

    def product(query_position: int, key_position: int) -> torch.Tensor:
        tables = rotary_tables(torch.tensor([query_position, key_position]), small_config)
        turned = rotate(torch.cat((query, key)), *tables)
        torch.testing.assert_close(turned.norm(dim=-1), torch.cat((query, key)).norm(dim=-1))
        return turned[0, 0] @ turned[1, 0]

    torch.testing.assert_close(product(9, 4), product(105, 100), **TOLERANCE)


def test_varlen_attention_is_called_causally_with_the_documents_boundaries(
    small_model, small_config, rows, collator, monkeypatch
):
    """The GPU's path with its kernel replaced by one that does what the kernel documents."""

    def kernel(query, key, value, cu_q, cu_k, max_q, max_k, *, window_size, enable_gqa):
        assert window_size == (-1, 0)
        assert cu_q.dtype == cu_k.dtype == torch.int32
        assert max_q == max_k == 64
        pieces = [
            torch.nn.functional.scaled_dot_product_attention(
                *(tensor[start:end].transpose(0, 1) for tensor in (query, key, value)), is_causal=True
            ).transpose(0, 1)
            for start, end in pairwise(cu_q.tolist())
        ]
        return torch.cat(pieces)

    monkeypatch.setattr("omnina.attention.varlen_attn", kernel)
    assert callable(varlen.varlen_attn)
    twin = OmniNAForCausalLM(small_config, attention="varlen")
    twin.load_state_dict(small_model.state_dict())
    torch.testing.assert_close(twin(**collator(rows)).loss, small_model(**collator(rows)).loss)


def test_unsupported_rotation_is_refused(small_config):
    small_config.rope_parameters = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    with pytest.raises(ValueError, match=r"rope_type 'dynamic'.*'default' or 'linear'"):
        OmniNAForCausalLM(small_config)
