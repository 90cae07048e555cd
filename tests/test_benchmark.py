import json
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
import yaml
from example_work import example_work
from tables import random_dna, write_table
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama import modeling_llama

from omnina.benchmarks import float8_loss
from omnina.benchmarks import loss as benchmark_loss
from omnina.benchmarks import memory as benchmark_memory
from omnina.benchmarks import scaling as benchmark_scaling
from omnina.benchmarks.figures import (
    check_json_file,
    lowest_and_highest,
    markdown_table,
    report,
    spread,
    stamp,
    write_figures,
)
from omnina.benchmarks.float8_loss import PARTS, loss_curve, measure_float8_loss
from omnina.benchmarks.memory import measure_memory, peak_of_steps
from omnina.benchmarks.prediction import measure_prediction
from omnina.benchmarks.reading import measure_reading
from omnina.benchmarks.saturation import measure_saturation
from omnina.benchmarks.scaling import DOCUMENTS, measure_documents, measure_rows
from omnina.benchmarks.tokenisation import measure_tokenisation
from omnina.benchmarks.training import measure_training
from omnina.benchmarks.ways import (
    LIGER,
    OURS,
    PACKED,
    PADDED,
    Choices,
    Way,
    available_baselines,
    make_way,
    padded_batch,
)
from omnina.benchmarks.work import Work, fastest_dtype, first_device, published_like_rows, tokenizer_for
from omnina.chunking import parse_cell
from omnina.errors import UserError
from omnina.flops import training_flops
from omnina.inference.answer import Answerer, Query
from omnina.inference.packed import PackedReader
from omnina.inference.variants.scoring import VariantScorer, VariantSettings
from omnina.tokenizer import load_tokenizer

ROOT = Path(__file__).parents[1]
SPREAD = "median (ratio), lowest and highest"
APART = f"times as fast as the padded loop: {SPREAD} group of 4 batches"


def check_speed(rates: dict, apart: dict) -> None:
    """The ratio of rates is of those printed; the median of the ratios lies between their ends."""
    assert rates["ratio"] == pytest.approx(rates["ours"] / rates["baseline"])
    assert 0 < apart["ours"] <= apart["ratio"] <= apart["baseline"]
    assert apart["ours"] * 0.99 <= rates["ratio"] <= apart["baseline"] * 1.01


@pytest.mark.parametrize(("instructions", "dtype"), [(True, "bf16"), (False, "fp32")])
def test_a_processor_that_would_emulate_bf16_is_measured_in_float32(monkeypatch, instructions, dtype):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": instructions})
    assert fastest_dtype(first_device()) == dtype


def test_figures_of_a_gpu_say_that_layers_are_not_compiled(monkeypatch):
    """As those of training are there."""
    parts = {"activations and temporaries": 1, "whole step": 2}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(benchmark_memory, "in_child", lambda *_: parts)
    work = example_work("bf16", batch_rows=2, batches=1)
    assert work.name == "tiny, bf16, 2 rows a pass, cuda, layers not compiled"
    assert work.named(torch.device("cpu")) == "tiny, bf16, 2 rows a pass, cpu"
    [table] = measure_memory([work.model_config], "bf16", rows=2)
    assert {row["work"] for row in table} == {work.name}


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


@pytest.fixture
def model_config(tmp_path) -> str:
    values = {"vocab_size": 641, "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2}
    values |= {"num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 2048}
    path = tmp_path / "model.yaml"
    path.write_text(yaml.safe_dump(values))
    return str(path)


def test_figures_of_a_small_model_are_complete(tmp_path, model_config):
    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    for name in ("tokenizer.json", "tokenizer.model"):
        (tokenizer / name).write_bytes((ROOT / "data" / "tokenizer" / name).read_bytes())
    table = str(ROOT / "data" / "pretrain_val_example.csv")
    work = Work(table, model_config, str(tokenizer), "fp32", batch_rows=2, batches=2)
    rows = {row["metric"]: row for row in measure_training(work)}
    share = rows["real tokens, share of computed"]
    assert share["ours"] == 1
    assert 0.3 < share["baseline"] < 1
    assert all(row["ours"] > 0 and row["baseline"] > 0 for row in rows.values())
    assert set(rows["bases/s"]) == {"work", "metric", "ours", "baseline", "ratio"}
    assert markdown_table(list(rows.values())).count("\n|") == len(rows) + 2


def test_float8_is_compared_in_every_part_of_a_run(model_config):
    pytest.importorskip("torchao")
    table, tokenizer = (str(ROOT / "data" / name) for name in ("pretrain_val_example.csv", "tokenizer"))
    found = measure_float8_loss(Work(table, model_config, tokenizer, "fp32", 1, 1), PARTS, 1e-3)
    assert len(found) == 4 * PARTS
    assert found[0]["ours"] == pytest.approx(found[0]["baseline"], rel=1e-3)  # of the same weights
    assert all(row["ours"] > 0 for row in found)


def test_another_seed_of_a_curve_is_other_weights_on_the_same_rows(model_config, monkeypatch):
    """So what the curves differ by is chance, and not which rows came up."""
    table, tokenizer = (str(ROOT / "data" / name) for name in ("pretrain_val_example.csv", "tokenizer"))
    work, run, seen = Work(table, model_config, tokenizer, "fp32", 1, 1), float8_loss.run_pass, []

    def noted(way: Way, choices: Choices, rows: list[dict]) -> torch.Tensor:
        seen.append([list(row["input_ids"]) for row in rows])
        return run(way, choices, rows)

    monkeypatch.setattr(float8_loss, "run_pass", noted)
    one, other = (loss_curve(vars(work), PARTS, 1e-2, None, seed) for seed in (0, 1))
    assert seen[:PARTS] == seen[PARTS:]
    assert all(loss != of_others for (_, loss), (_, of_others) in zip(one, other, strict=True))


def test_a_curve_falls_in_parts_of_equal_steps(model_config):
    table, tokenizer = (str(ROOT / "data" / name) for name in ("pretrain_val_example.csv", "tokenizer"))
    work = Work(table, model_config, tokenizer, "fp32", 1, 1)
    curve = loss_curve(vars(work), 2 * PARTS, 1e-2, None)
    assert [end for end, _ in curve] == list(range(2, 2 * PARTS + 1, 2))
    assert curve[0][1] > curve[-1][1] > 0


def test_all_ways_have_the_same_loss(small_config, small_model, rows):
    """So all of them compute the same work: packed as well as padded."""
    choices = Choices(small_config, torch.device("cpu"), half=False)
    losses = []
    for name in (OURS, *available_baselines(choices.device)):
        way = make_way(name, choices)
        way.model.load_state_dict(small_model.state_dict())
        losses.append(way.model(**way.collate(rows)).loss.item())
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)
    assert available_baselines(choices.device) == [PADDED, PACKED]


@pytest.mark.parametrize("alone", [False, True])
def test_ligers_kernels_reach_no_way_made_later(small_config, monkeypatch, alone):
    """A stand-in replaces in transformers' module what Liger replaces there, and notes what it was asked."""
    asked, kernels = [], ModuleType("liger_kernel.transformers")

    def apply(model: LlamaForCausalLM, rope: bool) -> None:
        asked.append(rope)
        monkeypatch.setattr(modeling_llama, "LlamaRMSNorm", torch.nn.Identity)
        monkeypatch.setattr(modeling_llama, "LlamaMLP", torch.nn.Identity)

    kernels.apply_liger_kernel_to_llama = apply
    monkeypatch.setitem(sys.modules, "liger_kernel", ModuleType("liger_kernel"))
    monkeypatch.setitem(sys.modules, "liger_kernel.transformers", kernels)
    norm, feed_forward = modeling_llama.LlamaRMSNorm, modeling_llama.LlamaMLP
    make_way(LIGER, Choices(small_config, torch.device("cpu"), half=False, alone=alone))
    assert asked == [alone]
    assert (modeling_llama.LlamaRMSNorm is norm) == (modeling_llama.LlamaMLP is feed_forward) == (not alone)


def test_published_like_rows_are_padded_to_twice_their_tokens():
    lengths = [len(row["input_ids"]) for row in published_like_rows(8000, 97, 2048)]
    batches = [lengths[first : first + 8] for first in range(0, 8000, 8)]
    assert sum(lengths) / sum(8 * max(batch) for batch in batches) == pytest.approx(0.45, abs=0.02)


def test_the_parts_of_a_step_add_up_to_its_peak(model_config):
    [table] = measure_memory([model_config], "fp32", rows=4)
    figures = {row["metric"]: row for row in table}
    parts = ("parameters", "gradients", "optimizer", "activations and temporaries")
    for side in ("ours", "baseline"):
        whole = figures["whole step, MiB"][side]
        assert sum(figures[f"{part}, MiB"][side] for part in parts) == pytest.approx(whole, rel=0.01)
    assert figures["parameters, MiB"]["ratio"] == 1
    for again in ("activations", "half the layers'"):
        assert figures[f"whole step, {again} computed again, MiB"]["ours"] > 0


def test_growth_is_measured_for_every_size(model_config):
    documents = measure_documents(model_config, "fp32", pass_tokens=130, turns=1)
    assert len(documents) == 3 * len(DOCUMENTS) + 1
    per_token = [row["value"] for row in documents if "µs" in row["metric"]]
    apart = [row["value"].split(" to ") for row in documents if "lowest and highest turn" in row["metric"]]
    assert [(float(low), float(high)) for low, high in apart] == [
        (pytest.approx(value, rel=1e-2),) * 2 for value in per_token
    ]  # of one turn
    assert {row["work"] for row in documents} == {"model, fp32, 130 tokens a pass, cpu"}
    rows = measure_rows([1_000, 100_000])
    assert {row["work"] for row in rows} == {"1,000 rows", "100,000 rows"}
    assert len(rows) == 2 * 7


@pytest.fixture
def few_positions(tmp_path, model_config) -> str:
    """The same model with fewer positions than documents have tokens."""
    path = tmp_path / "few_positions.yaml"
    path.write_text(Path(model_config).read_text().replace("2048", "16"))
    return str(path)


def unbounded(monkeypatch, module: ModuleType) -> list[bool]:
    """Of each pass that a module runs from now on, whether a document is longer than the kernel is told."""
    found, run = [], module.run_pass

    def noted(way: Way, choices: Choices, rows: list[dict]) -> torch.Tensor:
        longest = max(len(row["input_ids"]) for row in rows)
        found.append(longest > way.collate(rows)["max_length_q"])
        return run(way, choices, rows)

    monkeypatch.setattr(module, "run_pass", noted)
    return found


def test_the_kernel_is_told_of_documents_longer_than_the_model_has_positions(few_positions, monkeypatch):
    """A GPU's kernel computes nothing of what is beyond the length that it is told."""
    growing = unbounded(monkeypatch, benchmark_scaling)
    measure_documents(few_positions, "fp32", pass_tokens=130, turns=1)
    peak = unbounded(monkeypatch, benchmark_memory)
    table, tokenizer = (str(ROOT / "data" / name) for name in ("pretrain_val_example.csv", "tokenizer"))
    assert peak_of_steps(vars(Work(table, few_positions, tokenizer, "fp32", 2, 1)), OURS) > 0
    assert growing and peak and not any(growing + peak)


def test_a_report_says_what_was_not_measured_and_where_it_was_made(tmp_path):
    file = tmp_path / "new" / "figures.json"
    rows = [{"work": "a", "metric": "b", "value": None}]
    check_json_file(file, report_beside=False)  # which makes its folder
    text = report([rows], {"date": "today"})
    write_figures([rows], {"date": "today"}, file)
    assert "- date: today" in text
    assert "| a | b | not measured |" in text
    assert json.loads(file.read_text()) == {"made": {"date": "today"}, "figures": rows}


def test_a_spread_has_the_median_between_its_ends():
    row = spread("work", "times as fast", [3.0, 1.0, 2.5], "turn")
    assert (row["ours"], row["ratio"], row["baseline"]) == (1.0, 2.5, 3.0)
    assert row["metric"] == "times as fast: median (ratio), lowest and highest turn"
    assert lowest_and_highest([1234.5, 0.25, 3]) == "0.25 to 1,234"


def test_figures_say_how_busy_the_machine_was(monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (1.234, 5.0, 6.0))
    assert stamp()["load"] == "1.23 processes at work, mean of the last minute"


def test_prediction_agrees_with_llama_whatever_the_batch(checkpoint):
    answerer = Answerer(checkpoint)
    queries = [Query(parse_cell(random_dna(20 + 30 * seed, seed)), "Which colour?") for seed in range(6)]
    rows = {row["metric"]: row for row in measure_prediction(answerer, queries, 3, "small")}
    assert rows["same answer as exhaustive scoring by Llama"]["ours"] == 1
    for way in ("batched generate", "generate row by row"):
        check_speed(rows[f"rows/s, against {way}"], rows[f"times as fast as {way}: {SPREAD} batch"])


def test_tokenising_is_measured_at_identical_ids():
    table = str(ROOT / "data" / "pretrain_val_example.csv")
    rows = {row["metric"]: row for row in measure_tokenisation(table, ROOT / "data" / "tokenizer", 1)}
    assert rows["texts with SentencePiece's ids"]["ours"] == 1
    for way in ("texts to ids", "cells to documents", "table to shards"):
        check_speed(
            rows[f"bases/s a core, {way}"], rows[f"{way}, times as fast as SentencePiece: {SPREAD} turn"]
        )


def test_tokenising_needs_the_sentencepiece_model(tmp_path):
    with pytest.raises(UserError, match="there is no such file"):
        measure_tokenisation(str(ROOT / "data" / "pretrain_val_example.csv"), tmp_path, 1)


def test_memory_of_the_loss_does_not_grow_with_the_vocabulary(monkeypatch):
    monkeypatch.setattr(benchmark_loss, "VOCABULARIES", (8_000, 64_000))
    small, large = benchmark_loss.measure_loss_memory()
    assert large["ours"] < 1.2 * small["ours"]
    assert large["ours"] < large["baseline"] / 4


def test_a_table_of_few_pieces_gets_a_smaller_tokenizer(tmp_path, capsys):
    rows = [{"sequence": random_dna(60, seed), "response": "yes", "question": "Is it?"} for seed in range(40)]
    table = write_table(tmp_path / "short.csv", rows)
    config = tmp_path / "model.yaml"
    config.write_text("vocab_size: 32001\n")
    folder = tokenizer_for(str(table), str(config), tmp_path / "tokenizer")
    assert 300 < len(load_tokenizer(Path(folder))) <= 16_001
    assert "pieces, trained on" in capsys.readouterr().out


def test_another_fault_of_a_table_is_no_reason_for_a_smaller_tokenizer(tmp_path):
    table = tmp_path / "no.csv"
    table.write_text("a,b\n1,2\n")
    (tmp_path / "model.yaml").write_text("vocab_size: 32001\n")
    with pytest.raises(UserError, match="sequence"):
        tokenizer_for(str(table), str(tmp_path / "model.yaml"), tmp_path / "tokenizer")


def test_saturation_agrees_with_calls_one_by_one(checkpoint):
    scorer = VariantScorer(PackedReader(checkpoint), VariantSettings(window=61))
    rows = measure_saturation(scorer, "ACGTTGCATTAC" * 7, 3, "small")
    apart = [row["ours"] for row in rows if "difference" in row["metric"]]
    assert len(apart) == 2 and max(apart) < 1e-3
    speeds = [row for row in rows if row["ratio"]]
    assert len(speeds) == 4
    check_speed(*speeds[:2])
    check_speed(*speeds[2:])


def test_reading_agrees_with_a_padded_loop(checkpoint):
    sequences = [parse_cell(random_dna(20 + 40 * seed, seed)) for seed in range(10)]
    rows = {row["metric"]: row for row in measure_reading(PackedReader(checkpoint), sequences, 2, "small")}
    assert set(rows) == {
        f"{what}, {figure}"
        for what in ("embeddings", "likelihoods")
        for figure in ("rows/s", APART, "largest difference, share of the largest")
    }
    for what in ("embeddings", "likelihoods"):
        assert rows[f"{what}, largest difference, share of the largest"]["ours"] < 1e-5
        check_speed(rows[f"{what}, rows/s"], rows[f"{what}, {APART}"])
