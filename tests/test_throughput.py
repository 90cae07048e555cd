import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import LlamaConfig

from omnina.flops import matrix_ceiling, training_flops
from omnina.loading import TimedLoader
from omnina.packing import StepPlan
from omnina.throughput import Throughput

CONFIG = LlamaConfig(vocab_size=97, hidden_size=32, intermediate_size=80, num_hidden_layers=2)


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """A clock that stands still unless told otherwise."""
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(time, "perf_counter", lambda: now.seconds)
    return now


@pytest.fixture
def plan() -> StepPlan:
    return StepPlan(np.full(1000, 10), tokens_per_step=1000, seed=1, data_hash="x")


def test_laps_count_what_was_trained_and_leave_validation_out(clock, plan):
    throughput = Throughput(plan, np.full(1000, 30), CONFIG, step=0, computed=1250)
    clock.seconds += 2 + 7
    throughput.pause(7)
    tokens = sum(plan.lengths[plan.rows(step)].sum() for step in (0, 1))
    figures = throughput.lap(2, waited=0.5)
    assert figures["tokens_per_second"] == tokens / 2
    assert figures["bases_per_second"] == 3 * tokens / 2
    assert figures["data_wait_share"] == 0.25
    assert figures["filler_share"] == pytest.approx(1 - tokens / 2500)
    clock.seconds += 2
    assert throughput.lap(3, waited=0.5)["data_wait_share"] == 0


def test_the_record_is_over_all_laps_and_a_share_of_the_ceiling(plan, monkeypatch, clock):
    monkeypatch.setattr("omnina.throughput.matrix_ceiling", lambda *_: 1e9)
    throughput = Throughput(plan, np.full(1000, 30), CONFIG, step=0)
    assert throughput.record(torch.device("cpu"), torch.float32, 1) == {}
    for step in (1, 3):
        clock.seconds += 1
        throughput.lap(step, 0.0)
    rows = sum(len(plan.rows(step)) for step in range(3))
    record = throughput.record(torch.device("cpu"), torch.float32, processes=2)
    assert record["mfu"] == pytest.approx(rows * training_flops(CONFIG, 10) / 2 / 2 / 1e9, abs=1e-4)
    assert "filler_share" not in record["while_training"]


def test_the_ceiling_is_of_all_products_between_two_drains(clock, monkeypatch):
    """A drain of a second: with five products between two it is a fifth of a second of each."""

    def drain(device: torch.device) -> None:
        clock.seconds += 1

    monkeypatch.setattr("omnina.flops.drain", drain)
    monkeypatch.setattr("omnina.flops.BACK_TO_BACK", {"cpu": 5})
    assert matrix_ceiling(torch.device("cpu"), torch.float32, 4) == pytest.approx(2 * 4**3 * 5)


def test_a_loader_counts_the_seconds_before_each_batch_and_not_those_after(clock):
    class Slow(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> int:
            clock.seconds += 4
            return index

    loader = TimedLoader(Slow(), batch_size=1)
    for _ in loader:
        clock.seconds += 100
    assert loader.waited == 12
