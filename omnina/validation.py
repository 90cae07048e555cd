"""Validation on packed batches: sums of losses, never logits, split by source and by kind of token."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, log

import numpy as np
import torch

from omnina.collation import FlatCollator
from omnina.dataset import TokenizedData
from omnina.metric_names import distinct_names
from omnina.packing import partition
from omnina.token_kinds import ANNOTATION, KINDS, SEQUENCE, WRITTEN, is_written, token_kinds

MOST_SOURCES = 50  # with more (a file for each shard, say) a figure for each would only be in the way


@dataclass
class LossSums:
    """Sums over documents: nats, tokens and bases by (source, kind)."""

    sources: list[str]
    nats: np.ndarray  # (sources, kinds) float64
    tokens: np.ndarray  # (sources, kinds) float64
    bases: np.ndarray  # (sources, kinds) float64

    def metrics(self) -> dict[str, float]:
        """Losses in nats per token, sequences (``written_bits``: given their annotation) in bits per base.

        Over all rows and by source.
        """
        found = {"loss": self.nats.sum() / self.tokens.sum()}
        found |= _split(self.nats.sum(0), self.tokens.sum(0), self.bases.sum(0), "")
        if 1 < len(self.sources) <= MOST_SOURCES:
            for index, name in enumerate(distinct_names(self.sources).values()):
                found |= _split(self.nats[index], self.tokens[index], self.bases[index], f"{name}_")
        return {name: float(value) for name, value in found.items()}


@dataclass(frozen=True)
class Validation:
    """What to validate on, and in which batches.

    Args:
        data: the rows.
        rows: ids of those used.
        collator: joins them; of fixed shape where the model is compiled.
        tokens_per_device: tokens of one forward pass, at most.
    """

    data: TokenizedData
    rows: np.ndarray
    collator: FlatCollator
    tokens_per_device: int

    def batches(self, processes: int, rank: int) -> list[np.ndarray]:
        """This process's row ids, batch by batch; all processes have the same number of batches."""
        lengths = self.data.lengths[self.rows]
        room = self.tokens_per_device - int(lengths.max()) + 1  # an even deal overshoots by less than a row
        bins = ceil(int(lengths.sum()) / max(room, 1) / processes) * processes
        return [self.rows[places] for places in partition(lengths, bins)][rank::processes]

    @torch.no_grad()
    def sums(
        self, model: torch.nn.Module, batches: Iterable[np.ndarray], device: torch.device
    ) -> torch.Tensor:
        """(sources, 3 x kinds) float64: nats by kind, tokens by kind, bases by kind."""
        shape = (len(self.data.sources), len(KINDS))
        nats, tokens, bases = (np.zeros(shape) for _ in range(3))
        for row_ids in batches:
            rows = self.data.__getitems__(row_ids.tolist())
            batch = self.collator(rows)
            on_device = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}
            losses = model(**on_device, per_token=True).loss.double().cpu().numpy()
            supervised = batch["labels"][0].numpy() != -100
            place = 0
            for row in rows:
                inside = slice(place, place + len(row["input_ids"]))
                place = inside.stop
                source, kinds = int(row["source"]), token_kinds(row)
                nats[source] += np.bincount(kinds, losses[inside], len(KINDS))
                tokens[source] += np.bincount(kinds, supervised[inside], len(KINDS))
                bases[source, WRITTEN if is_written(row) else SEQUENCE] += int(row["bases"])
        return torch.from_numpy(np.concatenate([nats, tokens, bases], axis=1)).to(device)

    def collect(self, reduced: torch.Tensor) -> LossSums:
        """Sums over all processes, named."""
        nats, tokens, bases = np.split(reduced.cpu().numpy(), 3, axis=1)  # (sources, kinds) each
        return LossSums(self.data.sources, nats, tokens, bases)


def _split(nats: np.ndarray, tokens: np.ndarray, bases: np.ndarray, prefix: str) -> dict[str, float]:
    found = {}
    if tokens[SEQUENCE]:
        found[f"{prefix}sequence_loss"] = nats[SEQUENCE] / tokens[SEQUENCE]
        found[f"{prefix}bits_per_base"] = nats[SEQUENCE] / log(2) / bases[SEQUENCE]
    if tokens[ANNOTATION]:
        found[f"{prefix}annotation_loss"] = nats[ANNOTATION] / tokens[ANNOTATION]
    if tokens[WRITTEN]:
        found[f"{prefix}written_bits"] = nats[WRITTEN] / log(2) / bases[WRITTEN]
    return found
