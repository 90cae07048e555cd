"""The flat batch: rows end to end, with what the model needs to keep them apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from torch import Tensor

from omnina.attention import common_prefix
from omnina.model import IGNORED_LABEL
from omnina.objective import Objective
from omnina.packing import StepPlan

SHAPE_MULTIPLE = 128  # fixed batch lengths are rounded up to this, the tile of a GPU's matrix product


@dataclass(frozen=True)
class FixedShape:
    """Sizes that every flat batch is filled up to, so that torch.compile compiles once."""

    tokens: int
    documents: int

    @classmethod
    def for_plan(cls, plan: StepPlan, bins: int) -> "FixedShape":
        """The budget of one bin, and room for twice its average number of documents."""
        tokens = _round_up(ceil(plan.tokens_per_step / bins), SHAPE_MULTIPLE)
        mean_documents = tokens / (plan.tokens_per_epoch / plan.items_per_epoch)
        return cls(tokens, _round_up(2 * ceil(mean_documents), SHAPE_MULTIPLE))


@dataclass(frozen=True)
class FlatCollator:
    """Joins rows into one flat batch, named and laid out as DataCollatorWithFlattening does.

    Args:
        max_length: the longest row there may be, in tokens: the bound given to the attention kernel.
        answers_only: supervise the answer alone (fine-tuning) instead of every token (pretraining).
        filler_id: a token for filler documents, which no label looks at.
        fixed_shape: fill every batch up to these sizes, or None for no filler at all.
        share_prefix: tokens that all rows begin with stand in the batch once, in the first row, as the
            model's ``shared_prefix``; for answers only, of which none is supervised.
        objective: weights and soft targets of tokens, instead of each target once.
    """

    max_length: int
    answers_only: bool
    filler_id: int
    fixed_shape: FixedShape | None = None
    share_prefix: bool = False
    objective: Objective | None = None

    def __call__(self, rows: Sequence[dict]) -> dict[str, Tensor | int]:
        """Rows with ``input_ids`` and ``answer_start`` -> the model's arguments.

        ``input_ids``, ``labels``, ``position_ids`` (1, T) int64; ``cu_seq_lens_q`` and ``_k``
        (documents + 1,) int32; ``max_length_q`` and ``_k`` int; ``shared_prefix`` int if it is shared;
        ``candidates`` int64 and ``shares`` float32, (1, T, K), with an objective.
        """
        documents = [self._columns(row) for row in rows]
        for size in self._filler_sizes(sum(len(columns["input_ids"]) for columns in documents)):
            documents.append(self._filler(size))
        shared = self._shared([columns["input_ids"] for columns in documents], rows)
        firsts = [0] + [shared] * (len(documents) - 1)
        ends = self._boundaries(
            [len(columns["input_ids"]) - first for columns, first in zip(documents, firsts, strict=True)]
        )
        batch = {
            name: _row([columns[name][first:] for columns, first in zip(documents, firsts, strict=True)])
            for name in documents[0]
        }
        batch |= {
            "cu_seq_lens_q": ends,
            "cu_seq_lens_k": ends,
            "max_length_q": self.max_length,
            "max_length_k": self.max_length,
        }
        return batch | {"shared_prefix": shared} if self.share_prefix else batch

    def _columns(self, row: dict) -> dict[str, np.ndarray]:
        """A document's ids, labels, positions, (tokens,), and with an objective its targets, (tokens, K)."""
        ids = np.asarray(row["input_ids"], dtype=np.int64)
        columns = {"input_ids": ids, "labels": ids.copy(), "position_ids": np.arange(len(ids))}
        if self.objective is None:
            columns["labels"][: int(row["answer_start"]) if self.answers_only else 1] = IGNORED_LABEL
            return columns
        candidates, shares = self.objective.targets(row)
        columns["labels"][~shares.any(axis=1)] = IGNORED_LABEL
        return columns | {"candidates": candidates, "shares": shares}

    def _filler(self, size: int) -> dict[str, np.ndarray]:
        """The columns of a document that no label looks at."""
        ids = np.full(size, self.filler_id)
        labels = np.full(size, IGNORED_LABEL)
        columns = {"input_ids": ids, "labels": labels, "position_ids": np.arange(size)}
        if self.objective is None:
            return columns
        shape = (size, self.objective.width)
        return columns | {
            "candidates": np.full(shape, self.filler_id),
            "shares": np.zeros(shape, dtype=np.float32),
        }

    def _shared(self, documents: list[np.ndarray], rows: Sequence[dict]) -> int:
        """Tokens that all documents begin with, all of them before the token that predicts an answer."""
        if not self.share_prefix or len(rows) < 2:
            return 0
        return common_prefix(documents, min(int(row["answer_start"]) for row in rows) - 1)

    def _filler_sizes(self, tokens: int) -> list[int]:
        """Lengths of the filler documents: none, or what fills the fixed shape; an empty batch gets one."""
        wanted = max(tokens, 1)
        if self.fixed_shape:
            wanted = _round_up(max(self.fixed_shape.tokens, tokens), SHAPE_MULTIPLE)
        missing = wanted - tokens
        return [min(self.max_length, missing - done) for done in range(0, missing, self.max_length)]

    def _boundaries(self, lengths: list[int]) -> Tensor:
        """(documents + 1,) int32; fixed shapes go on with documents of no tokens."""
        ends = np.cumsum([0, *lengths])
        if self.fixed_shape:
            wanted = _round_up(max(self.fixed_shape.documents, len(lengths)), SHAPE_MULTIPLE)
            ends = np.pad(ends, (0, wanted - len(lengths)), mode="edge")
        return torch.from_numpy(ends.astype(np.int32))


def longest_bound(*lengths: np.ndarray) -> int:
    """Tokens that no row exceeds, from the (rows,) lengths of all data of a run; constant in it.

    The kernel starts work for documents of so many tokens, and another number would be compiled again: hence
    neither the settings' limit, which may be far above every row, nor that of each batch.
    """
    return _round_up(max(int(each.max()) for each in lengths), SHAPE_MULTIPLE)


def _row(parts: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.concatenate(parts))[None]  # (1, T), (1, T, K)


def _round_up(value: int, multiple: int) -> int:
    return ceil(value / multiple) * multiple
