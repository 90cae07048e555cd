"""Labels given for a question of too many answers to be tallied."""

import pytest
from tables import write_table

from omnina.dataset import TokenizedData, load_data
from omnina.errors import UserError
from omnina.inference.questions import questions_of
from omnina.label_coverage import check_untallied_answers
from omnina.prompt import FINETUNE_PROMPT, PromptEncoder
from omnina.tables.row_counts import MAX_LABELS
from omnina.tables.rows import DataSettings
from omnina.tokenizer import BOS_ID, EOS_ID, load_tokenizer

MANY, FEW = "Which of many?", "Which of few?"
ANSWERS = [f"answer {number}" for number in range(MAX_LABELS + 5)]


@pytest.fixture(scope="module")
def data(checkpoint, tmp_path_factory) -> TokenizedData:
    folder = tmp_path_factory.mktemp("coverage")
    rows = [{"sequence": "ACGT", "question": MANY, "response": answer} for answer in ANSWERS]
    rows += [{"sequence": "ACGT", "question": FEW, "response": "yes"}]
    table = write_table(folder / "train.csv", rows)
    settings = DataSettings(256, True, None, source_column="question")
    definition = (checkpoint / "tokenizer.json").read_text(encoding="utf-8")
    return load_data(str(table), definition, BOS_ID, EOS_ID, settings, cache_dir=folder, workers=0)


def check(data: TokenizedData, checkpoint, labels: list[str]) -> None:
    tokenizer = load_tokenizer(checkpoint)
    encoder = PromptEncoder(
        tokenizer.backend_tokenizer, FINETUNE_PROMPT, bos_id=BOS_ID, eos_id=EOS_ID, max_length=256
    )
    check_untallied_answers(data, questions_of(data.answers, {MANY: labels}), encoder, tokenizer)


def test_an_answer_that_was_left_out_is_found(data, checkpoint):
    assert data.answers[MANY] is None, "too many to be tallied"
    with pytest.raises(UserError, match=r"'Which of many\?' leave out 'answer 7', .* \(2 rows"):
        check(data, checkpoint, [*ANSWERS[:7], *ANSWERS[8:-1]])


def test_labels_that_hold_every_answer_pass(data, checkpoint):
    check(data, checkpoint, [*ANSWERS, "one that no row gives"])
