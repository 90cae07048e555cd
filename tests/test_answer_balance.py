"""How often rows of rare answers come up."""

import json

import numpy as np
import pytest
from answering import settings
from tables import write_table

from omnina import finetune
from omnina.config import FinetuneSettings, parse_run
from omnina.errors import UserError
from omnina.stage import prepare
from omnina.tables.row_counts import MAX_LABELS

KIND, CODES, NAME = "Which kind?", "Does it code?", "What is it called?"
NAMES = [f"name {number}" for number in range(MAX_LABELS + 1)]
ANSWERS = [KIND, KIND, KIND, CODES], ["common", "rare", "rarest", "yes"], [36, 9, 4, 4]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Answers of different frequency, the same word for two questions, and names as free text."""
    rows = [(q, a) for q, a, times in zip(*ANSWERS, strict=True) for _ in range(times)]
    rows += [(CODES, "common")] * 4 + [(NAME, name) for name in NAMES] + [(NAME, NAMES[0])] * 3
    cells = [{"sequence": "ACGT" * 5, "question": q, "response": a} for q, a in rows]
    return write_table(tmp_path_factory.mktemp("balance") / "train.csv", cells)


def stage(world, folder, table, **changes):
    changes = {"train_files": str(table), "cache_dir": str(folder / "cache")} | changes
    return prepare(*parse_run(settings(world, folder / "run", **changes), FinetuneSettings))


def asked(prepared) -> dict[tuple[str, str], int]:
    """How often an epoch asks for each answer."""
    data, found = prepared.train, {}
    for item in prepared.plan.items(0, prepared.plan.items_per_epoch):
        row = data[item]
        answer = row["input_ids"][row["answer_start"] : -1].tolist()
        text = prepared.tokenizer.decode(answer).strip()
        key = data.sources[row["source"]], text if data.answers[data.sources[row["source"]]] else "free text"
        found[key] = found.get(key, 0) + 1
    return found


@pytest.mark.parametrize(("balance", "rare", "rarest"), [(0, 9, 4), (0.5, 18, 12), (1, 36, 36)])
def test_an_epoch_holds_rare_answers_more_often(world, tmp_path, table, balance, rare, rarest):
    found = asked(stage(world, tmp_path, table, answer_balance=balance))
    assert found == {
        (KIND, "common"): 36,
        (KIND, "rare"): rare,
        (KIND, "rarest"): rarest,
        (CODES, "yes"): 4,
        (CODES, "common"): 4,
        (NAME, "free text"): len(NAMES) + 3,
    }


def test_labels_that_are_given_make_a_choice_of_many_answers(world, tmp_path, table):
    labels = json.dumps({NAME: NAMES})
    prepared = stage(world, tmp_path, table, answer_balance=1.0, label_sets=labels)
    assert asked(prepared)[NAME, "free text"] == 4 * len(NAMES), "a choice, though not tallied"


def test_tables_keep_their_weights_beside_it(world, tmp_path, table):
    rows = [{"sequence": "ACGT", "question": CODES, "response": "yes"}] * 8
    files = [str(table), str(write_table(tmp_path / "other.csv", rows))]
    found = asked(stage(world, tmp_path, table, train_files=files, train_weights=[1, 2], answer_balance=1.0))
    assert found[CODES, "yes"] == 4 + 2 * 8
    assert found[CODES, "common"] == 4 + 2 * 8, "as often as the most frequent one with its weights"


def test_times_that_are_no_whole_number_are_met_by_each_answer(world, tmp_path):
    answers = ["common"] * 36 + ["rare"] * 8 + ["as rare"] * 8
    rows = [{"sequence": "ACGT", "question": KIND, "response": answer} for answer in answers]
    table = write_table(tmp_path / "train.csv", rows)
    prepared = stage(world, tmp_path, table, answer_balance=1.0)
    assert list(asked(prepared).values()).count(36) == 3
    times = np.bincount(prepared.plan.copies)[36:]
    assert {*times[:8]} == {*times[8:]} == {4, 5}


def test_copies_of_a_row_lie_evenly_over_the_epoch(world, tmp_path):
    rows = [{"sequence": "ACGT", "question": KIND, "response": f"{n == 500}"} for n in range(1000)]
    table = write_table(tmp_path / "train.csv", rows)
    plan = stage(world, tmp_path, table, answer_balance=0.5).plan
    places = np.flatnonzero(plan.copies == 500)
    assert len(places) == round(999**0.5)
    even = len(plan.copies) / len(places)
    assert np.abs(np.diff(places) - even).max() < 2
    assert (np.diff(plan.copies[plan.copies != 500]) == 1).sum() == 997, "the others in the table's order"


def test_a_folder_of_another_balance_is_refused_and_one_of_none_goes_on(world, tmp_path, table):
    steps = {"max_steps": 2, "eval_steps": 2, "save_steps": 2, "load_best_model_at_end": False}
    given = {"train_files": str(table), "validation_files": str(table), "cache_dir": str(tmp_path / "cache")}
    given |= steps | {"metric_for_best_model": "loss"}
    finetune.main(settings(world, tmp_path / "run", **given))
    finetune.main(settings(world, tmp_path / "run", answer_balance=0.0, **given))
    with pytest.raises(UserError, match="answer_balance"):
        finetune.main(settings(world, tmp_path / "run", answer_balance=0.5, **given))


def test_free_text_alone_has_nothing_to_balance(world, tmp_path):
    rows = [{"sequence": "ACGT", "question": NAME, "response": name} for name in NAMES]
    table = write_table(tmp_path / "train.csv", rows)
    with pytest.raises(UserError, match=r"answer_balance: every question .* free text"):
        stage(world, tmp_path, table, answer_balance=0.5)


@pytest.mark.parametrize("balance", [-0.1, 1.5])
def test_a_balance_out_of_range_is_refused(world, tmp_path, table, balance):
    with pytest.raises(UserError, match=r"answer_balance .* must be from 0 to 1"):
        stage(world, tmp_path, table, answer_balance=balance)
