"""Does the text help? One model pretrained on true annotations, on shuffled ones, and on sequences alone.

    FOLDER/tables/{true,shuffled,none}/   the training tables; only the column response differs
    FOLDER/{true,shuffled,none}/seed_1/   pretrain/ and finetune/, as the two stages leave them

All three see each sequence equally often, in different orders: steps are of so many tokens, and without text
there are fewer. They are fine-tuned and evaluated on the same questions. A run that was finished is not made
again, one that was stopped goes on. Settings and tables of both stages are checked before the first run.
"""

import csv
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from omnina.evaluation.evaluate import MODEL
from omnina.evaluation.files import EVALUATION_FOLDER, METRICS_FILE
from omnina.files.json_file import read_object
from omnina.files.yaml_file import read_yaml
from omnina.planning.architecture import architecture_of
from omnina.run_folder import RECORD_FILE
from omnina.run_settings import RunSettings
from omnina.setting_values import flag
from omnina.stage import check_length
from omnina.suites.choosing import check_once
from omnina.suites.launching import launch
from omnina.suites.options import ARMS, NONE, SHUFFLED
from omnina.suites.stage_settings import (
    at_root,
    check_table_weights,
    stage_settings,
    start_of,
    table_digests,
)
from omnina.suites.stamp import STAMP_FILE, check_stamp, write_stamp
from omnina.suites.table import with_margin
from omnina.tables.table import expand_paths, read_rows

TABLES = "tables"
NO_TEXT = "-"  # in place of every annotation
METRIC = "mcc"


@dataclass(frozen=True)
class TextAblation:
    """How the three are made.

    Attributes:
        pretraining, finetuning: YAML files, from the root of the file system (the stages' scripts change
            folder).
        train_files: tables of pretraining, whose annotations are changed.
        seeds: of each run.
        epochs: passes over the tables in pretraining.
        folder: where everything goes, from the root as well.
        arms: kinds of annotations, of ``ARMS``.

    Raises UserError for a seed, or an arm, named twice.
    """

    pretraining: Path
    finetuning: Path
    train_files: Sequence[str]
    seeds: Sequence[int]
    epochs: float
    folder: Path
    arms: Sequence[str] = ARMS

    def __post_init__(self) -> None:
        check_once("--seeds", self.seeds)
        check_once("--annotations", self.arms)

    def run(self) -> str:
        """Make what is missing; the table, as Markdown.

        Raises UserError before anything is written for settings that a run would refuse, tables that are not
        there, and folders with tables or figures of others; later for a run that fails.
        """
        sources = [path.resolve() for path in expand_paths(self.train_files)]
        stamp = self._stamp(sources)
        of_tables = {"sources": stamp["tables"]}
        check_stamp(self.folder / TABLES, of_tables)
        for arm in self.arms:
            for seed in self.seeds:
                check_stamp(self._place(arm, seed), stamp)
        (self.folder / TABLES).mkdir(parents=True, exist_ok=True)
        write_stamp(self.folder / TABLES, of_tables)
        figures = {}
        for arm in self.arms:
            tables = write_arm(sources, arm, self.folder / TABLES / arm)
            figures[arm] = [self._figures(self._place(arm, seed), tables, seed, stamp) for seed in self.seeds]
        return ablation_table(figures)

    def _place(self, arm: str, seed: int) -> Path:
        return self.folder / arm / f"seed_{seed}"

    def _stamp(self, sources: Sequence[Path]) -> dict:
        """What decides the figures, annotations and seed aside, as JSON values; UserError as above."""
        for path in sources:
            next(read_rows(path, ["sequence", "response"]))
        with at_root(self.pretraining.name):
            pretraining = self._parsed("pretrain", self.pretraining, self._of_pretraining(sources))
            stamp = {"pretraining": read_yaml(self.pretraining), "epochs": self.epochs}
            stamp |= start_of(pretraining)
            stamp["tables"], stamp["validation"] = _digests(pretraining)
            architecture = architecture_of(pretraining)
        with at_root(self.finetuning.name):
            finetuning = self._parsed("finetune", self.finetuning, {"checkpoint": self.folder})
            check_length(finetuning, architecture)
            return stamp | {"finetuning": read_yaml(self.finetuning), "questions": _digests(finetuning)}

    def _parsed(self, stage: str, config: Path, settings: Mapping[str, object]) -> RunSettings:
        """The settings of its runs, whatever the seed, with tables that are there."""
        settings = {**settings, "output_dir": self.folder, "seed": 0}
        flags = [part for key, value in settings.items() for part in flag(key, value)]
        run, _ = stage_settings(stage, config, flags)
        check_table_weights(run)
        return run

    def _of_pretraining(self, tables: Sequence[Path]) -> dict[str, object]:
        """Its settings in all runs."""
        return {"train_files": list(tables), "max_steps": -1, "num_train_epochs": self.epochs}

    def _figures(self, place: Path, tables: Sequence[Path], seed: int, stamp: Mapping) -> dict[str, float]:
        pretrained, finetuned = place / "pretrain", place / "finetune"
        if not (place / STAMP_FILE).is_file():
            self._train(tables, pretrained, finetuned, seed)
            write_stamp(place, stamp)
        end = read_object(pretrained / RECORD_FILE)["validation_at_end"]
        results = read_object(finetuned / EVALUATION_FOLDER / METRICS_FILE)["results"]
        answered = {question: of[MODEL][METRIC] for question, of in results.items() if METRIC in of[MODEL]}
        return {"bits per base": end["eval_bits_per_base"]} | answered

    def _train(self, tables: Sequence[Path], pretrained: Path, finetuned: Path, seed: int) -> None:
        """Both stages; one that is finished says so and stops."""
        settings = {"output_dir": pretrained, "seed": seed}
        launch("pretrain.sh", self.pretraining, self._of_pretraining(tables) | settings)
        settings = {"checkpoint": pretrained, "output_dir": finetuned, "seed": seed}
        launch("finetune.sh", self.finetuning, settings)


def _digests(run: RunSettings) -> list[list[str]]:
    """Of its training tables, and of those for validation."""
    return [table_digests(files, run.cache_dir) for files in (run.train_files, run.validation_files)]


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
