"""What tokenizer_report.json says of a sample: what was read, what was kept of it, how it is tokenised."""

import hashlib
import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from omnina.special_tokens import UNK_TOKEN
from omnina.vocabulary.sampling import Language
from omnina.vocabulary.units import InputFile, Unit
from omnina.vocabulary.windows import DNA, ENGLISH

BYTE_PIECE = re.compile("<0x[0-9A-F]{2}>")
_LABEL = re.compile(r"\S+:")


def describe_sample(
    tokenizer: PreTrainedTokenizerFast,
    units: Sequence[Unit],
    chosen: Sequence[Unit],
    languages: dict[str, Language],
    repeats: dict[str, int],
) -> dict:
    """The report's part on the sample; what the user should know of it stands under ``notes``."""
    shown = {name: languages[name].training.sampled_bytes * repeats[name] for name in languages}
    reached = shown[ENGLISH] / sum(shown.values())
    return {
        "read": {
            "units": len(chosen),
            "of_units": len(units),
            "bytes": sum(unit.text_bytes for unit in chosen),
            "of_bytes": sum(unit.text_bytes for unit in units),
        },
        "inputs": [_file_identity(file) for file, _ in groupby(chosen, key=lambda unit: unit.file)],
        "text_share_reached": round(reached, 4),
        "notes": _notes(len(chosen) < len(units), languages, repeats, reached),
        **{name: _describe(tokenizer, name, languages[name], repeats[name]) for name in languages},
    }


def _notes(
    is_part: bool, languages: dict[str, Language], repeats: dict[str, int], reached: float
) -> list[str]:
    """Where a language was too scarce for its share of the sample, and what was done."""
    notes = []
    more = (
        "raise --read_bytes to read more of the input" if is_part else "there is no more of it in the input"
    )
    for name, language in languages.items():
        sample = language.training
        if not sample.total_bytes:
            notes.append(f"there is no {name} in what was read: it has no share of the sample; {more}")
        elif (times := repeats[name] / min(repeats.values())) > 1:
            notes.append(
                f"{name}: {sample.sampled_bytes:,} bytes where {sample.budget:,} were wanted, so they count "
                f"{times:g} times; English is {reached:.1%} of what SentencePiece saw; {more}"
            )
    return notes


def _file_identity(file: InputFile) -> dict:
    """Path, length and sha256; the manifest's where there is one, for reading it all only to hash is slow."""
    digest = file.sha256 or _sha256(file.path)
    return {"path": str(file.path), "bytes": file.path.stat().st_size, "sha256": digest}


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
    held_out = list(language.held_out.windows())
    windows = held_out or list(language.training.windows())
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
        "byte_rate": round(sum(map(bool, map(BYTE_PIECE.fullmatch, tokens))) / len(tokens), 6),
    }
