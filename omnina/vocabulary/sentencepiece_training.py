"""SentencePiece's BPE, and the process of its own that it runs in, under a hard limit of memory.

    python -m omnina.vocabulary.sentencepiece_training LINES MODEL VOCAB_SIZE ALLOWED_BYTES

A line of the file is a text, a tab, and how often it counts: a text that counts ten times takes memory once.
The module imports little, so that the limit is spent on training.
"""

import io
import re
import signal
import string
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import sentencepiece

from omnina.command import USER_ERROR_STATUS, run_command
from omnina.errors import UserError
from omnina.memory_limit import limit_memory_growth, peak_memory
from omnina.special_tokens import BOS_ID, BOS_TOKEN, EOS_ID, EOS_TOKEN, UNK_ID, UNK_TOKEN

LINE_BYTES = 4192  # SentencePiece drops longer lines without a word
TOO_LARGE = "is too large for this text"
PRINTABLE = string.ascii_letters + string.digits + string.punctuation  # IUPAC letters among them


def train_in_process(lines: Path, model: Path, vocab_size: int, allowed_bytes: int) -> int:
    """Train on a file of lines and write the model; returns the peak memory of that process in bytes.

    Raises UserError for a vocabulary that is too large or too small, or if ``allowed_bytes`` do not suffice.
    """
    command = [sys.executable, "-m", __name__, *map(str, (lines, model, vocab_size, allowed_bytes))]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode == USER_ERROR_STATUS:
        raise UserError(run.stderr.strip().removeprefix("error: "))
    if "bad_alloc" in run.stderr or "MemoryError" in run.stderr or run.returncode == -signal.SIGKILL:
        raise UserError(
            f"SentencePiece needed more than the {allowed_bytes / 1e9:.2f} GB that --max_memory_gb leaves "
            "it; raise it, or lower --sample_bytes."
        )
    if run.returncode:
        raise RuntimeError(f"SentencePiece ended with status {run.returncode}: {run.stderr}")
    return int(run.stdout)


def train_sentencepiece(lines: Iterable[tuple[str, int]], vocab_size: int) -> bytes:
    """A serialised SentencePiece BPE model of ``vocab_size`` pieces, from (line, how often it counts).

    Raises UserError, naming the size that is possible, if the lines do not hold as many pieces, or the
    bytes and characters alone are more.
    """
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=(f"{line}\t{times}" for line, times in lines),
            input_format="tsv",
            model_writer=model,
            model_type="bpe",
            vocab_size=vocab_size,
            max_sentence_length=LINE_BYTES,
            unk_id=UNK_ID,
            bos_id=BOS_ID,
            eos_id=EOS_ID,
            pad_id=-1,  # [PAD] comes after the last piece, as in the published tokenizers
            unk_piece=UNK_TOKEN,
            bos_piece=BOS_TOKEN,
            eos_piece=EOS_TOKEN,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,  # identity alone still strips and folds spaces
            add_dummy_prefix=False,
            byte_fallback=True,
            required_chars=PRINTABLE,
            character_coverage=1.0,  # less can drop required characters too
            num_threads=1,
            minloglevel=2,  # errors only
        )
    except RuntimeError as error:
        raise _vocabulary_error(str(error), vocab_size) or error from error
    return model.getvalue()


def _vocabulary_error(message: str, vocab_size: int) -> UserError | None:
    """What SentencePiece means, if it is about the vocabulary's size."""
    if largest := re.search(r"Vocabulary size too high.*<= (\d+)", message):
        return UserError(
            f"--vocab_size {vocab_size} {TOO_LARGE}: at most {largest[1]} is possible. "
            "Choose a smaller one, or add text."
        )
    if smallest := re.search(r"Vocabulary size is smaller than required_chars\. \d+ vs (\d+)", message):
        return UserError(
            f"--vocab_size {vocab_size} is too small: the 256 bytes and the single characters alone are "
            f"{smallest[1]} pieces. Choose at least {smallest[1]}, better 1024 or more."
        )
    return None


def _read_lines(path: Path) -> Iterator[tuple[str, int]]:
    with path.open(encoding="utf-8", newline="\n") as stream:
        for line in stream:
            text, _, times = line.rstrip("\n").partition("\t")
            assert len(text.encode()) <= LINE_BYTES, "a line that SentencePiece would drop"
            yield text, int(times)


def main() -> None:
    """Train under the limit; prints the peak memory in bytes."""
    lines, model, vocab_size, allowed_bytes = sys.argv[1:]
    limit_memory_growth(int(allowed_bytes))
    Path(model).write_bytes(train_sentencepiece(_read_lines(Path(lines)), int(vocab_size)))
    print(peak_memory())


if __name__ == "__main__":
    run_command(main)
