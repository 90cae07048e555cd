"""Rare answers come up more often: how often an epoch of fine-tuning holds each document.

Of a question whose most frequent answer has M documents, one with n comes up (M / n)^b times each; the
balance b is 0 for the table as it is, and 1 for every answer of the question equally often. (As languages
are sampled by Conneau and Lample, 2019, arXiv:1901.07291, section 3.1, who keep the epoch's length.)
Questions that are answered in free text keep one time each.
"""

import numpy as np

from omnina.dataset import TokenizedData


def answer_repeats(data: TokenizedData, balance: float) -> np.ndarray:
    """(documents,) float64 how often each comes up in an epoch, at least once; reads every document.

    Args:
        data: training rows; a row's source is its question.
        balance: from 0 to 1.
    """
    answers = _answer_numbers(data)
    counts = np.bincount(answers[answers >= 0])
    repeats = np.ones(len(data))
    for question in np.unique(data.source_ids):
        asked = np.flatnonzero((data.source_ids == question) & (answers >= 0))
        if len(asked):
            own = counts[answers[asked]]
            repeats[asked] = (own.max() / own) ** balance
    return repeats


def _answer_numbers(data: TokenizedData) -> np.ndarray:
    """(documents,) a number for each answer of each question; -1 where they are free text."""
    free = np.array([data.answers[question] is None for question in data.sources])
    numbers = np.full(len(data), -1)
    known: dict[tuple[int, bytes], int] = {}
    for place in np.flatnonzero(~free[data.source_ids]):
        row = data[place]
        answer = row["input_ids"][int(row["answer_start"]) :].tobytes()
        numbers[place] = known.setdefault((row["source"], answer), len(known))
    return numbers
