"""Answers and annotations to look at: what was asked, right and given, and how likely each base was."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import exp
from pathlib import Path

import numpy as np

from omnina.chunking import Nucleotides
from omnina.dataset import TokenizedData
from omnina.evaluation.asked_rows import AskedRow
from omnina.files.durable import write_json
from omnina.inference.annotation import Annotator
from omnina.inference.answer import Answer
from omnina.inference.base_track import base_nats, bases_held
from omnina.inference.generation import Decoding
from omnina.inference.packed import PackedReader
from omnina.inference.questions import Question
from omnina.inference.scoring import normalised
from omnina.prompt import FINETUNE_PROMPT, PRETRAIN_PROMPT, Prompt, Row
from omnina.token_kinds import is_written

EXAMPLES_FILE = "examples.json"
EACH = 3  # right and wrong answers of each question
ANNOTATED = 6  # sequences, in pretraining
DRAWN = 8 * ANNOTATED  # of which those are left out that go from annotation to sequence
MOST_BASES = 600  # of a sequence that is shown
DIGITS = 3  # of a stored figure
SEED = 0  # of the choice


@dataclass(frozen=True)
class ShownPart:
    """The first bases of one of a row's sequences, and natural log-probabilities; None if they do not fit."""

    label: str
    bases: str
    nats: list[float] | None


@dataclass(frozen=True)
class Example:
    """A row with what the model made of it.

    Attributes:
        place: where the row stands.
        question: empty for an annotation.
        gold, answer: what is right, and the model's.
        right: whether they are the same, letter for letter.
        probability: of the answer.
        bases: of the whole row.
        parts: what is shown of it.
    """

    place: str
    question: str
    gold: str
    answer: str
    right: bool
    probability: float
    bases: int
    parts: list[ShownPart]

    @classmethod
    def from_json(cls, values: Mapping) -> "Example":
        """From what ``write_examples`` wrote of it; KeyError or TypeError for anything else."""
        return cls(**dict(values) | {"parts": [ShownPart(**part) for part in values["parts"]]})


def answer_examples(
    reader: PackedReader,
    questions: Mapping[str, Question],
    rows: Sequence[AskedRow],
    answers: Sequence[Answer],
) -> list[Example]:
    """Of each question some right and some wrong answers, drawn by a fixed seed.

    ``questions`` have the temperatures that make the shown probabilities.
    """
    chosen = list(_drawn(rows, answers))
    shown = [_shown(rows[place].nucleotides) for place in chosen]
    asked = [
        Row(part, rows[place].gold, rows[place].question) for place, part in zip(chosen, shown, strict=True)
    ]
    parts = _coloured(reader, FINETUNE_PROMPT, asked)
    return [
        _example(rows[place], answers[place].text, _probability(questions, rows[place], answers[place]), own)
        for place, own in zip(chosen, parts, strict=True)
    ]


def annotation_examples(reader: PackedReader, data: TokenizedData) -> list[Example]:
    """Some documents of a table, drawn by a fixed seed, with the annotation that the model writes."""
    generator = np.random.default_rng(SEED)
    drawn = generator.choice(len(data), min(DRAWN, len(data)), replace=False)
    places = sorted([int(place) for place in drawn if not is_written(data[place])][:ANNOTATED])
    decoded = [_decoded(reader, data[place]) for place in places]
    annotator = Annotator(reader, Decoding())
    written = annotator.annotate([nucleotides for nucleotides, _ in decoded], places)
    parts = _coloured(reader, PRETRAIN_PROMPT, [Row(_shown(found), gold) for found, gold in decoded])
    examples = []
    for place, (nucleotides, gold), of_windows, own in zip(places, decoded, written, parts, strict=True):
        table, line = data.origin(place)
        first = of_windows[0]
        found = AskedRow(nucleotides.text, "", gold, nucleotides, f"{table}:{line}")
        examples.append(_example(found, first.text, exp(first.log_likelihood), own))
    return examples


def write_examples(examples: Iterable[Example], folder: Path) -> None:
    """Write ``examples.json``."""
    write_json(folder / EXAMPLES_FILE, {"examples": [asdict(example) for example in examples]})


def _drawn(rows: Sequence[AskedRow], answers: Sequence[Answer]) -> Iterable[int]:
    """Places of examples: by question, the right ones before the wrong ones."""
    generator = np.random.default_rng(SEED)
    for question in dict.fromkeys(row.question for row in rows):
        for right in (True, False):
            places = [
                place
                for place, (row, answer) in enumerate(zip(rows, answers, strict=True))
                if row.question == question and (row.gold == answer.text) == right
            ]
            yield from sorted(generator.permutation(places)[:EACH].astype(int).tolist())


def _example(row: AskedRow, answer: str, probability: float, parts: list[ShownPart]) -> Example:
    rounded, right = round(probability, DIGITS), row.gold == answer
    return Example(row.place, row.question, row.gold, answer, right, rounded, row.nucleotides.bases, parts)


def _probability(questions: Mapping[str, Question], row: AskedRow, answer: Answer) -> float:
    """Of the answer, at the question's temperature; free text has none."""
    if answer.log_probabilities is None:
        return answer.probability
    return float(normalised(answer.log_probabilities, questions[row.question].temperature).max())


def _shown(nucleotides: Nucleotides) -> Nucleotides:
    """The first bases, as many of each part."""
    most = MOST_BASES // len(nucleotides.parts)
    return Nucleotides(tuple((label, bases[:most]) for label, bases in nucleotides.parts))


def _coloured(reader: PackedReader, prompt: Prompt, rows: Sequence[Row]) -> list[list[ShownPart]]:
    """Each row's parts with a figure for each base, where all of them fit."""
    encoder = reader.encoder(prompt)
    documents = encoder.encode(rows)
    fitting = [
        place
        for place, document in enumerate(documents)
        if not isinstance(document, ValueError) and not document.trimmed_bases
    ]
    nats = dict(zip(fitting, reader.token_nats([documents[place] for place in fitting]), strict=True))
    found = []
    for place, row in enumerate(rows):
        tracks: list[np.ndarray | None] = [None] * len(row.nucleotides.parts)
        if place in nats:
            held = bases_held(encoder, row.nucleotides, row.question)
            tracks = base_nats(documents[place], nats[place], held)
        found.append([_part(*part, track) for part, track in zip(row.nucleotides.parts, tracks, strict=True)])
    return found


def _part(label: str, bases: str, track: np.ndarray | None) -> ShownPart:
    return ShownPart(label, bases, None if track is None else track.round(DIGITS).tolist())


def _decoded(reader: PackedReader, row: dict) -> tuple[Nucleotides, str]:
    """A document's sequences, with their labels if there are several, and its annotation."""
    ids, answer_start = list(map(int, row["input_ids"])), int(row["answer_start"])
    spans = np.reshape(row["sequence_spans"], (-1, 2)).tolist()

    def text(start: int, end: int) -> str:
        return reader.tokenizer.decode(ids[start:end], skip_special_tokens=True).strip()

    ends = [0, *(end for _, end in spans)]
    labels = [
        text(before, start).split()[-1].rstrip(":") if len(spans) > 1 else ""
        for before, (start, _) in zip(ends, spans, strict=False)
    ]
    bases = ["".join(text(*span).split()) for span in spans]
    return Nucleotides(tuple(zip(labels, bases, strict=True))), text(answer_start, len(ids))
