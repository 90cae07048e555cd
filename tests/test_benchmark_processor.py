"""A pass on a CPU with more threads and with compiled layers: ratios, and when compiling has paid."""

import sys
from dataclasses import replace

import pytest
import torch
import yaml
from benchmark_script import benchmark_script
from example_work import example_work

from omnina import trainer_settings
from omnina.benchmarks import commands, processor
from omnina.benchmarks.processor import (
    Compiling,
    compiling_rows,
    default_threads,
    measure_processor,
    seconds_with_threads,
)
from omnina.errors import UserError

WORK = example_work("fp32", batch_rows=1, batches=4)


def test_compiling_is_paid_by_the_passes_that_it_saves():
    """20 seconds of compiling, then half a second of each pass of one is saved."""
    cost = Compiling.of([1.0] * 6, [15.5, 5.5, 0.5, 0.5, 0.5, 0.5])
    assert cost.speeds == [2.0, 2.0, 2.0]
    assert (cost.seconds, cost.passes) == pytest.approx((20.0, 40.0))


def test_compiling_that_gains_nothing_is_never_paid():
    assert Compiling.of([1.0] * 4, [9.0, 1.0, 1.0, 1.0]) == Compiling([1.0, 1.0], 8.0, None)
    assert Compiling.of([1.0] * 4, [9.0, 2.0, 2.0, 2.0]).passes is None


def test_threads_are_doubled_up_to_all_cores(monkeypatch):
    for cores, wanted in ((1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])):
        monkeypatch.setattr(processor, "usable_cores", lambda cores=cores: cores)
        assert default_threads() == wanted


def test_a_childs_pass_has_the_threads_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(processor.torch, "set_num_threads", asked.append)
    assert seconds_with_threads(vars(WORK), 3) > 0
    assert asked == [3]


def test_ratios_are_those_of_turns_in_which_all_take_part(monkeypatch):
    """The second turn is four times as slow for all: the ratios stay."""
    slow = {"passes": 0}

    def answer(module: str, function: str, settings: dict, threads: int, *_: object) -> object:
        if function == "seconds_compiled":
            return {"eager": [1.0] * 5, "compiled": [3.0, 1.0, 0.25, 0.5, 1.0], "graphs": [2, 2]}
        slow["passes"] += 1
        return (4.0 if slow["passes"] > 2 else 1.0) / threads

    monkeypatch.setattr(processor, "in_child", answer)
    threads, compiling = measure_processor(WORK, [2, 1], turns=2)
    assert [row["ratio"] for row in threads] == pytest.approx([1.0, 1.0, 2.0, 2.0])
    assert [(row["ours"], row["baseline"]) for row in threads[1::2]] == [(1.0, 1.0), (2.0, 2.0)]
    assert [row["value"] for row in compiling[:4]] == [2.0, "1 to 4", pytest.approx(3.0), pytest.approx(6.0)]


@pytest.mark.parametrize(("what", "dtype"), [("processor", "fp32"), ("train", "bf16")])
def test_the_dtype_is_the_processors_own_beside_a_gpu_that_computes_in_bf16(monkeypatch, what, dtype):
    given, script = [], benchmark_script()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(trainer_settings, "is_torch_bf16_gpu_available", lambda: True)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {})
    monkeypatch.setattr(script, "stamp", lambda: {})
    monkeypatch.setattr(commands, "measured", lambda arguments: given.append(arguments.dtype) or [])
    monkeypatch.setattr(sys, "argv", ["benchmark.py", what, "--input", "a", "--model_config", "b"])
    script.main()
    assert given == [dtype]


def test_too_few_rows_are_refused():
    with pytest.raises(UserError, match="smaller --batch_rows"):
        measure_processor(replace(WORK, batch_rows=100_000), [1], turns=1)


@pytest.mark.slow
def test_compiled_layers_are_measured_beside_the_others(tmp_path):
    """By a backend that makes the graphs without a compiler's minutes."""
    values = {"vocab_size": 641, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2}
    config = tmp_path / "smallest.yaml"
    config.write_text(yaml.safe_dump(values | {"num_attention_heads": 2, "max_position_embeddings": 2048}))
    work = replace(WORK, model_config=str(config))
    rows = {row["metric"]: row["value"] for row in compiling_rows(work, 1, backend="eager")}
    assert rows["seconds of compiling"] > 0
    graphs = rows["compiled graphs, after the first half and at the end"].split(" and ")
    assert 0 < int(graphs[0]) <= int(graphs[1])
