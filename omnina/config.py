"""A run's settings: one flat YAML file, the command line over it, checked at start-up.

Each key is a field of one of the dataclasses below, of ``RunSettings``, or of transformers'
``TrainingArguments``, and a command-line flag of the same name. The file is turned into
flags, the command line appended, and both parsed at once, so types are checked in one place.

Importing this module imports neither torch nor transformers, which take seconds: ``--help`` needs neither.
"""

import sys
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from omnina.chunking import SequenceRules
from omnina.errors import UserError
from omnina.files.yaml_file import read_yaml
from omnina.label_sets import read_label_sets
from omnina.loss_weights import LossWeights
from omnina.run_settings import PLAIN_ADAMW, RunSettings
from omnina.setting_keys import check_key
from omnina.setting_values import REFUSALS, check_finite, flag
from omnina.tables.rows import DataSettings
from omnina.whole_weights import check_whole

if TYPE_CHECKING:
    from omnina.trainer_settings import TrainerSettings

Run = TypeVar("Run", bound=RunSettings)


@dataclass
class PretrainSettings(RunSettings):
    """What pretraining adds: which sequences are kept, and how they are cut."""

    source_column: str | None = field(default=None, metadata={"help": "column that names a row's source"})
    min_bases: int = field(default=200, metadata={"help": "shorter sequences are left out"})
    max_n_run: int = field(default=1, metadata={"help": "sequences with more N in a row are left out"})
    window: int = field(default=3000, metadata={"help": "bases of a window; longer sequences are cut"})
    overlap: int = field(default=0, metadata={"help": "bases that neighbouring windows share, at least"})
    window_cuts: int = field(
        default=1, metadata={"help": "ways in which training sees a long sequence cut into windows"}
    )
    both_strands: bool = field(
        default=False, metadata={"help": "training reads every sequence from both strands"}
    )
    write_sequences: bool = field(
        default=False, metadata={"help": "rows are read the other way round too: annotation, then sequence"}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window_cuts < 1:
            raise UserError(f"window_cuts ({self.window_cuts}) must be at least 1.")
        if self.both_strands and self.reverse_complement is not None:
            raise UserError(
                f"reverse_complement ({self.reverse_complement}) reads one strand of two, both_strands: true "
                "reads both; leave one of the two out."
            )
        if self.segmentations > 1 and not self.draws_resolutions:
            raise UserError(
                f"segmentations ({self.segmentations}) of pretraining are of a resolution that is drawn; set "
                "resolution: random, or a number such as 0.1, or leave segmentations out."
            )

    @property
    def plain_weights(self) -> LossWeights:
        """Every token alike; no question is asked."""
        return LossWeights(instruction=1.0, sequence=1.0, question=None, answer=1.0)

    def data_settings(self) -> DataSettings:
        """How the tables are read."""
        try:
            rules = SequenceRules(self.min_bases, self.max_n_run, self.window, self.overlap)
        except ValueError as error:
            raise UserError(str(error)) from error
        return DataSettings(
            *(self.max_length, False, rules, self.bad_rows, self.source_column),
            written=self.write_sequences,
        )

    def training_settings(self, seed: int) -> DataSettings:
        """Windows in several cuts, of both strands or a drawn one, their case where it has a weight."""
        return replace(
            super().training_settings(seed),
            cuts=self.window_cuts,
            all_strands=self.both_strands or self.reverse_complement is not None,
            soft_masked=self.token_weights().soft_masked is not None,
        )


@dataclass
class FinetuneSettings(RunSettings):
    """What fine-tuning adds: answers, adapters, when to stop."""

    label_sets: str | None = field(
        default=None, metadata={"help": "answers there are to a question: a mapping to lists (JSON)"}
    )
    strand_free_questions: list[str] | None = field(
        default=None,
        metadata={"help": "questions with the same answer for either strand: training reads both"},
    )
    split_share: float | None = field(
        default=None,
        metadata={
            "help": "share of a sequence's tokens split in all segmentations but the first; 0.1 if unset"
        },
    )
    random_windows: int = field(
        default=1,
        metadata={
            "help": "times that training sees each row: whole, and in windows at random places; epochs grow"
        },
    )
    shortest_window: float | None = field(
        default=None,
        metadata={"help": "share of the sequence's bases that those windows hold at least; 0.6 if unset"},
    )
    answer_balance: float = field(
        default=0.0,
        metadata={"help": "rare answers come up more often, so epochs grow; 1: all of a question alike"},
    )
    uniform_prior: bool = field(
        default=False,
        metadata={"help": "labels are chosen as if all of a question were as frequent as each other"},
    )
    label_smoothing: float = field(
        default=0.0,
        metadata={"help": "share of the answer that goes to all labels of its question; 0.1 is usual"},
    )
    lora_rank: int | None = field(default=None, metadata={"help": "train adapters of this rank only"})
    lora_alpha: float | None = field(default=None, metadata={"help": "adapters count alpha / rank; 2 x rank"})
    layer_decay: float = field(
        default=1.0, metadata={"help": "each layer learns at that share of the rate of the one above it"}
    )
    ema_decay: float | None = field(
        default=None,
        metadata={"help": "validate and keep a moving average of the weights; 0.999, say (not with FSDP)"},
    )
    early_stopping_patience: int | None = field(
        default=None, metadata={"help": "stop after that many validations without a better metric"}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lora_rank is not None and self.lora_rank < 1:
            raise UserError(f"lora_rank ({self.lora_rank}) must be at least 1; unset, all weights train.")
        if self.lora_alpha is not None and self.lora_rank is None:
            raise UserError("lora_alpha has no effect without lora_rank; set both or none.")
        if self.early_stopping_patience is not None and self.early_stopping_patience < 1:
            raise UserError(
                f"early_stopping_patience ({self.early_stopping_patience}) must be at least 1; unset, every "
                "step is taken."
            )
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise UserError(f"ema_decay ({self.ema_decay}) must be above 0 and below 1; unset, none is kept.")
        if not 0 < self.layer_decay <= 1:
            raise UserError(f"layer_decay ({self.layer_decay}) must be above 0 and at most 1, which is none.")
        if self.lora_rank is not None and self.fp8:
            raise UserError("fp8: true trains all weights; leave lora_rank or fp8 out.")
        if not 0 <= self.label_smoothing < 1:
            raise UserError(
                f"label_smoothing ({self.label_smoothing}) must be at least 0 and below 1; 0.1 is usual."
            )
        if not 0 <= self.answer_balance <= 1:
            raise UserError(f"answer_balance ({self.answer_balance}) must be from 0 to 1; 0.5 is usual.")
        if self.reverse_complement is not None and not self.strand_free_questions:
            raise UserError(
                "reverse_complement turns rows of strand_free_questions alone; name there the questions with "
                "the same answer for either strand, or leave it out."
            )
        self._check_split_share()
        self._check_random_windows()
        self.given_labels()

    def _check_split_share(self) -> None:
        if self.split_share is None:
            return
        if not 0 < self.split_share <= 1:
            raise UserError(f"split_share ({self.split_share}) must be above 0 and at most 1; 0.1 is usual.")
        if self.draws_resolutions:
            raise UserError(
                f"split_share has no effect with resolution: {self.resolution}, which says how much is "
                "split; leave it out."
            )
        if self.segmentations == 1:
            raise UserError(
                "split_share has no effect on the first of the segmentations, the tokenizer's own; set "
                "segmentations above 1, or leave it out."
            )

    def _check_random_windows(self) -> None:
        if self.random_windows < 1:
            raise UserError(f"random_windows ({self.random_windows}) must be at least 1, which is none.")
        if self.shortest_window is None:
            return
        if not 0 < self.shortest_window < 1:
            raise UserError(
                f"shortest_window ({self.shortest_window}) must be above 0 and below 1; 0.6 is usual."
            )
        if self.random_windows == 1:
            raise UserError(
                "shortest_window has no effect on whole sequences; set random_windows above 1, or leave "
                "it out."
            )

    def check_beside(self, training: "TrainerSettings") -> None:
        """UserError for early stopping without validations, or without the metric to watch; and as above."""
        super().check_beside(training)
        self._check_layer_decay(training)
        if self.ema_decay is not None:
            check_whole("ema_decay", "weights", "leave ema_decay out")
        if self.early_stopping_patience is None:
            return
        if training.eval_strategy == "no":
            raise UserError("early_stopping_patience needs validations; set eval_strategy: steps.")
        if training.metric_for_best_model is None:
            raise UserError(
                "early_stopping_patience needs a metric to watch; set metric_for_best_model, as in 'loss'."
            )

    def _check_layer_decay(self, training: "TrainerSettings") -> None:
        if self.layer_decay == 1:
            return
        if self.muon:
            raise UserError("layer_decay works with AdamW alone; leave muon or layer_decay out.")
        if training.optim not in PLAIN_ADAMW:
            raise UserError(f"layer_decay works with AdamW alone; leave optim ({training.optim.value}) out.")

    def data_settings(self) -> DataSettings:
        """How the tables are read: every sequence whole, figures by question."""
        return DataSettings(self.max_length, True, None, self.bad_rows, "question")

    def training_settings(self, seed: int) -> DataSettings:
        """Rows come up in several windows and segmentations.

        Those of ``strand_free_questions`` from both strands, or with ``reverse_complement`` from a drawn one.
        """
        settings = replace(
            super().training_settings(seed),
            both_strands=tuple(self.strand_free_questions or ()),
            random_windows=self.random_windows,
        )
        given = {"split_share": self.split_share, "shortest_window": self.shortest_window}
        return replace(settings, **{name: share for name, share in given.items() if share is not None})

    @property
    def plain_weights(self) -> LossWeights:
        """Answers alone."""
        return LossWeights(instruction=0.0, sequence=0.0, question=0.0, answer=1.0)

    def given_labels(self) -> dict[str, list[str]]:
        """``label_sets`` by question; UserError if it is not lists of different texts."""
        return read_label_sets(self.label_sets) if self.label_sets else {}


def parse_run(arguments: list[str], kind: type[Run]) -> "tuple[Run, TrainerSettings]":
    """Settings of a run of this kind from ``CONFIG.yaml [--key value ...]``.

    Raises UserError for a missing file, an unknown key (with the nearest known one), a wrong type, a key
    that would do nothing here (with ours), or settings that contradict each other.
    """
    if not arguments or arguments[0].startswith("-"):
        raise UserError("the first argument must be a YAML file: CONFIG.yaml [--key value ...]")
    path, overrides = Path(arguments[0]), arguments[1:]
    values = read_yaml(path)
    from omnina.trainer_settings import SettingsParser, TrainerSettings

    flags = [part for key, value in values.items() for part in flag(key, value)]
    given = [*values, *(part[2:].split("=")[0] for part in overrides if part.startswith("--"))]
    known = {entry.name for part in (kind, TrainerSettings) for entry in fields(part) if entry.init}
    for key in given:
        check_key(key, known, f"{path}: " if key in values else "")
    parser = SettingsParser((kind, TrainerSettings), allow_abbrev=False, prog=Path(sys.argv[0]).name)
    parser.check_lists(values, path)
    try:
        run, training = parser.parse_args_into_dataclasses([*flags, *overrides])
        check_finite({**vars(run), **vars(training)})
    except REFUSALS as error:
        raise UserError(f"{' '.join(arguments)}: {error}") from error
    run.check_beside(training)
    return run, training
