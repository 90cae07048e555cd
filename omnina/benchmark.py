"""Speed and memory of training: our model against transformers' Llama on padded rows.

Both compute the same rows, batch by batch and in turn: ours flat, the baseline padded to the longest row
of the batch, under its own loss. A pass is forward and backward; useful throughput counts real tokens and
bases alone. Peak memory is that of a child process of its own for each, over whole steps with AdamW. The
ceiling is a large matrix product in the same dtype, in the same run.
"""

import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from omnina.benchmark_child import in_child, peak_resident_bytes
from omnina.chunking import SequenceRules
from omnina.dataset import TokenizedData, load_data
from omnina.model import IGNORED_LABEL, OmniNAForCausalLM
from omnina.packing import FlatCollator
from omnina.rows import DataSettings
from omnina.tokenizer import BOS_ID, EOS_ID
from omnina.tokenizer_training import train_tokenizer
from omnina.yaml_file import read_yaml

MAX_LENGTH = 2048
CEILING_SIZE = 4096  # rows and columns of the matrices in the ceiling
CEILING_REPEATS = 5
SIDES = ("ours", "baseline")


@dataclass(frozen=True)
class Work:
    """What is measured, as given on the command line.

    Args:
        input: table of rows.
        model_config: YAML with the architecture.
        tokenizer: folder of a tokenizer that fits it.
        dtype: ``bf16`` (autocast) or ``fp32``.
        batch_rows: rows of one forward pass, in the baseline and in ours.
        batches: passes timed.
        questions: rows of fine-tuning, loss on the answers alone, instead of pretraining.
    """

    input: str
    model_config: str
    tokenizer: str
    dtype: str
    batch_rows: int
    batches: int
    questions: bool = False

    @property
    def device(self) -> torch.device:
        """The first GPU if there is one."""
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def precision(self) -> AbstractContextManager:
        """Autocast, or nothing."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.dtype == "bf16" else nullcontext()

    def data(self) -> TokenizedData:
        """The rows, cached beside the tokenizer."""
        rules = None if self.questions else SequenceRules()
        settings = DataSettings(MAX_LENGTH, self.questions, rules, bad_rows="skip")
        file, cache = Path(self.tokenizer) / "tokenizer.json", Path(self.tokenizer) / "cache"
        return load_data(self.input, file, BOS_ID, EOS_ID, settings, cache_dir=cache)

    def row_batches(self, rows: int) -> list[list[int]]:
        """Row ids of each batch, in a fixed random order."""
        order = np.random.default_rng(0).permutation(rows)
        count = min(self.batches + 1, rows // self.batch_rows)  # the first is for warming up
        return [order[i * self.batch_rows : (i + 1) * self.batch_rows].tolist() for i in range(count)]


def measure_training(work: Work) -> list[dict]:
    """All figures as rows ``{work, metric, ours, baseline, ratio}``; takes minutes on a CPU."""
    data = work.data()
    batches = work.row_batches(len(data))
    seconds = _seconds(work, data, batches)
    lengths = [[int(data.lengths[row]) for row in batch] for batch in batches[1:]]
    tokens = [sum(batch) for batch in lengths]
    bases = [int(data.bases[batch].sum()) for batch in batches[1:]]
    padded = [max(batch) * len(batch) for batch in lengths]
    config = LlamaConfig(**read_yaml(Path(work.model_config)))
    flops = [sum(training_flops(config, length) for length in batch) for batch in lengths]
    ceiling = matrix_ceiling(work)
    rows = [work.batch_rows] * len(lengths)
    rates = {side: _median_rates(seconds[side], tokens, bases, flops, rows) for side in SIDES}
    memory = {side: in_child("omnina.benchmark", "peak_memory", vars(work), side) for side in SIDES}
    name = f"{Path(work.model_config).stem}, {work.dtype}, {work.batch_rows} rows a pass"
    ratios = [slow / fast for fast, slow in zip(seconds["ours"], seconds["baseline"], strict=True)]
    return [
        _row(name, "useful tokens/s", *(rates[side][0] for side in SIDES)),
        _row(name, "bases/s", *(rates[side][1] for side in SIDES)),
        _row(name, "rows/s", *(rates[side][3] for side in SIDES)),
        _row(name, "speed-up, lowest and highest batch", min(ratios), max(ratios)) | {"ratio": None},
        _row(name, "real tokens, share of computed", 1.0, sum(tokens) / sum(padded)),
        _row(name, "peak memory, MiB", *(memory[side] / 2**20 for side in SIDES)),
        _row(name, "matrix-product ceiling, GFLOP/s", ceiling / 1e9, ceiling / 1e9),
        _row(name, "share of the ceiling reached", *(rates[side][2] / ceiling for side in SIDES)),
    ]


def training_flops(config: LlamaConfig, tokens: int) -> float:
    """FLOPs of forward and backward on one document of so many tokens.

    6 x parameters that multiply x tokens, and causal attention: 6 x layers x width x tokens^2 (Chowdhery
    et al., 2022, arXiv:2204.02311, appendix B, halved because half of the scores are masked).
    """
    width = config.num_attention_heads * config.head_dim
    key_value = config.num_key_value_heads * config.head_dim
    attention = config.hidden_size * (2 * width + 2 * key_value)
    feed_forward = 3 * config.hidden_size * config.intermediate_size
    multiplying = (
        config.num_hidden_layers * (attention + feed_forward) + config.hidden_size * config.vocab_size
    )
    return 6.0 * multiplying * tokens + 6.0 * config.num_hidden_layers * width * tokens**2


def matrix_ceiling(work: Work) -> float:
    """FLOP/s of a square matrix product of CEILING_SIZE in the benchmark's dtype; best of several."""
    dtype = torch.bfloat16 if work.dtype == "bf16" else torch.float32
    left, right = (torch.randn(CEILING_SIZE, CEILING_SIZE, device=work.device, dtype=dtype) for _ in range(2))
    left @ right
    best = min(_timed(work, lambda: left @ right) for _ in range(CEILING_REPEATS))
    return 2.0 * CEILING_SIZE**3 / best


def tokenizer_for(input_table: str, model_config: str, folder: Path) -> str:
    """Train a tokenizer on the table with as many tokens as the architecture has; returns its folder."""
    size = read_yaml(Path(model_config))["vocab_size"]
    train_tokenizer([input_table], folder, vocab_size=size - 1)
    return str(folder)


def make_pass(
    work: Work, side: str, data: TokenizedData
) -> tuple[torch.nn.Module, Callable[[list[int]], None]]:
    """A model with random weights, and a function that runs forward and backward on rows."""
    config = LlamaConfig(**read_yaml(Path(work.model_config)))
    torch.manual_seed(0)
    if side == "ours":
        attention = "varlen" if work.device.type == "cuda" and work.dtype == "bf16" else "per_document"
        model = OmniNAForCausalLM(config, attention).to(work.device)
        shares = work.questions and attention == "per_document"
        collate: Callable = FlatCollator(MAX_LENGTH, work.questions, EOS_ID, share_prefix=shares)
    else:
        model = LlamaForCausalLM(config).to(work.device)
        collate = partial(padded_batch, answers_only=work.questions)

    def run(rows: list[int]) -> None:
        batch = collate(data.__getitems__(rows))
        batch = {k: v.to(work.device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}
        with work.precision():
            loss = model(**batch).loss
        loss.backward()

    return model.train(), run


def padded_batch(rows: list[dict], answers_only: bool) -> dict:
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


def peak_memory(settings: dict, side: str) -> int:
    """Highest memory of this process, bytes, over steps of this ``Work`` with AdamW; for a child process."""
    work = Work(**settings)
    data = work.data()
    model, run = make_pass(work, side, data)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    for rows in work.row_batches(len(data)):
        run(rows)
        optimizer.step()
        optimizer.zero_grad()
    if work.device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    return peak_resident_bytes()


def markdown_table(rows: list[dict]) -> str:
    """The rows as a Markdown table."""
    lines = [f"{rows[0]['work']}:", "", "| metric | ours | baseline | ratio |", "|---|---:|---:|---:|"]
    for row in rows:
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        lines.append(f"| {row['metric']} | {_figure(row['ours'])} | {_figure(row['baseline'])} | {ratio} |")
    return "\n".join(lines)


def _seconds(work: Work, data: TokenizedData, batches: list[list[int]]) -> dict[str, list[float]]:
    """Seconds of every pass but the first; the sides take turns on the same rows."""
    passes = {side: make_pass(work, side, data) for side in SIDES}
    seconds: dict[str, list[float]] = {side: [] for side in SIDES}
    for rows in batches:
        for side, (model, run) in passes.items():
            seconds[side].append(_timed(work, lambda run=run, rows=rows: run(rows)))
            model.zero_grad()
    return {side: times[1:] for side, times in seconds.items()}


def _median_rates(seconds: list[float], *amounts: list[float]) -> list[float]:
    """Median over batches of each amount per second."""
    return [statistics.median(np.array(amount) / np.array(seconds)) for amount in amounts]


def _timed(work: Work, run: Callable[[], object]) -> float:
    """Seconds of one call, the device's queue drained before and after."""
    if work.device.type == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    run()
    if work.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def _row(work: str, metric: str, ours: float, baseline: float) -> dict:
    return {"work": work, "metric": metric, "ours": ours, "baseline": baseline, "ratio": ours / baseline}


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3f}"
