"""A calibration makes the run's own steps, and what it finds is what the plan is made of."""

from pathlib import Path

import numpy as np
import pytest
from world import arguments, make_world

from omnina.planning.calibration import Measured, affordable_tokens, calibrated, measured_steps
from omnina.planning.documents import load_documents, save_documents
from omnina.planning.plan import make_plan
from omnina.planning.subject import Wish


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    return make_world(tmp_path_factory.mktemp("planned"))


@pytest.fixture
def documents(tmp_path, rows) -> Path:
    save_documents([row for row in rows if row["answer_start"] > 1] * 20, tmp_path / "documents.npz")
    return tmp_path / "documents.npz"


def test_documents_come_through_a_file(documents, rows):
    loaded = load_documents(documents)
    asked = [row for row in rows if row["answer_start"] > 1]
    for row, again in zip(asked * 20, loaded, strict=True):
        assert np.array_equal(row["input_ids"], again["input_ids"])
        assert row["answer_start"] == again["answer_start"]


@pytest.mark.parametrize(
    ("stage", "changes"),
    [
        ("pretrain", {}),
        ("pretrain", {"muon": True, "activation_checkpointing": True, "checkpointed_share": 0.5}),
        ("finetune", {}),
        ("finetune", {"lora_rank": 2}),
    ],
)
def test_steps_of_any_run(world, tmp_path, documents, stage, changes):
    given = arguments(world, stage, tmp_path / "run", **changes)
    found = Measured(**measured_steps(given, stage, str(documents), 1, 0.1))
    assert 0 < found.pass_tokens <= 1024
    assert 0 < found.program_bytes <= found.peak
    assert found.tokens > 0 and found.seconds > 0 and found.optimizer_seconds > 0


def test_the_optimizers_part_counts_once_a_step():
    measured = Measured(0, 1, 1, tokens=1000, seconds=10.0, optimizer_seconds=5.0)
    assert measured.tokens_per_second(1000) == pytest.approx(1000 / 15)
    assert measured.tokens_per_second(10**9) == pytest.approx(100, rel=1e-4)


def test_a_slow_device_makes_smaller_passes():
    assert affordable_tokens(32_768, 1e6, 12) == 32_768
    assert affordable_tokens(32_768, 300, 12) == 1200


def test_a_plan_is_made_of_what_a_child_measured(world, tmp_path, monkeypatch):
    monkeypatch.setattr("omnina.planning.plan.calibrated", lambda *given: calibrated(*given, seconds=0.2))
    plan = make_plan(Wish(arguments(world, "pretrain", tmp_path / "run"), "pretrain", calibrate=True))
    assert plan.memory.basis.startswith("measured now") and plan.speed.basis == "measured now"
    assert plan.speed.tokens_per_second > 0
    assert 10**8 < plan.memory.parts["programs"] < plan.memory.total
