"""What a table set looks like: how long its documents are, and which bases they hold."""

from collections import Counter

import numpy as np
from transformers import PreTrainedTokenizerFast

from omnina.dataset import TokenizedData

BINS = 30  # of a histogram
SAMPLED = 2000  # documents whose bases are counted
NUCLEOTIDES = "ACGTRYSWKMBDHVN"  # IUPAC, as the prompt writes them


def data_profile(data: TokenizedData, tokenizer: PreTrainedTokenizerFast) -> dict:
    """Histograms of all documents' bases and tokens, and the bases of documents at even distances.

    Returns: ``bases`` and ``tokens``, each with BINS + 1 ``edges`` and BINS ``counts``; ``composition``, how
    often each base occurs in ``composition_documents`` documents.
    """
    places = np.linspace(0, len(data) - 1, min(SAMPLED, len(data))).astype(int)
    return {
        "bases": _histogram(data.bases),
        "tokens": _histogram(data.lengths),
        "composition_documents": len(places),
        "composition": _composition(data, places, tokenizer),
    }


def _histogram(values: np.ndarray) -> dict[str, list[float]]:
    counts, edges = np.histogram(values, BINS)
    return {"edges": edges.round(1).tolist(), "counts": counts.tolist()}


def _composition(
    data: TokenizedData, places: np.ndarray, tokenizer: PreTrainedTokenizerFast
) -> dict[str, int]:
    """Bases, by counting the tokens first: a piece is spelled once, however often it occurs."""
    tokens: Counter[int] = Counter()
    for place in places:
        row = data[place]
        for start, end in np.reshape(row["sequence_spans"], (-1, 2)):
            tokens.update(np.asarray(row["input_ids"])[start:end].tolist())
    letters: Counter[str] = Counter()
    for token, count in tokens.items():
        for letter in tokenizer.convert_ids_to_tokens(token):
            letters[letter] += count
    return {letter: letters[letter] for letter in NUCLEOTIDES if letters[letter]}
