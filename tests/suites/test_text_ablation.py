"""The ablation of the text: its tables, what is checked before anything is written, and stand-ins of runs."""

import csv
import json
import runpy
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import world as worlds
import yaml

from omnina.errors import UserError
from omnina.evaluation.evaluate import MODEL
from omnina.evaluation.files import EVALUATION_FOLDER, METRICS_FILE
from omnina.run_folder import RECORD_FILE
from omnina.suites import text_ablation
from omnina.suites.options import ARMS, NONE, SHUFFLED, TRUE
from omnina.suites.text_ablation import (
    NO_TEXT,
    TextAblation,
    ablation_table,
    write_arm,
)

ROOT = Path(__file__).parents[2]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def without_text(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{name: cell for name, cell in row.items() if name != "response"} for row in rows]


@pytest.fixture
def tables(tmp_path) -> list[Path]:
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for path, first in zip(paths, (0, 50), strict=True):
        lines = [f"x,{'ACGT' * (number + 1)},gene {number}" for number in range(first, first + 50)]
        path.write_text("source,sequence,response\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return paths


def test_arms_differ_in_the_annotations_alone(tables, tmp_path):
    arms = {
        arm: [rows_of(path) for path in write_arm(tables, arm, tmp_path / arm)]
        for arm in (TRUE, SHUFFLED, NONE)
    }
    assert arms[TRUE] == [rows_of(path) for path in tables]
    for arm in (SHUFFLED, NONE):
        for made, true in zip(arms[arm], arms[TRUE], strict=True):
            assert [(r["source"], r["sequence"]) for r in made] == [
                (r["source"], r["sequence"]) for r in true
            ]
    flat = {arm: [row["response"] for of_table in made for row in of_table] for arm, made in arms.items()}
    assert Counter(flat[SHUFFLED]) == Counter(flat[TRUE])
    assert sum(one == other for one, other in zip(flat[SHUFFLED], flat[TRUE], strict=True)) < 10
    assert set(flat[NONE]) == {NO_TEXT}


def test_the_ablations_table_has_a_row_for_each_arm():
    table = ablation_table(
        {"true": [{"bits per base": 1.9, "Q?": 0.5}], "none": [{"bits per base": 2, "Q?": 0.4}]}
    )
    assert table.splitlines()[0] == "| annotations | bits per base | MCC: Q? |"
    assert table.splitlines()[3] == "| none | 2.000 | 0.400 |"


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    return worlds.make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def configs(small, tmp_path) -> tuple[Path, Path]:
    """Pretraining's and fine-tuning's YAML, the latter without a start of its own."""
    [pretraining] = worlds.arguments(small, "pretrain", tmp_path / "pretraining")
    [finetuning] = worlds.arguments(small, "finetune", tmp_path / "finetuning")
    return Path(pretraining), Path(finetuning)


@pytest.fixture
def began(monkeypatch) -> list[str]:
    """The stages that began; each ends at once."""
    stages: list[str] = []

    def launch(script, config, settings):
        stages.append(script)
        folder = settings["output_dir"]
        folder.mkdir(parents=True)
        figures = {"results": {"Q?": {MODEL: {"mcc": 0.5}}}}
        (folder / RECORD_FILE).write_text(json.dumps({"validation_at_end": {"eval_bits_per_base": 1.9}}))
        (folder / EVALUATION_FOLDER).mkdir()
        (folder / EVALUATION_FOLDER / METRICS_FILE).write_text(json.dumps(figures))

    monkeypatch.setattr(text_ablation, "launch", launch)
    return stages


@pytest.fixture
def ablation(small, configs, tmp_path, began) -> Callable[..., TextAblation]:
    """One of the world's table and one seed, unless others are given."""

    def of(table: Path = small / "pretrain_train.csv", seeds=(1,), **more) -> TextAblation:
        return TextAblation(*configs, [str(table)], seeds, 2.0, tmp_path / "out", **more)

    return of


def test_runs_are_made_once(ablation, began):
    table = ablation().run()
    assert "| true | 1.900 | 0.500 |" in table and began == ["pretrain.sh", "finetune.sh"] * len(ARMS)
    assert ablation().run() == table and len(began) == 2 * len(ARMS)


def test_one_kind_of_annotations_alone_and_the_others_later(ablation, began, tmp_path):
    table = ablation(arms=[NONE]).run()
    assert [line.split(" |")[0] for line in table.splitlines()[2:]] == ["| none"]
    assert sorted(path.name for path in (tmp_path / "out" / "tables").iterdir() if path.is_dir()) == [NONE]
    ablation().run()
    assert len(began) == 2 * len(ARMS)
    with pytest.raises(UserError, match="--annotations: none is named 2 times"):
        ablation(arms=[NONE, NONE])


def test_other_tables_are_refused_and_those_of_the_runs_stay(ablation, tables, tmp_path):
    ablation().run()
    before = (tmp_path / "out" / "tables" / "none" / "0.csv").read_text()
    for seeds in ([1], [2]):
        with pytest.raises(UserError, match=r"other settings are here \(other sources\)"):
            ablation(tables[0], seeds).run()
    assert (tmp_path / "out" / "tables" / "none" / "0.csv").read_text() == before


def test_another_architecture_under_the_same_name_is_refused(ablation, configs, tmp_path):
    values = yaml.safe_load(configs[0].read_text())
    model = tmp_path / "model.yaml"
    model.write_text(Path(values["model_config"]).read_text())
    configs[0].write_text(yaml.safe_dump(values | {"model_config": str(model)}))
    ablation().run()
    model.write_text(model.read_text().replace("intermediate_size: 64", "intermediate_size: 96"))
    with pytest.raises(UserError, match=r"seed_1: .* \(other start\)"):
        ablation().run()


@pytest.mark.parametrize(
    ("stage", "changes", "told"),
    [
        (0, {"learning_rat": 1}, "pretraining.yaml: .*unknown key 'learning_rat'"),
        (0, {"model_config": "none.yaml"}, r"pretraining.yaml: none\.yaml: there is no such file"),
        (0, {"train_weights": [1, 2]}, "pretraining.yaml: 2 train_weights for 1 tables"),
        (1, {"learning_rat": 1}, "finetuning.yaml: .*unknown key 'learning_rat'"),
        (1, {"model_config": "model.yaml"}, "finetuning.yaml: .*one of the two"),
        (1, {"validation_files": "none.csv"}, r"finetuning.yaml: none\.csv: there is no such file"),
        (1, {"max_length": 600}, r"finetuning.yaml: max_length \(600\) exceeds"),
    ],
)
def test_a_mistake_in_either_stage_is_told_before_anything_is_written(
    ablation, configs, began, tmp_path, stage, changes, told
):
    configs[stage].write_text(yaml.safe_dump(yaml.safe_load(configs[stage].read_text()) | changes))
    with pytest.raises(UserError, match=told):
        ablation().run()
    assert not began and not (tmp_path / "out").exists()


def test_a_table_without_annotations_is_told_before_anything_is_written(ablation, tmp_path):
    (tmp_path / "x.csv").write_text("sequence\nACGT\n")
    with pytest.raises(UserError, match=r"x\.csv:1: no column 'response'"):
        ablation(tmp_path / "x.csv").run()
    assert not (tmp_path / "out").exists()


def test_a_seed_twice_or_below_nought_is_told(ablation, monkeypatch, capsys):
    with pytest.raises(UserError, match="--seeds: 1 is named 2 times"):
        ablation(seeds=[1, 1])
    monkeypatch.setattr(sys, "argv", ["ablate_text.py", "--seeds", "-1"])
    with pytest.raises(SystemExit):
        runpy.run_path(str(ROOT / "scripts" / "ablate_text.py"))["main"]()
    assert "not a whole number of at least 0" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_told_wherever_the_command_is_given(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ablate_text.py", "--pretraining", "nope.yaml", "--output", "out"])
    with pytest.raises(UserError, match=r"nope\.yaml: there is no such file"):
        runpy.run_path(str(ROOT / "scripts" / "ablate_text.py"))["main"]()
    assert not (tmp_path / "out").exists()
