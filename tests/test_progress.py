"""Bars stand on a terminal alone, and only omnina/progress.py makes them."""

import ast
import logging as python_logging
import os
import pty
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tables import random_dna, write_table
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from omnina.evaluation.asked_rows import answer_rows, read_asked_rows
from omnina.inference.answer import Answerer
from omnina.progress import counted, no_library_bars, no_library_words, progress_bar, told_beside_bars
from omnina.trainer_settings import TrainerSettings

ROOT = Path(__file__).parents[1]
BAR = "\r"  # a line that goes back to its beginning: no log holds one


@contextmanager
def stderr_on(handle: int, monkeypatch) -> Iterator[None]:
    with monkeypatch.context() as patched, os.fdopen(handle, "w") as stream:
        patched.setattr(sys, "stderr", stream)
        yield


def on_terminal(work, monkeypatch) -> str:
    """What ``work()`` shows on a terminal."""
    reader, writer = pty.openpty()
    termios.tcsetwinsize(writer, (24, 120))  # of one without a width tqdm shows nothing
    with stderr_on(os.dup(writer), monkeypatch):
        work()
    os.write(writer, b"END")  # else reading would wait where nothing was shown
    shown = b""
    while not shown.endswith(b"END"):
        shown += os.read(reader, 100_000)
    os.close(writer)
    os.close(reader)
    return shown.decode().removesuffix("END")


def in_log(work, monkeypatch) -> str:
    """What ``work()`` writes into a pipe."""
    reader, writer = os.pipe()
    with stderr_on(writer, monkeypatch):
        work()
    with os.fdopen(reader) as stream:
        return stream.read()


def steps() -> None:
    with progress_bar("reading", "B", 2000, done=500) as bar:
        bar.update(1500)
    assert list(counted([1, 2, 3], "counting", "things")) == [1, 2, 3]


def test_a_bar_shows_rate_and_remaining_time_on_a_terminal(monkeypatch):
    shown = on_terminal(steps, monkeypatch)
    assert "reading" in shown and "2.00k/2.00k" in shown and "B/s" in shown
    assert "counting" in shown and "/3 [" in shown and "<" in shown


def test_nothing_is_written_elsewhere(monkeypatch):
    assert in_log(steps, monkeypatch) == ""


def test_a_process_that_leaves_the_bar_to_another_shows_none(monkeypatch):
    assert on_terminal(lambda: list(counted([1], "a", "b", shown=False)), monkeypatch) == ""


@pytest.mark.parametrize("shows", [on_terminal, in_log])
def test_a_warning_is_told_either_way(shows, monkeypatch):
    assert "take care" in shows(lambda: told_beside_bars("take care"), monkeypatch)


def test_answering_shows_a_bar_on_a_terminal_alone(checkpoint, tmp_path, monkeypatch):
    cells = {"sequence": random_dna(60, 1), "question": "Which colour?", "response": "red"}
    rows = read_asked_rows(str(write_table(tmp_path / "rows.csv", [cells])))
    answerer = Answerer(checkpoint)
    assert "answering" in on_terminal(lambda: answer_rows(answerer, rows), monkeypatch)
    assert in_log(lambda: answer_rows(answerer, rows), monkeypatch) == ""


@pytest.mark.parametrize(("shows", "without"), [(on_terminal, False), (in_log, True)])
def test_training_shows_a_bar_on_a_terminal_alone(shows, without, tmp_path, monkeypatch):
    made = []
    shows(lambda: made.append(TrainerSettings(output_dir=str(tmp_path))), monkeypatch)
    assert made[0].disable_tqdm is without


def test_weights_are_read_and_written_without_the_librarys_bars(checkpoint, tmp_path, monkeypatch):
    def work() -> None:
        model = Answerer(checkpoint).model
        model.save_pretrained(tmp_path)
        with no_library_bars():
            AutoModelForCausalLM.from_pretrained(tmp_path)

    assert BAR not in on_terminal(work, monkeypatch).replace("\r\n", "")
    assert logging.is_progress_bar_enabled()  # the user's own code keeps its bars


def test_libraries_are_silent_where_the_result_is_checked_and_warn_again_after(monkeypatch):
    def work() -> None:
        stream = python_logging.StreamHandler()
        logger = python_logging.getLogger("a library")
        logger.addHandler(stream)
        with no_library_words():
            logger.warning("a doubt")
            print("a bar", file=sys.stderr)
        logger.warning("a warning")
        logger.removeHandler(stream)

    assert in_log(work, monkeypatch) == "a warning\n"


def test_only_one_module_makes_bars():
    for path in [*(ROOT / "omnina").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]:
        if path != ROOT / "omnina" / "progress.py":
            assert "tqdm" not in imported(path), path


def imported(path: Path) -> set[str]:
    """Top-level names of the packages that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found
