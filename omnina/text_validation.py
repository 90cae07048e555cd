"""Free-text answers to validation rows during training: would the model write them, without writing.

Greedy generation writes a row's answer, token for token, exactly if at every place of it the likeliest token
after the right ones before is the right one; so one forward pass over the row tells. What is not measured is
how near another text comes to the answer: that is known from generation alone, at the end of the run.

``exact_match``      share of rows whose every token, the end of the answer too, is the likeliest at its place
``token_accuracy``   mean over rows of the share of such tokens
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from omnina.attention import Reading
from omnina.collation import FlatCollator
from omnina.tokenizer import EOS_ID

MOST_ANSWER_TOKENS = 512  # whose logits exist together: 67 MB at 32,001 pieces


@torch.no_grad()
def foreseen_tokens(
    model: torch.nn.Module, documents: Sequence[dict], device: torch.device, tokens_per_device: int
) -> Iterator[np.ndarray]:
    """(A,) bool for each document: which tokens of its answer are the likeliest at their places.

    Args:
        model: an OmniNAForCausalLM, or one that passes its arguments on.
        documents: ``input_ids`` and ``answer_start`` of each.
        device: the model's.
        tokens_per_device: of one forward pass; a longer document stands alone.
    """
    for batch in _batches(documents, tokens_per_device):
        longest = max(len(document["input_ids"]) for document in batch)
        joined = FlatCollator(longest, answers_only=True, filler_id=EOS_ID)(batch)
        labels = joined.pop("labels")[0]
        answered = (labels >= 0).nonzero()[:, 0]  # never a document's first token
        on_device = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in joined.items()}
        logits = model(**on_device, reading=Reading((answered - 1).to(device))).logits[0]  # (answered, V)
        right = logits.argmax(-1).cpu().numpy() == labels[answered].numpy()
        yield from np.split(right, np.cumsum([_answer_tokens(document) for document in batch])[:-1])


def text_metrics(foreseen: Sequence[np.ndarray]) -> dict[str, float]:
    """The figures above, of the rows of one question."""
    return {
        "exact_match": float(np.mean([of_row.all() for of_row in foreseen])),
        "token_accuracy": float(np.mean([of_row.mean() for of_row in foreseen])),
    }


def _batches(documents: Sequence[dict], tokens: int) -> Iterator[list[dict]]:
    """Documents in order, within both limits where a batch holds more than one."""
    batch: list[dict] = []
    sizes = np.zeros(2, dtype=np.int64)
    for document in documents:
        own = np.array([len(document["input_ids"]), _answer_tokens(document)])
        if batch and (sizes + own > (tokens, MOST_ANSWER_TOKENS)).any():
            yield batch
            batch, sizes = [], np.zeros_like(sizes)
        batch.append(document)
        sizes += own
    if batch:
        yield batch


def _answer_tokens(document: dict) -> int:
    return len(document["input_ids"]) - int(document["answer_start"])
