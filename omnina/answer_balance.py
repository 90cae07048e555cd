"""Rare answers come up more often: which documents an epoch of fine-tuning holds how many times.

Of a question whose most frequent answer comes up M times, one that would come up n times does so
n (M / n)^b times; the balance b is 0 for the tables as they are, and 1 for every answer of the question
equally often. (As languages are sampled by Conneau and Lample, 2019, arXiv:1901.07291, section 3.1, who keep
the epoch's length.) Questions that are answered in free text are left as they are.
"""

from collections.abc import Collection, Iterator

import numpy as np

from omnina.dataset import TokenizedData
from omnina.errors import UserError
from omnina.mixing import drawn_times


def balanced_copies(
    data: TokenizedData, balance: float, by_table: np.ndarray, choices: Collection[str], seed: int
) -> np.ndarray:
    """Document ids of an epoch, (copies,), each at least once, its copies far from each other.

    Args:
        data: training rows; a row's source is its question.
        balance: above 0, at most 1.
        by_table: (tables,) how often the documents of each come up where answers play no part.
        choices: questions that have labels although their answers were too many to be tallied.
        seed: chooses the documents that come up once more than others of their answer.

    Raises UserError where every question is answered in free text.
    """
    answers = _answer_numbers(data, choices)
    if (answers < 0).all():
        raise UserError(
            "answer_balance: every question of the training tables is answered in free text, so there are no "
            "answers to balance; leave it out, or name them in label_sets."
        )
    tables = np.repeat(np.arange(len(by_table)), list(data.documents_by_file.values()))
    often = by_table[tables] * _factors(answers, data.source_ids, by_table[tables], balance)
    generator = np.random.default_rng(seed)
    times = np.zeros(len(data), dtype=np.int64)
    for rows in _groups(answers * len(by_table) + tables):
        times[rows] = drawn_times(len(rows), often[rows[0]], generator)
    return _spread(times)


def _answer_numbers(data: TokenizedData, choices: Collection[str]) -> np.ndarray:
    """(documents,) a number for each answer of each question; -1 where it is free text."""
    free = np.array([data.answers[text] is None and text not in choices for text in data.sources])
    numbers = np.full(len(data), -1)
    known: dict[tuple[int, bytes], int] = {}
    asked = zip(data.source_ids.tolist(), data.shards.answers(), strict=True)
    for place, (question, answer) in enumerate(asked):
        if not free[question]:
            numbers[place] = known.setdefault((question, answer), len(known))
    return numbers


def _factors(answers: np.ndarray, questions: np.ndarray, often: np.ndarray, balance: float) -> np.ndarray:
    """(documents,) (M / n)^b of each one's answer; 1 where it is free text."""
    known = answers >= 0
    sums = np.bincount(answers[known], often[known])
    most = np.zeros(questions.max() + 1)
    np.maximum.at(most, questions[known], sums[answers[known]])
    factors = np.ones(len(answers))
    factors[known] = (most[questions[known]] / sums[answers[known]]) ** balance
    return factors


def _groups(keys: np.ndarray) -> Iterator[np.ndarray]:
    """Places of equal keys, in the order of the keys."""
    order = np.argsort(keys, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(keys[order])) + 1)


def _spread(times: np.ndarray) -> np.ndarray:
    """Each row as often as ``times`` says, at even distances, neighbours still beside each other.

    Steps are drawn from a stretch of an epoch: of a row whose copies stood together, some would see nothing
    and others little else.
    """
    rows = np.repeat(np.arange(len(times)), times)
    copy = np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times)
    place = (copy + rows / len(times)) / times[rows]  # from 0 to 1
    return rows[np.argsort(place, kind="stable")]
