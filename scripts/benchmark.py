"""Measure speed and memory, ours against a baseline in the same run.

    python scripts/benchmark.py train --input data/pretrain_val_example.csv \\
        --model_config configs/model/omnina-66m.yaml --dtype bf16 --json output/benchmark.json

``train``: a forward and backward pass of ours against transformers' LlamaForCausalLM on padded rows.
"""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from omnina.benchmark import Work, markdown_table, measure_training, tokenizer_for
from omnina.command import run_command
from omnina.run_folder import hardware
from omnina.table import expand_paths


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    train = parser.add_subparsers(dest="what", required=True).add_parser("train", allow_abbrev=False)
    train.add_argument("--input", required=True, help="table of pretraining rows")
    train.add_argument("--model_config", required=True, help="YAML with the architecture")
    train.add_argument("--dtype", choices=["bf16", "fp32"], default="bf16")
    train.add_argument("--tokenizer", help="its folder; trained on the input, to fit the model, if unset")
    train.add_argument("--batch_rows", type=int, default=8, help="rows of a pass (published: 8)")
    train.add_argument("--batches", type=int, default=6, help="passes timed")
    train.add_argument("--json", type=Path, help="also write the figures here")
    return parser.parse_args()


def main() -> None:
    """Measure, print the table, write the figures."""
    arguments = parse_arguments()
    expand_paths(arguments.input)
    with TemporaryDirectory() as scratch:
        tokenizer = arguments.tokenizer or tokenizer_for(
            arguments.input, arguments.model_config, Path(scratch) / "tokenizer"
        )
        work = Work(
            arguments.input,
            arguments.model_config,
            tokenizer,
            arguments.dtype,
            arguments.batch_rows,
            arguments.batches,
        )
        rows = measure_training(work)
    print(f"{hardware()}\n\n{markdown_table(rows)}")
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_command(main)
