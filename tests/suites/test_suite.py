"""Suites whose runs are stand-ins: what is checked before the first, what is kept, what the table has."""

import json
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml

from omnina.errors import UserError
from omnina.evaluation.evaluate import MODEL
from omnina.evaluation.files import LAST_FILE, METRICS_FILE
from omnina.suites import runs, suite
from omnina.suites.folders import read_tasks
from omnina.suites.published import SuiteNotes
from omnina.suites.runs import Reading
from omnina.suites.suite import FIGURES_FILE, TABLE_FILE, Suite

ROOT = Path(__file__).parents[2]
SHORT = ROOT / "configs" / "finetune" / "short_sequences.yaml"


@pytest.fixture
def tasks(tmp_path) -> Path:
    """A folder of the tasks a and b."""
    for name in "ab":
        for split, end in (("train", "T"), ("dev", "G"), ("test", "C")):
            rows = "".join(f"ACGT{'CA' * number}{end},{number % 2}\n" for number in range(20))
            path = tmp_path / "mine" / name / f"{split}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("sequence,label\n" + rows)
    return tmp_path / "mine"


@pytest.fixture
def config(tmp_path) -> Path:
    """short.yaml with an architecture, a copy of the committed one, that a test can change."""
    shutil.copy(ROOT / "configs" / "model" / "short.yaml", tmp_path / "model.yaml")
    path = tmp_path / "short.yaml"
    path.write_text(
        yaml.safe_dump(yaml.safe_load(SHORT.read_text()) | {"model_config": str(tmp_path / "model.yaml")})
    )
    return path


@pytest.fixture
def began(monkeypatch) -> list[list[str]]:
    """The trainings and tests that began; each ends at once, an MCC of 0.5 and a tenth of its seed."""
    commands: list[list[str]] = []

    def launch(script, config, settings, more=()):
        settings["output_dir"].mkdir(parents=True)
        commands.append([script, str(config), *more])

    def evaluate(command, check):
        output = command[command.index("--output") + 1]
        seed = int(output.parent.name.removeprefix("seed_"))
        figures = {"mcc": 0.5 + seed / 10, "interval": {"mcc": [0.25, 0.75]}}
        results = {MODEL: figures, "k-mers (9 training rows)": {"mcc": 0.4, "interval": {"mcc": [0.3, 0.5]}}}
        cut = {"rows": 20, "cut_rows": 5 * seed, "bases": 9000, "cut_bases": 1200 * seed}
        output.mkdir(exist_ok=True)
        (output / METRICS_FILE).write_text(json.dumps({"results": {"?": results}, "cut": {"?": cut}}))
        (output / LAST_FILE).write_text("")
        commands.append(["evaluate.py", *map(str, command[2:])])
        return subprocess.CompletedProcess(command, 0)

    def convolution_of(task, folder, seed):
        return {"mcc": seed / 10, "interval": {"mcc": [0.0, 0.2]}}

    monkeypatch.setattr(runs, "launch", launch)
    monkeypatch.setattr(runs.subprocess, "run", evaluate)
    monkeypatch.setattr(suite, "convolution_metrics", convolution_of)
    return commands


@pytest.fixture
def run(tasks, config, tmp_path, began) -> Callable[..., str]:
    """The suite of a and b, with one seed unless others are given."""
    (tmp_path / "out").mkdir()

    def of(
        behind: Sequence[str] = (),
        seeds: Sequence[int] = (1,),
        configs: Sequence[Path] = (config,),
        reading=runs.AS_TRAINED,
    ) -> str:
        of_suite = Suite(configs, seeds, SuiteNotes(), tmp_path / "out", None, behind, reading)
        return of_suite.run(read_tasks(tasks, SuiteNotes()))

    return of


def test_one_seed_has_the_interval_of_the_test_rows_and_several_that_of_seeds(run, tmp_path):
    table = run()
    assert "| short | k-mers | convolution |" in table
    assert "| a | 0.600 [0.250, 0.750] | 0.400 [0.300, 0.500] | 0.100 [0.000, 0.200] |" in table
    figures = json.loads((tmp_path / "out" / FIGURES_FILE).read_text())
    assert figures["a"]["intervals"] == {"short": [0.25, 0.75]}
    table = run(seeds=[1, 3])
    # the convolution: of the same seeds
    assert "| a | 0.700 ± 1.271 | 0.400 [0.300, 0.500] | 0.200 ± 1.271 |" in table
    assert json.loads((tmp_path / "out" / FIGURES_FILE).read_text())["a"]["intervals"] == {}


def test_rows_that_were_not_read_whole_are_told_below_the_table(run, began, tmp_path):
    table = run()
    told = (
        "b, short: of 5 of 20 rows the end did not fit: 1,200 of 9,000 bases, of each strand that was read."
    )
    assert f"**Not of whole rows**: {told} Baselines and published models" in table
    assert (tmp_path / "out" / TABLE_FILE).read_text() == table
    assert (
        json.loads((tmp_path / "out" / FIGURES_FILE).read_text())["b"]["cut_rows"]["short"]["cut_rows"] == 5
    )
    assert "Not of whole rows" not in run(seeds=[0])


def test_figures_that_do_not_say_what_was_read_are_made_anew(run, began, tmp_path):
    run()
    path = tmp_path / "out" / "a" / "short" / "seed_1" / "test" / METRICS_FILE
    path.write_text(json.dumps({"results": json.loads(path.read_text())["results"]}))
    run()
    assert [command[0] for command in began[4:]] == ["evaluate.py"]


def test_finished_runs_are_kept(run, began):
    table = run()
    made = len(began)
    assert made == 4 and run() == table and len(began) == made


def test_another_architecture_under_the_same_name_is_refused(run, began, tmp_path):
    run()
    model = tmp_path / "model.yaml"
    model.write_text(model.read_text().replace("num_hidden_layers: 4", "num_hidden_layers: 2"))
    with pytest.raises(UserError, match=r"seed_1: figures of other settings are here \(other start\)"):
        run()
    assert len(began) == 4


def test_another_checkpoint_under_the_same_name_is_refused(run, began, config, checkpoint, tmp_path):
    shutil.copytree(checkpoint, tmp_path / "base")
    values = yaml.safe_load(config.read_text()) | {"max_length": 512}
    for key in ("model_config", "tokenizer", "local_heads"):
        del values[key]
    config.write_text(yaml.safe_dump(values))
    behind = ["--checkpoint", str(tmp_path / "base")]
    run(behind)
    weights = tmp_path / "base" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(UserError, match=r"\(other start\)"):
        run(behind)


def test_paths_in_a_yaml_are_from_the_repositorys_root(run, began, config, tmp_path, monkeypatch):
    values = yaml.safe_load(config.read_text()) | {"model_config": "configs/model/short.yaml"}
    config.write_text(yaml.safe_dump(values))
    monkeypatch.chdir(tmp_path)
    run()
    assert len(began) == 4 and Path.cwd() == tmp_path


@pytest.mark.parametrize(
    ("changes", "behind", "told"),
    [
        ({"learning_rat": 1}, (), "second: .*unknown key 'learning_rat'"),
        ({}, ("--learning_rat", "1"), "short: unknown key 'learning_rat'"),
        ({"model_config": "none.yaml"}, (), r"second: none\.yaml: there is no such file"),
        ({"max_length": 3000, "tokens_per_device": 4096}, (), r"second: max_length \(3000\) exceeds"),
        ({"resume_from_checkpoint": "some"}, (), "second: resume_from_checkpoint: these runs go on"),
    ],
)
def test_a_mistake_in_any_configuration_is_told_before_the_first_run(
    run, began, config, tmp_path, changes, behind, told
):
    second = tmp_path / "second.yaml"
    second.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | changes))
    with pytest.raises(UserError, match=told):
        run(behind, configs=[config, second])
    assert not began and not list((tmp_path / "out").iterdir())


def test_a_bad_row_of_the_last_task_is_told_before_the_first_run(run, began, tasks, tmp_path):
    with (tasks / "b" / "test.csv").open("a") as stream:
        stream.write("ACGX,1\n")
    with pytest.raises(UserError, match="b: a test row"):
        run()
    assert not began and not list((tmp_path / "out").iterdir())


def test_other_rows_of_the_last_task_are_told_before_the_first_run(run, began, tasks):
    run()
    with (tasks / "b" / "test.csv").open("a") as stream:
        stream.write("ACGG,1\n")
    with pytest.raises(UserError, match=r"b/test\.csv: there are other rows"):
        run(seeds=[2])
    assert len(began) == 4


def test_several_cuts_of_single_bases_are_told_before_the_first_run(run, began):
    with pytest.raises(UserError, match="short: --segmentations: it reads single bases, in one way only"):
        run(["--resolution", "bases"], reading=Reading(segmentations=2))
    assert not began


def test_a_finished_run_is_read_otherwise_without_training(run, began):
    pieces = ["--resolution", "pieces"]
    run(pieces)
    table = run(pieces, reading=Reading(segmentations=8))
    assert "| short_8_segmentations |" in table
    assert [command[0] for command in began[4:]] == ["evaluate.py"] * 2
    assert began[4][-4:] == ["--resolution", "pieces", "--segmentations", "8"]
    assert "short_bases" in run(pieces, reading=Reading("bases"))
    with pytest.raises(UserError, match="single bases can be cut in one way only"):
        Reading("bases", 2)


@pytest.fixture
def run_suite(monkeypatch, tmp_path, began) -> Callable[..., None]:
    """The command in this process, from a folder that is not the repository's."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: object) -> None:
        monkeypatch.setattr(sys, "argv", ["run_suite.py", *map(str, arguments)])
        runpy.run_path(str(ROOT / "scripts" / "run_suite.py"))["main"]()

    return command


def test_paths_on_the_command_line_are_from_where_it_is_given(run_suite, tasks, config, began, tmp_path):
    run_suite("mine", "--config", "short.yaml", "--output", "made", "--seeds", "1", "--tasks", "b")
    assert began[0] == ["finetune.sh", str(config)]
    made = tmp_path / "made" / "b"
    assert began[1][1:5] == ["--checkpoint", f"{made}/short/seed_1", "--input", f"{made}/test.csv"]
    run_suite("mine", "--output", "others", "--seeds", "1", "--tasks", "b")
    assert began[2] == ["finetune.sh", str(SHORT)]


def test_an_output_among_the_tasks_is_refused(run_suite, tasks, began):
    with pytest.raises(UserError, match="--output mine/out lies in the suite's folder mine"):
        run_suite("mine", "--output", "mine/out")
    with pytest.raises(UserError, match="is the folder that mine/a lies in"):
        run_suite("mine/a", "--output", "mine")
    assert not began and not (tasks / "out").exists()
