"""What a request may ask, checked: sequences as FASTA or plain, a question, a stretch to scan."""

from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from itertools import islice

from Bio.SeqIO.FastaIO import SimpleFastaParser

from omnina.chunking import Nucleotides, parse_cell
from omnina.errors import UserError

MOST_SEQUENCES = 100  # of a request
MOST_BASES = 100_000
MOST_TRACKED = 10_000  # bases, each with a figure
MOST_SCANNED = 100  # bases, three substitutions each
MOST_AROUND = 3000  # bases of a sequence of which some are scanned
LONGEST_QUESTION = 2000  # characters
ELSEWHERE = "for more, scripts/{script} reads files of any size"


@dataclass(frozen=True)
class Named:
    """A sequence, and what it is called."""

    name: str
    nucleotides: Nucleotides


@dataclass(frozen=True)
class AnswerRequest:
    """Answer a question about each sequence; without a question, annotate each."""

    sequences: list[Named]
    question: str


@dataclass(frozen=True)
class TrackRequest:
    """How likely is each base of each sequence."""

    sequences: list[Named]


@dataclass(frozen=True)
class ScanRequest:
    """Every substitution of the bases from ``first`` to ``last``, counted from 1: what it changes."""

    sequence: Named
    first: int
    last: int
    question: str


def answer_request(body: object) -> AnswerRequest:
    """From ``{"sequences": "...", "question": "..."}``; UserError says what is wrong."""
    fields = _fields(body, {"sequences", "question"})
    return AnswerRequest(_sequences(fields, MOST_BASES, "predict.py"), _question(fields))


def track_request(body: object) -> TrackRequest:
    """From ``{"sequences": "..."}``; UserError says what is wrong."""
    fields = _fields(body, {"sequences"})
    return TrackRequest(_sequences(fields, MOST_TRACKED, "score_sequences.py"))


def scan_request(body: object) -> ScanRequest:
    """From ``{"sequences": "...", "first": 1, "last": 50, "question": ""}``; UserError says what is wrong."""
    fields = _fields(body, {"sequences", "first", "last", "question"})
    sequence, *others = _sequences(fields, MOST_AROUND, "score_variants.py")
    parts = sequence.nucleotides.parts
    if others or len(parts) > 1 or parts[0][0]:
        raise UserError("sequences: a scan is of one sequence without labels.")
    bases = sequence.nucleotides.bases
    first, last = _place(fields, "first", 1), _place(fields, "last", min(bases, MOST_SCANNED))
    if not 1 <= first <= last <= bases:
        raise UserError(f"first, last: {first} to {last} is no stretch of the sequence's {bases} bases.")
    if last - first + 1 > MOST_SCANNED:
        limit = f"at most {MOST_SCANNED} bases are scanned at a time"
        raise UserError(f"first, last: {limit}; {ELSEWHERE.format(script='score_variants.py')}.")
    return ScanRequest(sequence, first, last, _question(fields))


def _fields(body: object, known: set[str]) -> Mapping[str, object]:
    if not isinstance(body, dict):
        raise UserError(f"expected a JSON object with {', '.join(sorted(known))}.")
    if unknown := sorted(set(body) - known):
        raise UserError(f"'{unknown[0]}': there is no such field; there are {', '.join(sorted(known))}.")
    return body


def _question(fields: Mapping[str, object]) -> str:
    question = fields.get("question", "")
    if not isinstance(question, str) or len(question) > LONGEST_QUESTION:
        raise UserError(f"question: a text of at most {LONGEST_QUESTION} characters.")
    return question.strip()


def _place(fields: Mapping[str, object], name: str, default: int) -> int:
    value = fields.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise UserError(f"{name}: a whole number, counted from 1.")
    return value


def _sequences(fields: Mapping[str, object], most_bases: int, script: str) -> list[Named]:
    text = fields.get("sequences", "")
    if not isinstance(text, str) or not text.strip():
        raise UserError("sequences: a text with a sequence, or several as FASTA.")
    records = _records(text)
    bases = sum(len(sequence) for _, sequence in records)
    if len(records) > MOST_SEQUENCES or bases > most_bases:
        there = f"more than {MOST_SEQUENCES}" if len(records) > MOST_SEQUENCES else f"{bases:,} bases"
        raise UserError(
            f"sequences: {there}; at most {MOST_SEQUENCES} with {most_bases:,} bases are taken at a time; "
            f"{ELSEWHERE.format(script=script)}."
        )
    return [_named(number, *record) for number, record in enumerate(records, 1)]


def _records(text: str) -> list[tuple[str, str]]:
    """(name, sequence) of FASTA, one more than may be at most; or of a text that is one sequence."""
    if not text.lstrip().startswith(">"):
        return [("", text)]
    return list(islice(SimpleFastaParser(StringIO(text.lstrip())), MOST_SEQUENCES + 1))


def _named(number: int, name: str, sequence: str) -> Named:
    cell = sequence if ":" in sequence else "".join(sequence.split())
    name = name or f"sequence {number}"
    try:
        return Named(name, parse_cell(cell.strip()))
    except ValueError as error:
        raise UserError(f"{name}: {error}.") from error
