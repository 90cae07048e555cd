"""Figures as Markdown and JSON: rows ``{work, metric, ours, baseline, ratio}``, or ``{work, metric, value}``.

A figure of several batches or turns is their median; the lowest and the highest stand in a row below it.
Both carry where they were made: date, commit, hardware and how busy it was, versions, the command.
"""

import os
import platform
import shlex
import statistics
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile

from omnina.errors import UserError

PACKAGES = ("torch", "transformers", "tokenizers", "pyarrow")
EXTRAS = {"torchao": "torchao", "liger_kernel": "liger-kernel", "splintr": "splintr-rs"}


def compared(work: str, metric: str, ours: float, baseline: float) -> dict:
    """A figure of ours beside the baseline's."""
    return {"work": work, "metric": metric, "ours": ours, "baseline": baseline, "ratio": ours / baseline}


def spread(work: str, metric: str, ratios: Sequence[float], each: str) -> dict:
    """The median of ratios, between the lowest and the highest; ``each`` is what one of them is of."""
    row = compared(work, f"{metric}: median (ratio), lowest and highest {each}", min(ratios), max(ratios))
    return row | {"ratio": statistics.median(ratios)}


def lowest_and_highest(values: Sequence[float]) -> str:
    """For a figure without a baseline."""
    return f"{_figure(min(values))} to {_figure(max(values))}"


def single(work: str, metric: str, value: float | str | None) -> dict:
    """A figure without a baseline; None: not measured."""
    return {"work": work, "metric": metric, "value": value}


def markdown_table(rows: list[dict]) -> str:
    """The rows of one kind as a Markdown table."""
    if "value" in rows[0]:
        lines = ["| work | metric | value |", "|---|---|---:|"]
        lines += [f"| {row['work']} | {row['metric']} | {_figure(row['value'])} |" for row in rows]
        return "\n".join(lines)
    lines = [f"{rows[0]['work']}:", "", "| metric | ours | baseline | ratio |", "|---|---:|---:|---:|"]
    for row in rows:
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        lines.append(f"| {row['metric']} | {_figure(row['ours'])} | {_figure(row['baseline'])} | {ratio} |")
    return "\n".join(lines)


def stamp() -> dict[str, str]:
    """Where and when figures were made, and by what."""
    from omnina.checkout import git_commit  # here: torch is no need of --help
    from omnina.run_folder import hardware

    extras = [name for module, name in EXTRAS.items() if find_spec(module)]
    versions = ", ".join(f"{name} {version(name)}" for name in (*PACKAGES, *extras))
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": git_commit(),
        "hardware": f"{hardware()}; {processor()}",
        "load": load(),
        "versions": f"Python {platform.python_version()}, {versions}",
        "command": shlex.join(["python", *sys.argv]),
    }


def load() -> str:
    """How busy the machine is, this process's own start with it; 1 is a core at work."""
    if sys.platform == "win32":
        return "not told by this system"
    return f"{os.getloadavg()[0]:.2f} processes at work, mean of the last minute"


def processor() -> str:
    """The processor's name; what the system calls it where Linux does not say."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.machine())


def check_json_file(file: Path, *, report_beside: bool) -> None:
    """Raise UserError where figures could not be written into this file; its folder is made if need be.

    Args:
        file: of ``--json``.
        report_beside: a Markdown file of the same name will be written too.
    """
    _refuse_folder(file)
    if report_beside:
        if file.suffix == ".md":
            raise UserError(f"--json {file}: the report goes into this file; name one that ends in .json.")
        _refuse_folder(file.with_suffix(".md"))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=file.parent):
            pass
    except OSError as error:
        raise UserError(f"--json {file}: {error.strerror} ({error.filename}); name another file.") from error


def _refuse_folder(file: Path) -> None:
    if file.is_dir():
        raise UserError(f"--json: {file} is a folder; name a file, such as {file / 'figures.json'}.")


def write_figures(tables: list[list[dict]], made: dict[str, str], file: Path) -> None:
    """The figures and their stamp as JSON."""
    from omnina.files.durable import write_json  # here: numpy is no need of --help

    write_json(file, {"made": made, "figures": [row for rows in tables for row in rows]})


def report(tables: list[list[dict]], made: dict[str, str]) -> str:
    """The tables as Markdown under their stamp."""
    head = "\n".join(f"- {name}: {value}" for name, value in made.items())
    return "\n\n".join([head, *(markdown_table(rows) for rows in tables)])


def _figure(value: float | str | None) -> str:
    if value is None:
        return "not measured"
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4g}"
