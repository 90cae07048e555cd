"""The GPU's benchmark: each way in a process of its own, a limit in all, failures and gaps in the table."""

import json
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from example_work import example_work

from omnina.benchmarks import commands, gpu
from omnina.benchmarks.child import ChildFailed
from omnina.benchmarks.commands import measured
from omnina.benchmarks.figures import markdown_table
from omnina.benchmarks.gpu import RATE, Curves, Plan, Size, measure_gpu
from omnina.benchmarks.gpu_way import FILLED, FP8, FP8_ROWWISE, SCALING, EqualRows, measure_way, while_it_fits
from omnina.benchmarks.ways import LIGER, OURS, PACKED, PADDED
from omnina.errors import UserError
from omnina.packing import StepPlan

ROOT = Path(__file__).parents[1]
TINY = str(ROOT / "configs" / "model" / "tiny.yaml")
CURVES = Curves(example_work("bf16", batch_rows=1, batches=1), 1e-3)
FOUND = {"attention": "varlen", "dtype": "bf16", "one_pass": "8 rows"}
FOUND |= {
    "rates": [9.0, 10.0, 11.0],
    "flops": [1e12] * 3,
    "real": 0.5,
    "waited": 0.001,
    "graphs": [2, 2],
    "peak": 2**30,
}
Answer = Callable[[float, str, str], object]


@pytest.fixture
def plan() -> Plan:
    sizes = (Size("large.yaml", 1024), Size("middle.yaml", 1024), Size("small.yaml", 1024, fp8=False))
    return Plan(sizes, (CURVES,))


@pytest.fixture
def all_packages(monkeypatch):
    monkeypatch.setattr(gpu, "find_spec", lambda name: name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


def stand_in(failing: dict[str, str] | None = None, asked: list | None = None, found: dict = FOUND) -> Answer:
    """A child that has its answers ready; for the ways that are named it fails for the reason given."""

    def answer(seconds: float, module: str, function: str, *arguments: object) -> object:
        if asked is not None:
            asked.append((function, *arguments))
        if function == "measure_ceilings":
            return {"bf16": 2e12, "float32": 1e12}
        if function == "loss_curve":
            return [[10, 5.0], [20, 4.0]]
        if arguments[0] in (failing or {}):
            raise ChildFailed(failing[arguments[0]])
        return found

    return answer


def values(rows: list[dict]) -> dict[tuple[str, str], object]:
    return {(row["work"], row["metric"]): row["value"] for row in rows}


def last(plan: Plan) -> dict[tuple[str, str], object]:
    *_, rows = measure_gpu(plan, lambda text: None)
    return values(rows)


def test_what_matters_most_comes_first(plan, monkeypatch, all_packages):
    asked = []
    monkeypatch.setattr(gpu, "in_child_within", stand_in(asked=asked))
    found = last(plan)
    ways = [(what[2], what[1]) for what in asked if what[0] == "measure_way"]
    large = [("large.yaml", way) for way in (OURS, PADDED, FP8)]
    assert ways[:5] == [*large, ("middle.yaml", OURS), ("small.yaml", OURS)]
    assert ways[5:8] == [("middle.yaml", PADDED), ("middle.yaml", FP8), ("small.yaml", PADDED)]
    assert len(ways) == len(set(ways)) == 7 + 7 + 5
    assert [what[0] for what in asked[-5:]] == ["loss_curve"] * 5
    assert ("small.yaml", FP8) not in ways
    assert found["large, ours", "share of the measured bf16 ceiling"] == 0.5
    assert found["large", "ours over padded Llama"] == found["large", "fp8 over bf16"] == 1
    assert found["large, ours", "compiled graphs, after warming up and at the end"] == "2 and 2"
    assert found["tiny, loss, fp8, rowwise", "nats per token, to step 20"] == 4.0


def test_a_way_that_fails_is_told_and_the_others_go_on(plan, monkeypatch, all_packages):
    reason = "torch.OutOfMemoryError: CUDA out of memory."
    monkeypatch.setattr(gpu, "in_child_within", stand_in({PADDED: reason}))
    found = last(plan)
    assert found["large, padded Llama", RATE] == f"failed: {reason}"
    assert found["large, ours", RATE] == found["large, packed Llama", RATE] == 10
    assert ("large", "ours over padded Llama") not in found


def test_a_share_is_of_the_ceiling_of_the_products_own_dtype(plan, monkeypatch, all_packages):
    monkeypatch.setattr(gpu, "in_child_within", stand_in(found=FOUND | {"dtype": "float32"}))
    assert last(plan)["large, ours", "share of the measured float32 ceiling"] == 1.0


def test_without_a_ceiling_ways_are_measured_and_shares_are_not(plan, monkeypatch, all_packages):
    def answer(seconds: float, module: str, function: str, *arguments: object) -> object:
        if function == "measure_ceilings":
            raise ChildFailed("killed by SIGKILL")
        return stand_in()(seconds, module, function, *arguments)

    monkeypatch.setattr(gpu, "in_child_within", answer)
    found = last(plan)
    assert found["ceiling", "matrix product, TFLOP/s"] == "failed: killed by SIGKILL"
    assert found["large, ours", RATE] == 10
    assert found["large, ours", "share of the measured bf16 ceiling"] is None


def test_missing_packages_have_rows_that_say_so(plan, monkeypatch):
    monkeypatch.setattr(gpu, "find_spec", lambda name: None)
    monkeypatch.setattr(gpu, "in_child_within", stand_in())
    found = last(plan)
    install = "is not installed (pip install -r requirements-gpu.txt)"
    assert found["large, ours, fp8", RATE] == f"not measured: torchao {install}"
    assert found[f"small, {LIGER}", RATE] == f"not measured: liger-kernel {install}"
    assert found["tiny, loss, bf16", "nats per token"] == f"not measured: torchao {install}"


def test_the_table_grows_with_each_way(plan, monkeypatch, all_packages):
    monkeypatch.setattr(gpu, "in_child_within", stand_in())
    lengths = [len(rows) for rows in measure_gpu(plan, lambda text: None)]
    assert lengths == sorted(set(lengths))
    assert len(lengths) == 1 + len(plan.ways()) + 5


def test_only_what_is_named_is_measured(plan, monkeypatch, all_packages):
    asked = []
    monkeypatch.setattr(gpu, "in_child_within", stand_in(asked=asked))
    last(Plan(**vars(plan) | {"only": ("small, ours", "loss")}))
    assert [what[0] for what in asked] == ["measure_ceilings", "measure_way", *["loss_curve"] * 5]


@pytest.mark.parametrize(
    ("word", "ways", "curves"),
    [
        ("fp8", [OURS, FP8, FP8_ROWWISE], [None, "tensorwise", "rowwise"]),
        ("loss, fp8, rowwise", [], [None, "rowwise"]),
        ("ours, fp8 rowwise", [OURS, FP8_ROWWISE], []),
        ("packed", [PACKED], []),
    ],
)
def test_float8_is_measured_with_what_it_is_compared_with(
    plan, monkeypatch, all_packages, word, ways, curves
):
    asked = []
    monkeypatch.setattr(gpu, "in_child_within", stand_in(asked=asked))
    found = last(replace(plan, only=(word,)))
    assert [what[1] for what in asked if what[0] == "measure_way" and what[2] == "large.yaml"] == ways
    assert [what[4] for what in asked if what[0] == "loss_curve"] == curves
    assert {metric for work, metric in found if work == "large"} == {
        f"{way.removeprefix('ours, ')} over bf16" for way in ways if way in SCALING
    }


def test_both_large_models_have_curves_the_smaller_first(monkeypatch, all_packages):
    asked = []
    monkeypatch.setattr(gpu, "in_child_within", stand_in(asked=asked))
    monkeypatch.setattr(commands, "check_gpu", lambda: None)
    monkeypatch.setattr(commands, "stamp", lambda: {"date": "today"})
    [rows] = measured(Namespace(what="gpu", tiny=False, limit_seconds=60.0, only=["loss"], json=None))
    models = [name.partition(", loss, ")[0] for name, _ in values(rows) if "loss" in name]
    assert list(dict.fromkeys(models)) == ["omnina-330m", "omnina-1.7b"]
    rates = [what[3] for what in asked if what[0] == "loss_curve"]
    assert rates == [3e-4] * 5 + [1e-4] * 5


def test_a_word_that_nothing_has_in_its_name_is_refused_before_anything_runs():
    given = Namespace(what="gpu", tiny=True, limit_seconds=60.0, only=["fp8", "lama", "losses"], json=None)
    with pytest.raises(UserError) as refused:
        measured(given)
    told = str(refused.value)
    assert "nothing has losses in its name" in told
    for work in (f"tiny, {OURS}", f"tiny, {LIGER}", "tiny, loss, fp8, rowwise"):
        assert f"\n  {work}" in told


def test_no_child_gets_more_than_its_own_limit_or_the_time_left(plan, monkeypatch, all_packages):
    given = []

    def answer(seconds: float, *arguments: object) -> object:
        given.append(seconds)
        return stand_in()(seconds, *arguments)

    monkeypatch.setattr(gpu, "in_child_within", answer)
    last(Plan(**vars(plan) | {"way_limit": 7.0}))
    assert set(given) == {7.0}
    found = last(Plan(**vars(plan) | {"limit": 5.0}))
    assert max(given[-3:]) < 5.0
    assert found["large, ours", RATE] == 10


def test_a_pass_is_made_smaller_until_it_fits():
    tried = []

    def short_of_memory(tokens: int) -> None:
        tried.append(tokens)
        raise torch.OutOfMemoryError("no room")

    with pytest.raises(torch.OutOfMemoryError):
        while_it_fits(short_of_memory, 4096, 1000)
    assert tried == [4096, 2048, 1024]


def test_padded_passes_hold_the_stream_eight_by_eight():
    plan = StepPlan(np.full(50, 10), tokens_per_step=130, seed=0, data_hash="")
    passes = list(islice(EqualRows(plan, 8), 5))
    assert np.array_equal(np.concatenate(passes), np.concatenate([plan.rows(step) for step in range(5)])[:40])
    assert {len(rows) for rows in passes} == {8}


@pytest.fixture
def smallest(tmp_path) -> str:
    values = {"vocab_size": 97, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2}
    values |= {"num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 128}
    path = tmp_path / "smallest.yaml"
    path.write_text(yaml.safe_dump(values))
    return str(path)


@pytest.mark.parametrize("way", [OURS, PADDED, PACKED, FILLED, FP8])
def test_each_way_is_measured(way, smallest, monkeypatch):
    if way == FP8:
        pytest.importorskip("torchao")
    monkeypatch.setattr("omnina.benchmarks.gpu_way.ROWS", 200)
    monkeypatch.setattr("omnina.benchmarks.gpu_way.PADDED_PASSES", 2)
    found = json.loads(json.dumps(measure_way(way, smallest, 256, 256, 0.0)))
    assert len(found["rates"]) == len(found["flops"]) == 3
    assert all(rate > 0 for rate in found["rates"])
    padded = "padded" in way
    assert (0.5 < found["real"] < 1) if padded else (0.5 < found["real"] <= 1)
    assert 0 < found["waited"] < 1  # batches are built by this process itself
    held = {PADDED: "8 rows", FILLED: "2 rows"}.get(way, "at most 256 tokens")
    longest = ", padded to the longest" if padded else ""
    assert found["one_pass"] == f"{held}{longest}, activations kept"


def test_without_a_gpu_the_published_sizes_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"no GPU .* add --tiny"):
        measured(Namespace(what="gpu", tiny=False, limit_seconds=1.0, only=[], json=None))


def test_a_limit_stops_what_runs_and_leaves_the_files(tmp_path, capsys):
    file = tmp_path / "figures.json"
    [rows] = measured(Namespace(what="gpu", tiny=True, limit_seconds=1.0, only=[], json=file))
    assert json.loads(file.read_text())["figures"] == rows
    found = values(rows)
    assert found["ceiling", "matrix product, TFLOP/s"] == "failed: stopped after 1 s"
    assert found["tiny, ours", RATE] == "not measured: the time was up"
    assert markdown_table(rows) in file.with_suffix(".md").read_text()
    assert "tiny, ours: not measured: the time was up" in capsys.readouterr().out


def test_the_files_are_there_after_each_way(tmp_path, monkeypatch, all_packages):
    """Killed during the last way, a run leaves those before it."""
    file = tmp_path / "figures.json"

    def answer(seconds: float, module: str, function: str, *arguments: object) -> object:
        if arguments[0] == PACKED:
            raise KeyboardInterrupt
        return stand_in()(seconds, module, function, *arguments)

    monkeypatch.setattr(gpu, "in_child_within", answer)
    monkeypatch.setattr(commands, "stamp", lambda: {"date": "today"})
    with pytest.raises(KeyboardInterrupt):
        measured(Namespace(what="gpu", tiny=True, limit_seconds=60.0, only=[], json=file))
    for found in (file.read_text(), file.with_suffix(".md").read_text()):
        assert "tiny, ours, fp8" in found and PACKED not in found


@pytest.mark.slow
def test_all_parts_run_on_a_cpu(tmp_path):
    file = tmp_path / "figures.json"
    command = [sys.executable, str(ROOT / "scripts" / "benchmark.py"), "gpu", "--tiny", "--json", str(file)]
    subprocess.run(command, check=True)
    rows = json.loads(file.read_text())["figures"]
    assert "failed" not in markdown_table(rows)
    assert {f"tiny, {way}" for way in (OURS, PADDED, PACKED, FILLED)} <= {row["work"] for row in rows}
