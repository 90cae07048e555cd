"""The CSV of answers: written in parts that a kill cannot hurt, and gone on with by the same command.

Rows are appended to ``OUTPUT.unfinished``; ``OUTPUT.unfinished.json`` says how far that is whole and which
command it belongs to. At the end the file gets its name. One process at a time works on an output: it holds a
lock on ``OUTPUT.unfinished.lock``.
"""

import csv
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from omnina.errors import UserError
from omnina.files.lock import locked_if_free


class AnswerFile:
    """One output; what is wrong with its name or folder is known before a model is loaded.

    Args:
        path: the CSV to write; must not exist. Its folder is made if there is none.

    Raises UserError for a path that exists, is no ``.csv``, is a link, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unfinished = path.with_name(f"{path.name}.unfinished")
        self.journal = path.with_name(f"{path.name}.unfinished.json")
        self.lock = path.with_name(f"{path.name}.unfinished.lock")
        if path.suffix != ".csv":
            raise UserError(f"{path}: the output is a CSV; give it a name that ends in .csv.")
        if path.is_dir():
            raise UserError(f"{path}: this is a folder; give --output the name of a file.")
        if path.exists():
            raise self._is_there()
        for file in (path, self.unfinished, self.journal, self.lock, self.journal.with_suffix(".new")):
            if file.is_symlink():
                raise UserError(f"{file}: this is a link; answers are written through none. Remove it.")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path.parent):
                pass
        except OSError as error:
            raise UserError(
                f"{path}: nothing can be written there ({error.strerror}); choose another --output."
            ) from error

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Work on the output alone.

        Raises UserError if another process does, or has finished it.
        """
        with locked_if_free(self.lock) as held:
            if not held:
                raise UserError(
                    f"{self.unfinished}: another command is writing this output; wait for it, or choose "
                    "another --output."
                )
            if self.path.exists():  # finished by one that held the lock until now
                self.lock.unlink()
                raise self._is_there()
            yield
            self.lock.unlink()  # whoever gets it now finds the output finished

    def progress(self, stamp: dict) -> tuple[int, int, Counter[str]]:
        """Rows and bytes that an earlier call wrote, and its counts; zeros if there was none.

        Args:
            stamp: which command this is.

        Raises UserError for the unfinished output of another command, naming what differs.
        """
        if not (self.journal.is_file() and self.unfinished.is_file()):
            return 0, 0, Counter()
        try:
            journal = json.loads(self.journal.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise UserError(
                f"{self.journal}: not what a stopped run leaves ({error}); remove it to begin anew."
            ) from error
        changed = [name for name, value in stamp.items() if journal["stamp"].get(name) != value]
        if changed:
            raise UserError(
                f"{self.unfinished}: the unfinished output of another command, input or checkpoint (other "
                f"{', '.join(changed)}); remove it to begin anew, or choose another --output."
            )
        return journal["tally"]["rows"], journal["bytes"], Counter(journal["tally"])

    @contextmanager
    def opened(self, size: int, columns: Sequence[str]) -> Iterator["OpenAnswers"]:
        """Go on after ``size`` bytes, or begin with a header; gets its name if all went well.

        Raises UserError at the end if a file of that name appeared meanwhile; the answers are kept.
        """
        with self.unfinished.open("r+" if size else "w", encoding="utf-8", newline="") as stream:
            stream.truncate(size)
            stream.seek(size)
            answers = OpenAnswers(stream, self.journal)
            if not size:
                answers.writer.writerow(columns)
            yield answers
        try:
            self.path.touch(exist_ok=False)  # a bare rename would overwrite what appeared there
        except FileExistsError as error:
            raise UserError(
                f"{self.path}: this file appeared meanwhile and was left alone; the answers are whole in "
                f"{self.unfinished}. Move one of the two away; the same command finishes in a moment."
            ) from error
        self.unfinished.replace(self.path)
        self.journal.unlink(missing_ok=True)

    def _is_there(self) -> UserError:
        return UserError(f"{self.path}: this file exists; choose another --output, or remove it.")


class OpenAnswers:
    """An unfinished output that is being written."""

    def __init__(self, stream: TextIO, journal: Path) -> None:
        self.stream, self.journal = stream, journal
        self.writer = csv.writer(stream, lineterminator="\n")

    def append(self, rows: Iterable[Sequence[str]], stamp: dict, tally: Counter[str]) -> None:
        """Make rows safe, then say so: in this order a kill loses nothing.

        Args:
            rows: cells.
            stamp: which command this is.
            tally: counts up to and with these rows.
        """
        self.writer.writerows(rows)
        self.stream.flush()
        os.fsync(self.stream.fileno())
        journal = {"stamp": stamp, "bytes": os.fstat(self.stream.fileno()).st_size, "tally": tally}
        beside = self.journal.with_suffix(".new")
        beside.write_text(json.dumps(journal), encoding="utf-8")
        beside.replace(self.journal)
