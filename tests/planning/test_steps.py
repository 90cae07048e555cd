"""A plan's steps, tokens and bytes are those of the run itself."""

from pathlib import Path

import numpy as np
import pytest
from tables import random_dna, write_table
from world import arguments, make_world

from omnina.errors import UserError
from omnina.planning import tables as planning_tables
from omnina.planning.plan import make_plan
from omnina.planning.settings import planned_settings
from omnina.planning.steps import mean_over_tokens, times
from omnina.planning.subject import Wish
from omnina.stage import prepare
from omnina.tables import digests


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    return make_world(tmp_path_factory.mktemp("planned"))


@pytest.fixture
def settled(monkeypatch):
    """Tables count as settled at once: their digests are remembered although they were written just now."""
    monkeypatch.setattr(digests, "SETTLED_SECONDS", -5)


def listing(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
@pytest.mark.parametrize("weights", [None, [1.0, 3.0]])
def test_steps_are_those_of_the_run(world, tmp_path, settled, stage, weights):
    tables = [str(world / f"{stage}_train.csv")] + ([str(world / f"{stage}_val.csv")] if weights else [])
    changes = {"train_files": tables, "train_weights": weights, "cache_dir": str(tmp_path / "cache")}
    given = arguments(world, stage, tmp_path / "run", max_steps=-1, num_train_epochs=7, **changes)
    prepared = prepare(*planned_settings(given, stage, elsewhere=False))
    before = listing(tmp_path)
    plan = make_plan(Wish(given, stage))
    assert listing(tmp_path) == before, "a plan writes nothing"
    assert plan.subject.steps.count == prepared.args.max_steps
    assert plan.subject.steps.tokens == prepared.plan.stride
    assert plan.subject.steps.epoch_tokens == prepared.plan.tokens_per_epoch
    assert plan.subject.steps.accumulation == prepared.args.gradient_accumulation_steps
    assert plan.subject.steps.epochs == prepared.plan.epoch(plan.subject.steps.count)
    assert plan.subject.training.tokens.sum() == prepared.train.counts.tokens
    assert list(plan.subject.training.documents) == list(prepared.train.documents_by_file.values())
    assert plan.subject.validation.tokens.sum() == prepared.validation.counts.tokens
    assert plan.subject.training.basis.startswith("exact")


def test_a_table_read_whole_is_estimated_to_the_token(world, tmp_path, settled):
    cache = tmp_path / "cache"
    given = arguments(world, "pretrain", tmp_path / "run", cache_dir=str(cache))
    estimate = make_plan(Wish(given, "pretrain"))
    assert not cache.exists()
    prepared = prepare(*planned_settings(given, "pretrain", elsewhere=False))
    assert estimate.subject.training.basis.startswith("estimate, from 60 rows of 1")
    assert estimate.subject.training.tokens.sum() == pytest.approx(prepared.train.counts.tokens)
    assert estimate.subject.steps.epoch_tokens == prepared.plan.tokens_per_epoch
    exact = make_plan(Wish(given, "pretrain"))
    assert estimate.subject.training.cache_bytes == pytest.approx(
        exact.subject.training.cache_bytes, rel=0.15
    )


def test_a_sample_is_near(world, tmp_path, monkeypatch):
    whole = make_plan(Wish(arguments(world, "pretrain", tmp_path / "run"), "pretrain")).subject.training
    monkeypatch.setattr(planning_tables, "SHOWN", 20)
    sampled = make_plan(Wish(arguments(world, "pretrain", tmp_path / "run"), "pretrain")).subject.training
    assert sampled.basis.startswith("estimate, from 20 rows")
    assert sampled.documents.sum() == 60
    assert sampled.tokens.sum() == pytest.approx(whole.tokens.sum(), rel=0.15)


def test_tables_that_are_not_read_count_by_their_bytes(world, tmp_path, monkeypatch):
    monkeypatch.setattr("omnina.planning.row_sample.READ_TABLES", 2)
    for number in range(5):
        rows = [{"sequence": random_dna(300, 9 * number + i), "response": f"gene {i}"} for i in range(9)]
        write_table(tmp_path / f"rows-{number}.csv", rows)
    changes = {"train_files": str(tmp_path / "rows-*.csv")}
    plan = make_plan(Wish(arguments(world, "pretrain", tmp_path / "run", **changes), "pretrain"))
    assert plan.subject.training.basis.startswith("estimate, from 18 rows of 2")
    assert plan.subject.training.documents.sum() == pytest.approx(45, rel=0.02)


def test_without_tables_the_steps_of_the_file_are_planned(world, tmp_path):
    given = arguments(world, "pretrain", tmp_path / "run", train_files="nowhere.csv")
    plan = make_plan(Wish(given, "pretrain"))
    assert (plan.subject.steps.count, plan.subject.steps.epochs, plan.subject.training, plan.disk.total) == (
        20,
        None,
        None,
        None,
    )
    assert any("nowhere.csv" in note for note in plan.subject.notes)
    epochs = arguments(world, "pretrain", tmp_path / "run", train_files="nowhere.csv", max_steps=-1)
    plan = make_plan(Wish(epochs, "pretrain"))
    assert (plan.subject.steps.count, plan.duration) == (None, None)


def test_documents_that_fit_no_step_are_a_mistake(world, tmp_path):
    given = arguments(world, "pretrain", tmp_path / "run", tokens_per_step=200)
    with pytest.raises(UserError, match="tokens_per_step"):
        make_plan(Wish(given, "pretrain"))


def test_attention_costs_what_it_costs_in_each_document():
    lengths = np.array([3, 5, 10], dtype=np.int32)
    by_token = [length for length in lengths for _ in range(length)]
    assert mean_over_tokens(lengths) == pytest.approx(np.mean(by_token))


@pytest.mark.parametrize(
    ("strategy", "every", "steps", "epochs", "expected"),
    [
        ("no", 10, 100, 2.0, 0),
        ("steps", 10, 105, 2.0, 10),
        ("steps", 0.25, 100, None, 4),
        ("epoch", 10, 100, 2.5, 3),
        ("epoch", 10, 100, None, None),
    ],
)
def test_how_often(strategy, every, steps, epochs, expected):
    assert times(strategy, every, steps, epochs) == expected


def test_an_epoch_of_balanced_answers_is_known_from_the_cache_alone(world, tmp_path, settled):
    changes = {"cache_dir": str(tmp_path / "cache"), "answer_balance": 0.5}
    given = arguments(world, "finetune", tmp_path / "run", max_steps=-1, num_train_epochs=3, **changes)
    plan = make_plan(Wish(given, "finetune"))
    assert plan.subject.steps.count is plan.subject.steps.epoch_tokens is None
    assert any("answer_balance" in note for note in plan.subject.notes)
    prepared = prepare(*planned_settings(given, "finetune", elsewhere=False))
    assert make_plan(Wish(given, "finetune")).subject.steps.count == prepared.args.max_steps
