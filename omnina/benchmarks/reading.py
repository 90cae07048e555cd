"""Speed of embeddings and likelihoods from packed batches, against a padded loop over transformers' Llama.

Both sides read the same rows in fp32 or bf16, tokenising included, in turn, batch after batch: embeddings are
the mean of the last layer's states over the tokens that hold bases; likelihoods those of every base's token.
The padded loop is what one writes with transformers: the tokenizer's own right-padded batches, the model's
hidden states or logits. The largest difference between the two sides is a row of its own.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerBase

from omnina.benchmarks.figures import compared, spread
from omnina.benchmarks.training import median_rate
from omnina.chunking import Nucleotides
from omnina.inference.embedding import Embedder, EmbeddingSettings
from omnina.inference.likelihood import Scored, likelihoods
from omnina.inference.packed import PackedReader
from omnina.prompt import PRETRAIN_PROMPT

Read = Callable[[Sequence[Nucleotides]], np.ndarray]


@dataclass
class PaddedLoop:
    """transformers' own Llama and tokenizer of a checkpoint."""

    model: LlamaForCausalLM
    tokenizer: PreTrainedTokenizerBase
    rows: int

    @classmethod
    def load(cls, reader: PackedReader, rows: int) -> "PaddedLoop":
        """The checkpoint of the reader, in its dtype, on its device; ``rows`` of a batch."""
        folder = reader.folder
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=reader.dtype, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, padding_side="right")
        return cls(model.to(reader.device).eval(), tokenizer, rows)

    @torch.no_grad()
    def embeddings(self, sequences: Sequence[Nucleotides]) -> np.ndarray:
        """(rows, H)."""
        found = []
        for batch, held in self._batches(sequences):
            states = self.model(**batch, output_hidden_states=True, use_cache=False).hidden_states[-1]
            mask = held[..., None].to(states.dtype)  # (rows, tokens, 1)
            found.append(((states * mask).sum(1) / mask.sum(1)).float().cpu().numpy())
        return np.concatenate(found)

    @torch.no_grad()
    def likelihoods(self, sequences: Sequence[Nucleotides]) -> np.ndarray:
        """(rows,) nats."""
        found = []
        for batch, held in self._batches(sequences):
            logits = self.model(**batch, use_cache=False).logits[:, :-1].float()
            nats = logits.log_softmax(-1).gather(-1, batch["input_ids"][:, 1:, None])[..., 0]
            found.append((nats * held[:, 1:]).sum(1).cpu().numpy())
        return np.concatenate(found)

    def _batches(self, sequences: Sequence[Nucleotides]):
        """(the model's arguments, which tokens hold bases) of each batch."""
        for start in range(0, len(sequences), self.rows):
            texts = [nucleotides.text for nucleotides in sequences[start : start + self.rows]]
            prompts = [PRETRAIN_PROMPT.render(text) for text in texts]
            batch = self.tokenizer(prompts, padding=True, return_tensors="pt")
            held = torch.zeros_like(batch["input_ids"])
            for row, text in enumerate(texts):
                before = len(PRETRAIN_PROMPT.before_sequence)
                first = batch.char_to_token(row, before)
                held[row, first : batch.char_to_token(row, before + len(text) - 1) + 1] = 1
            batch.pop("token_type_ids", None)
            yield batch.to(self.model.device), held.to(self.model.device)


def measure_reading(
    reader: PackedReader, sequences: Sequence[Nucleotides], rows: int, name: str
) -> list[dict]:
    """Figures as rows ``{work, metric, ours, baseline, ratio}``; every sequence fits one document.

    Args:
        reader: the checkpoint.
        sequences: read ``4 x rows`` at a time by both sides.
        rows: of a padded batch.
        name: of the work.
    """
    padded = PaddedLoop.load(reader, rows)
    embedder = Embedder(reader, [-1], EmbeddingSettings())
    ways: dict[str, tuple[Read, Read]] = {
        "embeddings": (lambda some: np.stack(embedder.embed(some))[:, 0], padded.embeddings),
        "likelihoods": (lambda some: _nats(reader, some), padded.likelihoods),
    }
    groups = [sequences[start : start + 4 * rows] for start in range(0, len(sequences), 4 * rows)]
    return [figure for what, both in ways.items() for figure in _compared(name, what, both, groups)]


def _nats(reader: PackedReader, sequences: Sequence[Nucleotides]) -> np.ndarray:
    found = likelihoods(reader, [Scored(nucleotides) for nucleotides in sequences])
    return np.array([likelihood.sequence for likelihood in found])


def _compared(
    name: str, what: str, both: tuple[Read, Read], groups: list[Sequence[Nucleotides]]
) -> list[dict]:
    """Rows per second, how far the groups are apart in it, and how far the figures are."""
    for read in both:
        read(groups[0])  # warms up
    seconds: tuple[list[float], list[float]] = ([], [])
    difference = 0.0
    for group in groups:
        found = []
        for place, read in enumerate(both):
            began = time.perf_counter()
            found.append(read(group))
            seconds[place].append(time.perf_counter() - began)
        difference = max(difference, float(np.abs(found[0] - found[1]).max() / np.abs(found[1]).max()))
    rows = [len(group) for group in groups]
    ratios = [theirs / ours for ours, theirs in zip(*seconds, strict=True)]
    return [
        compared(name, f"{what}, rows/s", *(median_rate(rows, of_side) for of_side in seconds)),
        spread(name, f"{what}, times as fast as the padded loop", ratios, "group of 4 batches"),
        {"work": name, "metric": f"{what}, largest difference, share of the largest", "ours": difference}
        | {"baseline": None, "ratio": None},
    ]
