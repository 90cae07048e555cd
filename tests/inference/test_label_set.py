import pytest

from omnina.errors import UserError
from omnina.inference.label_set import label_sets_of
from omnina.inference.questions import Question


class Composing:
    """Stands for an encoder whose tokenizer reads both ways to write an accent as the same tokens."""

    def answer_ids(self, answer: str) -> list[int]:
        return [*map(ord, answer.replace("e\u0301", "\u00e9")), 2]


def test_labels_of_equal_tokens_are_named_with_their_question():
    questions = {"Where?": Question(["a", "b"]), "What?": Question(["cafe\u0301", "caf\u00e9", "x"])}
    with pytest.raises(
        UserError, match=r"'What\?' has the answers 'cafe\\u0301' and 'caf\\xe9'.*same tokens"
    ):
        label_sets_of(questions, Composing())


def test_labels_that_differ_and_free_text():
    found = label_sets_of({"Where?": Question(["a", "ab"]), "Why?": Question(None)}, Composing())
    assert {name: labels.ids for name, labels in found.items()} == {"Where?": [(97, 2), (97, 98, 2)]}
