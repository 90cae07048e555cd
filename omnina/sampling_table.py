"""What an epoch of fine-tuning holds: the log's table of rows and tokens by question."""

import numpy as np

from omnina.stage import Stage

MOST_QUESTIONS = 50  # more would hide the rest of the log


def print_sampling(stage: Stage) -> None:
    """Print, for each question, its rows, how often an epoch asks it, and its share of the tokens."""
    if not stage.is_main:
        return
    data, plan = stage.train, stage.plan
    items = np.arange(len(data)) if plan.copies is None else plan.copies
    asked = np.bincount(data.source_ids[items], minlength=len(data.sources))
    tokens = np.bincount(data.source_ids[items], data.lengths[items], minlength=len(data.sources))
    rows = np.bincount(data.source_ids, minlength=len(data.sources))
    print(f"{'rows':>9}{'an epoch':>10}{'tokens':>8}  answers  question")
    for index in np.argsort(-asked)[:MOST_QUESTIONS]:
        question = data.sources[index]
        answers = data.answers[question]
        kinds = "free text" if answers is None else str(len(answers))
        share = tokens[index] / tokens.sum()
        print(f"{rows[index]:>9,}{asked[index]:>10,}{share:>8.1%}  {kinds:<9}{question}")
    if len(data.sources) > MOST_QUESTIONS:
        print(f"... and {len(data.sources) - MOST_QUESTIONS} more questions.")
