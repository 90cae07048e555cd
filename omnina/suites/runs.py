"""Fine-tunes and evaluates one task: with one configuration, from one seed.

    FOLDER/TASK/{train,validation,test}.csv
    FOLDER/TASK/CONFIG/seed_1/               the run, as fine-tuning writes it; its last weights are tested
    FOLDER/TASK/CONFIG/seed_1/test/          the figures on the test rows, beside baselines
    FOLDER/TASK/CONFIG/seed_1/test_bases/    the same, read in single bases

A run that was finished is not made again, one that was stopped goes on.
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from omnina.chunking import BASES, PIECES
from omnina.errors import UserError
from omnina.evaluation.cut_rows import CutRows
from omnina.evaluation.files import CUT, LAST_FILE, METRICS_FILE
from omnina.files.json_file import read_object
from omnina.files.yaml_file import read_yaml
from omnina.resolution import has_pieces
from omnina.setting_values import flag
from omnina.stage import tokenizer_of
from omnina.suites.launching import ROOT, launch
from omnina.suites.stage_settings import at_root, stage_settings, start_of
from omnina.suites.stamp import STAMP_FILE, check_stamp, write_stamp
from omnina.suites.task import TEST, TRAIN, VALIDATION

FOLDER = "test"
EVALUATE = ROOT / "scripts" / "evaluate.py"
OURS = ("seed", "output_dir", "train_files", "validation_files")  # no business of the command line's


@dataclass(frozen=True)
class Reading:
    """How the test rows are read: other readings of a run need no other training.

    Attributes:
        resolution: ``pieces`` (the checkpoint's own tokenizer) or ``bases``.
        segmentations: answers are means over so many ways of cutting a sequence.

    Raises UserError for several segmentations of single bases.
    """

    resolution: str = PIECES
    segmentations: int = 1

    def __post_init__(self) -> None:
        if self.resolution == BASES and self.segmentations > 1:
            raise UserError("--segmentations: single bases can be cut in one way only; leave it out.")

    @property
    def suffix(self) -> str:
        """Of the figures' folder and column; none if rows are read as usual."""
        return "_bases" * (self.resolution == BASES) + f"_{self.segmentations}_segmentations" * (
            self.segmentations > 1
        )

    def flags(self) -> list[str]:
        """For the evaluation's command line."""
        return flag("resolution", self.resolution) + flag("segmentations", self.segmentations)


AS_TRAINED = Reading()


def finetuning_stamp(config: Path, overrides: Sequence[str], reading: Reading = AS_TRAINED) -> dict:
    """What decides a configuration's figures, task, seed and reading aside, as JSON values.

    Raises UserError, beginning with the configuration's name, for settings that a run would refuse, and for a
    reading that its tokenizer does not allow.
    """
    ours = [part for key in OURS for part in flag(key, 0 if key == "seed" else "the suite's")]
    with at_root(config.stem):
        run, _ = stage_settings("finetune", config, [*ours, *overrides])
        if reading.segmentations > 1 and not has_pieces(tokenizer_of(run)):
            raise UserError("--segmentations: it reads single bases, in one way only; leave it out.")
        return {"keys": read_yaml(config), "overrides": list(overrides), **start_of(run)}


@dataclass(frozen=True)
class Run:
    """One fine-tuning.

    Attributes:
        tables: of the task, by split.
        config: a YAML file of ``bash finetune.sh``.
        seed: of weights and order.
        folder: where everything goes.
        stamp: what decides its figures, as ``finetuning_stamp`` makes it.
        overrides: of the YAML's keys, as on the command line.
        reading: of the test rows.
    """

    tables: Mapping[str, Path]
    config: Path
    seed: int
    folder: Path
    stamp: Mapping
    overrides: Sequence[str] = ()
    reading: Reading = AS_TRAINED

    def check(self) -> None:
        """UserError if the folder holds figures of other settings."""
        check_stamp(self.folder, self.stamp)

    def results(self) -> dict[str, dict]:
        """Metrics on the test rows by system: made now, or read where they are there.

        Figures of before that do not say which bases were read are made anew, without training.
        Raises UserError if fine-tuning fails, or as ``check`` does.
        """
        self.check()
        if not (self.folder / STAMP_FILE).is_file():
            self._finetune()
            write_stamp(self.folder, self.stamp)
        if not (self._tested / LAST_FILE).is_file() or CUT not in read_object(self._tested / METRICS_FILE):
            self._test(self._tested)
        [of_question] = read_object(self._tested / METRICS_FILE)["results"].values()
        return of_question

    def cut_rows(self) -> CutRows:
        """What of the test rows was not read; once there are ``results``."""
        [of_question] = read_object(self._tested / METRICS_FILE)[CUT].values()
        return CutRows(**of_question)

    @property
    def _tested(self) -> Path:
        return self.folder / f"{FOLDER}{self.reading.suffix}"

    def _finetune(self) -> None:
        settings = {
            "train_files": self.tables[TRAIN],
            "validation_files": self.tables[VALIDATION],
            "output_dir": self.folder,
            "seed": self.seed,
        }
        launch("finetune.sh", self.config, settings, self.overrides)

    def _test(self, output: Path) -> None:
        """In a process of its own: a GPU is free again for the next run."""
        command = [sys.executable, EVALUATE, "--checkpoint", self.folder, "--input", self.tables[TEST]]
        done = subprocess.run([*command, "--output", output, *self.reading.flags()], check=False)
        if done.returncode:
            raise UserError(f"{output}: evaluation ended with status {done.returncode}; see above.")
