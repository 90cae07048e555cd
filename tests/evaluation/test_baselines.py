import random

import numpy as np
import pytest
from Bio.Seq import reverse_complement
from tables import random_dna

from omnina.chunking import parse_cell
from omnina.evaluation import baselines, overlap

MOTIF = "GATTACAGAT"


def fit_baselines(
    train: list[tuple[str, str]], cells: list[str], uniform_prior: bool = False
) -> dict[str, baselines.Prediction]:
    pairs = [(parse_cell(cell), answer) for cell, answer in train]
    return baselines.fit_baselines(pairs, [parse_cell(cell) for cell in cells], uniform_prior)


def part_overlap(train: list[str], test: list[str]) -> list[overlap.PartOverlap]:
    return overlap.part_overlap(*([parse_cell(cell) for cell in cells] for cells in (train, test)))


def rows_with_a_motif(count: int, seed: int) -> list[tuple[str, str]]:
    """Sequences of 60 bases; those answered yes hold a motif somewhere."""
    generator, rows = random.Random(seed), []
    for index in range(count):
        bases, at = random_dna(60, seed * 10_000 + index), generator.randrange(50)
        has = index % 2 == 0
        rows.append((bases[:at] + MOTIF + bases[at + 10 :] if has else bases, "yes" if has else "no"))
    return rows


def accuracy(prediction, answers: list[str]) -> float:
    labels, probabilities = prediction
    chosen = [labels[place] for place in probabilities.argmax(1)]
    return np.mean([one == other for one, other in zip(chosen, answers, strict=True)])


def test_k_mers_find_a_motif_and_nothing_in_shuffled_answers():
    train, test = rows_with_a_motif(400, 1), rows_with_a_motif(200, 2)
    cells, answers = [cell for cell, _ in test], [answer for _, answer in test]
    assert accuracy(fit_baselines(train, cells)["k-mers"], answers) > 0.9
    given = [answer for _, answer in train]
    random.Random(0).shuffle(given)
    shuffled = list(zip((cell for cell, _ in train), given, strict=True))
    assert 0.35 < accuracy(fit_baselines(shuffled, cells)["k-mers"], answers) < 0.65


def test_majority_gives_the_shares_of_training():
    labels, probabilities = fit_baselines([("ACGT", "b"), ("AC", "a"), ("GT", "b")], ["A", "C"])["majority"]
    assert labels == ["a", "b"]
    np.testing.assert_allclose(probabilities, [[1 / 3, 2 / 3]] * 2)


def test_one_class_leaves_only_the_majority():
    assert list(fit_baselines([("ACGT", "a"), ("AC", "a")], ["A"])) == ["majority"]


def test_positions_need_one_length():
    train = [(f"{base}{random_dna(8, seed)}", str(base == "A")) for seed in range(60) for base in "AC"]
    cells = ["A" + random_dna(8, 99), "C" + random_dna(8, 98)]
    labels, probabilities = fit_baselines(train, cells)["positions"]
    assert [labels[place] for place in probabilities.argmax(1)] == ["True", "False"]
    assert "positions" not in fit_baselines(train, [*cells, "ACG"])


def test_the_reverse_complement_rule():
    train = []
    for seed in range(50):
        guide = random_dna(23, seed)
        train.append((f"gRNA:{guide} targetRNA:{reverse_complement(guide)}", "False"))
        train.append((f"gRNA:{guide} targetRNA:{random_dna(23, seed + 500)}", "True"))
    guide = random_dna(23, 1000)
    cells = [f"gRNA:{guide} targetRNA:{reverse_complement(guide)}", f"gRNA:{guide} targetRNA:{guide}"]
    labels, probabilities = fit_baselines(train, cells)["reverse complement"]
    assert labels == ["False", "True"]
    assert probabilities.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("name", ["majority", "k-mers", "positions", "k-mers, uniform prior"])
def test_probabilities_sum_to_one(name):
    _, probabilities = fit_baselines(rows_with_a_motif(60, 1), [random_dna(60, 1)], uniform_prior=True)[name]
    np.testing.assert_allclose(probabilities.sum(1), 1)


def test_a_uniform_prior_divides_by_the_training_shares():
    train = rows_with_a_motif(60, 1) + rows_with_a_motif(60, 2)[::2]  # two of three have the motif
    found = fit_baselines(train, [random_dna(60, 1)], uniform_prior=True)
    labels, [as_trained] = found["k-mers"]
    _, [alike] = found["k-mers, uniform prior"]
    assert labels == ["no", "yes"]
    assert alike[1] / alike[0] == pytest.approx(as_trained[1] / as_trained[0] / 2)


def test_overlap_by_hand():
    train = ["gRNA:AAC targetRNA:CCT", "gRNA:GGG targetRNA:TTT"]
    test = ["gRNA:AAC targetRNA:AAA", "gRNA:ACA targetRNA:CCT", "gRNA:GTT targetRNA:CAC"]
    guides, targets = part_overlap(train, test)
    assert (guides.name, guides.rows, guides.exact, guides.reversed) == ("gRNA", 3, 1, 1)
    assert (targets.name, targets.rows, targets.exact, targets.reversed) == ("targetRNA", 3, 1, 1)
    assert targets.sentence().startswith("1 of 3 test rows' targetRNA stand in the training rows")


def test_lone_sequences_overlap_whatever_their_case():
    (entry,) = part_overlap(["acgtt"], ["ACGTT", "AACGU", "CCCCC"])
    assert (entry.name, entry.rows, entry.exact, entry.reversed) == ("sequence", 3, 1, 1)


def test_the_nearest_neighbour_gives_the_answer_of_the_likest_training_row():
    train = [(parse_cell(random_dna(300, seed)), f"answer {seed}") for seed in range(300)]
    cells = [parse_cell(random_dna(300, seed)[10:280]) for seed in range(299, -1, -1)]
    found = baselines.write_baselines(train, cells)
    assert found["nearest neighbour"] == [f"answer {seed}" for seed in range(299, -1, -1)]
    assert set(found["majority"]) == {"answer 0"}
    assert baselines.write_baselines([], cells) == {}


def test_more_training_rows_than_the_cap_are_drawn_and_named(monkeypatch):
    monkeypatch.setattr(baselines, "MOST_TRAINING_ROWS", 200)
    train, test = rows_with_a_motif(400, 1), rows_with_a_motif(200, 2)
    cells, answers = [cell for cell, _ in test], [answer for _, answer in test]
    found = fit_baselines(train, cells)
    name = "k-mers (200 of 400 training rows)"
    assert set(found) == {"majority", name, "positions (200 of 400 training rows)"}
    assert accuracy(found[name], answers) > 0.8
    alike = fit_baselines(train, cells, uniform_prior=True)
    assert set(alike) - set(found) == {
        f"{plain}, uniform prior (200 of 400 training rows)" for plain in ("k-mers", "positions")
    }, "the cap comes last: suites cut it off"
    np.testing.assert_array_equal(found[name][1], fit_baselines(train, cells)[name][1])
