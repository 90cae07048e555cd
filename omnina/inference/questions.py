"""What a fine-tuned checkpoint may be asked: ``questions.json`` beside its weights."""

import difflib
import json
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from omnina.errors import UserError
from omnina.files.durable import write_whole

QUESTIONS_FILE = "questions.json"
NEARLY = 0.9  # of difflib's ratio, case, white space and punctuation aside


@dataclass(frozen=True)
class Question:
    """How a question is answered.

    Attributes:
        labels: the answers there are, sorted; None: free text.
        temperature: log-probabilities are divided by it, so that probabilities match how often the
            answer is right (``omnina/evaluation/calibration.py``).
        strand_free: either strand has the same answer, so labels get the mean of both strands' probabilities.
        log_prior: nats for each label, which are taken off its log-probability: what training made of its
            frequency (``omnina/label_prior.py``); None: nothing is.
    """

    labels: list[str] | None
    temperature: float = 1.0
    strand_free: bool = False
    log_prior: list[float] | None = None


@dataclass(frozen=True)
class Questions:
    """The questions of a checkpoint.

    Attributes:
        by_text: how each is answered.
        max_length: the longest document in training, in tokens; None if there was no fine-tuning.
    """

    by_text: dict[str, Question] = field(default_factory=dict)
    max_length: int | None = None


def questions_of(
    answers: Mapping[str, Mapping[str, int] | None],
    given: Mapping[str, Sequence[str]],
    strand_free: Collection[str] = (),
) -> dict[str, Question]:
    """Each training question with its labels: those given, else its different training answers.

    Args:
        answers: how often each answer was given to each question; None for free text.
        given: labels by question, from the run's settings.
        strand_free: questions with the same answer for either strand.

    Raises UserError for a question that no row asks, or a training answer that is not among the labels.
    """
    for question in given:
        if question not in answers:
            raise UserError(
                f"label_sets names the question '{question}', which no training row asks; the rows ask: "
                f"{'; '.join(list(answers)[:5])}."
            )
    found = {}
    for question, tally in answers.items():
        labels = given.get(question, tally)
        missing = sorted(set(tally or ()) - set(labels or ()))
        if missing:
            raise UserError(
                f"label_sets of '{question}' leave out '{missing[0]}', which training rows answer; add it."
            )
        found[question] = Question(
            None if labels is None else sorted(labels), strand_free=question in strand_free
        )
        for one, other in _labels_alike(labels or ()):
            print(
                f"warning: {question!r} has the answers {one!r} and {other!r}, which differ in case or white "
                "space alone; the model learns them as two. If they are one, write it in one way."
            )
    return found


def nearest_question(asked: str, known: Iterable[str]) -> str | None:
    """The known question that is nearly the one asked, or None; both the same is none."""
    plain = {_plain(question): question for question in known}
    close = difflib.get_close_matches(_plain(asked), plain, n=1, cutoff=NEARLY)
    return plain[close[0]] if close and plain[close[0]] != asked else None


def unseen_warning(asked: str, known: Collection[str]) -> str | None:
    """A sentence for a question that training did not ask but nearly did; None for any other."""
    nearest = None if asked in known else nearest_question(asked, known)
    if nearest is None:
        return None
    return (
        f"warning: training did not ask {asked!r}, so that it is answered in free text. Did you mean "
        f"{nearest!r}? A question's labels are used if it is written as in training, to the letter."
    )


def _labels_alike(labels: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of labels that are one but for case and white space."""
    seen: dict[str, str] = {}
    pairs = [(seen.setdefault(" ".join(label.casefold().split()), label), label) for label in sorted(labels)]
    return [(first, label) for first, label in pairs if first != label]


def _plain(question: str) -> str:
    return " ".join(re.findall(r"\w+", question.casefold()))


def questions_record(questions: Questions) -> dict:
    """What ``questions.json`` holds; a prior only where there is one, as in files older than it."""
    record = asdict(questions)
    for question in record["by_text"].values():
        if question["log_prior"] is None:
            del question["log_prior"]
    return record


def save_questions(questions: Questions, folder: Path) -> None:
    """Write ``questions.json``."""
    text = json.dumps(questions_record(questions), indent=2, ensure_ascii=False) + "\n"
    write_whole(folder / QUESTIONS_FILE, lambda stream: stream.write(text.encode()))


def load_questions(folder: Path) -> Questions:
    """Read ``questions.json``; no question if the checkpoint has no such file (it was only pretrained)."""
    path = folder / QUESTIONS_FILE
    if not path.is_file():
        return Questions()
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        by_text = {text: _checked(Question(**question)) for text, question in values["by_text"].items()}
        return Questions(by_text, _checked_length(values["max_length"]))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a whole questions file ({error}); fine-tune again.") from error


def _checked(question: Question) -> Question:
    """Raises TypeError or ValueError for a question that could not be asked."""
    if question.labels is not None and not isinstance(question.labels, list):
        raise TypeError(f"labels are {question.labels!r}, no list")
    for label in question.labels or ():
        if not isinstance(label, str):
            raise TypeError(f"the label {label!r} is no text")
    if question.labels is not None and len(set(question.labels)) != max(1, len(question.labels)):
        raise ValueError("labels are missing or stand there twice")
    if isinstance(question.temperature, bool) or not 0 < question.temperature < math.inf:
        raise ValueError(f"the temperature {question.temperature!r} is no number above 0")
    if not isinstance(question.strand_free, bool):
        raise TypeError(f"strand_free is {question.strand_free!r}, neither true nor false")
    _check_prior(question)
    return question


def _check_prior(question: Question) -> None:
    """A logarithm for each label; TypeError or ValueError for anything else."""
    if question.log_prior is None:
        return
    if len(question.log_prior) != len(question.labels or ()):
        raise ValueError("log_prior has not one number for each label")
    if not all(isinstance(nats, float) and math.isfinite(nats) for nats in question.log_prior):
        raise ValueError(f"log_prior {question.log_prior!r} is not all finite floats")


def _checked_length(length: int | None) -> int | None:
    if length is not None and (isinstance(length, bool) or not isinstance(length, int) or length < 1):
        raise ValueError(f"max_length {length!r} is no whole number above 0")
    return length
