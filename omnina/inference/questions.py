"""What a fine-tuned checkpoint may be asked: ``questions.json`` beside its weights."""

import difflib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar

from omnina.errors import UserError
from omnina.inference.scoring import normalised

QUESTIONS_FILE = "questions.json"
NEARLY = 0.9  # of difflib's ratio, case, white space and punctuation aside
LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 20.0


@dataclass(frozen=True)
class Question:
    """How a question is answered.

    Attributes:
        labels: the answers there are, sorted; None: free text.
        temperature: log-probabilities are divided by it, so that probabilities match how often the
            answer is right (Guo et al., 2017, arXiv:1706.04599).
    """

    labels: list[str] | None
    temperature: float = 1.0


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
    answers: Mapping[str, Mapping[str, int] | None], given: Mapping[str, Sequence[str]]
) -> dict[str, Question]:
    """Each training question with its labels: those given, else its different training answers.

    Args:
        answers: how often each answer was given to each question; None for free text.
        given: labels by question, from the run's settings.

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
        found[question] = Question(None if labels is None else sorted(labels))
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


def fit_temperature(log_probabilities: Sequence[np.ndarray], gold: Sequence[int]) -> float:
    """The temperature with the least mean negative log-likelihood of the right labels.

    Args:
        log_probabilities: (labels,) of each row, not normalised.
        gold: place of each row's right label.

    Returns: between 0.05 and 20; 1.0 if there is no row.
    """
    if not len(gold):
        return 1.0
    scores, places = np.stack(log_probabilities), np.asarray(gold)

    def loss(log_temperature: float) -> float:
        probabilities = normalised(scores, np.exp(log_temperature))
        return -np.log(probabilities[np.arange(len(places)), places] + 1e-30).mean()

    bounds = np.log([LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE])
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def save_questions(questions: Questions, folder: Path) -> None:
    """Write ``questions.json``."""
    text = json.dumps(asdict(questions), indent=2, ensure_ascii=False) + "\n"
    (folder / QUESTIONS_FILE).write_text(text, encoding="utf-8")


def load_questions(folder: Path) -> Questions:
    """Read ``questions.json``; no question if the checkpoint has no such file (it was only pretrained)."""
    path = folder / QUESTIONS_FILE
    if not path.is_file():
        return Questions()
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        by_text = {text: Question(**question) for text, question in values["by_text"].items()}
        return Questions(by_text, values["max_length"])
    except (json.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a whole questions file ({error}); fine-tune again.") from error
