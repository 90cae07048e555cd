import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnina.corpus.dedup import numbering
from omnina.corpus.dedup.numbering import Numbering
from omnina.errors import UserError


@given(st.lists(st.integers(0, 4), max_size=12), st.integers(1, 5))
def test_numbers_run_over_units_in_order_whichever_task_holds_them(counts, tasks):
    found = Numbering(np.array(counts, dtype=np.int64), tasks)
    held, rows = [], [0] * tasks
    for unit, count in enumerate(counts):
        for _ in range(count):
            held.append((unit % tasks, rows[unit % tasks]))
            rows[unit % tasks] += 1
    assert found.passages == len(held)
    of_tasks, of_rows = found.held(np.arange(len(held), dtype=np.uint32))
    assert list(zip(of_tasks.tolist(), of_rows.tolist(), strict=True)) == held
    assert found.numbers(of_tasks, of_rows.astype(np.uint32)).tolist() == list(range(len(held)))
    spans = [(task, row + more) for task, row, count in found.spans() for more in range(count)]
    assert spans == held


def test_more_passages_than_numbers_are_refused(monkeypatch):
    monkeypatch.setattr(numbering, "MOST", 5)
    Numbering(np.array([2, 3]), 2)
    with pytest.raises(UserError, match="among 5 passages at most, and here are 6"):
        Numbering(np.array([3, 3]), 2)
