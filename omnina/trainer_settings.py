"""transformers' ``TrainingArguments`` with this project's defaults, and the parser that fills them."""

import re
import sys
from dataclasses import dataclass, field, fields
from pathlib import Path

import torch
from transformers import HfArgumentParser, TrainingArguments
from transformers.utils import is_torch_bf16_gpu_available

from omnina.errors import UserError
from omnina.run_settings import MOST_SECONDS
from omnina.schedule import check_schedule

BF16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")  # of x86 and Arm, by torch's names
# What transformers calls activation_checkpointing: it had another name before 5.23.
CHECKPOINTING_KEY = (
    "activation_checkpointing"
    if "activation_checkpointing" in {entry.name for entry in fields(TrainingArguments)}
    else "gradient_checkpointing"
)


@dataclass
class TrainerSettings(TrainingArguments):
    """TrainingArguments with this project's defaults."""

    output_dir: str = field(default="output/run", metadata={"help": "where everything goes"})
    ddp_timeout: int = field(
        default=MOST_SECONDS, metadata={"help": "seconds; longer than hang_timeout, which leaves stacks"}
    )
    report_to: list[str] = field(
        default_factory=lambda: ["tensorboard"], metadata={"help": "where live figures go"}
    )
    logging_nan_inf_filter: bool = field(default=False, metadata={"help": "true would hide NaN losses"})
    ddp_find_unused_parameters: bool = field(default=False, metadata={"help": "all parameters are used"})
    eval_strategy: str = field(default="steps", metadata={"help": "when to validate"})
    eval_on_start: bool = field(default=True, metadata={"help": "validate before the first step"})
    remove_unused_columns: bool = field(default=False, metadata={"help": "the collator takes what it needs"})
    logging_first_step: bool = field(default=True, metadata={"help": "log step 1"})
    bf16: str = field(  # a bool once checked
        default="false", metadata={"help": "multiply matrices in bf16; auto: on a GPU that does"}
    )
    disable_tqdm: bool | None = field(
        default=None, metadata={"help": "no bar, a line for each log; unset: where stderr is no terminal"}
    )
    activation_checkpointing: bool = field(
        default=False, metadata={"help": "keep no activations inside layers, compute them again backwards"}
    )
    checkpointed_share: float = field(
        default=1.0,
        metadata={"help": "share of the layers that activation_checkpointing is for, spread evenly"},
    )
    dataloader_num_workers: int | None = field(
        default=None, metadata={"help": "processes that build batches ahead; 2 for a GPU, none on a CPU"}
    )

    def __post_init__(self) -> None:
        self.bf16 = self._bf16_wanted()
        if self.bf16 and not torch.cuda.is_available():
            self.use_cpu = True  # transformers allows bf16 on a CPU only where it is wanted in so many words
        if self.dataloader_num_workers is None:
            self.dataloader_num_workers = 2 if torch.cuda.is_available() and not self.use_cpu else 0
        if self.disable_tqdm is None:
            self.disable_tqdm = not sys.stderr.isatty()
        if "all" in self.report_to:
            raise UserError("report_to: all would send figures to every service found; name those you want.")
        self._check_checkpointed_share()
        self.ignore_data_skip = True
        setattr(self, CHECKPOINTING_KEY, self.activation_checkpointing)
        super().__post_init__()
        check_schedule(self)

    @property
    def recomputed(self) -> float:
        """Share of the layers whose activations are computed again."""
        return self.checkpointed_share if self.activation_checkpointing else 0.0

    def _check_checkpointed_share(self) -> None:
        if not 0 < self.checkpointed_share <= 1:
            raise UserError(
                f"checkpointed_share ({self.checkpointed_share}) must be above 0 and at most 1, which is all "
                "layers; for none leave activation_checkpointing out."
            )
        if self.checkpointed_share < 1 and not self.activation_checkpointing:
            raise UserError(
                "checkpointed_share has no effect without activation_checkpointing: true; set both or none."
            )

    def _bf16_wanted(self) -> bool:
        """``bf16`` as yes or no; UserError for neither, or where it would be a mistake."""
        on_gpu = torch.cuda.is_available() and not self.use_cpu
        wanted = str(self.bf16).lower()
        if wanted not in ("true", "false", "auto"):
            raise UserError(f"bf16: '{self.bf16}' is none of true, false and auto.")
        if wanted == "auto":
            return auto_bf16(on_gpu=on_gpu)
        if wanted == "true" and not self.use_cpu and not is_torch_bf16_gpu_available():
            raise UserError(
                "bf16: true, but torch sees no GPU that computes in bf16. Run it where there is one, or add "
                "--use_cpu true to train on the CPU on purpose (a published size takes months there)."
            )
        return wanted == "true"


def auto_bf16(*, on_gpu: bool) -> bool:
    """What ``bf16: auto`` stands for: a GPU that has instructions for bf16 products.

    Processors that have them too gain little with models of the examples' size, and take three times the
    memory (docs/recipes.md, "bf16 on processors").
    """
    return on_gpu and multiplies_bf16(on_gpu=True)


def multiplies_bf16(*, on_gpu: bool) -> bool:
    """Whether the GPU, or the processor, has instructions for bf16 products; without them they are slow."""
    if on_gpu:
        return is_torch_bf16_gpu_available()
    known = torch.cpu.get_capabilities()
    return any(known.get(name, False) for name in BF16_INSTRUCTIONS)


class SettingsParser(HfArgumentParser):
    """transformers' parser, which here raises instead of leaving the program."""

    def error(self, message: str) -> None:
        """Called by argparse for a wrong type or a missing key."""
        raise UserError(re.sub(r"^argument --(\w+)(/\S+)?:", r"'\1':", message))

    def check_lists(self, values: dict[str, object], path: Path) -> None:
        """UserError for a list where one value belongs; argparse would take one of one entry as that."""
        lists = {action.dest for action in self._actions if action.nargs == "+"}
        for key, value in values.items():
            if isinstance(value, list) and key not in lists:
                raise UserError(
                    f"{path}: '{key}' is a list, {value}; it must be one value, without brackets."
                )
