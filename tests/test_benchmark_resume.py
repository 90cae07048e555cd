import pytest
from world import make_world

from omnina.benchmarks.figures import markdown_table
from omnina.benchmarks.resume import measure_resume


@pytest.mark.slow
def test_a_run_is_resumed_at_each_step_asked_for(tmp_path):
    world = make_world(tmp_path)
    where = (str(world / "pretrain_train.csv"), str(world / "tokenizer"), str(world / "model.yaml"))
    rows = measure_resume(*where, [10, 100_000], repeats=1)
    small, large = [row["value"] for row in rows[:3]], [row["value"] for row in rows[5:8]]
    assert all(" to " in row["value"] for row in (*rows[3:5], *rows[8:]))
    assert large[0] > 1000 * small[0]  # epochs
    assert all(whole > since_train > 0 for _, whole, since_train in (small, large))
    assert "going on at step 100,000" in markdown_table(rows)
