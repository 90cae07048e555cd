"""Speed of scoring every substitution of a region, batched, against one call for each variant.

Two baselines make the same scores: our own scorer called variant by variant, which already shares what the
windows of one call have in common; and a loop over transformers' Llama, one padded call for all readings of a
variant. Both are called for some variants, evenly from all, in turn with ours; the rates are compared.
"""

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from transformers import AutoModelForCausalLM, LlamaForCausalLM

from omnina.benchmarks.figures import compared, spread
from omnina.inference.variants.differences import differences
from omnina.inference.variants.haplotypes import Change, TextContig, Window, Windows, windows
from omnina.inference.variants.saturation import CHANGES_AT_ONCE, Region
from omnina.inference.variants.scoring import VariantScorer
from omnina.prompt import Document
from omnina.tokenizer import EOS_ID

Score = Callable[[Windows], float]


class PaddedCalls:
    """transformers' own Llama, called once for each variant.

    Args:
        scorer: whose readings it takes; its checkpoint, dtype and device.
    """

    def __init__(self, scorer: VariantScorer) -> None:
        reader = scorer.reader
        model = AutoModelForCausalLM.from_pretrained(
            reader.folder, dtype=reader.dtype, trust_remote_code=False
        )
        self.scorer = scorer
        self.model: LlamaForCausalLM = model.to(reader.device).eval()

    def score(self, pair: Windows) -> float:
        """As the scorer has it."""
        return float(differences([pair], self._nats, self.scorer.settings.both_strands)[0])

    def _nats(self, of_strand: Sequence[Window]) -> np.ndarray:
        """(windows,) means over readings."""
        readings = [self.scorer.readings(*window) for window in of_strand]
        nats = self._document_nats([document for of_window in readings for document in of_window])
        return nats.reshape(len(of_strand), -1).mean(axis=1)

    @torch.no_grad()
    def _document_nats(self, documents: Sequence[Document]) -> np.ndarray:
        """(documents,) sums over the tokens that hold bases, all in one call."""
        shape = (len(documents), max(len(document.input_ids) for document in documents))
        ids, held = torch.full(shape, EOS_ID), torch.zeros(shape)
        for row, document in enumerate(documents):
            ids[row, : len(document.input_ids)] = torch.tensor(document.input_ids)
            for start, end in document.sequence_spans:
                held[row, start:end] = 1
        ids, held = ids.to(self.model.device), held.to(self.model.device)
        # Padded behind, causal: no token before the padding sees it.
        logits = self.model(input_ids=ids, use_cache=False).logits[:, :-1].float()
        nats = logits.log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
        return (nats * held[:, 1:]).sum(1).double().cpu().numpy()


def measure_saturation(scorer: VariantScorer, sequence: str, alone: int, name: str) -> list[dict]:
    """Figures as rows ``{work, metric, ours, baseline, ratio}``.

    Args:
        scorer: of the checkpoint.
        sequence: bases, every one of which is substituted, in windows within the sequence.
        alone: variants that the baselines score, of each group that ours scores at once.
        name: of the work.
    """
    region = Region("sequence", TextContig(sequence), 0, len(sequence))
    changes = list(region.substitutions())
    groups = [changes[start : start + CHANGES_AT_ONCE] for start in range(0, len(changes), CHANGES_AT_ONCE)]
    padded = PaddedCalls(scorer)
    ways = {
        "one call of ours for each variant": lambda pair: float(scorer.scores([pair])[0]),
        "one padded call of transformers for each variant": padded.score,
    }
    rates = _Rates(scorer, region.contig)
    rates.all_at_once(groups[0][:alone])  # warms up
    for one in ways.values():
        rates.one_by_one("warm-up", one, groups[0][:1])
    rates.forget()
    for group in groups:
        expected = rates.all_at_once(group)
        chosen = list(range(0, len(group), max(1, len(group) // alone)))[:alone]
        for way, one in ways.items():
            found = rates.one_by_one(way, one, [group[place] for place in chosen])
            rates.compare(way, found, expected[chosen])
    return [row for way in ways for row in rates.rows(way, name)]


class _Rates:
    """Variants a second of each way, group by group, and how far its scores are from ours."""

    def __init__(self, scorer: VariantScorer, contig: TextContig) -> None:
        self.scorer, self.contig = scorer, contig
        self.forget()

    def forget(self) -> None:
        self.rates: dict[str, list[float]] = {}
        self.differences: dict[str, float] = {}

    def all_at_once(self, changes: Sequence[Change]) -> np.ndarray:
        began = time.perf_counter()
        scores = self.scorer.scores([self._pair(change) for change in changes])
        self._note("ours", len(changes), time.perf_counter() - began)
        return scores

    def one_by_one(
        self, way: str, score: Callable[[Windows], float], changes: Sequence[Change]
    ) -> np.ndarray:
        began = time.perf_counter()
        scores = np.array([score(self._pair(change)) for change in changes])
        self._note(way, len(changes), time.perf_counter() - began)
        return scores

    def compare(self, way: str, found: np.ndarray, expected: np.ndarray) -> None:
        self.differences[way] = max(self.differences.get(way, 0.0), float(np.abs(found - expected).max()))

    def rows(self, way: str, name: str) -> list[dict]:
        ours, theirs = self.rates["ours"], self.rates[way]
        ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
        return [
            compared(name, f"variants/s, against {way}", *map(statistics.median, (ours, theirs))),
            spread(name, f"times as fast as {way}", ratios, "group"),
            {"work": name, "metric": f"largest difference from {way}, nats", "ours": self.differences[way]}
            | {"baseline": None, "ratio": None},
        ]

    def _pair(self, change: Change) -> Windows:
        return windows(self.contig, change, self.scorer.settings.window)

    def _note(self, way: str, count: int, seconds: float) -> None:
        self.rates.setdefault(way, []).append(count / seconds)
