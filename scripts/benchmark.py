"""Measure speed and memory, ours against a baseline in the same run.

    python scripts/benchmark.py train --input data/pretrain_val_example.csv \\
        --model_config configs/model/omnina-66m.yaml --json output/benchmark.json
    python scripts/benchmark.py finetune --input data/finetune_val_example.csv --tokenizer data/tokenizer \\
        --model_config configs/model/omnina-66m.yaml --batch_rows 8 32
    python scripts/benchmark.py profile --input data/pretrain_val_example.csv \\
        --model_config configs/model/omnina-66m.yaml
    python scripts/benchmark.py processor --input data/pretrain_val_example.csv \\
        --model_config configs/model/omnina-66m.yaml
    python scripts/benchmark.py predict --checkpoint output/finetune --input data/finetune_val_example.csv
    python scripts/benchmark.py read --checkpoint output/pretrain --input data/pretrain_val_example.csv
    python scripts/benchmark.py saturate --checkpoint output/pretrain --bases 1000
    python scripts/benchmark.py serve --checkpoint output/finetune
    python scripts/benchmark.py tokenize --input data/pretrain_train_example.csv --tokenizer data/tokenizer
    python scripts/benchmark.py encoders --input data/pretrain_train_example.csv --tokenizer data/tokenizer
    python scripts/benchmark.py corpus --megabytes 100 1000 --json output/benchmark_corpus.json
    python scripts/benchmark.py resume --input data/pretrain_val_example.csv --tokenizer data/tokenizer \\
        --model_config configs/model/tiny.yaml --steps 10 100000
    python scripts/benchmark.py loss
    python scripts/benchmark.py chunks --model_config configs/model/omnina-66m.yaml
    python scripts/benchmark.py memory --model_config configs/model/omnina-66m.yaml
    python scripts/benchmark.py float8 --input data/pretrain_train_example.csv --tokenizer data/tokenizer \\
        --model_config configs/model/tiny.yaml
    python scripts/benchmark.py scaling --model_config configs/model/omnina-66m.yaml

``train``, ``finetune``: a forward and backward pass against transformers' Llama, padded and packed.
``profile``: where the time of our passes goes, in named parts that add up to 1; no baseline.
``processor``: our passes on a CPU with more threads, and with compiled layers, compiling included.
``predict``: answers from the label set against generating them.
``read``: embeddings and likelihoods from packed batches, against a padded loop over transformers' Llama.
``saturate``: every substitution of a sequence at once, against a call for each variant, ours and padded.
``serve``: latency of the local page's server, alone, at 50 requests at once, beside large ones.
``tokenize``: a core's speed from a table to token ids, against SentencePiece called row by row.
``encoders``: whether the faster encoder gives the tokenizer's ids, on many texts; status 1 if it does not.
``resume``: time from the start to the first step of a run that goes on at a small and at a large step.
``corpus``: cost and memory of whole corpus builds from generated FASTA and GenBank files; no baseline.
``loss``: memory of the loss alone, over growing vocabularies, against all logits at once.
``chunks``: time and memory of the loss in chunks of 4 to 256 MiB of logits, against the size in use.
``memory``: what a step's peak is made of, with the activations of no, half and all layers computed again.
``scaling``: time per token with documents per pass; cost and memory with rows of data; no baseline.
``float8``: loss in float8 beside that without, on the same rows; emulated on a CPU.
``gpu``: the published sizes on one GPU; ``bash scripts/benchmark_gpu.sh`` runs it. Files are kept as it goes.
"""

import argparse
import sys
from pathlib import Path

from omnina.benchmarks.corpus import FORMATS
from omnina.benchmarks.figures import check_json_file, report, stamp, write_figures
from omnina.command import positive_number, run_command, whole_number
from omnina.inference import DTYPE_NAMES

AUTO = "auto"
AUTO_HELP = "auto: bf16 where the GPU, or the processor, has instructions for it, else fp32"


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="what", required=True)
    for name in ("train", "finetune", "profile"):
        _add_training(commands.add_parser(name, allow_abbrev=False))
    processor = commands.add_parser("processor", allow_abbrev=False)
    _add_training(processor)
    processor.add_argument(
        "--threads", type=whole_number(1), nargs="+", default=[], help="1, 2, 4, ... and all cores if unset"
    )
    processor.add_argument("--turns", type=whole_number(1), default=3, help="turns; the median counts")
    _add_data(commands)
    _add_growth(commands)
    gpu = commands.add_parser("gpu", allow_abbrev=False)
    gpu.add_argument("--tiny", action="store_true", help="a small model for a moment, on a CPU too")
    gpu.add_argument(
        "--limit_seconds", type=positive_number, default=540.0, help="then what is being measured is stopped"
    )
    gpu.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="WORD",
        help="what has one in its name: 1.7b, fp8, Llama, loss",
    )
    for command in commands.choices.values():
        command.add_argument("--json", type=Path, help="also write the figures here")
    return parser.parse_args()


def _add_training(training: argparse.ArgumentParser) -> None:
    training.add_argument("--input", required=True, help="table of rows")
    training.add_argument("--model_config", required=True, help="YAML with the architecture")
    training.add_argument("--dtype", choices=(AUTO, *DTYPE_NAMES), default=AUTO, help=AUTO_HELP)
    training.add_argument("--tokenizer", help="its folder; trained on the input if unset")
    training.add_argument("--batch_rows", type=whole_number(1), nargs="+", default=[8], help="rows of a pass")
    training.add_argument("--batches", type=whole_number(1), default=6, help="passes timed")


def _add_data(commands: argparse._SubParsersAction) -> None:
    predict = commands.add_parser("predict", allow_abbrev=False)
    predict.add_argument("--checkpoint", type=Path, required=True, help="fine-tuned model")
    predict.add_argument("--input", required=True, help="table with sequence, question, response")
    predict.add_argument("--dtype", choices=DTYPE_NAMES, default="fp32", help="of both sides")
    predict.add_argument("--label_probabilities", action="store_true", help="ours: of every label")
    predict.add_argument("--rows", type=whole_number(1), default=128, help="rows answered, evenly from all")
    predict.add_argument("--batch_rows", type=whole_number(1), nargs="+", default=[8], help="rows of a batch")
    read = commands.add_parser("read", allow_abbrev=False)
    read.add_argument("--checkpoint", type=Path, required=True, help="the model")
    read.add_argument("--input", type=Path, required=True, help="table or FASTA of sequences")
    read.add_argument("--dtype", choices=DTYPE_NAMES, default="fp32", help="of both sides")
    read.add_argument("--rows", type=whole_number(1), default=128, help="rows read, evenly from all")
    read.add_argument("--batch_rows", type=whole_number(1), nargs="+", default=[8], help="rows of a batch")
    saturate = commands.add_parser("saturate", allow_abbrev=False)
    saturate.add_argument("--checkpoint", type=Path, required=True, help="the model")
    saturate.add_argument("--dtype", choices=DTYPE_NAMES, default="fp32", help="of all sides")
    saturate.add_argument("--bases", type=whole_number(1), default=1000, help="of the sequence")
    saturate.add_argument("--window", type=whole_number(2), default=1001, help="bases of a window")
    saturate.add_argument("--segmentations", type=whole_number(1), default=5, help="of each window")
    saturate.add_argument(
        "--alone", type=whole_number(1), default=6, help="of 192 variants, those the baselines score"
    )
    serve = commands.add_parser("serve", allow_abbrev=False)
    serve.add_argument("--checkpoint", type=Path, required=True, help="fine-tuned model")
    serve.add_argument("--bases", type=whole_number(1), default=300, help="of each sequence")
    tokenize = commands.add_parser("tokenize", allow_abbrev=False)
    tokenize.add_argument("--input", required=True, help="table with sequence and response")
    tokenize.add_argument("--tokenizer", type=Path, required=True, help="folder with tokenizer.model")
    tokenize.add_argument("--repeats", type=whole_number(1), default=5, help="turns; the median counts")
    encoders = commands.add_parser("encoders", allow_abbrev=False)
    encoders.add_argument("--input", required=True, help="table with sequence and response")
    encoders.add_argument("--tokenizer", type=Path, required=True, help="its folder")
    encoders.add_argument("--strings", type=whole_number(1), default=2_000_000, help="random texts compared")
    encoders.add_argument("--seed", type=whole_number(0), default=0, help="of the random texts")
    corpus = commands.add_parser("corpus", allow_abbrev=False)
    corpus.add_argument(
        "--megabytes", type=whole_number(1), nargs="+", default=[100, 1000], help="sizes of the files"
    )
    corpus.add_argument(
        "--formats",
        nargs="+",
        choices=FORMATS,
        default=FORMATS,
        help="of the files; near: FASTA of near-duplicates",
    )
    corpus.add_argument("--scratch", type=Path, help="folder for files and tables, four times the largest")


def _add_growth(commands: argparse._SubParsersAction) -> None:
    commands.add_parser("loss", allow_abbrev=False)
    chunks = commands.add_parser("chunks", allow_abbrev=False)
    chunks.add_argument("--model_config", nargs="+", required=True, help="YAMLs with architectures")
    chunks.add_argument("--dtype", choices=(AUTO, *DTYPE_NAMES), default=AUTO, help=AUTO_HELP)
    chunks.add_argument("--labels", type=whole_number(1), default=4096, help="of a pass")
    chunks.add_argument("--turns", type=whole_number(1), default=5, help="turns; the median counts")
    memory = commands.add_parser("memory", allow_abbrev=False)
    memory.add_argument("--model_config", nargs="+", required=True, help="YAMLs with architectures")
    memory.add_argument("--dtype", choices=(AUTO, *DTYPE_NAMES), default=AUTO, help=AUTO_HELP)
    memory.add_argument("--batch_rows", type=whole_number(1), default=8, help="rows of a pass")
    resume = commands.add_parser("resume", allow_abbrev=False)
    resume.add_argument("--input", required=True, help="table with sequence and response")
    resume.add_argument("--tokenizer", required=True, help="its folder")
    resume.add_argument("--model_config", required=True, help="YAML with the architecture")
    resume.add_argument("--steps", type=whole_number(1), nargs="+", default=[10, 100_000], help="to go on at")
    resume.add_argument("--repeats", type=whole_number(1), default=3, help="runs at each; the median counts")
    float8 = commands.add_parser("float8", allow_abbrev=False)
    float8.add_argument("--input", required=True, help="table with sequence and response")
    float8.add_argument("--tokenizer", required=True, help="its folder")
    float8.add_argument("--model_config", required=True, help="YAML with the architecture")
    float8.add_argument(
        "--dtype", choices=(AUTO, *DTYPE_NAMES), default=AUTO, help=f"of what is not in float8; {AUTO_HELP}"
    )
    float8.add_argument("--steps", type=whole_number(8), default=400, help="of 4,096 tokens")
    float8.add_argument("--learning_rate", type=positive_number, default=2e-3, help="after its rise")
    scaling = commands.add_parser("scaling", allow_abbrev=False)
    scaling.add_argument("--model_config", required=True, help="YAML with the architecture")
    scaling.add_argument("--dtype", choices=(AUTO, *DTYPE_NAMES), default=AUTO, help=AUTO_HELP)
    scaling.add_argument("--pass_tokens", type=whole_number(64), default=2048, help="of each pass")
    scaling.add_argument("--turns", type=whole_number(1), default=5, help="turns; the median counts")
    scaling.add_argument(
        "--rows",
        type=whole_number(1000),
        nargs="+",
        default=[10_000, 100_000, 1_000_000, 10_000_000],
        help="sizes of the data",
    )


def main() -> None:
    """Measure, print the tables, write the figures; status 1 where encoders differ."""
    arguments = parse_arguments()
    if arguments.json:
        check_json_file(arguments.json, report_beside=arguments.what == "gpu")
    made = stamp()
    from omnina.benchmarks.commands import device_of, measured  # seconds to import: not for --help
    from omnina.benchmarks.encoders import differ
    from omnina.benchmarks.work import fastest_dtype

    if getattr(arguments, "dtype", None) == AUTO:
        arguments.dtype = fastest_dtype(device_of(arguments.what))
    tables = measured(arguments)
    print(report(tables, made))
    if arguments.json:
        write_figures(tables, made, arguments.json)
    if differ(tables):
        sys.exit(1)


if __name__ == "__main__":
    run_command(main)
