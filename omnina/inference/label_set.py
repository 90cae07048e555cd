"""A question's labels as the model sees them: token ids, with the end of the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

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
    def of(cls, labels: Sequence[str], encoder: PromptEncoder) -> "LabelSet":
        """Tokenise labels as training did."""
        ids = [tuple(encoder.answer_ids(label)) for label in labels]
        return cls(list(labels), ids, LabelTree.of(ids))

    @cached_property
    def label_of(self) -> dict[tuple[int, ...], str]:
        """Labels by their ids."""
        return dict(zip(self.ids, self.labels, strict=True))

    @cached_property
    def longest(self) -> str:
        """The label with the most tokens: a prompt that leaves room for it leaves room for all."""
        return max(self.label_of.items(), key=lambda item: len(item[0]))[1]


def label_sets_of(questions: Mapping[str, Question], encoder: PromptEncoder) -> dict[str, LabelSet]:
    """The labels of every question that has some."""
    return {
        name: LabelSet.of(question.labels, encoder) for name, question in questions.items() if question.labels
    }
