"""The example tables' figures as Markdown: printed by the script, kept in ``data/README.md``."""

import hashlib
from collections import Counter
from pathlib import Path

from omnina.corpus.entry import Entry
from omnina.corpus.example import FILE_NAMES, RECORD_FILES, Example, row_bytes
from omnina.corpus.tasks import TASK_FILES, TaskRow

USED = tuple(FILE_NAMES)


def summary(example: Example, records: Path, output: Path) -> str:
    """Three Markdown tables: the files, the shares per source, and what became of each record."""
    return "\n\n".join((files_table(example, records, output), shares_table(example), fates_table(example)))


def files_table(example: Example, records: Path, output: Path) -> str:
    """One line per file: rows (in a record file: genes read), bases of them, bytes and sha256."""
    lines = ["| file | rows or genes | bases | bytes | sha256 |", "|---|---:|---:|---:|---|"]
    for split, entries in example.tables.items():
        bases = f"{_bases(entries):,}"
        lines.append(_file_line(output / FILE_NAMES[split], f"{len(entries):,}", bases))
    for source, name in RECORD_FILES.items():
        lines.append(_file_line(records / name, f"{example.fates[source].total():,}", ""))
    return "\n".join(lines)


def shares_table(example: Example) -> str:
    """One line per table and source: rows, groups (genera or contigs), bases, bytes, share of the bytes."""
    lines = ["| table | source | rows | genera or contigs | bases | bytes of rows | share of bytes |"]
    lines.append("|---|---|---:|---:|---:|---:|---:|")
    for split, table in example.tables.items():
        whole = sum(map(row_bytes, table))
        for source in example.fates:
            entries = [entry for entry in table if entry.source == source]
            groups, size = len({entry.group for entry in entries}), sum(map(row_bytes, entries))
            lines.append(
                f"| {split} | {source} | {len(entries):,} | {groups} | {_bases(entries):,} | {size:,} "
                f"| {size / whole:.1%} |"
            )
    return "\n".join(lines)


def fates_table(example: Example) -> str:
    """One line per source and fate; each source's counts add up to its records."""
    lines = ["| source | what became of it | records |", "|---|---|---:|"]
    for source, fates in example.fates.items():
        lines.append(f"| {source} | in the file | {fates.total():,} |")
        lines += [f"| {source} | used: {split} | {fates[split]:,} |" for split in USED]
        lines += [f"| {source} | {fate} | {n:,} |" for fate, n in _others(fates)]
    return "\n".join(lines)


def tasks_summary(tasks: dict[str, list[TaskRow]], output: Path) -> str:
    """The fine-tuning tables' files, and one line per table and question."""
    lines = ["| file | rows | bases | bytes | sha256 |", "|---|---:|---:|---:|---|"]
    for split, rows in tasks.items():
        lines.append(_file_line(output / TASK_FILES[split], f"{len(rows):,}", f"{_bases(rows):,}"))
    lines += ["", "| table | question | rows | genera or contigs | answers | most frequent answer |"]
    lines.append("|---|---|---:|---:|---:|---|")
    for split, rows in tasks.items():
        for question in sorted({row.question for row in rows}):
            lines.append(f"| {split} | {question} | {_task_figures(rows, question)} |")
    return "\n".join(lines)


def _task_figures(rows: list[TaskRow], question: str) -> str:
    asked = [row for row in rows if row.question == question]
    answers = Counter(row.response for row in asked)
    ((answer, count),) = answers.most_common(1)
    groups = len({row.group for row in asked})
    return f"{len(asked):,} | {groups} | {len(answers)} | {answer}, {count / len(asked):.1%}"


def _others(fates: Counter[str]) -> list[tuple[str, int]]:
    return [(fate, count) for fate, count in fates.most_common() if fate not in USED]


def _bases(entries: list[Entry] | list[TaskRow]) -> int:
    return sum(len(entry.sequence) for entry in entries)


def _file_line(path: Path, rows: str, bases: str) -> str:
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return f"| `{path.name}` | {rows} | {bases} | {len(data):,} | `{digest}` |"
