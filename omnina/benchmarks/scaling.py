"""How cost grows: time per token with the documents of a batch, time and memory with the rows of the data.

Growth with rows is measured without a model, each size in a process of its own: lengths on disk, one shard of
documents that stands for all shards, so that ten million rows need no more disk than sixty thousand.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from omnina.benchmarks.child import in_child
from omnina.benchmarks.figures import lowest_and_highest, single
from omnina.benchmarks.training import run_pass, timed
from omnina.benchmarks.ways import OURS, Choices, make_way
from omnina.benchmarks.work import first_device, where_measured
from omnina.collation import longest_bound
from omnina.flops import training_flops
from omnina.model_config import read_architecture
from omnina.packing import StepPlan, StepSampler
from omnina.shards.token_shards import TokenShards
from omnina.shards.writer import DOCUMENTS_PER_BATCH, ROWS_FILE, SCHEMA

DOCUMENTS = (1, 4, 16, 64)
TOKENS_PER_STEP = 524_288
SHARD_DOCUMENTS = 65_536
STEPS = 16  # read at places far apart


def measure_documents(model_config: str, dtype: str, pass_tokens: int, turns: int) -> list[dict]:
    """Microseconds per token of passes of the same tokens as 1, 4, 16 and 64 documents, in turn.

    Longer documents have more attention to compute, so FLOPs per second are given beside: the model's own, as
    ``training_flops`` counts them.
    """
    config = read_architecture(model_config)
    longest = longest_bound(np.array([pass_tokens]))  # may be more than the model's positions
    choices = Choices(config, first_device(), dtype == "bf16", longest=longest)
    way = make_way(OURS, choices)
    ids = np.random.default_rng(0).integers(3, config.vocab_size, pass_tokens)
    batches = {
        n: [{"input_ids": document, "answer_start": 1} for document in np.array_split(ids, n)]
        for n in DOCUMENTS
    }
    run_pass(way, choices, batches[1])
    seconds = [
        {n: timed(choices.device, partial(run_pass, way, choices, batches[n])) for n in DOCUMENTS}
        for _ in range(turns + 1)
    ][1:]  # the first turn warms up
    where = where_measured(choices.device)
    work = f"{Path(model_config).stem}, {dtype}, {pass_tokens} tokens a pass, {where}"
    times = {n: [turn[n] / pass_tokens * 1e6 for turn in seconds] for n in DOCUMENTS}
    figures = []
    for n, of_turns in times.items():
        median = statistics.median(of_turns)
        flops = sum(training_flops(config, len(row["input_ids"])) for row in batches[n])
        figures += [
            single(work, f"µs/token, documents in it: {n}", median),
            single(work, f"the same, lowest and highest turn: {n}", lowest_and_highest(of_turns)),
            single(work, f"GFLOP/s, documents in it: {n}", flops / pass_tokens / median / 1e3),
        ]
    medians = [statistics.median(of_turns) for of_turns in times.values()]
    highest = max(medians) / min(medians)
    return [*figures, single(work, "highest over lowest time", highest)]


def measure_rows(sizes: list[int]) -> list[dict]:
    """Cost of the plan, the sampler and the reading of rows, and memory, for each number of rows."""
    figures = []
    with TemporaryDirectory() as folder:
        write_shard(Path(folder) / ROWS_FILE)
        for rows in sizes:
            costs = in_child("omnina.benchmarks.scaling", "cost_of_rows", rows, folder)
            figures += [single(f"{rows:,} rows", metric, value) for metric, value in costs.items()]
    return figures


def cost_of_rows(rows: int, folder: str) -> dict[str, float | str]:
    """Processor seconds and memory with so many rows; for a child process."""
    file = Path(folder) / "lengths.npy"
    np.save(file, np.random.default_rng(0).integers(40, 600, rows, dtype=np.int32))
    shards = -(-rows // SHARD_DOCUMENTS)
    StepPlan(np.full(100, 10), tokens_per_step=100, seed=0, data_hash="").rows(0)  # loads what it needs
    before = _own_memory()
    began = time.process_time()
    documents = TokenShards([Path(folder) / ROWS_FILE] * shards, [SHARD_DOCUMENTS] * shards)
    documents[0]
    opened = time.process_time() - began
    began = time.process_time()
    lengths = np.load(file, mmap_mode="r")
    plan = StepPlan(lengths, tokens_per_step=TOKENS_PER_STEP, seed=0, data_hash="x")
    planned = time.process_time() - began
    places = np.linspace(0, 3 * plan.steps_per_epoch, STEPS, dtype=int)
    sampler = StepSampler(plan, 8, 0, 2)
    sampled = [_seconds_of(partial(sampler.micro_batches, int(step))) * 1e3 for step in places]
    some = [row for step in places[:4] for row in plan.rows(int(step))[:256]]
    read = [_seconds_of(partial(documents.__getitem__, int(row))) * 1e6 for row in some]
    return {
        "plan, ns a row": planned / rows * 1e9,
        "sampler, ms a step of 524,288 tokens (median)": statistics.median(sampled),
        "the same, lowest and highest step": lowest_and_highest(sampled),
        "opening the documents, ms": opened * 1e3,
        "reading a document, µs (median)": statistics.median(read),
        "the same, lowest and highest document": lowest_and_highest(read),
        "memory of its own, MiB": (_own_memory() - before) / 2**20,
    }


def write_shard(file: Path, tokens: int = 32) -> None:
    """SHARD_DOCUMENTS short documents, as ``dataset`` writes them."""
    ids = [np.full(tokens, 5, dtype=np.uint16)] * DOCUMENTS_PER_BATCH
    ones, spans = [1] * DOCUMENTS_PER_BATCH, [[1, tokens]] * DOCUMENTS_PER_BATCH
    columns = (ids, ones, spans, ones, ones, ones)
    arrays = [pa.array(values, type=kind) for values, kind in zip(columns, SCHEMA.types, strict=True)]
    with pa.ipc.new_file(str(file), SCHEMA) as writer:
        for _ in range(SHARD_DOCUMENTS // DOCUMENTS_PER_BATCH):
            writer.write_batch(pa.record_batch(arrays, schema=SCHEMA))


def _seconds_of(run: Callable[[], object]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def _own_memory() -> int:
    """Bytes of this process that are no part of a file (mapped files come and go)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("RssAnon:"))
    return int(line.split()[1]) * 1024
