"""Sweeps: grids, what is refused before a run begins, figures read off runs, tables, and real small runs."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import world as worlds

from omnina import pretrain
from omnina.checkpoints.contents import checkpoint_config
from omnina.config import PretrainSettings, parse_run
from omnina.errors import UserError
from omnina.flops import training_flops
from omnina.report.run_files import read_run
from omnina.run_folder import SETTINGS_FILE
from omnina.stage import prepare
from omnina.suites import sweep as sweeps
from omnina.suites.launching import ROOT
from omnina.suites.recipes import recipes_of
from omnina.suites.stamp import STAMP_FILE
from omnina.suites.sweep import FIGURES_FILE, TABLE_FILE, Sweep
from omnina.suites.sweep_figures import RunFigures, read_figures, token_flops
from omnina.suites.sweep_table import sweep_figures, sweep_table

A, B = Path("a.yaml"), Path("b.yaml")
NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="beside a GPU the run itself tells")
NEVER_RUN = ["--logging_steps=9", "--validation_documents=5", "--compile_layers=true", "--use_cpu=false"]


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


def test_what_has_no_folder_of_its_own_is_told():
    with pytest.raises(UserError, match="--vary: muon is named 2 times"):
        recipes_of([A], ["muon=true", "muon=false"])
    with pytest.raises(UserError, match="recipes: a is named 2 times"):
        recipes_of([A, Path("elsewhere/a.yaml")])
    assert len(recipes_of([A], [f"train_files={'x' * 241}"])[0].name) == 255
    with pytest.raises(UserError, match="a name of 256 bytes, and 255 is the most; vary fewer keys"):
        recipes_of([A], [f"train_files={'x' * 240}é"])


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


WHOLE = {"documents": 4.0, "bases": 1200.0, "trimmed_bases": 0.0}


def figures_of(bits: Sequence[float], *, token_flops: float = 10.0, seconds: float = 5.0) -> RunFigures:
    """Of a run validated after every 100 tokens."""
    curve = [(100.0 * place, {"eval_bits_per_base": value}) for place, value in enumerate(bits)]
    end = {"eval_loss": 3.0, "eval_16S_bits_per_base": 1.5, "eval_bits_per_base": bits[-1]}
    return RunFigures(end, curve, curve[-1][0], token_flops, seconds, WHOLE)


REFERENCE = figures_of([2.0, 1.9, 1.8, 1.7, 1.6])


def test_a_crossing_is_the_first_validation_as_low():
    assert figures_of([2.0, 1.8, 1.6, 1.7]).tokens_until("eval_bits_per_base", 1.6) == 200
    assert figures_of([2.0, 1.8, 1.7]).tokens_until("eval_bits_per_base", 1.6) is None
    assert figures_of([2.0, float("nan"), 1.5]).tokens_until("eval_bits_per_base", 1.6) == 200


def test_the_tables_by_hand():
    faster = figures_of([2.0, 1.7, 1.5], token_flops=20.0, seconds=6.0)
    slower = figures_of([2.0, 1.9, 1.8, 1.7])
    of_seeds = {"a": [REFERENCE] * 2, "b": [faster] * 2, "c": [faster, slower], "d": [slower] * 2}
    table = sweep_table(of_seeds).splitlines()
    assert table[0] == (
        "| validation at the end | 16S, bits per base | bits per base | tokens | model FLOPs | seconds |"
    )
    assert table[2] == "| a | 1.500 ± 0.000 | 1.600 ± 0.000 | 400 | 4e+03 | 5 ± 0 |"
    assert table[3] == "| b | 1.500 ± 0.000 | 1.500 ± 0.000 | 200 | 4e+03 | 6 ± 0 |"
    start = table.index("")
    assert table[start + 1].startswith("| share of a's | tokens, sequences | FLOPs, sequences | tokens, ann")
    assert table[start + 3] == "| b | 0.500 ± 0.000 | 1.000 ± 0.000 | - | - |"
    assert table[start + 4 : start + 6] == ["| c | 1 of 2 | 1 of 2 | - | - |", "| d | - | - | - | - |"]


def test_other_bases_are_told_in_the_table_and_the_json():
    cut = {"documents": 4.0, "bases": 1100.0, "trimmed_bases": 100.0}
    of_seeds = {"a": [REFERENCE], "b": [REFERENCE], "c": [replace(REFERENCE, validated=cut)]}
    told = [line for line in sweep_table(of_seeds).splitlines() if "other bases" in line]
    assert len(told) == 1 and told[0].endswith(
        ": c validates on 4 documents with 1,100 bases (100 more cut off), "
        "a on 4 documents with 1,200 bases (0 more cut off)."
    )
    recipes = sweep_figures(of_seeds, [1])["recipes"]
    assert [recipes[name]["same_bases"] for name in "bc"] == [True, False]
    assert recipes["c"]["runs"][0]["validated"] == cut


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
    [path] = worlds.arguments(tables, "pretrain", tmp_path / "small", max_steps=4, eval_steps=1, save_steps=4)
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
    runs = [read_run(tmp_path / recipe.name / "seed_2") for recipe in recipes]
    assert [run.settings["learning_rate"] for run in runs] == [1e-5, 1e-2]
    assert fast["runs"][0]["validation"] == runs[1].record["validation_at_end"]
    assert sweep.run() == table and len(in_process) == 2
    with pytest.raises(UserError, match=r"other settings is here \(other overrides\); .* remove this folder"):
        replace(sweep, overrides=["--z_loss", "0"]).run()
    assert len(in_process) == 2


def test_a_stopped_run_goes_on_under_its_own_settings_alone(config, tmp_path, monkeypatch):
    [recipe] = recipes_of([config])
    place = tmp_path / "small" / "seed_1"

    def stopped(script, config, settings, more=()):
        assert json.loads((place / STAMP_FILE).read_text())["overrides"] == list(more)
        if "300" in more:
            (place / SETTINGS_FILE).write_text("{}")
        raise UserError("stopped")

    monkeypatch.setattr(sweeps, "launch", stopped)
    before, after = (Sweep([recipe], [1], tmp_path, ["--min_bases", bases]) for bases in ("200", "300"))
    for sweep in (before, after, after):
        with pytest.raises(UserError, match="stopped"):
            sweep.run()
    with pytest.raises(UserError, match="choose another --output, or remove this folder"):
        before.run()
    (place / STAMP_FILE).unlink()
    with pytest.raises(UserError, match="other settings is here"):
        after.run()


def test_a_shorter_max_length_is_told_below_the_table(config, tmp_path, in_process):
    recipes = recipes_of([config], ["max_length=512,120"])
    told = Sweep(recipes, [1], tmp_path, ["--max_steps", "1"]).run().splitlines()[-1]
    assert "Over other bases" in told and f": {recipes[1].name} validates on 13 documents" in told
    assert told.endswith("(0 more cut off).")


def test_tokens_and_flops_are_those_of_the_documents(config, tmp_path, in_process):
    """Rows that are read in two ways are counted once in what was validated."""
    both = ["--write_sequences", "true"]
    Sweep(recipes_of([config]), [5], tmp_path, both).run()
    folder = tmp_path / "small" / "seed_5"
    found = read_figures(folder)
    own = ["--output_dir", str(folder), "--seed", "5"]
    stage = prepare(*parse_run([str(config), *own, *both], PretrainSettings))
    assert found.validated["documents"] == 13 == len(stage.validation) / 2
    assert found.tokens == 4 * stage.plan.stride
    assert [tokens for tokens, _ in found.curve] == [step * stage.plan.stride for step in range(5)]
    lengths = stage.train.lengths.astype(np.int64)
    exact = training_flops(checkpoint_config(folder), lengths).sum() / lengths.sum()
    assert found.token_flops == pytest.approx(exact, rel=1e-3)
    assert found.seconds > 0


def test_flops_of_one_length_are_the_models(small_config):
    counts, edges = np.histogram([40] * 9, 30)
    lengths = {"edges": edges.round(1).tolist(), "counts": counts.tolist()}
    exact = training_flops(small_config, 40) / 40
    assert token_flops(small_config, lengths) == pytest.approx(exact, rel=1e-3)


@pytest.mark.parametrize(
    ("vary", "told"),
    [
        ("learning_rat=1e-3", r"small,learning_rat=1e-3: unknown key .* Did you mean 'learning_rate'"),
        ("muon=true,perhaps", "small,muon=perhaps: .*'muon'"),
        ("learning_rate=1e-3,0.001", "the same settings as small,learning_rate=1e-3"),
        ("max_length=512,1024", "exceeds"),
        ("train_files=none.csv", r"none\.csv: there is no such file"),
        ("min_bases=100,200", "validates on other rows than small,min_bases=100.* the same min_bases\\."),
        ("window=300,3000", r"the same window\."),
        ("bad_rows=stop,skip", r"the same bad_rows\."),
        ("train_weights=[1],[1,2]", "2 train_weights for 1 tables"),
        ("logging_strategy=steps,no", "set logging_strategy: steps"),
        ("eval_strategy=steps,no", "set eval_strategy: steps"),
        ("logging_first_step=true,false", r"logging_steps \(9\) is above max_steps \(4\)"),
        ("write_sequences=false,true", r"the same write_sequences\."),
        pytest.param("attention=auto,varlen", "varlen needs a CUDA device", marks=NO_GPU),
        pytest.param("fp8=false,true", "fp8: true needs a GPU", marks=NO_GPU),
        pytest.param("bf16=false,true", "torch sees no GPU", marks=NO_GPU),
    ],
)
def test_a_mistake_in_any_recipe_is_told_before_the_first_run(config, tmp_path, in_process, vary, told):
    with pytest.raises(UserError, match=told):
        Sweep(recipes_of([config], [vary]), [1], tmp_path / "out", NEVER_RUN).run()
    assert not in_process and not (tmp_path / "out").exists()


def test_a_recipe_that_begins_elsewhere_is_told(config, tmp_path, in_process):
    config.write_text(config.read_text() + "resume_from_checkpoint: some/checkpoint-5\n")
    with pytest.raises(UserError, match="small: resume_from_checkpoint: these runs go on by themselves"):
        Sweep(recipes_of([config]), [1], tmp_path).run()


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
