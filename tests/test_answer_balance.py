"""How often rows of rare answers come up."""

import numpy as np
import pytest
from answering import settings
from tables import write_table

from omnina import finetune
from omnina.answer_balance import answer_repeats
from omnina.config import FinetuneSettings, parse_run
from omnina.errors import UserError
from omnina.stage import prepare
from omnina.tables.row_counts import MAX_LABELS

KIND, CODES, NAME = "Which kind?", "Does it code?", "What is it called?"
ANSWERS = [KIND, KIND, KIND, CODES], ["common", "rare", "rarest", "yes"], [36, 9, 4, 4]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Answers of different frequency, the same word for two questions, and names as free text."""
    rows = [(q, a) for q, a, times in zip(*ANSWERS, strict=True) for _ in range(times)]
    rows += [(CODES, "common")] * 4 + [(NAME, f"name {n}") for n in range(MAX_LABELS + 1)]
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
        (NAME, "free text"): MAX_LABELS + 1,
    }


def test_tables_keep_their_weights_beside_it(world, tmp_path, table):
    other = write_table(
        tmp_path / "other.csv", [{"sequence": "ACGT", "question": CODES, "response": "yes"}] * 8
    )
    prepared = stage(
        world, tmp_path, table, train_files=[str(table), str(other)], train_weights=[1, 2], answer_balance=1
    )
    found = asked(prepared)
    assert found[CODES, "yes"] == 4 + 2 * 8, "12 rows: the most frequent answer now"
    assert found[CODES, "common"] == 4 * 3
    assert answer_repeats(prepared.train, 1)[-1] == 1


def test_the_same_rows_on_every_process_and_another_balance_is_another_run(world, tmp_path, table):
    first, again = (stage(world, tmp_path, table, answer_balance=0.4).plan for _ in range(2))
    np.testing.assert_array_equal(first.copies, again.copies)
    steps = {"max_steps": 2, "eval_steps": 2, "save_steps": 2, "load_best_model_at_end": False}
    given = {"train_files": str(table), "validation_files": str(table), "cache_dir": str(tmp_path / "cache")}
    given |= steps | {"metric_for_best_model": "loss"}
    finetune.main(settings(world, tmp_path / "run", answer_balance=0.4, **given))
    with pytest.raises(UserError, match="answer_balance"):
        finetune.main(settings(world, tmp_path / "run", answer_balance=0.5, **given))


@pytest.mark.parametrize("balance", [-0.1, 1.5])
def test_a_balance_out_of_range_is_refused(world, tmp_path, table, balance):
    with pytest.raises(UserError, match=r"answer_balance .* must be from 0 to 1"):
        stage(world, tmp_path, table, answer_balance=balance)
