"""Speed of answering from a label set, against generating the answer with transformers' Llama.

The same rows in the same batches on three ways, in turn: ours (all labels scored as a tree, nothing padded);
``generate`` on left-padded batches; and ``generate`` row by row. Generation may write as many tokens as the
longest label has. Tokenising counts on every side. Each answer is also checked against the exhaustive score
of every label under transformers' Llama.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerBase

from omnina.benchmarks.figures import compared
from omnina.benchmarks.training import median_rate, speed_up
from omnina.benchmarks.ways import OURS
from omnina.inference.answer import Answerer, Query
from omnina.inference.label_set import LabelSet


@dataclass
class Baseline:
    """transformers' own Llama and tokenizer of the same checkpoint."""

    model: LlamaForCausalLM
    tokenizer: PreTrainedTokenizerBase

    @classmethod
    def load(cls, folder: Path, device: torch.device, dtype: torch.dtype) -> "Baseline":
        """The checkpoint, in the same dtype as ours."""
        model = (
            AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, trust_remote_code=False)
            .to(device)
            .eval()
        )
        return cls(model, AutoTokenizer.from_pretrained(folder, trust_remote_code=False))

    @torch.no_grad()
    def written(self, queries: Sequence[Query], max_new_tokens: int) -> list[str]:
        """Greedy answers to a left-padded batch."""
        chats = [[message(query)] for query in queries]
        batch = self.tokenizer.apply_chat_template(chats, padding=True, return_tensors="pt", return_dict=True)
        batch = batch.to(self.model.device)
        ids = self.model.generate(**batch, max_new_tokens=max_new_tokens, do_sample=False)
        answers = ids[:, batch["input_ids"].shape[1] :]
        return [text.strip() for text in self.tokenizer.batch_decode(answers, skip_special_tokens=True)]

    @torch.no_grad()
    def chosen(self, query: Query, labels: LabelSet) -> str:
        """The label whose full string is likeliest, each computed on its own."""
        prompt = self.tokenizer.apply_chat_template([message(query)])["input_ids"]
        scores = []
        for label in labels.ids:
            ids = torch.tensor([[*prompt, *label]], device=self.model.device)
            logits = self.model(ids, use_cache=False, logits_to_keep=len(label) + 1).logits[0, :-1].double()
            wanted = torch.tensor(label, device=self.model.device)[:, None]
            scores.append(float(logits.log_softmax(-1).gather(1, wanted).sum()))
        return labels.labels[int(np.argmax(scores))]


def message(query: Query) -> dict[str, str]:
    """The chat message of a query."""
    return {"role": "user", "content": query.nucleotides.text, "question": query.question}


def measure_prediction(
    answerer: Answerer, queries: Sequence[Query], batch_rows: int, name: str
) -> list[dict]:
    """Figures as rows ``{work, metric, ours, baseline, ratio}``; every query's question has a label set."""
    baseline = Baseline.load(answerer.folder, answerer.device, answerer.dtype)
    sets = [answerer.label_sets[query.question] for query in queries]
    longest = max(len(ids) for labels in sets for ids in labels.ids)
    batches = [queries[start : start + batch_rows] for start in range(0, len(queries), batch_rows)]
    ways = {
        OURS: lambda batch: [answer.text for answer in answerer.answer(batch)],
        "batched generate": lambda batch: baseline.written(batch, longest),
        "generate row by row": lambda batch: [baseline.written([query], longest)[0] for query in batch],
    }
    seconds, answers = _in_turn(ways, batches)
    exhaustive = [baseline.chosen(query, labels) for query, labels in zip(queries, sets, strict=True)]
    return [
        *(row for way in list(ways)[1:] for row in _speed(name, way, seconds, batches)),
        _agreement(name, "exhaustive scoring by Llama", answers[OURS], exhaustive),
        _agreement(name, "greedy generation", answers[OURS], answers["batched generate"]),
    ]


def _in_turn(
    ways: dict[str, Callable[[Sequence[Query]], list[str]]], batches: list[Sequence[Query]]
) -> tuple[dict[str, list[float]], dict[str, list[str]]]:
    """Seconds of each batch, and all answers, by way; the first batch is run once before, to warm up."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    answers: dict[str, list[str]] = {way: [] for way in ways}
    for answer in ways.values():
        answer(batches[0])
    for batch in batches:
        for way, answer in ways.items():
            began = time.perf_counter()
            answers[way] += answer(batch)
            seconds[way].append(time.perf_counter() - began)
    return seconds, answers


def _speed(
    name: str, way: str, seconds: dict[str, list[float]], batches: list[Sequence[Query]]
) -> list[dict]:
    """Rows per second, and how far the batches are apart."""
    rows = [len(batch) for batch in batches]
    rates = (median_rate(rows, seconds[side]) for side in (OURS, way))
    return [compared(name, f"rows/s, against {way}", *rates), speed_up(name, way, seconds)]


def _agreement(name: str, other: str, ours: list[str], theirs: list[str]) -> dict:
    same = float(np.mean([one == two for one, two in zip(ours, theirs, strict=True)]))
    return {"work": name, "metric": f"same answer as {other}", "ours": same, "baseline": 1.0, "ratio": None}
