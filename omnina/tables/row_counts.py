"""What became of a table's rows, and which answers they give: counted by shard and added up."""

from collections import Counter
from dataclasses import dataclass, field

MAX_LABELS = 200


@dataclass
class Counts:
    """What became of the rows: rows = used + sum(filtered) + sum(rejected)."""

    rows: int = 0
    used: int = 0
    filtered: Counter = field(default_factory=Counter)
    rejected: Counter = field(default_factory=Counter)
    documents: int = 0
    tokens: int = 0
    bases: int = 0
    trimmed_documents: int = 0
    trimmed_bases: int = 0
    converted_uracils: int = 0
    soft_masked_bases: int = 0  # where they are asked for

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(**{name: value + getattr(other, name) for name, value in vars(self).items()})

    def as_json(self) -> dict:
        """JSON values by name; soft-masked bases only where there are some."""
        values = {k: dict(v) if isinstance(v, Counter) else v for k, v in vars(self).items()}
        if not self.soft_masked_bases:
            del values["soft_masked_bases"]
        return values

    @classmethod
    def from_json(cls, values: dict) -> "Counts":
        """The counts that ``as_json`` gave."""
        return cls(**{k: Counter(v) if isinstance(v, dict) else v for k, v in values.items()})

    def summary(self, windows: bool = True) -> str:
        """One paragraph for the log; says so if more than 0.1 % of the bases were trimmed.

        ``windows``: whether sequences were cut into some, whose length can then be set as well.
        """
        parts = [f"{self.rows} rows = {self.used} used"]
        parts += [f"{number} filtered ({reason})" for reason, number in sorted(self.filtered.items())]
        parts += [f"{number} rejected ({reason})" for reason, number in sorted(self.rejected.items())]
        text = " + ".join(parts)
        text += f"; {self.documents} documents, {self.bases} bases, {self.tokens} tokens"
        if self.converted_uracils:
            text += f"; {self.converted_uracils} U read as T"
        if self.soft_masked_bases:
            share = self.soft_masked_bases / self.bases
            text += f"; {self.soft_masked_bases} bases ({share:.2%}) in lower case (soft-masked)"
        if self.trimmed_bases:
            share = self.trimmed_bases / (self.bases + self.trimmed_bases)
            text += (
                f"; {self.trimmed_bases} bases ({share:.2%}) of {self.trimmed_documents} documents trimmed"
            )
            remedy = "raise max_length or lower window" if windows else "raise max_length"
            text += f"  <- {remedy}" if share > 0.001 else ""
        return text


class AnswerTally:
    """How often each answer was given to each question; None where the answers are free text.

    A question is free text once it has more than ``MAX_LABELS`` different answers.
    """

    def __init__(self) -> None:
        self.by_question: dict[str, Counter[str] | None] = {}

    def add(self, question: str, answer: str) -> None:
        """Count one row."""
        self._add(question, {answer: 1})

    def add_all(self, by_question: dict[str, dict[str, int] | None]) -> None:
        """Count the rows of another tally, which come after this one's."""
        for question, answers in by_question.items():
            self._add(question, answers)

    def _add(self, question: str, answers: dict[str, int] | None) -> None:
        tally = self.by_question.setdefault(question, Counter())
        if answers is None:
            self.by_question[question] = None
        elif tally is not None:
            tally.update(answers)
            if len(tally) > MAX_LABELS:
                self.by_question[question] = None
