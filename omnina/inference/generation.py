"""Free text by transformers' own Llama on the saved checkpoint: greedy, beams or sampling, in batches.

A sampled answer's random numbers are its own, seeded by the run's seed and the row's number, so that the
batch it stands in, and whether a run was killed in between, do not change it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    LlamaForCausalLM,
    LogitsProcessor,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from omnina.errors import UserError
from omnina.progress import no_library_bars
from omnina.tokenizer import EOS_ID


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
        if not 0 < self.temperature < math.inf or not 0 < self.top_p <= 1:
            raise UserError("--temperature must be above 0, and --top_p above 0 and at most 1.")
        if self.sample and self.beams > 1:
            raise UserError("--sample must be without --num_beams: an answer is drawn, or searched for.")
        if self.seed < 0:
            raise UserError("--seed must be at least 0.")

    def processors(self, draws: Sequence[int]) -> LogitsProcessorList:
        """What makes the likeliest token a drawn one; nothing unless sampling. One draw for each row."""
        if not self.sample:
            return LogitsProcessorList()
        noise = OwnNoise([np.random.default_rng([self.seed, draw]) for draw in draws])
        return LogitsProcessorList(
            [TemperatureLogitsWarper(self.temperature), TopPLogitsWarper(self.top_p), noise]
        )


class OwnNoise(LogitsProcessor):
    """Gumbel noise on each row's logits, from the row's own generator.

    The likeliest token after it is a sample of softmax(logits): Gumbel, 1954, as in Maddison et al., 2014
    (arXiv:1411.0030).
    """

    def __init__(self, generators: Sequence[np.random.Generator]) -> None:
        self.generators = generators

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """(rows, tokens so far), (rows, V) float32 -> (rows, V)."""
        noise = np.stack([generator.gumbel(size=scores.shape[1]) for generator in self.generators])
        return scores + torch.from_numpy(noise).to(scores.device, scores.dtype)


class Only(LogitsProcessor):
    """Leaves no chance to any token but these."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self.tokens = torch.tensor(tokens)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """(rows, tokens so far), (rows, V) -> (rows, V)."""
        tokens = self.tokens.to(scores.device)
        return torch.full_like(scores, -math.inf).index_copy_(1, tokens, scores[:, tokens])


class Generator:
    """Writes answers to prompts.

    Args:
        model: of the checkpoint.
        pad_id, eos_id: tokens that fill up a prompt, and end an answer.
        decoding: how answers are written.
        allowed: tokens that an answer may hold, at least one besides EOS; all, and EOS alone, if not given.
    """

    def __init__(
        self,
        model: LlamaForCausalLM,
        pad_id: int,
        eos_id: int,
        decoding: Decoding,
        allowed: Sequence[int] | None = None,
    ) -> None:
        self.model, self.pad_id, self.eos_id, self.decoding = model.eval(), pad_id, eos_id, decoding
        self.allowed = LogitsProcessorList([] if allowed is None else [Only(allowed)])
        self.fewest = None if allowed is None else 1  # before EOS

    @classmethod
    def load(
        cls,
        folder: Path,
        pad_id: int,
        decoding: Decoding,
        device: torch.device,
        dtype: torch.dtype,
        allowed: Sequence[int] | None = None,
    ) -> "Generator":
        """transformers' Llama of a checkpoint that was looked at."""
        with no_library_bars():
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, trust_remote_code=False)
        return cls(model.to(device), pad_id, EOS_ID, decoding, allowed)

    def batches(self, lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
        """Places of prompts of these lengths, like ones together, padded size at most ``tokens`` a batch."""
        batch: list[int] = []
        for place in sorted(range(len(lengths)), key=lengths.__getitem__):
            width = lengths[place] + self.decoding.max_new_tokens
            if batch and width * (len(batch) + 1) * self.decoding.beams > tokens:
                yield batch
                batch = []
            batch.append(place)
        if batch:
            yield batch

    @torch.no_grad()
    def generate(self, prompts: Sequence[np.ndarray], draws: Sequence[int]) -> list[list[int]]:
        """Token ids of an answer to each prompt; the last is EOS unless it was cut off.

        Args:
            prompts: (P,) int64 each. They are padded on the left to the longest: give those of like length
                together.
            draws: of each prompt, which random numbers it takes if answers are sampled.
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
            max_new_tokens=self.decoding.max_new_tokens,
            num_beams=self.decoding.beams,
            do_sample=False,
            min_new_tokens=self.fewest,
            use_cache=True,  # whatever the checkpoint's configuration says
            logits_processor=LogitsProcessorList([*self.allowed, *self.decoding.processors(draws)]),
        )
        return [self._answer(row) for row in written[:, width:].tolist()]

    def _answer(self, ids: list[int]) -> list[int]:
        return ids[: ids.index(self.eos_id) + 1] if self.eos_id in ids else ids
