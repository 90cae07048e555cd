"""From a command line of scripts/benchmark.py to tables of figures."""

import argparse
import random
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import torch

from omnina.benchmarks.chunks import measure_chunks
from omnina.benchmarks.corpus import measure_corpus
from omnina.benchmarks.encoders import measure_encoders
from omnina.benchmarks.figures import report, stamp, write_figures
from omnina.benchmarks.float8_loss import PARTS, measure_float8_loss
from omnina.benchmarks.gpu import Curves, Plan, Size, check_gpu, measure_gpu
from omnina.benchmarks.loss import measure_loss_memory
from omnina.benchmarks.memory import measure_memory
from omnina.benchmarks.prediction import measure_prediction
from omnina.benchmarks.processor import CPU, default_threads, measure_processor
from omnina.benchmarks.profiling import measure_profile
from omnina.benchmarks.reading import measure_reading
from omnina.benchmarks.resume import measure_resume
from omnina.benchmarks.saturation import measure_saturation
from omnina.benchmarks.scaling import measure_documents, measure_rows
from omnina.benchmarks.tokenisation import measure_tokenisation
from omnina.benchmarks.training import measure_training
from omnina.benchmarks.work import Work, first_device, tokenizer_for
from omnina.chunking import parse_cell
from omnina.errors import UserError
from omnina.evaluation.asked_rows import read_asked_rows
from omnina.files.durable import write_whole
from omnina.inference.answer import DTYPES, Answerer, Query
from omnina.inference.packed import PackedReader
from omnina.inference.queries import SequenceFile
from omnina.inference.variants.scoring import VariantScorer, VariantSettings
from omnina.inference.windows import fitted_windows
from omnina.tables.table import expand_paths

MODELS = Path(__file__).parents[2] / "configs" / "model"
DATA = Path(__file__).parents[2] / "data"
Tables = list[list[dict]]
Found = TypeVar("Found")


def device_of(what: str) -> torch.device:
    """Where this command measures: ``processor`` on the CPU, beside whatever GPU."""
    return CPU if what == "processor" else first_device()


def measured(arguments: argparse.Namespace) -> Tables:
    """The tables of the command that was asked for."""
    commands: dict[str, Callable[[argparse.Namespace], Tables]] = {
        "train": lambda given: _of_works(given, measure_training),
        "finetune": lambda given: _of_works(given, measure_training),
        "profile": lambda given: _of_works(given, measure_profile),
        "processor": _processor,
        "predict": _prediction,
        "read": _reading,
        "saturate": _saturation,
        "serve": _serving,
        "corpus": lambda given: [measure_corpus(sorted(given.megabytes), given.formats, given.scratch)],
        "tokenize": lambda given: [measure_tokenisation(given.input, given.tokenizer, given.repeats)],
        "encoders": _encoders,
        "resume": _resume,
        "loss": lambda _: [measure_loss_memory()],
        "memory": lambda given: measure_memory(given.model_config, given.dtype, given.batch_rows),
        "chunks": lambda given: measure_chunks(given.model_config, given.dtype, given.labels, given.turns),
        "scaling": _scaling,
        "float8": _float8,
        "gpu": _gpu,
    }
    return commands[arguments.what](arguments)


def _of_works(arguments: argparse.Namespace, measure: Callable[[Work], Found]) -> list[Found]:
    """Forward and backward passes, for each number of rows a pass."""
    expand_paths(arguments.input)
    with TemporaryDirectory() as scratch:
        tokenizer = arguments.tokenizer or tokenizer_for(
            arguments.input, arguments.model_config, Path(scratch) / "tokenizer"
        )
        shared = (arguments.input, arguments.model_config, tokenizer, arguments.dtype)
        questions = arguments.what == "finetune"
        works = [Work(*shared, rows, arguments.batches, questions) for rows in arguments.batch_rows]
        _check_works(works)
        return [measure(work) for work in works]


def _check_works(works: list[Work]) -> None:
    """UserError for a mistake in any of these works on one table, before the first is measured."""
    works[0].check()
    rows = len(works[0].data())
    for work in works:
        work.row_batches(rows)


def _processor(arguments: argparse.Namespace) -> Tables:
    """More threads, and compiled layers."""
    threads = arguments.threads or default_threads()
    pairs = _of_works(arguments, lambda work: measure_processor(work, threads, arguments.turns))
    return [table for pair in pairs for table in pair]


def _prediction(arguments: argparse.Namespace) -> Tables:
    """Answering, for each number of rows a batch."""
    answerer = Answerer(
        arguments.checkpoint, dtype=DTYPES[arguments.dtype], all_labels=arguments.label_probabilities
    )
    rows = [row for row in read_asked_rows(arguments.input) if row.question in answerer.label_sets]
    if not rows:
        raise UserError(
            f"{arguments.input}: no row asks a question that {arguments.checkpoint} has labels for."
        )
    chosen = rows[:: max(1, len(rows) // arguments.rows)][: arguments.rows]
    queries = [Query(parse_cell(row.cell), row.question) for row in chosen]
    name = f"{arguments.checkpoint.name}, {arguments.dtype}"
    return [
        measure_prediction(answerer, queries, size, f"{name}, {size} rows a batch")
        for size in arguments.batch_rows
    ]


def _reading(arguments: argparse.Namespace) -> Tables:
    """Embeddings and likelihoods, for each number of rows of a padded batch."""
    reader = PackedReader(arguments.checkpoint, dtype=DTYPES[arguments.dtype])
    rows = [parse_cell(row.sequence) for row in SequenceFile(arguments.input).rows()]
    rows = [nucleotides for nucleotides in rows if len(fitted_windows(reader.annotating, nucleotides)) == 1]
    if not rows:
        raise UserError(f"{arguments.input}: no sequence fits one document of {arguments.checkpoint}.")
    chosen = rows[:: max(1, len(rows) // arguments.rows)][: arguments.rows]
    name = f"{arguments.checkpoint.name}, {arguments.dtype}"
    return [
        measure_reading(reader, chosen, size, f"{name}, {size} rows a batch") for size in arguments.batch_rows
    ]


def _saturation(arguments: argparse.Namespace) -> Tables:
    """A sequence of random bases: what they are changes nothing of the work."""
    reader = PackedReader(arguments.checkpoint, dtype=DTYPES[arguments.dtype])
    settings = VariantSettings(arguments.window, arguments.segmentations)
    sequence = "".join(random.Random(0).choices("ACGT", k=arguments.bases))
    name = f"{arguments.checkpoint.name}, {arguments.dtype}, windows of {arguments.window} bases"
    return [measure_saturation(VariantScorer(reader, settings), sequence, arguments.alone, name)]


def _serving(arguments: argparse.Namespace) -> Tables:
    """The first question that has labels, about random bases."""
    from omnina.benchmarks.serving import measure_serving  # needs requirements-serve.txt

    answerer = Answerer(arguments.checkpoint)
    if not answerer.label_sets:
        raise UserError(f"{arguments.checkpoint}: no question has labels; name a fine-tuned checkpoint.")
    sequence = "".join(random.Random(0).choices("ACGT", k=arguments.bases))
    return [measure_serving(answerer, sequence, next(iter(answerer.label_sets)))]


def _encoders(arguments: argparse.Namespace) -> Tables:
    return [measure_encoders(arguments.input, arguments.tokenizer, arguments.strings, arguments.seed)]


def _resume(arguments: argparse.Namespace) -> Tables:
    where = (arguments.input, arguments.tokenizer, arguments.model_config)
    return [measure_resume(*where, sorted(arguments.steps), arguments.repeats)]


def _scaling(arguments: argparse.Namespace) -> Tables:
    documents = measure_documents(
        arguments.model_config, arguments.dtype, arguments.pass_tokens, arguments.turns
    )
    return [documents, measure_rows(arguments.rows)]


def _float8(arguments: argparse.Namespace) -> Tables:
    work = Work(arguments.input, arguments.model_config, arguments.tokenizer, arguments.dtype, 1, 1)
    work.check()
    return [measure_float8_loss(work, arguments.steps, arguments.learning_rate)]


def _gpu(arguments: argparse.Namespace) -> Tables:
    """The files are written anew after each way: a run that is killed leaves what it has measured."""
    plan = _gpu_plan(arguments)
    plan.check_only()
    if not arguments.tiny:
        check_gpu()
    made, rows = stamp(), []
    for rows in measure_gpu(plan):
        if arguments.json:
            write_figures([rows], made, arguments.json)
            _write_text(arguments.json.with_suffix(".md"), report([rows], made))
    return [rows]


def _write_text(path: Path, text: str) -> None:
    write_whole(path, lambda stream: stream.write(text.encode()))


def _gpu_plan(arguments: argparse.Namespace) -> Plan:
    limits = {"limit": arguments.limit_seconds, "only": tuple(arguments.only)}
    table, tokenizer = str(DATA / "pretrain_train_example.csv"), str(DATA / "tokenizer")
    if arguments.tiny:
        config = str(MODELS / "tiny.yaml")
        small = {"fewest_tokens": 1024, "ceiling_size": 256, "seconds": 0.1}
        curves = Curves(Work(table, config, tokenizer, "bf16", 1, 1), learning_rate=3e-4, steps=PARTS)
        return Plan((Size(config, 1280),), (curves,), **small, **limits)
    configs = {name: str(MODELS / f"omnina-{name}.yaml") for name in ("1.7b", "330m", "66m")}
    sizes = (  # tokens as in configs/pretrain
        Size(configs["1.7b"], 16_384),
        Size(configs["330m"], 32_768),
        Size(configs["66m"], 32_768, fp8=False),
    )
    rates = {"330m": 3e-4, "1.7b": 1e-4}  # the larger model's as in configs/pretrain
    curves = tuple(
        Curves(Work(table, configs[name], tokenizer, "bf16", 1, 1), rate) for name, rate in rates.items()
    )
    return Plan(sizes, curves, **limits)
