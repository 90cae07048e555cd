"""How finely a checkpoint reads sequences, and what it was trained on."""

import sys
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from omnina.checkpoints.contents import RESOLUTION_KEY, checkpoint_config, checkpoint_tokenizer
from omnina.chunking import BASES, PIECES, RANDOM
from omnina.errors import UserError
from omnina.resolution import at_resolution

READ = (PIECES, BASES)


def reading_tokenizer(folder: Path, resolution: str) -> PreTrainedTokenizerFast:
    """A checkpoint's own tokenizer (``pieces``), or with the same vocabulary one of single bases (``bases``).

    Raises UserError for another resolution, a folder that holds no whole checkpoint, or another model's
    tokenizer.
    """
    if resolution not in READ:
        raise UserError(f"resolution '{resolution}': a checkpoint reads {' or '.join(READ)}.")
    return at_resolution(checkpoint_tokenizer(folder), resolution)


def trained_resolution(folder: Path) -> str | None:
    """That of a checkpoint's last training; None if it does not say."""
    return getattr(checkpoint_config(folder), RESOLUTION_KEY, None)


def warn_of_untrained(folder: Path, resolution: str) -> None:
    """A line on stderr where single bases are read of which the last training, if it is known, had none."""
    trained = trained_resolution(folder)
    if resolution == BASES and trained not in (None, BASES, RANDOM):
        print(
            f"warning: --resolution bases, but {folder} was last trained with resolution: {trained!r}, not "
            "on sequences of single bases; what it says of them may be far off",
            file=sys.stderr,
        )
