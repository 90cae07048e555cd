"""Settings that both stages share: the fields of a run's YAML beyond transformers' ``TrainingArguments``.

Importing this module imports neither torch nor transformers, which take seconds: ``--help`` needs neither.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from omnina.chunking import BASES, PIECES, RANDOM
from omnina.errors import UserError
from omnina.loss_weights import LossWeights, given_weights
from omnina.resolution_setting import base_probability, is_drawn
from omnina.tables.rows import DataSettings
from omnina.whole_weights import check_whole

if TYPE_CHECKING:
    from omnina.trainer_settings import TrainerSettings

PLAIN_ADAMW = ("adamw_torch", "adamw_torch_fused")
MOST_SECONDS = 1_000_000  # of a time-out; 12 days


@dataclass
class RunSettings:
    """What training needs beyond TrainingArguments; both stages share it."""

    train_files: list[str] = field(metadata={"help": "tables to train on: paths or globs"})
    validation_files: list[str] = field(metadata={"help": "tables to validate on"})
    tokens_per_step: int = field(metadata={"help": "tokens of one optimizer step, over all processes"})
    tokens_per_device: int = field(metadata={"help": "tokens of one forward pass on one device, at most"})
    tokenizer: str | None = field(default=None, metadata={"help": "its folder; the checkpoint's if unset"})
    checkpoint: str | None = field(default=None, metadata={"help": "folder whose weights to start from"})
    model_config: str | None = field(default=None, metadata={"help": "YAML with the architecture"})
    local_heads: bool = field(
        default=False,
        metadata={
            "help": "heads of the first two layers begin by looking a few tokens back; with resolution: "
            "bases those of all layers but the last, three at most"
        },
    )
    max_length: int = field(default=2048, metadata={"help": "longest document, in tokens"})
    bad_rows: str = field(
        default="stop", metadata={"help": "stop at a bad row, or skip", "choices": ["stop", "skip"]}
    )
    validation_documents: int | None = field(
        default=None, metadata={"help": "validate on that many; all if unset"}
    )
    train_weights: list[float] | None = field(
        default=None, metadata={"help": "weight of each training table's rows; 1 if unset"}
    )
    mixing_temperature: float = field(
        default=1.0, metadata={"help": "1: tables by their size; higher: small ones come up more often"}
    )
    dropout: float = field(
        default=0.0, metadata={"help": "share of what each half of a layer adds that training zeroes"}
    )
    attention: str = field(
        default="auto",
        metadata={
            "help": "auto: varlen on CUDA, per_document elsewhere",
            "choices": ["auto", "per_document", "varlen"],
        },
    )
    muon: bool = field(
        default=False, metadata={"help": "Muon for the layers' matrices, AdamW for all else (not with FSDP)"}
    )
    loss_weights: str | None = field(
        default=None,
        metadata={
            "help": "how much the loss of instruction, sequence, question, answer counts; in pretraining "
            "soft_masked, bases in lower case, too (JSON)"
        },
    )
    z_loss: float = field(
        default=0.0, metadata={"help": "factor of log(Z)^2, Z the softmax's denominator, added to the loss"}
    )
    resolution: str = field(
        default=PIECES,
        metadata={
            "help": "DNA in the tokenizer's pieces, in single bases, random for each row, or a number: the "
            "probability with which a piece is read as its bases"
        },
    )
    segmentations: int = field(
        default=1, metadata={"help": "ways in which training sees each sequence cut into tokens"}
    )
    reverse_complement: float | None = field(
        default=None,
        metadata={
            "help": "probability with which training reads a sequence's other strand, not the one given; in "
            "fine-tuning only that of strand_free_questions, else read from both"
        },
    )
    compile_layers: bool = field(default=False, metadata={"help": "torch.compile each layer"})
    fp8: bool = field(
        default=False, metadata={"help": "products of the layers' matrices in float8 (needs torchao, a GPU)"}
    )
    fp8_scaling: str = field(
        default="tensorwise",
        metadata={"help": "a float8 scale for each matrix, or row", "choices": ["tensorwise", "rowwise"]},
    )
    workers: int | None = field(default=None, metadata={"help": "tokenising processes; by size if unset"})
    cache_dir: str = field(default="output/cache", metadata={"help": "where token ids are kept"})
    local_cache_dir: str | None = field(
        default=None, metadata={"help": "local disk for copies of a cache_dir that is shared; none if unset"}
    )
    max_skipped_steps: int = field(
        default=20,
        metadata={"help": "stop after so many steps in a row whose loss or gradient is no number"},
    )
    spike_sigmas: float | None = field(
        default=None,
        metadata={"help": "skip steps so many standard deviations above the usual loss or gradient; 6, say"},
    )
    hang_timeout: float = field(
        default=1800.0,
        metadata={"help": "seconds without progress after which a run ends, with stacks; 0: never"},
    )
    local_cache_gb: float = field(
        default=100.0,
        metadata={"help": "GB (10^9 bytes) that local copies take at most on each machine"},
    )
    # Keys of one stage alone, which are fields there: what the other does.
    write_sequences: ClassVar[bool] = False
    random_windows: ClassVar[int] = 1
    answer_balance: ClassVar[float] = 0.0
    uniform_prior: ClassVar[bool] = False
    label_smoothing: ClassVar[float] = 0.0
    lora_rank: ClassVar[int | None] = None
    layer_decay: ClassVar[float] = 1.0
    ema_decay: ClassVar[float | None] = None
    early_stopping_patience: ClassVar[int | None] = None

    def __post_init__(self) -> None:
        if (self.model_config is None) == (self.checkpoint is None):
            raise UserError("set model_config (random weights) or checkpoint (its weights), one of the two.")
        if self.tokenizer is None and self.checkpoint is None:
            raise UserError("set tokenizer: the folder of the tokenizer.")
        if self.local_heads and self.checkpoint is not None:
            raise UserError("local_heads is a start from random weights; leave it or checkpoint out.")
        if self.tokens_per_device < self.max_length:
            raise UserError(
                f"tokens_per_device ({self.tokens_per_device}) must be at least max_length "
                f"({self.max_length}): one document must fit one forward pass."
            )
        if self.validation_documents is not None and self.validation_documents < 1:
            raise UserError(
                f"validation_documents ({self.validation_documents}) must be at least 1; unset, all are used."
            )
        self._check_health()
        self._check_segmentations()
        if self.reverse_complement is not None and not 0 < self.reverse_complement <= 1:
            raise UserError(
                f"reverse_complement ({self.reverse_complement}) must be above 0 and at most 1; 0.5 is usual."
            )
        if self.local_cache_gb <= 0:
            raise UserError(f"local_cache_gb ({self.local_cache_gb}) must be above 0.")
        if self.fp8 and not self.compile_layers:
            raise UserError(
                "fp8: true needs compile_layers: true; uncompiled, casts cost more than is saved."
            )
        if not 0 <= self.dropout < 1:
            raise UserError(f"dropout ({self.dropout}) must be at least 0 and below 1; 0.1 is usual.")
        if self.z_loss < 0:
            raise UserError(f"z_loss ({self.z_loss}) must be at least 0; 1e-4 is usual.")
        self.token_weights()

    def _check_health(self) -> None:
        if self.max_skipped_steps < 1:
            raise UserError(f"max_skipped_steps ({self.max_skipped_steps}) must be at least 1.")
        if self.spike_sigmas is not None and self.spike_sigmas <= 0:
            raise UserError(f"spike_sigmas ({self.spike_sigmas}) must be above 0; 6 is usual.")
        if not 0 <= self.hang_timeout <= MOST_SECONDS:
            raise UserError(
                f"hang_timeout ({self.hang_timeout}) must be from 0 (no limit) to {MOST_SECONDS} seconds."
            )

    def _check_segmentations(self) -> None:
        base_probability(self.resolution)
        if self.segmentations < 1:
            raise UserError(f"segmentations ({self.segmentations}) must be at least 1.")
        if self.segmentations > 1 and self.resolution == BASES:
            raise UserError(
                f"segmentations ({self.segmentations}) has no effect with resolution: bases: single bases "
                "can be cut in one way only; leave one of the two out."
            )

    def check_beside(self, training: "TrainerSettings") -> None:
        """UserError if TrainingArguments, or accelerate's, leave out what a setting here needs."""
        if self.muon:
            check_whole("muon", "matrices", "set muon: false")
        if self.muon and (training.optim not in PLAIN_ADAMW or training.optim_args):
            raise UserError(
                f"muon: true works beside plain AdamW: leave optim ({training.optim.value}), optim_args out."
            )

    def training_settings(self, seed: int) -> DataSettings:
        """How the training tables are read, where that differs from validation; draws are the seed's.

        Of a row that is too long a window at a drawn place stays; in whole pieces its beginning, as ever.
        """
        return replace(
            self.data_settings(),
            random_resolution=self.resolution == RANDOM,
            base_probability=base_probability(self.resolution),
            segmentations=self.segmentations,
            reverse_complement=self.reverse_complement,
            drawn_windows=self.resolution != PIECES,
            seed=seed,
        )

    @property
    def draws_resolutions(self) -> bool:
        """Whether every training row is cut into tokens in a way that is drawn for it."""
        return is_drawn(self.resolution)

    @property
    def plain_weights(self) -> LossWeights:
        """What ``loss_weights`` changes."""
        raise NotImplementedError

    def token_weights(self) -> LossWeights:
        """``loss_weights`` over the stage's own; UserError for what is no weight."""
        return given_weights(self.loss_weights, self.plain_weights)

    @property
    def tokenizer_folder(self) -> Path:
        """Where the tokenizer is."""
        return Path(self.tokenizer or self.checkpoint)
