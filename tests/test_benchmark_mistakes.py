"""Mistakes on the benchmark's command line: told in words that name them, before anything is measured."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from benchmark_script import benchmark_script
from example_work import example_work

from omnina.benchmarks import chunks, commands, memory
from omnina.benchmarks.chunks import LossWork, measure_chunks
from omnina.benchmarks.corpus import measure_corpus
from omnina.benchmarks.figures import single
from omnina.benchmarks.gpu_way import measure_way
from omnina.benchmarks.memory import measure_memory
from omnina.benchmarks.scaling import measure_documents
from omnina.benchmarks.training import measure_training
from omnina.benchmarks.ways import OURS
from omnina.benchmarks.work import Work
from omnina.errors import UserError

ROOT = Path(__file__).parents[1]
TABLE, TOKENIZER = ROOT / "data" / "pretrain_val_example.csv", ROOT / "data" / "tokenizer"
TINY = ROOT / "configs" / "model" / "tiny.yaml"
WORK = example_work("fp32", batch_rows=2, batches=2)


@pytest.fixture
def run(monkeypatch):
    """The command of these words; measuring anything is a failure."""

    def measured(*words: object) -> None:
        monkeypatch.setattr(sys, "argv", ["benchmark.py", *map(str, words)])
        benchmark_script().main()

    def never(*_: object) -> None:
        pytest.fail("measured before the mistake was told")

    for name in ("measure_training", "measure_profile", "measure_processor", "measure_float8_loss"):
        monkeypatch.setattr(commands, name, never)
    return measured


def architecture(folder: Path, **changed: object) -> str:
    """The tiny model's YAML with other values."""
    path = folder / "model.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(TINY.read_text()) | changed))
    return str(path)


def test_a_table_of_few_rows_is_refused_before_a_pass():
    with pytest.raises(UserError, match="too few for 2 passes of 100000; give a smaller --batch_rows"):
        measure_training(replace(WORK, batch_rows=100_000))


def test_too_many_rows_a_pass_are_told_before_the_fewer_are_measured(run):
    given = ("--input", TABLE, "--model_config", TINY, "--tokenizer", TOKENIZER)
    with pytest.raises(UserError, match="smaller --batch_rows"):
        run("train", *given, "--batch_rows", 2, 100_000)


@pytest.mark.parametrize("what", ["train", "profile", "processor", "float8"])
def test_a_tokenizer_that_is_not_there_is_told(run, tmp_path, what):
    missing = tmp_path / "nothere"
    with pytest.raises(UserError, match=r"nothere: no such folder\. Train a tokenizer first"):
        run(what, "--input", TABLE, "--model_config", TINY, "--tokenizer", missing)


@pytest.mark.parametrize("what", ["train", "float8"])
def test_a_tokenizer_larger_than_the_architecture_is_refused(run, tmp_path, what):
    small = architecture(tmp_path, vocab_size=64)
    with pytest.raises(UserError, match=r"its 641 tokens are more than .* has, vocab_size 64; name"):
        run(what, "--input", TABLE, "--model_config", small, "--tokenizer", TOKENIZER)


def test_a_tokenizer_smaller_than_the_architecture_is_measured(tmp_path):
    replace(WORK, model_config=architecture(tmp_path, vocab_size=1000)).check()


@pytest.mark.parametrize("what", ["loss", "gpu"])
@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("taken", "taken is a folder; name a file"),
        ("", "is a folder; name a file"),
        ("file.txt/figures.json", r"File exists|Not a directory"),
        ("file.txt/deeper/figures.json", "Not a directory"),
    ],
)
def test_a_file_that_figures_cannot_go_into_is_told_before_they_are_measured(
    run, monkeypatch, tmp_path, what, file, told
):
    monkeypatch.setattr(commands, "measured", lambda _: pytest.fail("measured"))
    (tmp_path / "taken").mkdir()
    (tmp_path / "file.txt").touch()
    with pytest.raises(UserError, match=told):
        run(what, "--json", tmp_path / file)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.txt", "taken"]


@pytest.mark.parametrize(("file", "told"), [("a.md", "ends in .json"), ("b.json", r"b\.md is a folder")])
def test_the_gpus_two_files_are_different_ones(run, monkeypatch, tmp_path, file, told):
    monkeypatch.setattr(commands, "measured", lambda _: pytest.fail("measured"))
    (tmp_path / "b.md").mkdir()
    with pytest.raises(UserError, match=told):
        run("gpu", "--json", tmp_path / file)


def test_figures_are_printed_even_where_their_file_is_lost_meanwhile(run, monkeypatch, tmp_path, capsys):
    def measured(_: object) -> list[list[dict]]:
        (tmp_path / "new").rmdir()
        return [[single("work", "metric", 3.5)]]

    monkeypatch.setattr(commands, "measured", measured)
    with pytest.raises(FileNotFoundError):
        run("loss", "--json", tmp_path / "new" / "figures.json")
    assert "| work | metric | 3.5 |" in capsys.readouterr().out


READERS = {
    "train": lambda path: Work(str(TABLE), path, str(TOKENIZER), "fp32", 2, 2).choices,
    "chunks": lambda path: LossWork(path, "fp32", 8).choices,
    "memory": lambda path: memory.parts_of_a_step(path, "fp32", 2, OURS, 0.0),
    "scaling": lambda path: measure_documents(path, "fp32", 64, 1),
    "gpu": lambda path: measure_way(OURS, path, 256, 256, 0.0),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_an_unknown_key_is_no_7b_model(tmp_path, read):
    path = tmp_path / "model.yaml"
    path.write_text("vocab_sizee: 3\n")
    with pytest.raises(UserError, match="vocab_sizee"):
        read(str(path))


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_heads_that_do_not_divide_the_width_are_told(tmp_path, read):
    path = architecture(tmp_path, hidden_size=60, num_attention_heads=7, num_key_value_heads=7)
    with pytest.raises(UserError, match="not the configuration of a Llama"):
        read(path)


def test_the_last_architecture_is_checked_before_the_first_is_measured(monkeypatch, tmp_path):
    for module in (memory, chunks):
        monkeypatch.setattr(module, "_table", lambda *_: pytest.fail("measured"))
    given = ([str(TINY), str(tmp_path / "missing.yaml")], "fp32")
    for measure in (lambda: measure_memory(*given, 2), lambda: measure_chunks(*given, 64, 1)):
        with pytest.raises(UserError, match=r"missing\.yaml: there is no such file"):
            measure()


def test_a_scratch_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UserError, match=r"--scratch .*nope: No such file or directory; name a folder"):
        measure_corpus([1], ["FASTA"], tmp_path / "nope")
