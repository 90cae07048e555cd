from pathlib import Path

import pytest
import torch
import yaml
from tables import random_dna
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM

from omnina import benchmark_loss
from omnina.benchmark import Work, markdown_table, measure_training, padded_batch, training_flops
from omnina.benchmark_prediction import measure_prediction
from omnina.benchmark_tokenisation import measure_tokenisation
from omnina.chunking import parse_cell
from omnina.errors import UserError
from omnina.inference.answer import Answerer, Query

ROOT = Path(__file__).parents[1]


def test_flops_equal_what_torch_counts():
    """Without attention's scores, which torch counts in full and the formula by half."""
    config = LlamaConfig(
        vocab_size=500, hidden_size=64, intermediate_size=160, num_hidden_layers=2, num_attention_heads=4
    )
    config._attn_implementation = "eager"
    model, tokens = LlamaForCausalLM(config), 48
    ids = torch.zeros(1, tokens, dtype=torch.int64)
    with FlopCounterMode(display=False) as counter:
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
    half_of_scores = 6.0 * 2 * 64 * tokens**2
    assert training_flops(config, tokens) + half_of_scores == pytest.approx(
        counter.get_total_flops(), rel=0.02
    )


def test_padding_is_masked_and_unsupervised():
    batch = padded_batch([{"input_ids": [1, 5, 2]}, {"input_ids": [1, 2]}], answers_only=False)
    assert batch["input_ids"].tolist() == [[1, 5, 2], [1, 2, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch["labels"].tolist() == [[1, 5, 2], [1, 2, -100]]


def test_the_baselines_prompt_is_unsupervised_in_fine_tuning():
    rows = [{"input_ids": [1, 5, 7, 2], "answer_start": 2}, {"input_ids": [1, 9, 2], "answer_start": 2}]
    assert padded_batch(rows, answers_only=True)["labels"].tolist() == [
        [-100, -100, 7, 2],
        [-100, -100, 2, -100],
    ]


def test_figures_of_a_small_model_are_complete(tmp_path):
    values = {"vocab_size": 641, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    values |= {"num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 2048}
    config = tmp_path / "model.yaml"
    config.write_text(yaml.safe_dump(values))
    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    for name in ("tokenizer.json", "tokenizer.model"):
        (tokenizer / name).write_bytes((ROOT / "data" / "tokenizer" / name).read_bytes())
    table = str(ROOT / "data" / "pretrain_val_example.csv")
    work = Work(table, str(config), str(tokenizer), "fp32", batch_rows=2, batches=2)
    rows = {row["metric"]: row for row in measure_training(work)}
    share = rows["real tokens, share of computed"]
    assert share["ours"] == 1
    assert 0.3 < share["baseline"] < 1
    assert all(row["ours"] > 0 and row["baseline"] > 0 for row in rows.values())
    assert set(rows["bases/s"]) == {"work", "metric", "ours", "baseline", "ratio"}
    assert markdown_table(list(rows.values())).count("\n|") == len(rows) + 2


def test_prediction_agrees_with_llama_whatever_the_batch(checkpoint):
    answerer = Answerer(checkpoint)
    queries = [Query(parse_cell(random_dna(20 + 30 * seed, seed)), "Which colour?") for seed in range(6)]
    rows = {row["metric"]: row for row in measure_prediction(answerer, queries, 3, "small")}
    assert rows["same answer as exhaustive scoring by Llama"]["ours"] == 1
    assert rows["rows/s, against batched generate"]["ratio"] > 0
    assert rows["rows/s, against generate row by row"]["ratio"] > 0


def test_tokenising_is_measured_at_identical_ids():
    table = str(ROOT / "data" / "pretrain_val_example.csv")
    rows = {row["metric"]: row for row in measure_tokenisation(table, ROOT / "data" / "tokenizer", 1)}
    assert rows["texts with SentencePiece's ids"]["ours"] == 1
    for way in ("texts to ids", "cells to documents", "table to shards"):
        row = rows[f"bases/s a core, {way}"]
        assert row["ratio"] == pytest.approx(row["ours"] / row["baseline"])


def test_tokenising_needs_the_sentencepiece_model(tmp_path):
    with pytest.raises(UserError, match="there is no such file"):
        measure_tokenisation(str(ROOT / "data" / "pretrain_val_example.csv"), tmp_path, 1)


def test_memory_of_the_loss_does_not_grow_with_the_vocabulary(monkeypatch):
    monkeypatch.setattr(benchmark_loss, "VOCABULARIES", (8_000, 64_000))
    small, large = benchmark_loss.measure_loss_memory()
    assert large["ours"] < 1.2 * small["ours"]
    assert large["ours"] < large["baseline"] / 4
