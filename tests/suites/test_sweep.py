"""Sweeps: grids, what is refused before a run begins, figures read off runs, tables, and real small runs."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import world as worlds
import yaml

from omnina import pretrain
from omnina.checkpoints.contents import checkpoint_config
from omnina.config import PretrainSettings, parse_run
from omnina.errors import UserError
from omnina.flops import training_flops
from omnina.stage import prepare
from omnina.suites import sweep as sweeps
from omnina.suites.launching import ROOT
from omnina.suites.recipes import recipes_of
from omnina.suites.sweep import FIGURES_FILE, TABLE_FILE, Sweep
from omnina.suites.sweep_figures import RunFigures, read_figures, token_flops
from omnina.suites.sweep_table import sweep_figures, sweep_table

A, B = Path("a.yaml"), Path("b.yaml")
QUICK = {"max_steps": 4, "eval_steps": 1, "save_steps": 4}


def names(*given) -> list[str]:
    return [recipe.name for recipe in recipes_of(*given)]


def test_a_grid_has_every_file_with_every_value():
    assert names([A, B]) == ["a", "b"]
    assert names([A], ["learning_rate=1e-3,2e-3", "muon=false,true"]) == [
        "a,learning_rate=1e-3,muon=false",
        "a,learning_rate=1e-3,muon=true",
        "a,learning_rate=2e-3,muon=false",
        "a,learning_rate=2e-3,muon=true",
    ]
    assert len(names([A, B], ["z_loss=0,1e-4", "seedless=1,2,3"])) == 12


def test_lists_and_json_are_one_value():
    weights = '{"sequence": 1, "answer": 0.1}'
    first, second = recipes_of([A], [f"loss_weights={weights}", "train_weights=[1, 2],[1,1]"])
    assert first.flags() == ["--loss_weights", weights, "--train_weights", "1", "2"]
    assert second.flags()[2:] == ["--train_weights", "1", "1"]
    assert "/" not in recipes_of([A], ["train_files=data/*.csv"])[0].name


@pytest.mark.parametrize("text", ["muon", "muon=", "=true", "muon=true,"])
def test_a_text_without_key_or_values_is_told(text):
    with pytest.raises(UserError, match="write KEY=VALUE,VALUE"):
        recipes_of([A], [text])


def test_what_would_share_a_folder_is_told():
    with pytest.raises(UserError, match="--vary: muon is named 2 times"):
        recipes_of([A], ["muon=true", "muon=false"])
    with pytest.raises(UserError, match="recipes: a is named 2 times"):
        recipes_of([A, Path("elsewhere/a.yaml")])


@pytest.mark.parametrize(
    ("vary", "behind", "told"),
    [
        ("seed=1,2", (), "seed: the sweep sets it"),
        ("muon=true", ("--output_dir=x",), "output_dir: the sweep sets it"),
        ("validation_files=a.csv,b.csv", (), "all recipes share it"),
        ("muon=true", ("--muon", "false"), "it stands behind -- too"),
    ],
)
def test_keys_that_are_not_to_be_varied_are_told(vary, behind, told):
    with pytest.raises(UserError, match=told):
        Sweep(recipes_of([A], [vary]), [1], Path("out"), behind)


def figures_of(bits: Sequence[float], *, token_flops: float = 10.0, seconds: float = 5.0) -> RunFigures:
    """Of a run validated after every 100 tokens."""
    curve = [(100.0 * place, {"eval_bits_per_base": value}) for place, value in enumerate(bits)]
    end = {"eval_loss": 3.0, "eval_16S_bits_per_base": 1.5, "eval_bits_per_base": bits[-1]}
    return RunFigures(end, curve, curve[-1][0], token_flops, seconds)


REFERENCE = figures_of([2.0, 1.9, 1.8, 1.7, 1.6])


def test_a_crossing_is_the_first_validation_as_low():
    assert figures_of([2.0, 1.8, 1.6, 1.7]).tokens_until("eval_bits_per_base", 1.6) == 200
    assert figures_of([2.0, 1.8, 1.7]).tokens_until("eval_bits_per_base", 1.6) is None
    assert figures_of([2.0, float("nan"), 1.5]).tokens_until("eval_bits_per_base", 1.6) == 200


def test_the_tables_by_hand():
    faster = figures_of([2.0, 1.7, 1.5], token_flops=20.0, seconds=6.0)
    slower = figures_of([2.0, 1.9, 1.8, 1.7])
    table = sweep_table(
        {"a": [REFERENCE] * 2, "b": [faster] * 2, "c": [faster, slower], "d": [slower] * 2}
    ).splitlines()
    assert table[0] == (
        "| validation at the end | 16S, bits per base | bits per base | tokens | model FLOPs | seconds |"
    )
    assert table[2] == "| a | 1.500 ± 0.000 | 1.600 ± 0.000 | 400 | 4e+03 | 5 ± 0 |"
    assert table[3] == "| b | 1.500 ± 0.000 | 1.500 ± 0.000 | 200 | 4e+03 | 6 ± 0 |"
    start = table.index("")
    assert table[start + 1].startswith("| share of a's | tokens, sequences | FLOPs, sequences | tokens, ann")
    assert table[start + 3] == "| b | 0.500 ± 0.000 | 1.000 ± 0.000 | - | - |"
    assert table[start + 4 : start + 6] == ["| c | 1 of 2 | 1 of 2 | - | - |", "| d | - | - | - | - |"]


def test_a_recipe_alone_is_compared_with_none():
    assert "share" not in sweep_table({"a": [REFERENCE]})
    assert "reached" not in sweep_figures({"a": [REFERENCE]}, [7])["recipes"]["a"]


def test_the_json_keeps_every_seed():
    faster = figures_of([2.0, 1.7, 1.5])
    found = json.loads(json.dumps(sweep_figures({"a": [REFERENCE], "b": [faster]}, [7])))
    assert found["reference"] == "a" and found["seeds"] == [7]
    share = {"mean": 0.5, "margin": None}
    assert found["recipes"]["b"]["reached"] == {
        "sequences": {"tokens": share, "flops": share, "of_seeds": [[0.5, 0.5]]},
        "annotations": {"of_seeds": [None]},
    }
    assert found["recipes"]["a"]["flops"] == {"mean": 4000.0, "margin": None}
    assert found["recipes"]["a"]["runs"][0]["validation"]["eval_loss"] == 3.0


@pytest.fixture
def in_process(monkeypatch) -> list[list[str]]:
    """Runs without a launcher; the command lines of those that began."""
    began: list[list[str]] = []

    def launch(script, config, settings, more=()):
        flags = [str(part) for key, value in settings.items() for part in (f"--{key}", value)]
        began.append([str(config), *flags, *more])
        pretrain.main(began[-1])

    monkeypatch.setattr(sweeps, "launch", launch)
    return began


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> Path:
    return worlds.make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def config(tables, tmp_path) -> Path:
    [path] = worlds.arguments(tables, "pretrain", tmp_path / "small", **QUICK)
    return Path(path)


def test_runs_are_made_once_and_compared(config, tmp_path, in_process):
    recipes = recipes_of([config], ["learning_rate=1e-5,1e-2"])
    sweep = Sweep(recipes, [2], tmp_path, ["--z_loss", "1e-4"])
    table = sweep.run()
    assert len(in_process) == 2 and (tmp_path / TABLE_FILE).read_text(encoding="utf-8") == table
    found = json.loads((tmp_path / FIGURES_FILE).read_text(encoding="utf-8"))["recipes"]
    slow, fast = (found[recipe.name] for recipe in recipes)
    assert fast["tokens"] == slow["tokens"] and fast["flops"] == slow["flops"]
    [shares] = fast["reached"]["sequences"]["of_seeds"]
    assert 0 < shares[0] == shares[1] <= 1
    record = json.loads((tmp_path / recipes[1].name / "seed_2" / "run.json").read_text())
    assert fast["runs"][0]["validation"] == record["validation_at_end"]
    rates = [
        yaml.safe_load((tmp_path / recipe.name / "seed_2" / "config.yaml").read_text())["learning_rate"]
        for recipe in recipes
    ]
    assert rates == [1e-5, 1e-2]
    assert sweep.run() == table and len(in_process) == 2
    with pytest.raises(UserError, match="figures of other settings are here"):
        replace(sweep, overrides=["--z_loss", "0"]).run()
    assert len(in_process) == 2


def test_tokens_and_flops_are_those_of_the_documents(config, tmp_path, in_process):
    recipes = recipes_of([config])
    Sweep(recipes, [5], tmp_path).run()
    folder = tmp_path / "small" / "seed_5"
    found = read_figures(folder)
    run, args = parse_run([str(config), "--output_dir", str(folder), "--seed", "5"], PretrainSettings)
    stage = prepare(run, args)
    assert found.tokens == 4 * stage.plan.stride
    assert [tokens for tokens, _ in found.curve] == [step * stage.plan.stride for step in range(5)]
    lengths = stage.train.lengths.astype(np.int64)
    exact = training_flops(checkpoint_config(folder), lengths).sum() / lengths.sum()
    assert found.token_flops == pytest.approx(exact, rel=1e-3)
    assert found.seconds > 0


def test_flops_of_one_length_are_the_models(small_config):
    counts, edges = np.histogram([40] * 9, 30)
    lengths = {"edges": edges.round(1).tolist(), "counts": counts.tolist()}
    assert token_flops(small_config, lengths) == pytest.approx(
        training_flops(small_config, 40) / 40, rel=1e-3
    )


@pytest.mark.parametrize(
    ("vary", "told"),
    [
        ("learning_rat=1e-3", r"small,learning_rat=1e-3: unknown key .* Did you mean 'learning_rate'"),
        ("muon=true,perhaps", "small,muon=perhaps: .*'muon'"),
        ("learning_rate=1e-3,0.001", "the same settings as small,learning_rate=1e-3"),
        ("max_length=512,1024", "exceeds"),
        ("train_files=none.csv", r"none\.csv: there is no such file"),
        ("min_bases=100,200", "validates on other rows than small,min_bases=100"),
    ],
)
def test_a_mistake_in_any_recipe_is_told_before_the_first_run(config, tmp_path, in_process, vary, told):
    with pytest.raises(UserError, match=told):
        Sweep(recipes_of([config], [vary]), [1], tmp_path, ["--tokens_per_device", "1024"]).run()
    assert not in_process


@pytest.mark.slow
def test_a_sweep_as_a_user_runs_it(config, tmp_path):
    """Two recipes; then a run that fails is named."""

    def sweep(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "scripts/sweep.py", str(config), "--output", str(tmp_path / "out")]
        return subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True)

    done = sweep("--vary", "muon=false,true", "--seeds", "1", "--", "--max_steps", "2")
    assert done.returncode == 0, done.stderr
    table = (tmp_path / "out" / TABLE_FILE).read_text(encoding="utf-8")
    assert table in done.stdout and "| small,muon=true |" in table
    failed = sweep("--vary", "muon=true", "--seeds", "3", "--", "--tokens_per_step", "200")
    assert failed.returncode == 2 and "tokens_per_step (200) must be at least twice" in failed.stderr
    assert "small,muon=true/seed_3: pretrain.sh ended with status 2" in failed.stderr
