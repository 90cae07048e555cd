"""What each token of a document is: wording, sequence, question or annotation."""

from collections.abc import Mapping

import numpy as np

KINDS = ("prompt", "sequence", "annotation", "written sequence")
PROMPT, SEQUENCE, ANNOTATION, WRITTEN = range(4)


def token_kinds(row: Mapping) -> np.ndarray:
    """(tokens,) PROMPT, SEQUENCE, ANNOTATION or WRITTEN of each token of a document.

    The EOS of an annotation is part of it. A sequence behind its annotation is WRITTEN, the rest PROMPT.
    """
    kinds = np.full(len(row["input_ids"]), PROMPT)
    written = is_written(row)
    for start, end in np.asarray(row["sequence_spans"]).reshape(-1, 2):
        kinds[start:end] = WRITTEN if written else SEQUENCE
    if not written:
        kinds[int(row["answer_start"]) :] = ANNOTATION
    return kinds


def is_written(row: Mapping) -> bool:
    """Whether a document goes from the annotation to the sequence."""
    return int(np.min(row["sequence_spans"])) >= int(row["answer_start"])
