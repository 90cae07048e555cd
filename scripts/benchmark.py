"""Measure speed and memory, ours against a baseline in the same run.

    python scripts/benchmark.py train --input data/pretrain_val_example.csv \\
        --model_config configs/model/omnina-66m.yaml --dtype bf16 --json output/benchmark.json
    python scripts/benchmark.py finetune --input data/finetune_val_example.csv --tokenizer data/tokenizer \\
        --model_config configs/model/omnina-66m.yaml --batch_rows 8 32
    python scripts/benchmark.py loss
    python scripts/benchmark.py predict --checkpoint output/finetune --input data/finetune_val_example.csv
    python scripts/benchmark.py corpus --megabytes 100 1000 --json output/benchmark_corpus.json

``train``, ``finetune``: a forward and backward pass against transformers' LlamaForCausalLM on padded rows.
``loss``: memory of the loss alone, over growing vocabularies, against all logits at once.
``predict``: answers from the label set against generating them.
``corpus``: cost and memory of whole corpus builds from generated FASTA and GenBank files; no baseline.
"""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from omnina.benchmark import Work, markdown_table, measure_training, tokenizer_for
from omnina.benchmark_corpus import FORMATS, corpus_table, measure_corpus
from omnina.benchmark_loss import measure_loss_memory
from omnina.benchmark_prediction import measure_prediction
from omnina.chunking import parse_cell
from omnina.command import run_command
from omnina.errors import UserError
from omnina.evaluation.evaluate import read_asked_rows
from omnina.inference.answer import DTYPES, Answerer, Query
from omnina.run_folder import hardware
from omnina.table import expand_paths


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="what", required=True)
    for name in ("train", "finetune"):
        training = commands.add_parser(name, allow_abbrev=False)
        training.add_argument("--input", required=True, help="table of rows")
        training.add_argument("--model_config", required=True, help="YAML with the architecture")
        training.add_argument("--dtype", choices=["bf16", "fp32"], default="bf16")
        training.add_argument("--tokenizer", help="its folder; trained on the input if unset")
        training.add_argument("--batch_rows", type=int, nargs="+", default=[8], help="rows of a pass")
        training.add_argument("--batches", type=int, default=6, help="passes timed")
    commands.add_parser("loss", allow_abbrev=False)
    predict = commands.add_parser("predict", allow_abbrev=False)
    predict.add_argument("--checkpoint", type=Path, required=True, help="fine-tuned model")
    predict.add_argument("--input", required=True, help="table with sequence, question, response")
    predict.add_argument("--dtype", choices=list(DTYPES), default="fp32", help="of both sides")
    predict.add_argument("--label_probabilities", action="store_true", help="ours: of every label")
    predict.add_argument("--rows", type=int, default=128, help="rows answered, evenly from the table")
    predict.add_argument("--batch_rows", type=int, nargs="+", default=[8], help="rows of a batch")
    corpus = commands.add_parser("corpus", allow_abbrev=False)
    corpus.add_argument("--megabytes", type=int, nargs="+", default=[100, 1000], help="sizes of the files")
    corpus.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS, help="of the files")
    corpus.add_argument("--scratch", type=Path, help="folder for files and tables, four times the largest")
    for command in commands.choices.values():
        command.add_argument("--json", type=Path, help="also write the figures here")
    return parser.parse_args()


def training_figures(arguments: argparse.Namespace) -> list[list[dict]]:
    """Figures of forward and backward passes, for each number of rows a pass."""
    expand_paths(arguments.input)
    with TemporaryDirectory() as scratch:
        tokenizer = arguments.tokenizer or tokenizer_for(
            arguments.input, arguments.model_config, Path(scratch) / "tokenizer"
        )
        shared = (arguments.input, arguments.model_config, tokenizer, arguments.dtype)
        questions = arguments.what == "finetune"
        works = [Work(*shared, rows, arguments.batches, questions) for rows in arguments.batch_rows]
        return [measure_training(work) for work in works]


def prediction_figures(arguments: argparse.Namespace) -> list[list[dict]]:
    """Figures of answering, for each number of rows a batch."""
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


def main() -> None:
    """Measure, print the tables, write the figures."""
    arguments = parse_arguments()
    if arguments.what == "predict":
        tables = prediction_figures(arguments)
    elif arguments.what == "loss":
        tables = [measure_loss_memory()]
    elif arguments.what == "corpus":
        tables = [measure_corpus(sorted(arguments.megabytes), arguments.formats, arguments.scratch)]
    else:
        tables = training_figures(arguments)
    print(hardware())
    for rows in tables:
        print(f"\n{corpus_table(rows) if arguments.what == 'corpus' else markdown_table(rows)}")
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        flat = [row for rows in tables for row in rows]
        arguments.json.write_text(json.dumps(flat, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_command(main)
