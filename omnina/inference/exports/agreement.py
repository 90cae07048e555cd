"""Whether another program's logits are those of the checkpoint, on prompts of both kinds.

The reference is this project's own model in float32. Logits of random or trained models are of the order of 1
to 10; two float32 programs that add in another order differ by some 1e-5, a wrong rotation or head by more
than 0.1.
"""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from omnina.errors import UserError
from omnina.model import OmniNAForCausalLM
from omnina.prompt import FINETUNE_PROMPT, PRETRAIN_PROMPT
from omnina.special_tokens import BOS_ID

LARGEST_DIFFERENCE = 1e-3  # of a logit
LENGTHS = (1, 37, 150)  # bases of the prompts' sequences
QUESTION = "Does this sequence code for a protein?"

Logits = Callable[[Tensor], Tensor]  # (1, T) ids -> (T, V)


def probe_prompts() -> list[str]:
    """Prompts of both kinds, the same each time."""
    generator = random.Random(0)
    sequences = ["".join(generator.choices("ACGT", k=length)) for length in LENGTHS]
    return [
        prompt.render(sequence, QUESTION)
        for prompt in (PRETRAIN_PROMPT, FINETUNE_PROMPT)
        for sequence in sequences
    ]


def probe_ids(tokenizer: PreTrainedTokenizerFast, longest: int) -> list[Tensor]:
    """(1, T) ids of each prompt, T at most ``longest``."""
    encoded = (tokenizer.encode(text, split_special_tokens=True) for text in probe_prompts())
    return [torch.tensor([ids[:longest]]) for ids in encoded]


def logits_of(model: OmniNAForCausalLM, ids: Tensor) -> Tensor:
    """(1, T) ids, one document -> (T, V) logits."""
    length = ids.shape[1]
    ends = torch.tensor([0, length], dtype=torch.int32)
    with torch.no_grad():
        return model(ids, torch.arange(length)[None], ends, ends, length, length).logits[0]


def llama_logits(llama: LlamaForCausalLM) -> Logits:
    """Those of transformers' own model."""

    def logits(ids: Tensor) -> Tensor:
        with torch.no_grad():
            return llama(ids, use_cache=False).logits[0]

    return logits


def check_agreement(
    model: OmniNAForCausalLM, probes: Sequence[Tensor], logits: Logits, name: str, where: Path
) -> float:
    """The largest difference of a logit; UserError if it is more than rounding makes.

    Args:
        model: this project's, with the weights that the export should hold, in float32.
        probes: ids of documents, each with BOS in front.
        logits: the other program's.
        name: of the other program, for the message.
        where: the exported file, for the message.
    """
    assert all(ids[0, 0] == BOS_ID for ids in probes)
    differences = [(logits(ids) - logits_of(model, ids)).abs().max().item() for ids in probes]
    worst = max(differences)
    if not worst <= LARGEST_DIFFERENCE:  # NaN too
        raise UserError(
            f"{where}: {name} computes other logits from it than the checkpoint gives (difference "
            f"{worst:.3g}, allowed {LARGEST_DIFFERENCE:g}); do not use this export."
        )
    return worst
