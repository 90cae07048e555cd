"""Make a folder of this project's layout from a published checkpoint: from the Hugging Face Hub, or a folder.

    python scripts/import_checkpoint.py XLS/OmniNA-220m output/omnina-330m
    python scripts/import_checkpoint.py OmniNA-220m/ output/omnina-330m

The first fetches the model (1.3 GB); it is the only command here that asks the network for anything, and only
when it is given OWNER/NAME. XLS/OmniNA-220m is the article's 330M model. Prints what was changed; the weights
and the token ids are not. Fine-tune it with --checkpoint output/omnina-330m.
"""

import argparse
from pathlib import Path

from omnina.command import run_command


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("source", help="folder of the published layout, or OWNER/NAME on the Hub")
    parser.add_argument("output", type=Path, help="folder to write; must not exist")
    parser.add_argument("--revision", help="commit, tag or branch on the Hub")
    return parser.parse_args()


def main() -> None:
    """Import, and tell what was changed."""
    arguments = parse_arguments()
    # Seconds to import: not for --help, nor for a mistake on the command line.
    from omnina.inference.published.importing import check_output, import_checkpoint
    from omnina.inference.published.source import source_folder

    check_output(arguments.output)
    folder = source_folder(arguments.source, arguments.revision)
    imported = import_checkpoint(folder, arguments.output, arguments.source)
    print(f"{arguments.output}: {imported.parameters:,} parameters, from {arguments.source}")
    for sentence in imported.changes:
        print(f"  changed: {sentence}")
    for sentence in imported.notes:
        print(f"  note: {sentence}")


if __name__ == "__main__":
    run_command(main)
