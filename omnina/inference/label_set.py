"""A question's labels as the model sees them: token ids, with the end of the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from omnina.errors import UserError
from omnina.inference.label_tree import LabelTree
from omnina.inference.questions import Question
from omnina.prompt import PromptEncoder


@dataclass(frozen=True)
class LabelSet:
    """Labels, their token ids with the end of the answer, and the tree of these."""

    labels: list[str]
    ids: list[tuple[int, ...]]
    tree: LabelTree

    @classmethod
    def of(
        cls, labels: Sequence[str], encoder: PromptEncoder, log_prior: Sequence[float] | None = None
    ) -> "LabelSet":
        """Tokenise labels as training did; ``log_prior`` is that of the question."""
        ids = [tuple(encoder.answer_ids(label)) for label in labels]
        return cls(list(labels), ids, LabelTree.of(ids, log_prior))

    @cached_property
    def label_of(self) -> dict[tuple[int, ...], str]:
        """Labels by their ids."""
        return dict(zip(self.ids, self.labels, strict=True))

    @cached_property
    def longest(self) -> str:
        """The label with the most tokens: a prompt that leaves room for it leaves room for all."""
        return max(self.label_of.items(), key=lambda item: len(item[0]))[1]


def label_sets_of(questions: Mapping[str, Question], encoder: PromptEncoder) -> dict[str, LabelSet]:
    """The labels of every question that has some.

    Raises UserError for two labels of a question that are the same tokens: no answer could tell them apart.
    """
    found = {}
    for name, question in questions.items():
        if question.labels:
            _check_different(name, question.labels, encoder)
            found[name] = LabelSet.of(question.labels, encoder, question.log_prior)
    return found


def _check_different(question: str, labels: Sequence[str], encoder: PromptEncoder) -> None:
    seen: dict[tuple[int, ...], str] = {}
    for label in labels:
        other = seen.setdefault(tuple(encoder.answer_ids(label)), label)
        if other != label:
            raise UserError(
                f"the question {question!r} has the answers {other!a} and {label!a}, which are the "
                "same tokens, so that no answer can tell them apart (such as a letter with an accent that is "
                "one character here and two there). Write the answer in one way in every table and label set."
            )
