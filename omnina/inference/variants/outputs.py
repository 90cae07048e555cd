"""How scores of variants are written: cells of a CSV file, and entries of a VCF file's INFO."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

COLUMNS = ("chrom", "pos", "id", "ref", "alt", "score", "raw_score", "control_sd", "note")
CHANGE = "change_{}"  # a column for each answer, where a question is asked
SCORE, RAW, NOTE, ANSWERS = OWN = ("OMNINA_SCORE", "OMNINA_RAW", "OMNINA_NOTE", "OMNINA_ANSWERS")
OWN_DEFINITIONS = tuple(f"##INFO=<ID={name}," for name in OWN)
DEFINITIONS = (
    f"##INFO=<ID={SCORE},Number=A,Type=Float,Description="
    '"OMNINA_RAW, for indels less the mean of random ones of the same length, by OmniNA">',
    f"##INFO=<ID={RAW},Number=A,Type=Float,Description="
    '"Log-likelihood of the alternative less that of the reference, natural logarithm, by OmniNA">',
    f"##INFO=<ID={NOTE},Number=A,Type=String,Description="
    '"Why an alternative has no score, or what to know of it, percent-encoded, by OmniNA">',
)
ANSWERS_DEFINITION = (
    f"##INFO=<ID={ANSWERS},Number=A,Type=String,Description="
    '"Change of the probability of each answer, percent-encoded, to: {}, by OmniNA">'
)
INFO, ABSENT = 7, "."  # a column's place, and what stands for nothing


@dataclass(frozen=True)
class ScoredAlternative:
    """An alternative with its scores, or the reason why it has none; ``changes``: of each answer."""

    text: str
    note: str
    score: float | None = None
    raw: float | None = None
    deviation: float | None = None
    changes: Sequence[float] = ()


def cells_of(record, row: ScoredAlternative, labels: int) -> list[str]:
    """A row of the CSV file, with so many answers."""
    figures = (row.score, row.raw, row.deviation)
    changes = row.changes or [None] * labels
    return [
        *(record.chrom, str(record.pos), record.id or "", record.ref, row.text),
        *map(_cell, figures),
        row.note,
        *map(_cell, changes),
    ]


def header_with_scores(text: str, question: str | None) -> bytes:
    """A VCF's header with our entries before its line of columns, in place of those of an earlier call."""
    *entries, columns = text.splitlines()
    foreign = [line for line in entries if not line.startswith(OWN_DEFINITIONS)]
    own = list(DEFINITIONS)
    if question is not None:
        own.append(ANSWERS_DEFINITION.format(question.replace("\\", "/").replace('"', "'")))
    return "".join(f"{line}\n" for line in (*foreign, *own, columns)).encode()


def record_with_scores(line: str, rows: Sequence[ScoredAlternative], labels: Sequence[str]) -> bytes:
    """A record's line with scores and notes in its INFO; nothing else of it changes."""
    cells = line.rstrip("\n").split("\t")
    entries = [
        f"{name}={','.join(_cell(value) or ABSENT for value in values)}"
        for name, values in ((SCORE, [row.score for row in rows]), (RAW, [row.raw for row in rows]))
    ]
    if labels:
        entries.append(f"{ANSWERS}={','.join(_changes_as_info(row, labels) for row in rows)}")
    if any(row.note for row in rows):
        entries.append(f"{NOTE}={','.join(_as_info(row.note) or ABSENT for row in rows)}")
    given = [] if cells[INFO] == ABSENT else cells[INFO].split(";")
    foreign = [entry for entry in given if entry.partition("=")[0] not in OWN]
    cells[INFO] = ";".join([*foreign, *entries])
    return ("\t".join(cells) + "\n").encode(errors="surrogateescape")


def _changes_as_info(row: ScoredAlternative, labels: Sequence[str]) -> str:
    """``no:0.25|yes:-0.25``."""
    pairs = zip(labels, row.changes, strict=True) if row.changes else ()
    return "|".join(f"{_as_info(label)}:{_cell(change)}" for label, change in pairs) or ABSENT


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _as_info(text: str) -> str:
    """Percent-encoded as VCF 4.3 says, blanks too, which older readers do not allow."""
    return quote(text, safe="()/+<>*[]!?'")
