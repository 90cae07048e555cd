"""Labels chosen as if each were as frequent as the others."""

import json

import numpy as np
import pytest
from answering import PART, RICH, made_rows, same_weights, settings, validations
from tables import write_table

from omnina import finetune
from omnina.chunking import parse_cell
from omnina.config import FinetuneSettings, parse_run
from omnina.errors import UserError
from omnina.inference.answer import Answerer, Query
from omnina.inference.questions import load_questions
from omnina.stage import prepare

SEQUENCES = ["ACGT" * 5, "GGGGCCCC", "ATATATATA"]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Far more of its rows are rich in G and C than not."""
    rows = [row for row in made_rows(200, 0) if row["response"] != "no"]
    rows += [row for row in made_rows(30, 1) if row["response"] == "no"]
    return write_table(tmp_path_factory.mktemp("prior") / "train.csv", rows)


@pytest.fixture(scope="module")
def both(world, tmp_path_factory, table):
    """The same run twice, the second with the prior taken off."""
    folder = tmp_path_factory.mktemp("runs")
    given = {"train_files": str(table), "metric_for_best_model": "loss"}
    finetune.main(settings(world, folder / "as_trained", **given))
    finetune.main(settings(world, folder / "alike", uniform_prior=True, **given))
    return folder / "as_trained", folder / "alike"


def shares(world, folder, table, **changes) -> dict[str, list[float]]:
    """Of the labels, by question."""
    changes = {"train_files": str(table), "cache_dir": str(folder / "cache")} | changes
    prepared = prepare(*parse_run(settings(world, folder / "run", **changes), FinetuneSettings))
    return {
        text: np.exp(question.log_prior).tolist()
        for text, question in prepared.questions.by_text.items()
        if question.labels
    }


def made(counts: dict[tuple[str, str], int], path):
    rows = [{"question": q, "response": a} for (q, a), times in counts.items() for _ in range(times)]
    return write_table(path, [{"sequence": "ACGTA"} | row for row in rows])


def test_shares_are_those_of_the_rows(world, tmp_path):
    table = made({(RICH, "yes"): 6, (RICH, "no"): 2, (PART, "a"): 3}, tmp_path / "train.csv")
    found = shares(world, tmp_path, table, uniform_prior=True)
    assert found == {RICH: pytest.approx([0.25, 0.75]), PART: [1.0]}, "labels are sorted: no, yes"


def test_shares_are_those_of_an_epoch_that_is_balanced(world, tmp_path):
    table = made({(RICH, "yes"): 36, (RICH, "no"): 9, (PART, "a"): 3}, tmp_path / "train.csv")
    found = shares(world, tmp_path, table, uniform_prior=True, answer_balance=0.5)
    assert found[RICH] == pytest.approx([18 / 54, 36 / 54])


def test_a_label_that_no_row_answers_is_as_frequent_as_the_rarest(world, tmp_path):
    table = made({(RICH, "yes"): 6, (RICH, "no"): 2}, tmp_path / "train.csv")
    labels = json.dumps({RICH: ["maybe", "no", "yes"]})
    found = shares(world, tmp_path, table, uniform_prior=True, label_sets=labels)
    assert found[RICH] == pytest.approx([0.2, 0.2, 0.6])


def test_shares_are_those_that_label_smoothing_teaches(world, tmp_path):
    table = made({(RICH, "yes"): 6, (RICH, "no"): 2}, tmp_path / "train.csv")
    changes = {"label_sets": json.dumps({RICH: ["maybe", "no", "yes"]}), "label_smoothing": 0.3}
    found = shares(world, tmp_path, table, uniform_prior=True, **changes)
    assert found[RICH] == pytest.approx([0.1, 0.7 * 0.25 + 0.1, 0.7 * 0.75 + 0.1])


def test_probabilities_are_divided_by_the_shares(both):
    as_trained, alike = both
    assert same_weights(as_trained, alike)
    prior = load_questions(alike).by_text[RICH].log_prior
    assert load_questions(as_trained).by_text[RICH].log_prior is None
    assert "log_prior" not in (as_trained / "questions.json").read_text(), "as in older files"
    assert prior[0] < prior[1] - 1, "no is rarer than yes"
    queries = [Query(parse_cell(bases), RICH) for bases in SEQUENCES]
    answers = [Answerer(folder).answer(queries) for folder in both]
    for one, other in zip(*answers, strict=True):
        np.testing.assert_allclose(other.log_probabilities, one.log_probabilities - prior, atol=1e-5)


def test_baselines_come_with_it_too(both):
    as_trained, alike = (json.loads((folder / "evaluation" / "metrics.json").read_text()) for folder in both)
    added = set(alike["results"][RICH]) - set(as_trained["results"][RICH])
    assert added == {"k-mers, uniform prior"}
    assert alike["results"][RICH]["k-mers"]["mcc"] == as_trained["results"][RICH]["k-mers"]["mcc"]


def test_validation_in_training_chooses_by_it(both):
    as_trained, alike = (validations(folder / "checkpoint-12")[-1] for folder in both)
    assert as_trained["eval_loss"] == alike["eval_loss"]
    assert as_trained["eval_brier"] != alike["eval_brier"]


def test_a_run_that_began_without_it_is_not_gone_on_with(both, world, table):
    as_trained, _ = both
    with pytest.raises(UserError, match="uniform_prior"):
        finetune.main(settings(world, as_trained, train_files=str(table), uniform_prior=True))


def test_free_text_alone_is_refused(world, tmp_path):
    names = {("What is it called?", f"name {number}"): 1 for number in range(1100)}
    table = made(names, tmp_path / "train.csv")
    with pytest.raises(UserError, match=r"uniform_prior: every question .* free text"):
        shares(world, tmp_path, table, uniform_prior=True)
