"""Requests turned into steps of the model; each yields after a step and returns what goes out as JSON."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import exp, log

import numpy as np

from omnina.errors import UserError
from omnina.inference.annotation import Annotator
from omnina.inference.answer import Answer, Answerer, Query
from omnina.inference.api import OmniNA
from omnina.inference.base_track import sequence_track
from omnina.inference.generation import Decoding
from omnina.inference.windows import fitted_windows
from omnina.serving.requests import AnswerRequest, Named, ScanRequest, TrackRequest
from omnina.serving.turns import Work

BASES = "ACGT"
MOST_LABELS = 10  # of an answer, the likeliest
VARIANTS_PER_STEP = 15
WINDOW = 401  # bases around a substitution: those of scripts/score_variants.py would take twice as long
DIGITS = 5


def answers(answerer: Answerer, request: AnswerRequest) -> Work[dict]:
    """``{"answers": [...]}``, one for each sequence."""
    found = []
    for named in request.sequences:
        found.append(_answer(answerer, named, request.question))
        yield
    return {"question": request.question, "answers": found}


def annotations(answerer: Answerer, request: AnswerRequest) -> Work[dict]:
    """As ``answers``, with what pretraining's prompt has the model write: of the first window alone."""
    annotator = Annotator(answerer.reader, Decoding())
    found = []
    for named in request.sequences:
        with _told(named):
            window, *others = fitted_windows(annotator.encoder, named.nucleotides)
            [[first]] = annotator.annotate([window.nucleotides], [0])
        notes = [f"of the first {first.end} bases"] if others else []
        notes += [] if first.whole else [f"cut off after {first.tokens} tokens"]
        found.append(_outgoing(named, first.text, exp(first.log_likelihood), notes))
        yield
    return {"question": "", "answers": found}


def tracks(answerer: Answerer, request: TrackRequest) -> Work[dict]:
    """``{"tracks": [...]}``: bits of each base of each sequence."""
    found = []
    for named in request.sequences:
        with _told(named):
            bits = -sequence_track(answerer.reader, named.nucleotides) / log(2)
        bases = "".join(bases for _, bases in named.nucleotides.parts)
        mean = round(float(bits.mean()), DIGITS)
        found.append({"name": named.name, "bases": bases, "bits": _rounded(bits), "bits_per_base": mean})
        yield
    return {"tracks": found}


def scan(answerer: Answerer, request: ScanRequest) -> Work[dict]:
    """``{"scan": {...}}``: ``scores[i][j]`` of base i + first turned into BASES[j], None for its own.

    Without a question a score is the log-likelihood with the change less that without, in nats; with one, how
    much likelier the answer to it becomes.
    """
    bases = request.sequence.nucleotides.parts[0][1]
    label = None
    if request.question and request.question not in answerer.label_sets:
        known = "; ".join(answerer.label_sets) or "none"
        raise UserError(f"question: a scan is of an answer from labels; questions with labels are: {known}.")
    if request.question:
        [answer] = answerer.answer([Query(request.sequence.nucleotides, request.question)])
        if answer.refused:
            raise UserError(f"{request.sequence.name}: {answer.refused}.")
        label = answer.text
        yield
    scores: list[float] = []
    substitutions = list(_substitutions(bases, request.first, request.last))
    for start in range(0, len(substitutions), VARIANTS_PER_STEP):
        part = substitutions[start : start + VARIANTS_PER_STEP]
        scores += _scores(answerer, bases, part, request.question, label)
        yield
    return {"scan": _table(request, bases, substitutions, scores, label)}


@contextmanager
def _told(named: Named) -> Iterator[None]:
    """Labelled sequences that do not fit are the asker's mistake."""
    try:
        yield
    except ValueError as error:
        raise UserError(f"{named.name}: {error}.") from error


def _answer(answerer: Answerer, named: Named, question: str) -> dict:
    [answer] = answerer.answer([Query(named.nucleotides, question)])
    notes = [answer.refused] if answer.refused else list(answer.notes)
    return _outgoing(named, answer.text, answer.probability, notes) | _labels(answer)


def _outgoing(named: Named, text: str, probability: float, notes: list[str]) -> dict:
    return {
        "name": named.name,
        "bases": named.nucleotides.bases,
        "answer": text,
        "probability": round(probability, DIGITS),
        "notes": notes,
    }


def _labels(answer: Answer) -> dict:
    """The likeliest labels with their probabilities; nothing where the answer is free text."""
    if answer.labels is None:
        return {}
    likeliest = sorted(answer.labels.items(), key=lambda pair: -pair[1])[:MOST_LABELS]
    return {
        "labels": [
            {"label": label, "probability": round(probability, DIGITS)} for label, probability in likeliest
        ]
    }


def _substitutions(bases: str, first: int, last: int) -> Iterator[tuple[int, str, str]]:
    """(position from 1, REF, ALT) of every one; a base that is none of ACGT has four."""
    for position in range(first, last + 1):
        own = bases[position - 1]
        yield from ((position, own, base) for base in BASES if base != own)


def _scores(
    answerer: Answerer, bases: str, variants: list[tuple[int, str, str]], question: str, label: str | None
) -> list[float]:
    model = OmniNA(answerer)
    if label is None:
        how = {"window": WINDOW, "segmentations": 1, "both_strands": False}
        return _rounded(model.score_variants(bases, variants, **how))
    both_strands = answerer.questions[question].strand_free  # as the answer itself is made
    return _rounded(model.change_answers(bases, variants, question, both_strands=both_strands)[label])


def _table(
    request: ScanRequest,
    bases: str,
    substitutions: list[tuple[int, str, str]],
    scores: list[float],
    label: str | None,
) -> dict:
    rows: list[list[float | None]] = [[None] * len(BASES) for _ in range(request.first, request.last + 1)]
    for (position, _, base), score in zip(substitutions, scores, strict=True):
        rows[position - request.first][BASES.index(base)] = score
    stretch = bases[request.first - 1 : request.last]
    where = {"name": request.sequence.name, "first": request.first, "last": request.last, "bases": stretch}
    return where | {"alternatives": BASES, "answer": label, "scores": rows}


def _rounded(values: np.ndarray) -> list[float]:
    return np.round(values, DIGITS).tolist()
