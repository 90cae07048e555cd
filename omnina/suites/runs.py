"""Fine-tunes and evaluates one task: with one configuration, from one seed.

    FOLDER/TASK/{train,validation,test}.csv
    FOLDER/TASK/CONFIG/seed_1/          the run, as fine-tuning writes it; its last weights are what is tested
    FOLDER/TASK/CONFIG/seed_1/test/     the figures on the test rows, beside baselines

A run that was finished is not made again, one that was stopped goes on.
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from omnina.errors import UserError
from omnina.evaluation.files import LAST_FILE, METRICS_FILE
from omnina.files.json_file import read_object
from omnina.suites.launching import ROOT, launch
from omnina.suites.stamp import check_stamp, settings_of, write_stamp
from omnina.suites.task import TEST, TRAIN, VALIDATION

FOLDER = "test"
EVALUATE = ROOT / "scripts" / "evaluate.py"


@dataclass(frozen=True)
class Run:
    """One fine-tuning.

    Attributes:
        tables: of the task, by split.
        config: a YAML file of ``bash finetune.sh``.
        seed: of weights and order.
        folder: where everything goes.
        overrides: of the YAML's keys, as on the command line.
    """

    tables: Mapping[str, Path]
    config: Path
    seed: int
    folder: Path
    overrides: Sequence[str] = ()

    def results(self) -> dict[str, dict]:
        """Metrics on the test rows by system: made now, or read where they are there.

        Raises UserError if fine-tuning fails, or if the folder holds figures of other settings.
        """
        test, settings = self.folder / FOLDER, self._settings()
        check_stamp(self.folder, settings)
        if not (test / LAST_FILE).is_file():
            self._finetune()
            self._test(test)
            write_stamp(self.folder, settings)
        [of_question] = read_object(test / METRICS_FILE)["results"].values()
        return of_question

    def _settings(self) -> dict:
        return settings_of(self.config) | {"overrides": list(self.overrides)}

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
        done = subprocess.run([*command, "--output", output], check=False)
        if done.returncode:
            raise UserError(f"{output}: evaluation ended with status {done.returncode}; see above.")
