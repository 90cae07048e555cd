"""Answers that are all as likely before the sequence is read, however often training asked for each.

A model trained on rows of which a share p(y) had the answer y gives p(y | x), in proportion to p(x | y)
p(y). With p(y) divided out, probabilities are those of a world in which each answer is as frequent as the
others (Saerens, Latinne and Decaestecker, 2002, doi:10.1162/089976602753284446; as post-hoc logit
adjustment by Menon et al., 2021, arXiv:2007.07314). Shares are those of the rows that an epoch holds:
``answer_balance`` and weights of tables are counted.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from omnina.dataset import TokenizedData
from omnina.errors import UserError
from omnina.inference.questions import Question
from omnina.prompt import PromptEncoder


def with_uniform_prior(
    questions: Mapping[str, Question],
    data: TokenizedData,
    copies: np.ndarray | None,
    encoder: PromptEncoder,
    smoothing: float = 0.0,
) -> dict[str, Question]:
    """The questions, each with the logarithms of its labels' shares; free text as it was.

    With label smoothing a label's share is what the model learns, (1 - smoothing) x that of the rows and
    smoothing / labels. Without, a label that no row answers counts as often as the rarest that some row does.

    Args:
        questions: how each is answered.
        data: training rows; a row's source is its question.
        copies: document ids of an epoch; None if each comes up once.
        encoder: that the rows were tokenised with.
        smoothing: ``label_smoothing`` of the run.

    Raises UserError where every question is answered in free text.
    """
    chosen = {text: question for text, question in questions.items() if question.labels}
    if not chosen:
        raise UserError(
            "uniform_prior: every question of the training tables is answered in free text, so there are no "
            "labels to make alike; leave it out, or name them in label_sets."
        )
    tally = _tally(data, copies, chosen)
    alike = {
        text: replace(question, log_prior=_log_shares(tally[text], question.labels, encoder, smoothing))
        for text, question in chosen.items()
    }
    return {**questions, **alike}


def _tally(data: TokenizedData, copies: np.ndarray | None, chosen: Collection[str]) -> dict[str, Counter]:
    """How often an epoch asks for each answer of the chosen questions, as token ids."""
    times = np.bincount(np.arange(len(data)) if copies is None else copies, minlength=len(data))
    tallies = [Counter() if text in chosen else None for text in data.sources]  # free text may be millions
    rows = zip(data.source_ids.tolist(), data.shards.answers(), times.tolist(), strict=True)
    for source, answer, often in rows:
        tally = tallies[source]
        if tally is not None:
            tally[answer] += often
    return dict(zip(data.sources, tallies, strict=True))


def _log_shares(tally: Counter, labels: list[str], encoder: PromptEncoder, smoothing: float) -> list[float]:
    ids = [np.array(encoder.answer_ids(label), dtype=np.uint16).tobytes() for label in labels]
    counts = np.array([tally[answer] for answer in ids], dtype=np.float64)
    if not smoothing:
        counts[counts == 0] = counts[counts > 0].min()
    shares = (1 - smoothing) * counts / counts.sum() + smoothing / len(labels)
    return np.log(shares).tolist()
