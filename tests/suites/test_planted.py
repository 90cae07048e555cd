"""Tasks with a known optimum, and what baselines find of them."""

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from omnina.chunking import reverse_complement
from omnina.errors import UserError
from omnina.evaluation.metrics import classification_metrics
from omnina.suites.convolution import fit_convolution
from omnina.suites.planted import BASES, NO, SIGNALS, YES, optimum, planted_tasks
from omnina.suites.promoters import CODING, LENGTH, PROMOTER, promoter_task
from omnina.suites.table import TaskFigures, markdown, mean_and_margin
from omnina.suites.task import Example, Task


@pytest.fixture(scope="module")
def tasks() -> dict[str, Task]:
    return {task.name: task for task in planted_tasks()}


def test_no_sequence_is_in_two_splits(tasks):
    for task in tasks.values():
        splits = [{row.sequence for row in rows} for rows in (task.train, task.validation, task.test)]
        assert not splits[0] & splits[1] | splits[0] & splits[2] | splits[1] & splits[2]


def test_labels_are_balanced_and_rows_the_same_every_time(tasks):
    for task, again in zip(tasks.values(), planted_tasks(), strict=True):
        assert task == again
        assert Counter(row.label for row in task.test) == {YES: 500, NO: 500}


def test_optima_are_those_of_their_signals(tasks):
    assert 0.9 < tasks["codon_period"].optimum < 0.99
    assert 0.9 < tasks["motif_at_place"].optimum < 0.99
    assert all(tasks[name].optimum > 0.99 for name in ("motif_on_strand", "motif_any_strand", "motif_pair"))


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
def test_odds_are_calibrated(signal):
    """Of rows with posterior p, a share p is right: the odds are the true ones, not merely a good score."""
    generator = random.Random(7)
    labels = [YES, NO] * 4000
    odds = np.array([signal.odds(signal.make(generator, label)) for label in labels])
    posterior = 1 / (1 + np.exp(-np.clip(odds, -50, 50)))
    is_yes = np.array([label == YES for label in labels])
    for low, high in ((0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.01)):
        inside = (posterior >= low) & (posterior < high)
        if inside.sum() > 100:
            error = 4 * (0.25 / inside.sum()) ** 0.5
            assert abs(is_yes[inside].mean() - posterior[inside].mean()) < error


def test_a_rule_that_knows_nothing_has_half():
    rows = [Example("A" * 90, YES), Example("C" * 90, NO)]
    assert optimum(SIGNALS[1], rows) == 0.5  # neither holds the motif: ties count by half


def test_the_convolution_finds_a_motif_at_its_place(tasks):
    task = tasks["motif_at_place"]
    assert classification_metrics(fit_convolution(task, seed=1))["accuracy"] > 0.85


def test_the_convolution_takes_sequences_of_any_length():
    generator = random.Random(1)
    rows = [
        Example("".join(generator.choices("AC" if label == YES else "GT", k=generator.randint(1, 30))), label)
        for label in (YES, NO)
        for _ in range(100)
    ]
    task = Task("mine", "?", rows, rows[::10], [Example("a" * 12, YES), Example("NNNGU", NO)])
    assert classification_metrics(fit_convolution(task, seed=1))["accuracy"] == 1.0


def genome_of(folder: Path, contigs: list[str], genes: str = "") -> Path:
    path = folder / "genome.gbk"
    texts = [genbank(f"contig{number}", bases, genes) for number, bases in enumerate(contigs)]
    path.write_text("".join(texts), encoding="utf-8")
    return path


def genbank(name: str, bases: str, genes: str) -> str:
    lines = [f"LOCUS       {name:<16} {len(bases):>11} bp    DNA     linear   BCT 01-JAN-2024"]
    lines += ["FEATURES             Location/Qualifiers", f"     source          1..{len(bases)}"]
    lines += [f"     CDS             {place}" for place in genes.split()]
    lines.append("ORIGIN")
    for start in range(0, len(bases), 60):
        lines.append(f"{start + 1:>9} {bases[start : start + 60].lower()}")
    return "\n".join([*lines, "//", ""])


@pytest.fixture(scope="module")
def contigs() -> list[str]:
    generator = random.Random(2)
    return ["".join(generator.choices(BASES, k=4000)) for _ in range(20)]


@pytest.mark.parametrize("length", [81, LENGTH])
def test_promoters_lie_before_genes_on_the_genes_strand(contigs, tmp_path, length):
    genes = "1001..2200 2220..2900 complement(2950..3200) join(3480..3500,3520..3600)"
    task = promoter_task(genome_of(tmp_path, contigs, genes), length)
    rows = [*task.train, *task.validation, *task.test]
    assert Counter(row.label for row in rows) == {PROMOTER: 40, CODING: 40}
    assert {len(row.sequence) for row in rows} == {length}
    forward = {bases[1000 - length : 1000] for bases in contigs}
    backward = {reverse_complement(bases[3200 : 3200 + length]) for bases in contigs}
    assert {row.sequence for row in rows if row.label == PROMOTER} == forward | backward
    inside = [row.sequence for row in rows if row.label == CODING]
    genes_of_all = [bases[1000:2200] + "-" + bases[2219:2900] for bases in contigs]
    genes_of_all += [reverse_complement(bases[2949:3200]) for bases in contigs]
    assert all(any(bases in gene for gene in genes_of_all) for bases in inside)
    splits = [{row.sequence for row in rows} for rows in (task.train, task.validation, task.test)]
    assert all(splits) and not splits[0] & splits[2]


def test_a_complete_genome_is_dealt_out_in_stretches(contigs, tmp_path):
    whole = "".join(contigs)
    starts = range(0, 4 * len(whole), 4000)
    genes = " ".join(f"{start + 1001}..{start + 2200}" for start in starts)
    task = promoter_task(genome_of(tmp_path, [whole * 4], genes))
    assert task.train and task.validation and task.test


def test_a_genome_without_genes_or_bases_is_told(contigs, tmp_path):
    with pytest.raises(UserError, match="no train rows are left"):
        promoter_task(genome_of(tmp_path, contigs[:2]))
    path = genome_of(tmp_path, contigs[:1], "1001..2200")
    path.write_text(path.read_text().split("ORIGIN")[0] + "ORIGIN\n//\n")
    with pytest.raises(UserError, match="not a whole GenBank file"):
        promoter_task(path)


def test_a_genome_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UserError, match=r"none\.gbk: there is no such record file"):
        promoter_task(tmp_path / "none.gbk")


def test_a_margin_is_students():
    mean, margin = mean_and_margin([0.8, 0.9])
    assert mean == pytest.approx(0.85)
    assert margin == pytest.approx(12.706 * 0.05, rel=1e-3)  # t of one degree of freedom; error 0.05
    assert mean_and_margin([0.8]) == (0.8, None)


def test_the_table_has_a_column_for_each_and_means_where_all_are_known():
    figures = {
        "a": TaskFigures({"bases": [0.8, 0.9]}, {"k-mers": [0.5]}, 0.95, {"Theirs": 0.7}),
        "b": TaskFigures({"bases": [0.6]}, {"k-mers": [0.7]}, None, {}),
    }
    figures["a"].other_intervals["k-mers"] = (0.4, 0.6)
    lines = markdown(figures, "mcc").splitlines()
    assert lines[0] == "| mcc, test rows | bases | k-mers | Theirs | optimum |"
    assert lines[2] == "| a | 0.850 ± 0.635 | 0.500 [0.400, 0.600] | 0.700 | 0.950 |"
    assert lines[3] == "| b | 0.600 | 0.700 | - | - |"
    assert lines[4] == "| mean | 0.725 | 0.600 | - | - |"


def test_regions_longer_than_any_gene_are_refused(contigs, tmp_path):
    genome = genome_of(tmp_path, contigs, "1001..2200")
    assert promoter_task(genome, 900).train
    for length in (1201, 100_000):
        with pytest.raises(UserError, match=rf"no coding region of {length:,} bases in it; ask for fewer"):
            promoter_task(genome, length)
