"""Changes of answers' probabilities by variants: of pairs of windows, a VCF file, a region, and in Python."""

import csv
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pysam
import pytest

from omnina import OmniNA
from omnina.chunking import parse_cell, reverse_complement
from omnina.errors import UserError
from omnina.inference.answer import Answerer, Query
from omnina.inference.variants.answers import AnswerScorer
from omnina.inference.variants.haplotypes import TextContig, canonical, windows
from omnina.inference.variants.scoring import VariantSettings

ROOT = Path(__file__).parents[3]
BASES = "".join(random.Random(6).choices("ACGT", k=120))
OTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}
COLOUR, STORY = "Which colour?", "What is it?"
WINDOW = 41
STEP = 1e-5  # of probabilities, in what is written with six digits


@pytest.fixture(scope="module")
def answerer(checkpoint) -> Answerer:
    return Answerer(checkpoint)


@pytest.fixture
def genome(tmp_path) -> Path:
    path = tmp_path / "genome.fa"
    path.write_text(f">chr1\n{BASES}\n")
    return path


def probabilities(answerer: Answerer, text: str) -> np.ndarray:
    [answer] = answerer.answer([Query(parse_cell(text), COLOUR)])
    return np.array(list(answer.labels.values()))


def at(start: int, ref_length: int, alt: str):
    contig = TextContig(BASES)
    return windows(contig, canonical(contig, start, BASES[start : start + ref_length], alt), WINDOW)


def command(checkpoint: Path, genome: Path, *options: str) -> list[str]:
    script = [sys.executable, "scripts/score_variants.py", "--checkpoint", str(checkpoint)]
    return [*script, "--reference", str(genome), "--question", COLOUR, *options]


def run(*given) -> subprocess.CompletedProcess:
    return subprocess.run(command(*given), cwd=ROOT, capture_output=True, text=True, check=False)


def test_changes_are_those_of_the_answers(answerer):
    scorer = AnswerScorer(answerer, COLOUR, VariantSettings(WINDOW, both_strands=True))
    alt = OTHER[BASES[60]]
    [found] = scorer.changes([at(60, 1, alt)])
    ref = BASES[40:81]
    changed = ref[:20] + alt + ref[21:]
    ours = [probabilities(answerer, text) for text in (ref, reverse_complement(ref))]
    theirs = [probabilities(answerer, text) for text in (changed, reverse_complement(changed))]
    assert found == pytest.approx((sum(theirs) - sum(ours)) / 2, abs=1e-6)
    assert np.abs(found).max() > 1e-5
    assert found.sum() == pytest.approx(0, abs=1e-6)


def test_the_same_alternative_changes_nothing_and_exchanging_the_two_changes_the_sign(answerer):
    scorer = AnswerScorer(answerer, COLOUR, VariantSettings(WINDOW, both_strands=False), "red")
    same, pair = at(60, 1, BASES[60]), at(60, 3, "")
    exchanged = type(pair)(pair.alt, pair.ref)
    nothing, forth, back = scorer.scores([same, pair, exchanged])
    assert nothing == 0 and forth == -back != 0
    assert scorer.changes([]).shape == (0, 4)


def test_a_question_without_labels_an_answer_that_is_none_and_a_window_too_long(answerer):
    with pytest.raises(UserError, match="has no labels for 'What is it"):
        AnswerScorer(answerer, STORY, VariantSettings())
    with pytest.raises(UserError, match="'blue' is no answer to this question; there are: green, red"):
        AnswerScorer(answerer, COLOUR, VariantSettings(), "blue")
    contig = TextContig(BASES * 40)
    pair = windows(contig, canonical(contig, 2000, BASES[2000 % 120], "N"), 4001)
    assert np.isnan(AnswerScorer(answerer, COLOUR, VariantSettings(4001)).changes([pair])).all()


def test_a_vcf_file(answerer, checkpoint, genome, tmp_path):
    ref = BASES[59]
    lines = f"chr1\t60\t.\t{ref}\t{OTHER[ref]},<DEL>\t.\t.\tOMNINA_SCORE=1,2;DP=3\n"
    header = (
        '##fileformat=VCFv4.2\n##contig=<ID=chr1>\n##INFO=<ID=DP,Number=1,Type=Integer,Description="d">\n'
    )
    header += '##INFO=<ID=OMNINA_SCORE,Number=A,Type=Float,Description="of an earlier call">\n'
    header += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    (tmp_path / "in.vcf").write_text(header + lines)
    names = [str(tmp_path / name) for name in ("in.vcf", "out.csv", "out.vcf")]
    given = [
        option for pair in zip(("--vcf", "--output", "--output_vcf"), names, strict=True) for option in pair
    ]
    done = run(checkpoint, genome, *given, "--window", str(WINDOW))
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out.csv").open(newline="") as stream:
        substitution, symbolic = csv.DictReader(stream)
    labels = answerer.questions[COLOUR].labels
    expected = AnswerScorer(answerer, COLOUR, VariantSettings(WINDOW)).changes([at(59, 1, OTHER[ref])])[0]
    assert [float(substitution[f"change_{label}"]) for label in labels] == pytest.approx(expected, abs=STEP)
    assert {symbolic[f"change_{label}"] for label in labels} == {""}
    text = (tmp_path / "out.vcf").read_text()
    assert text.count("##INFO=<ID=OMNINA_SCORE,") == 1 and text.count("OMNINA_SCORE=") == 1
    [record] = pysam.VariantFile(str(tmp_path / "out.vcf"))
    of_substitution, of_symbolic = record.info["OMNINA_ANSWERS"]
    changes = dict(entry.split(":") for entry in of_substitution.split("|"))
    assert list(changes) == ["green", "red", "red%20brown", "redder"]
    assert [float(change) for change in changes.values()] == pytest.approx(expected, abs=STEP)
    assert of_symbolic == "." or of_symbolic is None
    assert record.info["DP"] == 3


def test_a_region_is_asked_about_alone(answerer, checkpoint, genome, tmp_path):
    table, plot = tmp_path / "map.csv", tmp_path / "map.png"
    shown = ("--saturate", "1:31-60", "--answer", "red", "--output", str(table), "--plot", str(plot))
    done = run(checkpoint, genome, *shown, "--one_strand")
    assert done.returncode == 0, done.stderr
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["pos"]) for row in rows[::3]] == list(range(31, 61))
    region, row = BASES[30:60], rows[40]
    place = int(row["pos"]) - 31
    assert row["ref"] == region[place]
    changed = region[:place] + row["alt"] + region[place + 1 :]
    red = answerer.questions[COLOUR].labels.index("red")
    expected = (probabilities(answerer, changed) - probabilities(answerer, region))[red]
    assert float(row["score"]) == pytest.approx(expected, abs=STEP)
    assert plot.stat().st_size > 0


@pytest.mark.parametrize(
    "options",
    [("--vcf", "in.vcf", "--answer", "red"), ("--saturate", "chr1:1-9"), ("--vcf", "x", "--plot", "a.png")],
)
def test_options_that_do_not_go_together(checkpoint, genome, tmp_path, options):
    done = run(checkpoint, genome, *options, "--output", str(tmp_path / "out.csv"))
    assert done.returncode == 2
    assert "goes with --saturate" in done.stderr and "Traceback" not in done.stderr


def test_in_python(answerer, checkpoint):
    sequence = BASES[:50]
    alt = OTHER[sequence[9]]
    found = OmniNA.load(checkpoint).change_answers(sequence, [(10, sequence[9], alt)], COLOUR)
    expected = probabilities(answerer, sequence[:9] + alt + sequence[10:]) - probabilities(answerer, sequence)
    assert list(found) == answerer.questions[COLOUR].labels
    assert np.concatenate(list(found.values())) == pytest.approx(expected, abs=1e-6)


def test_labels_of_ones_own(checkpoint):
    variant = [(10, BASES[9], OTHER[BASES[9]])]
    found = OmniNA.load(checkpoint).change_answers(BASES[:50], variant, STORY, labels=["yes", "no"])
    assert list(found) == ["no", "yes"]
    assert found["no"] == pytest.approx(-found["yes"], abs=1e-6) and found["no"][0] != 0
