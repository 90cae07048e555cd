"""What an epoch of fine-tuning holds: the log's table of rows and tokens by question."""

import numpy as np

from omnina.packing import BLOCK_ROWS
from omnina.stage import Stage

MOST_QUESTIONS = 50  # more would hide the rest of the log


def print_sampling(stage: Stage) -> None:
    """Print, for each question, its rows, how often an epoch asks it, and its share of the tokens."""
    if not stage.is_main:
        return
    data, plan = stage.train, stage.plan
    asked, tokens, rows = (np.zeros(len(data.sources), dtype=np.int64) for _ in range(3))
    for first in range(0, plan.items_per_epoch, BLOCK_ROWS):  # temporary arrays of a block, not of all rows
        items = plan.items(first, first + BLOCK_ROWS)
        np.add.at(asked, data.source_ids[items], 1)
        np.add.at(tokens, data.source_ids[items], data.lengths[items])
    for first in range(0, len(data), BLOCK_ROWS):
        np.add.at(rows, data.source_ids[first : first + BLOCK_ROWS], 1)
    print(f"{'rows':>9}{'an epoch':>10}{'tokens':>8}  answers  question")
    for index in np.argsort(-asked)[:MOST_QUESTIONS]:
        question = data.sources[index]
        answers = data.answers[question]
        kinds = "free text" if answers is None else str(len(answers))
        share = tokens[index] / tokens.sum()
        print(f"{rows[index]:>9,}{asked[index]:>10,}{share:>8.1%}  {kinds:<9}{question}")
    if len(data.sources) > MOST_QUESTIONS:
        print(f"... and {len(data.sources) - MOST_QUESTIONS} more questions.")
