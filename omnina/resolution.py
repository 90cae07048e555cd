"""How finely DNA is cut: into the tokenizer's pieces, or into single bases with the same vocabulary.

A run whose rows have a resolution each (``random``, see ``resolution_draws.py``) keeps the tokenizer whole.

Pieces make documents four to five times as short; single bases put every base at its own place, which is
worth more where sequences are short and a signal lies at a certain base. A tokenizer of single bases is the
same without the merges that join bases, so any checkpoint's vocabulary allows it, and whoever loads the saved
one gets the ids of training.
"""

import json

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from omnina.chunking import IUPAC, PIECES, RANDOM
from omnina.errors import UserError
from omnina.tokenizer import copied_with


def at_resolution(tokenizer: PreTrainedTokenizerFast, resolution: str) -> PreTrainedTokenizerFast:
    """The tokenizer as it is (``pieces``, ``random``), or one that joins no two bases (``bases``).

    Raises UserError for ``random`` where the tokenizer has no pieces of DNA.

    What is no base keeps its pieces; so do words, but for capitals that are IUPAC letters side by side: "DNA"
    becomes three tokens.
    """
    if resolution == PIECES:
        return tokenizer
    definition = json.loads(tokenizer.backend_tokenizer.to_str())
    model = definition["model"]
    kept = [pair for pair in model["merges"] if not set("".join(pair)) <= set(IUPAC)]
    if resolution == RANDOM:
        if len(kept) == len(model["merges"]):
            raise UserError("resolution: random needs a tokenizer with pieces of DNA; this has bases alone.")
        return tokenizer
    model["merges"] = kept
    return copied_with(tokenizer, Tokenizer.from_str(json.dumps(definition)))
