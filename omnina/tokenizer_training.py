"""Train a SentencePiece BPE model on DNA and English together.

    tables and .txt files -> windows -> a seeded sample of each language -> SentencePiece -> fast tokenizer

In most tables there are ten bases to one character of English, and merges go to what is frequent: so each
language gets its share of the sample, and the scarcer one is repeated until it has its share of what
SentencePiece sees. A sample of 50 MB and 32,000 pieces took 11 seconds and 1.2 GB of memory on one core.

    python scripts/train_tokenizer.py --input data/pretrain_train_example.csv --output DIR --vocab_size 1024
"""

import hashlib
import io
import re
import string
from collections.abc import Iterable, Iterator
from pathlib import Path

import sentencepiece
from transformers import PreTrainedTokenizerFast

from omnina.errors import UserError
from omnina.prompt import FINETUNE_PROMPT, PRETRAIN_PROMPT
from omnina.table import expand_paths
from omnina.tokenizer import (
    BOS_ID,
    BOS_TOKEN,
    EOS_ID,
    EOS_TOKEN,
    UNK_ID,
    UNK_TOKEN,
    load_tokenizer,
    save_tokenizer,
    to_fast_tokenizer,
    write_json,
)
from omnina.tokenizer_sampling import DNA, ENGLISH, Language, sample_languages

SAMPLE_BYTES = 50_000_000
MAX_PROMPT_LINES = 10_000  # enough for every word of the prompts to become one piece
PRINTABLE = string.ascii_letters + string.digits + string.punctuation  # IUPAC letters among them
_OTHER = re.compile(r"[^ -~]+")
_LABEL = re.compile(r"\S+:")
_BYTE_PIECE = re.compile("<0x[0-9A-F]{2}>")


def train_tokenizer(
    inputs: Iterable[str | Path],
    output: Path,
    *,
    vocab_size: int,
    sample_bytes: int = SAMPLE_BYTES,
    text_share: float = 0.5,
    seed: int = 0,
    command: str = "",
) -> dict:
    """Sample, train, convert, save and measure.

    The same files, sizes and seed give the same bytes of tokenizer.json and tokenizer.model.

    Args:
        inputs: tables (columns ``sequence``, ``response``, ``question``) and ``.txt`` files, or globs.
        output: the folder to write.
        vocab_size: SentencePiece pieces; ``[PAD]`` comes on top.
        sample_bytes: how much text SentencePiece sees, before repetition.
        text_share: the part of it that is English, between 0 and 1.
        seed: which windows are sampled.
        command: how the run was started, for the report.

    Returns the report, which is saved as ``tokenizer_report.json``.
    Raises UserError for input that cannot be read, or a vocabulary too large or too small for it.
    """
    if not 0 < text_share < 1:
        raise UserError(f"--text_share is {text_share}; it must lie between 0 and 1, for example 0.5")
    paths = expand_paths(inputs)
    languages = sample_languages(paths, sample_bytes, text_share, seed)
    repeats = repetitions(languages, text_share)
    model = train_sentencepiece(training_lines(languages, repeats), vocab_size)
    tokenizer = _save(model, output)
    report = {
        "command": command,
        "vocab_size": vocab_size,
        "pad_token_id": tokenizer.pad_token_id,
        "seed": seed,
        "sample_bytes": sample_bytes,
        "text_share": text_share,
        "sentencepiece": sentencepiece.__version__,
        "inputs": [_file_identity(path) for path in paths],
        **{name: _describe(tokenizer, name, languages[name], repeats[name]) for name in languages},
    }
    write_json(output / "tokenizer_report.json", report)
    return report


def check_output_folder(folder: Path, overwrite: bool) -> None:
    """Raise UserError if ``folder`` is a file, or holds anything while ``overwrite`` is false."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: this is a file; name a folder to write the tokenizer to.")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise UserError(f"{folder}: this folder is not empty; name another, or add --overwrite.")


def repetitions(languages: dict[str, Language], text_share: float) -> dict[str, int]:
    """How often each sample is shown, so that about ``text_share`` of the bytes are English."""
    dna, english = (languages[name].training.sampled_bytes for name in (DNA, ENGLISH))
    if not dna or not english:
        return {DNA: 1, ENGLISH: 1}
    excess_of_dna = dna * text_share / (english * (1 - text_share))
    return {DNA: max(1, round(1 / excess_of_dna)), ENGLISH: max(1, round(excess_of_dna))}


def training_lines(languages: dict[str, Language], repeats: dict[str, int]) -> Iterator[str]:
    """What SentencePiece is shown: both samples, and the prompts, for every row has one around it.

    Lines are split at whatever is not printable ASCII: such characters are written in bytes, never get a
    piece of their own, and what stands between them is what the merges will see.
    """
    for name, language in languages.items():
        parts = [part for window in language.training.windows() for part in _OTHER.split(window) if part]
        for _ in range(repeats[name]):
            yield from parts
    prompts = [
        part.rstrip(" ")  # the space before a cell belongs to the cell
        for prompt in (PRETRAIN_PROMPT, FINETUNE_PROMPT)
        for part in (prompt.before_sequence, prompt.before_question, prompt.before_response)
    ]
    rows = max(language.training.total_windows for language in languages.values())
    for _ in range(min(rows, MAX_PROMPT_LINES)):
        yield from filter(None, prompts)


def train_sentencepiece(lines: Iterator[str], vocab_size: int) -> bytes:
    """A serialised SentencePiece BPE model of ``vocab_size`` pieces.

    Raises UserError, naming the size that is possible, if the lines do not hold as many pieces, or the
    bytes and characters alone are more.
    """
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=lines,
            model_writer=model,
            model_type="bpe",
            vocab_size=vocab_size,
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
            f"--vocab_size {vocab_size} is too large for this text: at most {largest[1]} is possible. "
            "Choose a smaller one, or add text."
        )
    if smallest := re.search(r"Vocabulary size is smaller than required_chars\. \d+ vs (\d+)", message):
        return UserError(
            f"--vocab_size {vocab_size} is too small: the 256 bytes and the single characters alone are "
            f"{smallest[1]} pieces. Choose at least {smallest[1]}, better 1024 or more."
        )
    return None


def _save(model: bytes, folder: Path) -> PreTrainedTokenizerFast:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.model").write_bytes(model)
    to_fast_tokenizer(model).save(str(folder / "tokenizer.json"))
    (folder / "added_tokens.json").unlink(missing_ok=True)  # of a tokenizer that is overwritten
    tokenizer = load_tokenizer(folder)
    save_tokenizer(tokenizer, folder)
    return tokenizer


def _file_identity(path: Path) -> dict:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"path": str(path), "bytes": path.stat().st_size, "sha256": digest}


def _describe(tokenizer: PreTrainedTokenizerFast, name: str, language: Language, repeat: int) -> dict:
    """One language in the report: what was sampled, and how it is tokenised."""
    training, held_out = language.training, language.held_out
    return {
        "total_bytes": training.total_bytes + held_out.total_bytes,
        "held_out_bytes": held_out.total_bytes,
        "sampled_bytes": training.sampled_bytes,
        "sampled_share": round(training.sampled_bytes / max(training.total_bytes, 1), 6),
        "repeated": repeat,
        "windows": training.total_windows + held_out.total_windows,
        "measured": _measure(tokenizer, name, language),
    }


def _measure(tokenizer: PreTrainedTokenizerFast, name: str, language: Language) -> dict | None:
    """Characters (in DNA: bases) per token, and the shares of unknown and of byte tokens.

    On the held-out windows, or the training windows where nothing was held out; None without any. The
    spaces and labels (``gRNA:``) of DNA are not counted as bases.
    """
    held_out = language.held_out.windows()
    windows = held_out or language.training.windows()
    texts = [_LABEL.sub("", window) if name == DNA else window for window in windows]
    encodings = tokenizer.backend_tokenizer.encode_batch(texts, add_special_tokens=False)
    tokens = [token for encoding in encodings for token in encoding.tokens]
    if not tokens:
        return None
    characters = sum(len(text) - (text.count(" ") if name == DNA else 0) for text in texts)
    return {
        "on": "held-out windows" if held_out else "training windows",
        "bases" if name == DNA else "characters": characters,
        "tokens": len(tokens),
        "bases_per_token" if name == DNA else "characters_per_token": round(characters / len(tokens), 3),
        "unknown_rate": tokens.count(UNK_TOKEN) / len(tokens),
        "byte_rate": round(sum(map(bool, map(_BYTE_PIECE.fullmatch, tokens))) / len(tokens), 6),
    }
