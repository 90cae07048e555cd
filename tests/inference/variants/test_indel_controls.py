"""Random indels: of the right length, whole windows, the same whenever they are asked for."""

import random
from pathlib import Path

import numpy as np
import pytest

from omnina.inference.variants.haplotypes import Change, canonical, windows
from omnina.inference.variants.indel_controls import IndelControls
from omnina.inference.variants.reference import Reference
from omnina.inference.variants.scoring import VariantScorer, VariantSettings

BASES = "".join(random.Random(3).choices("ACGT", k=900))


@pytest.fixture(scope="module")
def genome(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    path.write_text(f">a\n{BASES[:500]}\n>b\n{BASES[500:]}\n>short\nACGT\n>unknown\n{'N' * 300}\n")
    return path


@pytest.fixture(scope="module")
def scorer(reader) -> VariantScorer:
    return VariantScorer(reader, VariantSettings(window=60, segmentations=1))


@pytest.mark.parametrize("length", [-3, 4])
def test_windows_are_those_of_an_indel_of_the_length(scorer, genome, length):
    controls = IndelControls(scorer, Reference(genome), count=10)
    generator = np.random.default_rng(0)
    for _ in range(20):
        pair = controls._drawn(generator, length)
        for side in (pair.ref, pair.alt):
            assert {len("".join(window)) for window in side} == {60}
            assert all(set("".join(window)) <= set("ACGT") for window in side)
        assert len(pair.alt[0][1]) - len(pair.ref[0][1]) == length


def test_a_length_has_the_same_controls_whatever_else_is_asked(scorer, genome):
    first = IndelControls(scorer, Reference(genome), count=6, seed=5)
    second = IndelControls(scorer, Reference(genome), count=6, seed=5)
    second.control(Change(0, "A", ""))
    wanted = Change(0, "", "ACG")
    assert first.control(wanted) == second.control(wanted)
    assert first.control(wanted).count == 6
    assert IndelControls(scorer, Reference(genome), 6, seed=6).control(wanted) != first.control(wanted)
    assert first.control(Change(0, "A", "C")) is None


def test_random_indels_score_nothing_on_average_once_corrected(scorer, genome):
    """Others than those that were measured: the mean is off by no more than sampling explains."""
    reference = Reference(genome)
    control = IndelControls(scorer, reference, count=60, seed=1).control(Change(0, "", "ACGTA"))
    contig = reference.contig("a")
    generator = random.Random(9)
    pairs = []
    for _ in range(60):
        inserted = "".join(generator.choices("ACGT", k=5))
        pairs.append(windows(contig, canonical(contig, generator.randint(60, 440), "", inserted), 60))
    corrected = scorer.scores(pairs) - control.mean
    assert abs(corrected.mean()) < 4 * control.deviation * np.sqrt(2 / 60)


def test_a_genome_without_room_has_none(scorer, tmp_path):
    path = tmp_path / "small.fa"
    path.write_text(">a\nACGTACGT\n")
    assert IndelControls(scorer, Reference(path), count=3).control(Change(0, "", "A")) is None
