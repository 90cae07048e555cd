"""Frozen vectors of a tiny checkpoint: what is written, what is found in it, and what is refused."""

import json
import random
import runpy
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from omnina.chunking import parse_cell
from omnina.errors import UserError
from omnina.inference.embedding import Embedder, EmbeddingSettings
from omnina.inference.packed import PackedReader
from omnina.suites.frozen import FROZEN, GENEB_FILE, RESULTS_FILE, TABLE_FILE, FrozenSuite
from omnina.suites.geneb import geneb_layout
from omnina.suites.planted import planted_tasks
from omnina.suites.probe import FULL, INTERVAL, ONE_SHOT, REGIMES, TEN_SHOTS, few_rows, probe
from omnina.suites.published import SuiteNotes, TaskNotes, read_notes
from omnina.suites.task import SPLITS, TEST, TRAIN, VALIDATION, Example, Task
from omnina.suites.task_embeddings import TaskEmbeddings, embed_task

ROOT = Path(__file__).parents[2]
SEEDS = (13, 17)


@pytest.fixture(scope="module")
def embedder(checkpoint) -> Embedder:
    return Embedder(PackedReader(checkpoint), [-1], EmbeddingSettings())


@pytest.fixture(scope="module")
def composition() -> Task:
    """Sequences of A and C against such of G and T: any embedding tells them apart."""
    generator = random.Random(0)
    splits = [
        [
            Example("".join(generator.choices("AC" if label == "yes" else "GT", k=60)), label)
            for label in ("no", "yes")
            for _ in range(rows)
        ]
        for rows in (40, 10, 30)
    ]
    return Task("composition", "?", *splits, optimum=1.0)


def vectors_of(separable: bool, rows: int = 200) -> TaskEmbeddings:
    """Normal vectors whose first number is the label's, or none's."""
    generator = np.random.default_rng(0)
    labels = {split: generator.integers(0, 2, rows) for split in SPLITS}
    vectors = {split: generator.normal(size=(rows, 8)).astype(np.float32) for split in SPLITS}
    if separable:
        for split in SPLITS:
            vectors[split][:, 0] = 10 * labels[split]
    return TaskEmbeddings(vectors, labels, ["no", "yes"])


def test_vectors_are_those_of_the_embedder_in_the_rows_order(embedder, composition, tmp_path):
    embed_task(embedder, composition).write(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as archive:
        assert set(archive) == {*SPLITS, *(f"{split}_labels" for split in SPLITS), "labels"}
        assert archive[TRAIN].shape == (80, 32) and archive[TRAIN].dtype == np.float32
        by_hand = embedder.embed([parse_cell(row.sequence) for row in composition.validation])
        np.testing.assert_allclose(archive[VALIDATION], np.concatenate(by_hand), atol=2e-6)
        words = archive["labels"][archive["test_labels"]].tolist()
    assert words == [row.label for row in composition.test]
    assert TaskEmbeddings.read(tmp_path / "x.npz").names == ["no", "yes"]


@pytest.mark.parametrize("standardised", [True, False])
def test_a_separable_signal_is_found_and_chance_is_none(standardised):
    found = probe(vectors_of(separable=True), SEEDS, standardised)
    assert set(found) == set(REGIMES) and len(found[TEN_SHOTS]) == len(found[ONE_SHOT]) == len(SEEDS)
    assert found[FULL][0]["mcc"] == 1.0
    [of_chance] = probe(vectors_of(separable=False), SEEDS, standardised)[FULL]
    low, high = of_chance[INTERVAL]["mcc"]
    assert low < 0 < high


def test_few_rows_are_drawn_as_genebs_harness_draws_them():
    labels = np.array([0] * 5 + [1] * 30)
    places = few_rows(labels, 10, 13)
    assert sorted(places[:5]) == [0, 1, 2, 3, 4] and len(set(places[5:])) == 10 and min(places[5:]) >= 5
    generator = np.random.RandomState(13)
    generator.choice(np.arange(5), size=5, replace=False)
    assert places[5:].tolist() == generator.choice(np.arange(5, 35), size=10, replace=False).tolist()


def test_a_label_that_training_never_saw_is_wrong():
    seen = vectors_of(separable=True)
    labels = {**seen.labels, TEST: np.full(200, 2)}
    [full] = probe(TaskEmbeddings(seen.vectors, labels, ["no", "yes", "new"]), SEEDS)[FULL]
    assert full["accuracy"] == 0.0


def test_a_suite_is_measured_written_and_not_made_again(embedder, composition, tmp_path):
    notes = TaskNotes(published={"Theirs": 0.9}, frozen={"Theirs": 0.8})
    notes = SuiteNotes("accuracy", "a paper", "a benchmark", {"composition": notes})
    suite = FrozenSuite(embedder, notes, tmp_path, SEEDS)
    table = suite.run([composition])
    lines = table.splitlines()
    heads = ["accuracy, test rows", *REGIMES, "majority", "k-mers", "positions", "convolution"]
    assert lines[0] == f"| {' | '.join([*heads, 'Theirs, frozen', 'Theirs', 'optimum'])} |"
    assert lines[2].startswith("| composition | 1.000 [1.000, 1.000] | ")
    assert lines[2].endswith(" | 0.800 | 0.900 | 1.000 |")
    assert "Published scores: frozen: a benchmark; fine-tuned: a paper." in lines
    assert lines[-1].startswith("MCC, mean over 1 tasks: full 1.000, 10shot ")
    assert (tmp_path / TABLE_FILE).read_text() == table
    theirs = json.loads((tmp_path / GENEB_FILE).read_text())
    assert theirs["results"]["full"]["composition"] == {"MCC": 1.0, "Acc": 1.0, "F1": 1.0}
    made = (tmp_path / "composition" / FROZEN / RESULTS_FILE).stat().st_mtime_ns
    assert suite.run([composition]) == table
    assert (tmp_path / "composition" / FROZEN / RESULTS_FILE).stat().st_mtime_ns == made


def test_other_seeds_are_fitted_anew_and_other_vectors_or_rows_refused(embedder, composition, tmp_path):
    notes = SuiteNotes()
    FrozenSuite(embedder, notes, tmp_path, SEEDS).run([composition])
    FrozenSuite(embedder, notes, tmp_path, [1]).run([composition])
    found = json.loads((tmp_path / "composition" / FROZEN / RESULTS_FILE).read_text())
    assert len(found["results"][TEN_SHOTS]) == 1
    other = Embedder(embedder.reader, [0], EmbeddingSettings())
    with pytest.raises(UserError, match="other settings are here"):
        FrozenSuite(other, notes, tmp_path, SEEDS).run([composition])
    with pytest.raises(UserError, match="other rows"):
        FrozenSuite(embedder, notes, tmp_path, SEEDS, train_rows=20).run([composition])


def test_other_rows_of_the_last_task_are_told_before_the_first_is_measured(embedder, composition, tmp_path):
    last = replace(composition, name="last")
    last.write(tmp_path / "last")
    changed = replace(last, test=last.test[1:])
    with pytest.raises(UserError, match=r"last/test\.csv: there are other rows"):
        FrozenSuite(embedder, SuiteNotes(), tmp_path, SEEDS).run([composition, changed])
    assert not (tmp_path / "composition").exists()


def test_labels_dealt_out_anew_are_not_found(embedder, tmp_path):
    [task] = [task for task in planted_tasks() if task.name == "codon_period"]
    generator = random.Random(1)
    dealt = {}
    for split, count in ((TRAIN, 200), (VALIDATION, 20), (TEST, 400)):
        rows = generator.sample(getattr(task, split), count)
        words = generator.sample([row.label for row in rows], count)
        dealt[split] = [replace(row, label=word) for row, word in zip(rows, words, strict=True)]
    [full] = probe(embed_task(embedder, replace(task, **dealt)), SEEDS)[FULL]
    assert abs(full["mcc"]) < 0.15  # 0.05 is the deviation of 400 rows


def test_genebs_layout_has_what_its_validation_asks_for(embedder):
    entry = {"mcc": 0.5, "accuracy": 0.75, "f1_macro": 0.7}
    found = geneb_layout(embedder.reader, {"a": {regime: [entry, entry] for regime in REGIMES}})
    assert found["schema_version"] == "1.0" and found["model_id"] == "model"
    assert isinstance(found["meta"]["params"], int) and found["meta"]["provenance"] == "self-reported"
    for regime in ("full", "10shot", "1shot"):
        assert found["results"][regime] == {"a": {"MCC": 0.5, "Acc": 0.75, "F1": 0.7}}


@pytest.mark.parametrize("suite", ["gue", "nucleotide_transformer", "genomic_benchmarks"])
def test_every_task_of_the_benchmarks_has_genebs_scores(suite):
    for task in read_notes(ROOT / "configs" / "suites" / f"{suite}.yaml").tasks.values():
        assert set(task.frozen) == {"OmniNA-220M", "DNABERT-2", "NT-2.5B"}


@pytest.fixture
def embed_suite(checkpoint, tmp_path, monkeypatch) -> Callable[..., None]:
    """The command on the planted suite, in this process; what stands last on its line counts."""
    given = ["embed_suite.py", "planted", "--output", tmp_path / "out", "--checkpoint", checkpoint]

    def run(*arguments: object) -> None:
        monkeypatch.setattr(sys, "argv", [str(part) for part in (*given, *arguments)])
        runpy.run_path(str(ROOT / "scripts" / "embed_suite.py"))["main"]()

    return run


def test_what_is_not_there_is_told(embed_suite, tmp_path):
    for arguments, told in (
        (["--checkpoint", tmp_path / "nowhere"], "nowhere"),
        (["--layer", "3"], r"has the layers 0 \(the embedding\) to 2"),
        (["--seeds", "1", "1"], "--seeds: 1 is named 2 times"),
        (["--tasks", "none"], "no task 'none'; there are: motif_at_place"),
    ):
        with pytest.raises(UserError, match=told):
            embed_suite(*arguments)


def test_an_output_among_the_tasks_is_told_before_the_checkpoint_is_read(tmp_path, monkeypatch):
    (tmp_path / "all.csv").write_text("sequence,label\nACGT,1\n")
    given = ["embed_suite.py", tmp_path, "--output", tmp_path / "out", "--checkpoint", tmp_path / "nowhere"]
    monkeypatch.setattr(sys, "argv", [str(part) for part in given])
    with pytest.raises(UserError, match="out lies in the suite's folder"):
        runpy.run_path(str(ROOT / "scripts" / "embed_suite.py"))["main"]()


@pytest.mark.slow
def test_the_planted_suite_as_a_user_runs_it(embed_suite, tmp_path, capsys):
    embed_suite("--train_rows", "100", "--tasks", "motif_at_place", "codon_period")
    told = capsys.readouterr().out
    assert "| mean |" in told and "MCC, mean over 2 tasks" in told
    assert (tmp_path / "out" / "codon_period" / FROZEN / "embeddings.npz").is_file()
