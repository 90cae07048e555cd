"""What the page says is what the run's files say, of finished runs and of others."""

import json
import shutil
from dataclasses import replace
from html import escape
from pathlib import Path

import pytest

from omnina.errors import UserError
from omnina.report.charts import MOST_POINTS, Line, _thinned, training_charts
from omnina.report.coloured import bits_per_base, stretches
from omnina.report.page import report_run, report_runs
from omnina.report.run_files import read_run


def test_a_run_leaves_its_page_with_its_own_figures(finished):
    page = (finished / "report.html").read_text()
    results = json.loads((finished / "evaluation/metrics.json").read_text())["results"]
    for question, systems in results.items():
        assert escape(question) in page
        for metrics in systems.values():
            low, high = metrics["interval"]["mcc"]
            assert f"{metrics['mcc']:.3f} [{low:.2f}-{high:.2f}]" in page
    record = json.loads((finished / "run.json").read_text())
    assert record["data"]["train"] in page
    assert escape(record["command"]) in page
    assert f"{record['counts']['train']['tokens']:,}" in page


def test_nothing_is_fetched_and_nothing_runs(finished):
    page = (finished / "report.html").read_text()
    assert "<script" not in page
    assert "src=" not in page
    assert "url(http" not in page


def test_a_chart_and_its_table_hold_the_log(finished):
    run = read_run(finished)
    charts = {chart.title: chart for chart in training_charts([run])}
    logged = [entry["loss"] for entry in run.log if "loss" in entry]
    assert [values[0] for _, values in charts["Loss over tokens"].table() if values[0] is not None] == logged
    assert {"Loss over time", "Learning rate", "Gradient norm", "Tokens per second", "Peak memory"} <= set(
        charts
    )
    seen = [entry["tokens_seen"] for entry in run.log if "loss" in entry]
    rates = charts["Tokens per second"].lines[0].points
    assert [x for x, _ in rates] == pytest.approx([tokens / 1e6 for tokens in seen])


def test_the_mfu_over_time_is_that_of_one_process(finished):
    run = read_run(finished)
    both = dict(run.record) | {"processes": 2 * run.record["processes"]}
    one, two = (
        next(chart for chart in training_charts([each]) if "MFU" in chart.title).lines[0].points
        for each in (run, replace(run, record=both))
    )
    assert [y for _, y in one] == pytest.approx([2 * y for _, y in two])
    rates = [entry["model_tflops_per_second"] for entry in run.log if "loss" in entry]
    ceiling = run.record["matrix_product_ceiling_tflops"]
    assert [y for _, y in one] == pytest.approx([rate / ceiling for rate in rates])


def test_time_goes_on_where_a_run_went_on(finished):
    seconds = [entry["seconds"] for entry in read_run(finished).log]
    assert seconds == sorted(seconds)


def test_a_run_at_work_is_shown_as_of_its_last_checkpoint(finished, tmp_path):
    folder = _copy(finished, tmp_path / "at_work")
    for name in ("run.json", "training_log.json"):
        (folder / name).unlink()
    shutil.rmtree(folder / "evaluation")
    text = report_run(folder).read_text()
    assert "at work or stopped: step 12, its last checkpoint" in text
    assert "Loss over" in text


def test_a_run_before_its_first_checkpoint(finished, tmp_path):
    (tmp_path / "config.yaml").write_text((finished / "config.yaml").read_text())
    assert "before its first checkpoint" in report_run(tmp_path).read_text()


def test_runs_side_by_side_show_what_differs(finished, tmp_path):
    other = _copy(finished, tmp_path / "other")
    settings = other / "config.yaml"
    settings.write_text(settings.read_text().replace("dropout: 0.1", "dropout: 0.7"))
    text = report_runs([finished, other], tmp_path / "both.html").read_text()
    assert '<th scope="row">dropout</th>\n<td>0.1</td>\n<td>0.7</td>' in text
    assert '<th scope="row">max_steps</th>' not in text
    assert 'href="other/report.html"' in text
    assert "other: training" in text


def test_runs_of_like_folders_are_told_apart(finished, tmp_path):
    folders = [_copy(finished, tmp_path / name / "run") for name in ("a", "b")]
    text = report_runs(folders, tmp_path / "both.html").read_text()
    for folder in folders:
        assert f'<th scope="col">{folder}</th>' in text


def test_refusals(finished, tmp_path):
    with pytest.raises(UserError, match=r"no config\.yaml is in it.*output/finetune"):
        report_run(tmp_path)
    with pytest.raises(UserError, match="named twice"):
        report_runs([finished, finished], tmp_path / "page.html")
    broken = _copy(finished, tmp_path / "broken")
    (broken / "evaluation/curves.json").write_text('{"Which?": {"roc": 3}}')
    with pytest.raises(UserError, match=r"curves\.json or examples\.json is not as evaluation"):
        report_run(broken)


def test_stretches_rejoin_to_the_sequence():
    bases, nats = "ACGTACGT", [-0.1, -0.2, -1.5, -1.6, -9.0, -9.0, 0.0, -0.7]
    found = list(stretches(bases, nats))
    assert "".join(stretch.bases for stretch in found) == bases
    assert [(stretch.bases, stretch.level) for stretch in found] == [
        ("AC", 0),
        ("GT", 2),
        ("AC", 5),
        ("G", 0),
        ("T", 1),
    ]
    assert bits_per_base([-0.6931471805599453] * 4) == pytest.approx(1)


def test_a_long_log_is_thinned_but_keeps_its_ends_and_its_spike():
    points = [(float(step), 9.0 if step == 777 else step % 2) for step in range(10_000)]
    kept = _thinned(points)
    assert len(kept) <= MOST_POINTS + 2
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert (777.0, 9.0) in kept
    assert kept == sorted(kept)
    assert Line("few", _thinned(points[:7])).points == points[:7]


def _copy(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to
