"""What each token of a document is: wording, sequence, question or annotation."""

from collections.abc import Mapping

import numpy as np

KINDS = ("prompt", "sequence", "annotation")
PROMPT, SEQUENCE, ANNOTATION = range(3)


def token_kinds(row: Mapping) -> np.ndarray:
    """(tokens,) PROMPT, SEQUENCE or ANNOTATION of each token of a document; EOS is annotation."""
    kinds = np.full(len(row["input_ids"]), PROMPT)
    for start, end in np.asarray(row["sequence_spans"]).reshape(-1, 2):
        kinds[start:end] = SEQUENCE
    kinds[int(row["answer_start"]) :] = ANNOTATION
    return kinds
