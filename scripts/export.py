"""Check that a checkpoint is what other programs expect, and write it in their formats.

    python scripts/export.py --checkpoint output/finetune
    python scripts/export.py --checkpoint output/finetune --output output/export \\
        --formats transformers gguf onnx

The first checks the folder: transformers loads it as it is and computes what training computed; what vLLM and
llama.cpp's converter read is there. The second also writes

    transformers/         the same folder without the run's own files, fit to hand on
    model-f32.gguf        for llama.cpp (--gguf_type f16, bf16, q8_0: smaller)
    onnx/                 a graph of the forward pass

each read back, its logits compared with the checkpoint's. GGUF and ONNX need requirements-export.txt.
"""

import argparse
from pathlib import Path

from omnina.command import run_command
from omnina.inference.exports import FORMATS, GGUF_TYPES


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--checkpoint", type=Path, default=Path("output/finetune"), help="folder of a model")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=[], help="what to write")
    parser.add_argument("--output", type=Path, help="folder to write; must not exist")
    parser.add_argument("--gguf_type", choices=GGUF_TYPES, default="f32", help="of matrices in the GGUF file")
    return parser.parse_args()


def main() -> None:
    """Check, export, and say what agrees."""
    arguments = parse_arguments()
    # Seconds to import: not for --help, nor for a mistake on the command line.
    from omnina.inference.exports.exporting import export

    for sentence in export(arguments.checkpoint, arguments.formats, arguments.output, arguments.gguf_type):
        print(sentence, flush=True)


if __name__ == "__main__":
    run_command(main)
