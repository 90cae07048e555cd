"""Fine-tunes and evaluates one task: with one configuration, from one seed.

    FOLDER/TASK/{train,validation,test}.csv
    FOLDER/TASK/CONFIG/seed_1/          the run, as fine-tuning writes it; its last weights are what is tested
    FOLDER/TASK/CONFIG/seed_1/test/     the figures on the test rows, beside baselines

A run that was finished is not made again, one that was stopped goes on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from omnina.errors import UserError
from omnina.evaluation.asked_rows import read_asked_rows
from omnina.evaluation.files import LAST_FILE, METRICS_FILE
from omnina.evaluation.run import evaluate_checkpoint
from omnina.files.durable import write_json
from omnina.files.json_file import read_object
from omnina.inference.answer import Answerer
from omnina.suites.launching import launch
from omnina.suites.task import TEST, TRAIN, VALIDATION

FOLDER, SETTINGS_FILE = "test", "suite_run.json"


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

        Raises UserError if fine-tuning fails, or if the folder holds a run of other settings.
        """
        test = self.folder / FOLDER
        self._claim()
        if not (test / LAST_FILE).is_file():
            self._finetune()
            self._test(test)
        [of_question] = read_object(test / METRICS_FILE)["results"].values()
        return of_question

    def _claim(self) -> None:
        """Note the settings, or check that they are those noted."""
        settings = {"config": self.config.read_text(encoding="utf-8"), "overrides": list(self.overrides)}
        path = self.folder / SETTINGS_FILE
        if path.is_file() and read_object(path) != settings:
            raise UserError(f"{self.folder}: a run of other settings is here; choose another --output.")
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(path, settings)

    def _finetune(self) -> None:
        settings = {
            "train_files": self.tables[TRAIN],
            "validation_files": self.tables[VALIDATION],
            "output_dir": self.folder,
            "seed": self.seed,
        }
        launch("finetune.sh", self.config, settings, self.overrides)

    def _test(self, output: Path) -> None:
        rows, train = (read_asked_rows([str(self.tables[split])], "stop") for split in (TEST, TRAIN))
        evaluate_checkpoint(Answerer(self.folder), rows, train, output, "stop")
