"""Free text by transformers' own Llama on the saved checkpoint: greedy, beams or sampling, in batches."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import LlamaForCausalLM, set_seed

from omnina.errors import UserError


@dataclass(frozen=True)
class Decoding:
    """How free text is written.

    Args:
        max_new_tokens: an answer that is not over by then is cut, and noted.
        beams: 1 is greedy (or sampling).
        sample: draw each token instead of taking the likeliest.
        temperature, top_p: of sampling.
        seed: of sampling.
    """

    max_new_tokens: int = 128
    beams: int = 1
    sample: bool = False
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """UserError for a value that cannot work."""
        if self.max_new_tokens < 1 or self.beams < 1:
            raise UserError("--max_new_tokens and --num_beams must be at least 1.")
        if self.temperature <= 0 or not 0 < self.top_p <= 1:
            raise UserError("--temperature must be above 0, and --top_p above 0 and at most 1.")

    def options(self) -> dict:
        """Arguments of transformers' ``generate``."""
        drawn = {"temperature": self.temperature, "top_p": self.top_p, "top_k": 0} if self.sample else {}
        return {
            "max_new_tokens": self.max_new_tokens,
            "num_beams": self.beams,
            "do_sample": self.sample,
        } | drawn


class Generator:
    """Writes answers to prompts."""

    def __init__(self, model: LlamaForCausalLM, pad_id: int, eos_id: int, decoding: Decoding) -> None:
        self.model, self.pad_id, self.eos_id, self.decoding = model.eval(), pad_id, eos_id, decoding
        set_seed(decoding.seed)

    @torch.no_grad()
    def generate(self, prompts: Sequence[np.ndarray]) -> list[list[int]]:
        """Token ids of an answer to each prompt, (P,) int64; the last is EOS unless it was cut off.

        Prompts are padded on the left to the longest: give those of like length together.
        """
        width = max(map(len, prompts))
        ids = torch.full((len(prompts), width), self.pad_id)  # (rows, width)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt) :] = torch.from_numpy(prompt)
            mask[row, width - len(prompt) :] = 1
        device = self.model.device
        written = self.model.generate(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            pad_token_id=self.pad_id,
            eos_token_id=self.eos_id,
            **self.decoding.options(),
        )
        return [self._answer(row) for row in written[:, width:].tolist()]

    def _answer(self, ids: list[int]) -> list[int]:
        return ids[: ids.index(self.eos_id) + 1] if self.eos_id in ids else ids
