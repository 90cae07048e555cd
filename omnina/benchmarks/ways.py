"""The ways to train that are compared: our model; transformers' Llama padded, packed or with Liger's kernels.

Each way is a model and a function from rows (``input_ids``, ``answer_start``) to its arguments.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama import modeling_llama

from omnina.checkpointed_layers import checkpoint_layers
from omnina.collation import FixedShape, FlatCollator
from omnina.model import IGNORED_LABEL, OmniNAForCausalLM
from omnina.tokenizer import EOS_ID

OURS, PADDED, PACKED, LIGER = "ours", "padded Llama", "packed Llama", "padded Llama with liger-kernel"


@dataclass(frozen=True)
class Way:
    """A model on its device, and what makes its batches."""

    model: torch.nn.Module
    collate: Callable[[Sequence[dict]], dict]


@dataclass(frozen=True)
class Choices:
    """What the ways share.

    Args:
        config: the architecture.
        device: where both run.
        half: whether products will be in bf16, under autocast.
        answers_only: loss on the answer alone.
        recomputed: share of the layers whose activations are computed again in the backward pass.
        compiled: torch.compile each of our layers.
        fp8_scaling: of our products in float8; None: not in float8.
        shape: that our batches are filled up to; None: no filler.
        longest: tokens that none of our rows exceeds; None: as many as the model has positions.
        alone: no other way is measured in this process.
        seed: of the random weights.
    """

    config: LlamaConfig
    device: torch.device
    half: bool
    answers_only: bool = False
    recomputed: float = 0.0
    compiled: bool = False
    fp8_scaling: str | None = None
    shape: FixedShape | None = None
    longest: int | None = None
    alone: bool = False
    seed: int = 0

    @property
    def attention(self) -> str:
        """Our kernel."""
        return "varlen" if self.device.type == "cuda" and self.half else "per_document"

    @property
    def dtype(self) -> torch.dtype:
        """In which matrices are multiplied."""
        return torch.bfloat16 if self.half else torch.float32


def available_baselines(device: torch.device) -> list[str]:
    """The padded one first; Liger's kernels need a GPU and the package."""
    liger = [LIGER] if device.type == "cuda" and find_spec("liger_kernel") else []
    return [PADDED, PACKED, *liger]


def make_way(name: str, choices: Choices) -> Way:
    """A way with random weights, in training mode."""
    torch.manual_seed(choices.seed)
    way = _ours(choices) if name == OURS else _llama(name, choices)
    checkpoint_layers(way.model, choices.recomputed)
    if name == OURS and choices.compiled:
        way.model.compile_layers()
    return replace(way, model=way.model.train())


def _ours(choices: Choices) -> Way:
    with choices.device:  # weights drawn there: on a CPU those of 1.7B take a minute
        model = OmniNAForCausalLM(choices.config, choices.attention)
    if choices.fp8_scaling:
        from omnina.fp8 import convert_layers  # needs torchao only where it is asked for

        # On a CPU emulated: it says nothing about speed.
        emulate = choices.device.type == "cpu"
        convert_layers(model, choices.fp8_scaling, choices.device, emulate=emulate)
    shares = choices.answers_only and choices.attention == "per_document"
    longest = choices.longest or choices.config.max_position_embeddings
    collate = FlatCollator(longest, choices.answers_only, EOS_ID, choices.shape, share_prefix=shares)
    return Way(model, collate)


def _llama(name: str, choices: Choices) -> Way:
    with choices.device:
        model = LlamaForCausalLM(choices.config)
    if name == LIGER:
        _use_liger(model, choices.alone)
    batch = packed_batch if name == PACKED else padded_batch
    return Way(model, partial(batch, answers_only=choices.answers_only))


def _use_liger(model: LlamaForCausalLM, alone: bool) -> None:
    """Give a model Liger's kernels, and others none.

    Liger replaces classes and the rotation in transformers' module too, where models made later find them.
    So they are put back where other ways follow, and the rotation, which is looked up at each call, stays.
    """
    from liger_kernel.transformers import apply_liger_kernel_to_llama

    before = dict(vars(modeling_llama))
    apply_liger_kernel_to_llama(model=model, rope=alone)
    if not alone:
        vars(modeling_llama).update(before)


def padded_batch(rows: Sequence[dict], answers_only: bool) -> dict:
    """Rows padded on the right to the longest: ids, mask, labels (-100 on padding), (rows, longest) each."""
    longest = max(len(row["input_ids"]) for row in rows)
    shape = (len(rows), longest)
    ids, mask = torch.zeros(shape, dtype=torch.int64), torch.zeros(shape, dtype=torch.int64)
    labels = torch.full(shape, IGNORED_LABEL)
    for index, row in enumerate(rows):
        values = torch.from_numpy(np.asarray(row["input_ids"], dtype=np.int64))
        ids[index, : len(values)] = labels[index, : len(values)] = values
        mask[index, : len(values)] = 1
        if answers_only:
            labels[index, : int(row["answer_start"])] = IGNORED_LABEL
    return {"input_ids": ids, "attention_mask": mask, "labels": labels, "use_cache": False}


def packed_batch(rows: Sequence[dict], answers_only: bool) -> dict:
    """Rows end to end, (1, T) each: transformers makes a (T, T) mask from positions that begin again."""
    longest = max(len(row["input_ids"]) for row in rows)
    batch = FlatCollator(longest, answers_only, EOS_ID)(rows)
    return {name: batch[name] for name in ("input_ids", "labels", "position_ids")} | {"use_cache": False}
