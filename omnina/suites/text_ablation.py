"""Does the text help? One model pretrained on true annotations, on shuffled ones, and on sequences alone.

    FOLDER/tables/{true,shuffled,none}/   the training tables; only the column response differs
    FOLDER/{true,shuffled,none}/seed_1/   pretrain/ and finetune/, as the two stages leave them

All three see each sequence equally often, in different orders: steps are of so many tokens, and without text
there are fewer. They are fine-tuned and evaluated on the same questions. A run that was finished is not made
again, one that was stopped goes on.
"""

import csv
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from omnina.evaluation.evaluate import MODEL
from omnina.evaluation.files import EVALUATION_FOLDER, METRICS_FILE
from omnina.evaluation.run import is_evaluated
from omnina.files.json_file import read_object
from omnina.run_folder import RECORD_FILE
from omnina.suites.launching import launch
from omnina.suites.stamp import check_stamp, settings_of, write_stamp
from omnina.suites.table import with_margin
from omnina.tables.digests import file_digest
from omnina.tables.table import expand_paths, read_rows

TRUE, SHUFFLED, NONE = ARMS = ("true", "shuffled", "none")
NO_TEXT = "-"  # in place of every annotation
METRIC = "mcc"


@dataclass(frozen=True)
class TextAblation:
    """How the three are made.

    Attributes:
        pretraining, finetuning: YAML files.
        train_files: tables of pretraining, whose annotations are changed.
        seeds: of each run.
        epochs: passes over the tables in pretraining.
        folder: where everything goes.
    """

    pretraining: Path
    finetuning: Path
    train_files: Sequence[str]
    seeds: Sequence[int]
    epochs: float
    folder: Path

    def run(self) -> str:
        """Make what is missing; the table, as Markdown."""
        figures = {}
        for arm in ARMS:
            tables = write_arm(expand_paths(list(self.train_files)), arm, self.folder / "tables" / arm)
            figures[arm] = [self._figures(arm, tables, seed) for seed in self.seeds]
        return ablation_table(figures)

    def _figures(self, arm: str, tables: Sequence[Path], seed: int) -> dict[str, float]:
        place = self.folder / arm / f"seed_{seed}"
        pretrained, finetuned = place / "pretrain", place / "finetune"
        settings = [settings_of(config) for config in (self.pretraining, self.finetuning)]
        settings = {
            "stages": settings,
            "tables": [file_digest(path) for path in tables],
            "epochs": self.epochs,
        }
        check_stamp(place, settings)
        if not is_evaluated(finetuned):
            self._train(tables, pretrained, finetuned, seed)
            write_stamp(place, settings)
        end = read_object(pretrained / RECORD_FILE)["validation_at_end"]
        results = read_object(finetuned / EVALUATION_FOLDER / METRICS_FILE)["results"]
        answered = {question: of[MODEL][METRIC] for question, of in results.items() if METRIC in of[MODEL]}
        return {"bits per base": end["eval_bits_per_base"]} | answered

    def _train(self, tables: Sequence[Path], pretrained: Path, finetuned: Path, seed: int) -> None:
        """Both stages; one that is finished says so and stops."""
        passes = {"max_steps": -1, "num_train_epochs": self.epochs}
        settings = {"train_files": list(tables), "output_dir": pretrained, "seed": seed}
        launch("pretrain.sh", self.pretraining, settings | passes)
        settings = {"checkpoint": pretrained, "output_dir": finetuned, "seed": seed}
        launch("finetune.sh", self.finetuning, settings)


def write_arm(tables: Sequence[Path], arm: str, folder: Path) -> list[Path]:
    """The tables with their annotations as they are, dealt out anew among all rows, or none; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [(table, row) for table in tables for _, row in read_rows(table, ["sequence", "response"])]
    responses = [row["response"] for _, row in rows]
    if arm == SHUFFLED:
        random.Random(0).shuffle(responses)
    elif arm == NONE:
        responses = [NO_TEXT] * len(rows)
    changed = [(table, row | {"response": text}) for (table, row), text in zip(rows, responses, strict=True)]
    return [
        _write(folder / f"{number}.csv", [row for table, row in changed if table == of_table])
        for number, of_table in enumerate(tables)
    ]


def ablation_table(figures: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """A row for each kind of annotation, means over seeds with their 95 % intervals."""
    names = list(next(iter(figures.values()))[0])
    header = [names[0], *(f"{METRIC.upper()}: {question}" for question in names[1:])]
    lines = ["| annotations | " + " | ".join(header) + " |", "|---|" + "---:|" * len(names)]
    for arm, of_seeds in figures.items():
        cells = [with_margin([seed[name] for seed in of_seeds]) for name in names]
        lines.append(f"| {arm} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _write(path: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path
