"""Tokenizers whose pieces join bases with the space before them, as SentencePiece's own do."""

import json
from pathlib import Path

from published_layout import write_tokenizer
from transformers import PreTrainedTokenizerFast

from omnina.tokenizer import SPACE, load_tokenizer

UNUSED = "\U000f0010", "\U000f0011"
SPACED_CELLS = ["ACGTACGTNA", "GGTACGGTAC", "GGG", "TACGT", "A"]


def spaced_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The published layout's, with ``_ACGT`` and ``_A``, and two more pieces: ``_G`` and ``_GG``."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(folder)
    path = folder / "tokenizer.json"
    definition = json.loads(path.read_text())
    model = definition["model"]
    for piece, old in zip((f"{SPACE}G", f"{SPACE}GG"), UNUSED, strict=True):
        model["vocab"][piece] = model["vocab"].pop(old)
    model["merges"] += [[SPACE, "G"], [f"{SPACE}G", "G"]]
    path.write_text(json.dumps(definition))
    return load_tokenizer(folder)
