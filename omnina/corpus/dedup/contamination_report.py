"""A contamination search as files: figures for programs, a page for people, the rows that have twins.

``contamination.json``       every count, with the settings that it depends on
``contamination.md``         the same as tables
``contaminated_rows.csv``    a line for each test sequence with a twin: where, of which kind, how similar
"""

import csv
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from omnina.corpus.dedup.containment import MIN_SAMPLE, MIN_SHARED, SCALE
from omnina.corpus.dedup.contamination import Contamination, PartCounts
from omnina.corpus.dedup.forbid import Kind

JSON_FILE, PAGE_FILE, ROWS_FILE = "contamination.json", "contamination.md", "contaminated_rows.csv"
ROW_COLUMNS = (
    *("test_file", "test_line", "part", "question", "kind", "similarity"),
    *("train_file", "train_line", "train_part", "train_sequences"),
)


def write_report(result: Contamination, train: Iterable[str], test: Iterable[str], folder: Path) -> str:
    """Write the three files into ``folder`` (made if need be); returns the page's text."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = report_figures(result, list(map(str, train)), list(map(str, test)))
    (folder / JSON_FILE).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    page = report_page(result, figures)
    (folder / PAGE_FILE).write_text(page, encoding="utf-8")
    with (folder / ROWS_FILE).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(ROW_COLUMNS)
        writer.writerows(contaminated_rows(result))
    return page


def report_figures(result: Contamination, train: list[str], test: list[str]) -> dict:
    """All counts as JSON values."""
    rows, rows_with_twin = result.rows()
    settings = {"k": result.settings.k, "min_identity": result.settings.min_identity}
    settings |= {"kmers_sampled_one_in": SCALE, "min_shared": MIN_SHARED, "min_sample": MIN_SAMPLE}
    return {
        "train": train,
        "test": test,
        "settings": settings,
        "test_rows": rows,
        "test_rows_with_twin": rows_with_twin,
        "test_sequences": [asdict(entry) | {"clean": entry.clean} for entry in result.counts()],
        "train_sequences": result.train_sequences,
        "train_bases": result.train_bases,
        "train_only_compared_for_equality": +result.train_only_exact,
    }


def contaminated_rows(result: Contamination) -> Iterable[tuple]:
    """Rows in the order of ROW_COLUMNS, for the test sequences that have a twin, in the tables' order."""
    for part in result.test_parts:
        found = result.twin_of(part)
        if found:
            place = found.place
            where = part.path, part.line, part.label, part.question
            twin = found.kind.words, f"{found.similarity:.4f}"
            yield *where, *twin, place.path, place.line, place.label, found.train_sequences


def report_page(result: Contamination, figures: dict) -> str:
    """The counts in Markdown."""
    rows, with_twin = figures["test_rows"], figures["test_rows_with_twin"]
    names = " | ".join(kind.words for kind in sorted(Kind, reverse=True))
    lines = [
        "# Contamination",
        "",
        f"Training: {', '.join(figures['train'])} ({result.train_sequences:,} sequences, "
        f"{result.train_bases:,} bases)  ",
        f"Test: {', '.join(figures['test'])} ({rows:,} rows)",
        "",
        f"**{with_twin:,} of {rows:,} test rows ({with_twin / rows:.2%}) have a twin in training.**",
        *_caution(result),
        "",
        f"| part | question | sequences | {names} | clean | only compared for equality |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
        *map(_table_line, result.counts()),
        "",
        *_explanation(result),
    ]
    return "\n".join(lines) + "\n"


def _caution(result: Contamination) -> list[str]:
    """A line on the sequences that no near twin could be found of, if there are any."""
    unsearched = sum(part.number in result.too_short for part in result.test_parts)
    total = len(result.test_parts)
    if not unsearched:
        return []
    return [
        f"**{unsearched:,} of {total:,} test sequences are too short or too repetitive to be searched for "
        "near twins: they were compared for equality alone.**"
    ]


def _table_line(entry: PartCounts) -> str:
    counts = (entry.exact, entry.reverse_complement, entry.near, entry.clean)
    shares = (f"{count:,} ({count / entry.sequences:.2%})" for count in counts)
    question = " ".join(entry.question.split()).replace("|", "\\|")
    cells = (entry.label, question, f"{entry.sequences:,}", *shares, f"{entry.only_compared_for_equality:,}")
    return f"| {' | '.join(cells)} |"


def _explanation(result: Contamination) -> list[str]:
    settings, short = result.settings, sum(result.train_only_exact.values())
    return [
        "Each sequence counts once, under the strongest twin that it has; every part of a labelled cell is "
        "a sequence. *Exact*: the same bases. *Reverse complement*: the same bases on the other strand. "
        f"*Near*: the shared {settings.k}-mers let one estimate {settings.min_identity:.0%} equal bases or "
        "more along the shorter sequence (or "
        f"{settings.min_identity**settings.k:.0%} of it stand in the other unchanged). Members of one "
        "conserved gene family, 16S ribosomal RNA for instance, are near by nature.",
        "",
        f"Sequences with fewer than {MIN_SAMPLE} sampled {settings.k}-mers (about "
        f"{MIN_SAMPLE * SCALE + settings.k - 1} bases; more of a repeat, whose {settings.k}-mers are few) "
        "are only compared for equality, on both strands: "
        f"the last column counts them on the test side; in training there were {short:,}.",
    ]
