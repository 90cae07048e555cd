"""Vectors of the sequences of a file, from any layers of a checkpoint; and what each layer knows.

    python scripts/embed.py --checkpoint output/pretrain --input genes.fasta --output genes.safetensors
    python scripts/embed.py --checkpoint output/pretrain --input genes.fasta --output genes.npz \\
        --layers all --both_strands --probe labels.csv --probe_output output/probe

The output is .safetensors, .npz or .parquet. --probe takes a table with the columns id and label (and group,
for sequences that must not be on both sides): it fits a logistic regression on each layer's vectors, by
cross-validation, and writes the scores by layer with a plot.
"""

import argparse
from pathlib import Path

from omnina.command import run_command
from omnina.errors import UserError
from omnina.inference.options import add_checkpoint_options, add_input_option, reading_options

ALL_LAYERS = "all"


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add_input_option(parser)
    parser.add_argument(
        "--output", type=Path, required=True, help=".safetensors, .npz or .parquet; must not exist"
    )
    parser.add_argument(
        "--layers", nargs="+", default=["-1"], help="numbers, 0 the embedding, -1 the last; or 'all'"
    )
    parser.add_argument(
        "--pooling",
        choices=["mean", "last", "bases"],
        default="mean",
        help="mean over the sequence's tokens, its last token, or a vector for each base",
    )
    parser.add_argument("--both_strands", action="store_true", help="mean of both strands' vectors")
    parser.add_argument("--probe", type=Path, help="table of labels: id, label, group if any")
    parser.add_argument("--probe_output", type=Path, help="folder for the probe's table and plot")
    add_checkpoint_options(parser, "output/pretrain")
    return parser.parse_args()


def main() -> None:
    """Embed, and probe if asked."""
    arguments = parse_arguments()
    _check(arguments)
    # Seconds to import: not for --help, nor for a mistake on the command line.
    from omnina.inference.embedding import EmbeddingSettings
    from omnina.inference.embedding_file import read_embeddings
    from omnina.inference.embedding_job import EmbeddingJob
    from omnina.inference.packed import PackedReader
    from omnina.inference.queries import SequenceFile

    settings = EmbeddingSettings(arguments.pooling, arguments.both_strands)
    job = EmbeddingJob(SequenceFile(arguments.input), arguments.output, settings)
    labels = None
    if arguments.probe:
        from omnina.evaluation.layer_probe import probe_layers, read_labels, write_probe

        labels = read_labels(arguments.probe, job.ids)
    reader = PackedReader(arguments.checkpoint, **reading_options(arguments))
    job.run(reader, _layers(arguments.layers, reader.layers))
    print(f"{arguments.output}: {len(job.ids)} sequences")
    if labels is not None:
        scores = probe_layers(*read_embeddings(arguments.output), labels)
        write_probe(scores, arguments.probe_output)
        for entry in scores:
            print(f"  layer {entry['layer']:>2}: accuracy {entry['accuracy']:.3f}, MCC {entry['mcc']:.3f}")
        print(f"{arguments.probe_output}: layers.csv, layers.png")


def _check(arguments: argparse.Namespace) -> None:
    if ALL_LAYERS not in arguments.layers:
        for text in arguments.layers:
            if not text.removeprefix("-").isdecimal():
                raise UserError(f"--layers {text}: give whole numbers, or 'all'.")
    if (arguments.probe is None) != (arguments.probe_output is None):
        raise UserError("--probe and --probe_output go together: the labels, and the folder for the scores.")
    if arguments.probe_output and arguments.probe_output.exists() and not arguments.probe_output.is_dir():
        raise UserError(f"{arguments.probe_output}: this is a file; name a folder for the scores.")
    if arguments.probe and arguments.pooling == "bases":
        raise UserError("--probe needs one vector for each sequence: --pooling mean or last.")


def _layers(given: list[str], count: int) -> tuple[int, ...]:
    return tuple(range(count + 1)) if ALL_LAYERS in given else tuple(int(text) for text in given)


if __name__ == "__main__":
    run_command(main)
