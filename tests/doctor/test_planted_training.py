"""The planted optimum is the optimum, and the training reaches it by the way that users go."""

import math
import random

import pytest

from omnina.doctor import examination, planted
from omnina.doctor.check import FAILED, OK
from omnina.doctor.planted import BASES, DOMINANT, Optimum, optimum, write_tables
from omnina.doctor.training import compared


def bayes_bits(sequence: str) -> float:
    """Bits of a sequence by updating the four probabilities base by base."""
    belief, bits = dict.fromkeys(BASES, 0.25), 0.0
    for base in sequence:
        likelihood = {b: DOMINANT if b == base else (1 - DOMINANT) / 3 for b in BASES}
        predicted = sum(belief[b] * likelihood[b] for b in BASES)
        bits -= math.log2(predicted)
        belief = {b: belief[b] * likelihood[b] / predicted for b in BASES}
    return bits


def test_the_optimum_is_that_of_bayes_rule_base_by_base():
    generator = random.Random(0)
    rows = [("".join(generator.choices("ACGT", k=40)), "A") for _ in range(5)]
    expected = sum(bayes_bits(sequence) for sequence, _ in rows) / 200
    assert optimum(rows).bits_per_base == pytest.approx(expected, abs=1e-12)


def test_the_optimum_is_near_the_entropy_of_the_source(tmp_path):
    found = write_tables(tmp_path / "train.csv", tmp_path / "validation.csv")
    known = -DOMINANT * math.log2(DOMINANT) - (1 - DOMINANT) * math.log2((1 - DOMINANT) / 3)
    assert (
        known < found.bits_per_base < known + 2.1 / planted.LENGTH + 0.02
    )  # and 2 bits for which base it is
    assert found.annotation_nats < 1e-9
    assert write_tables(tmp_path / "a.csv", tmp_path / "b.csv") == found
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "train.csv").read_bytes()
    lines = (tmp_path / "train.csv").read_text().splitlines()
    assert len(lines) == 1 + planted.TRAIN_ROWS and len(set(lines)) == len(lines)


def record(bits: float, nats: float) -> dict:
    end = {"eval_bits_per_base": bits, "eval_annotation_loss": nats}
    return {"validation_at_end": end, "seconds": 9.0, "tokens_per_second": 1000.0}


@pytest.mark.parametrize(
    ("bits", "nats", "statuses"),
    [
        (1.066, 0.003, [OK, OK]),
        (2.0, 0.003, [FAILED, OK]),  # sees no earlier token
        (0.9, 0.003, [FAILED, OK]),  # sees what is to come
        (1.066, 1.386, [OK, FAILED]),  # the annotation knows nothing of the sequence
        (math.nan, math.nan, [FAILED, FAILED]),
    ],
)
def test_a_run_passes_near_the_optimum_alone(bits, nats, statuses):
    assert [check.status for check in compared(record(bits, nats), Optimum(1.06, 0.0))] == statuses


def test_an_output_that_cannot_be_made_is_a_failed_check(tmp_path):
    (tmp_path / "file").write_text("")
    [found] = examination.examine_training(tmp_path / "file" / "output", lambda _: None)
    assert found.status == FAILED


@pytest.mark.slow
def test_the_training_reaches_the_optimum_and_leaves_nothing(tmp_path):
    told = []
    found = examination.examine_training(tmp_path, told.append)
    assert [check.status for check in found] == [OK, OK, OK], told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_training_that_cannot_start_is_told_and_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_CONFIG", "none.yaml")
    told = []
    [found] = examination.examine_training(tmp_path, told.append)
    assert found.status == FAILED and "none.yaml is not a file" in found.found
    [folder] = tmp_path.iterdir()
    assert str(folder) in told[-1] and (folder / "log.txt").is_file()
