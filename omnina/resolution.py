"""How finely DNA is cut: into the tokenizer's pieces, or into single bases with the same vocabulary.

A run whose rows have a resolution each (``random``, or a number; see ``resolution_draws.py``) keeps the
tokenizer whole.

Pieces make documents four to five times as short; single bases put every base at its own place, which is
worth more where sequences are short and a signal lies at a certain base. A tokenizer of single bases is the
same without the merges that join bases, so any checkpoint's vocabulary allows it, and whoever loads the saved
one gets the ids of training.
"""

import json

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from omnina.chunking import IUPAC, PIECES
from omnina.errors import UserError
from omnina.resolution_setting import is_drawn
from omnina.tokenizer import SPACE, copied_with


def at_resolution(tokenizer: PreTrainedTokenizerFast, resolution: str) -> PreTrainedTokenizerFast:
    """The tokenizer as it is (``pieces``, and what is drawn), or one that joins no two bases (``bases``).

    Raises UserError for a resolution that is drawn where the tokenizer has no pieces of DNA.

    The space before a sequence goes with its first base where the tokenizer has a token for the two. What is
    no base keeps its pieces; so do words, but for capitals that are IUPAC letters side by side: "DNA" becomes
    three tokens.
    """
    if resolution == PIECES:
        return tokenizer
    definition = json.loads(tokenizer.backend_tokenizer.to_str())
    merges = definition["model"]["merges"]
    if is_drawn(resolution):
        if not any(map(_joins_bases, merges)):
            raise UserError(
                f"resolution: {resolution} needs a tokenizer with pieces of DNA; this has bases alone."
            )
        return tokenizer
    definition["model"]["merges"] = [pair for pair in merges if not _joins_bases(pair)]
    return copied_with(tokenizer, Tokenizer.from_str(json.dumps(definition)))


def has_pieces(tokenizer: PreTrainedTokenizerFast) -> bool:
    """Whether it joins bases, so that there are several ways to cut a sequence into its tokens."""
    return any(map(_joins_bases, json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]))


def _joins_bases(pair: list[str]) -> bool:
    """Whether a merge puts bases into one token; a space may stand before them.

    Behind a space it is enough to look at two single bases: longer halves come of such merges, or of those
    without a space, so in a tokenizer of single bases they never arise. Such merges stay where they are, and
    saved tokenizers are known for what they are.
    """
    left, right = pair
    if left.startswith(SPACE):
        return {left.lstrip(SPACE), right} <= set(IUPAC)
    return set(left + right) <= set(IUPAC)
