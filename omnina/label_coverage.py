"""Whether given labels hold every training answer, where the answers were too many to be listed.

Tokenising tallies the answers of a question up to a few hundred; beyond, labels given for it can only be held
against the rows themselves: one pass over those of such questions, some seconds for a million.
"""

from collections.abc import Mapping

import numpy as np
from transformers import PreTrainedTokenizerFast

from omnina.dataset import TokenizedData
from omnina.errors import UserError
from omnina.inference.questions import Question
from omnina.prompt import PromptEncoder


def check_untallied_answers(
    data: TokenizedData,
    questions: Mapping[str, Question],
    encoder: PromptEncoder,
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    """Look for training answers that are no label of their question, where no tally could tell.

    Args:
        data: training rows; a row's source is its question.
        questions: how each is answered.
        encoder, tokenizer: that the rows were tokenised with.

    Raises UserError naming such an answer and how many rows of its question have one.
    """
    for source, text in enumerate(data.sources):
        labels = questions[text].labels if text in questions else None
        if labels is None or data.answers[text] is not None:
            continue
        known = {tuple(encoder.answer_ids(label)) for label in labels}
        answers = (_answer_ids(data, row) for row in np.flatnonzero(data.source_ids == source))
        outside = [ids for ids in answers if ids not in known]
        if outside:
            example = tokenizer.decode(outside[0], skip_special_tokens=True).strip()
            raise UserError(
                f"label_sets of '{text}' leave out '{example}', which training rows answer ({len(outside):,} "
                "rows have such answers); add them, or leave the question out of label_sets, so that it is "
                "answered in free text."
            )


def _answer_ids(data: TokenizedData, row: int) -> tuple[int, ...]:
    document = data[row]
    return tuple(document["input_ids"][int(document["answer_start"]) :].tolist())
