"""From a VCF file to scores in CSV and VCF, by the script."""

import csv
import random
import subprocess
import sys
from pathlib import Path

import pysam
import pytest

from omnina.errors import UserError
from omnina.inference.variants.alternatives import AlternativeScorer
from omnina.inference.variants.haplotypes import TextContig, canonical, windows
from omnina.inference.variants.job import VariantJob
from omnina.inference.variants.reference import Reference
from omnina.inference.variants.scoring import VariantScorer, VariantSettings

ROOT = Path(__file__).parents[3]
BASES = "".join(random.Random(2).choices("ACGT", k=400))
OTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}


@pytest.fixture
def world(tmp_path) -> Path:
    (tmp_path / "genome.fa").write_text(f">chr1\n{BASES}\n>chr2\n{BASES[:50]}N{BASES[51:90]}\n")
    ref, other = BASES[199], OTHER[BASES[199]]
    lines = [
        f"1\t200\trs1\t{ref}\t{other},<DEL>,{ref}ACGT\t50\tPASS\tDP=3",
        f"1\t200\t.\t{other}\t{ref}\t.\t.\t.",
        f"chr2\t49\t.\t{BASES[48]}\t{OTHER[BASES[48]]}\t.\t.\t.",
    ]
    header = '##fileformat=VCFv4.2\n##INFO=<ID=DP,Number=1,Type=Integer,Description="depth">\n'
    header += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    (tmp_path / "in.vcf").write_text(header + "\n".join(lines) + "\n")
    return tmp_path


def test_the_script(world, checkpoint, reader):
    command = [sys.executable, "scripts/score_variants.py", "--checkpoint", str(checkpoint)]
    command += ["--vcf", str(world / "in.vcf"), "--reference", str(world / "genome.fa"), "--window", "100"]
    command += ["--output", str(world / "out.csv"), "--output_vcf", str(world / "out.vcf.gz")]
    command += ["--indel_controls", "5"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "5 alternatives of 3 records, 2 of them not scored" in done.stdout
    with (world / "out.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    snv, symbolic, inserted, wrong, near_n = rows
    assert (snv["chrom"], snv["pos"], snv["id"], snv["note"]) == ("1", "200", "rs1", "")
    contig, settings = TextContig(BASES), VariantSettings(window=100)
    for row, alt in ((snv, OTHER[BASES[199]]), (inserted, f"{BASES[199]}ACGT")):
        pair = windows(contig, canonical(contig, 199, BASES[199], alt), 100)
        [expected] = VariantScorer(reader, settings).scores([pair])
        assert float(row["raw_score"]) == pytest.approx(expected, abs=1e-3)
    assert snv["score"] == snv["raw_score"] and snv["control_sd"] == ""
    assert float(inserted["control_sd"]) > 0 and inserted["score"] != inserted["raw_score"]
    assert symbolic["score"] == "" and "symbolic" in symbolic["note"]
    assert wrong["score"] == "" and wrong["note"].startswith("REF is")
    assert near_n["score"] and near_n["note"] == "N in the window"
    first, second, third = pysam.VariantFile(str(world / "out.vcf.gz"))
    assert first.info["DP"] == 3 and first.id == "rs1"
    assert first.info["OMNINA_SCORE"][1] is None
    assert first.info["OMNINA_SCORE"][0] == pytest.approx(float(snv["score"]), abs=1e-4)
    assert first.info["OMNINA_RAW"][2] == pytest.approx(float(inserted["raw_score"]), abs=1e-4)
    assert second.info["OMNINA_SCORE"] == (None,) and second.info["OMNINA_NOTE"][0].startswith("REF%20is%20")
    assert third.info["OMNINA_SCORE"][0] == pytest.approx(float(near_n["score"]), abs=1e-4)


def test_outputs_that_exist_are_left_alone(world):
    (world / "out.vcf").touch()
    with pytest.raises(UserError, match=r"out.vcf: this exists already"):
        VariantJob(world / "in.vcf", Reference(world / "genome.fa"), world / "out.csv", world / "out.vcf")


def lines_of(world: Path, *records: str) -> Path:
    header = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    (world / "more.vcf").write_text(header + "".join(f"{record}\n" for record in records))
    return world / "more.vcf"


def scored(world: Path, variants: Path, reader, window: int) -> list[dict[str, str]]:
    job = VariantJob(variants, Reference(world / "genome.fa"), world / "more.csv", world / "more_out.vcf")
    job.run(AlternativeScorer(VariantScorer(reader, VariantSettings(window, segmentations=1))))
    with (world / "more.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_what_does_not_fit_has_a_reason_and_the_others_their_scores(world, reader):
    ref = BASES[199]
    long = f"chr1\t200\t.\t{ref}\t{ref}{'ACGTC' * 30},{OTHER[ref]}\t.\t.\t."
    too_long, other = scored(world, lines_of(world, long), reader, 61)
    assert too_long["score"] == "" and "more than a window" in too_long["note"]
    assert other["score"] and other["note"] == ""
    notes = (world / "more_out.vcf").read_text().splitlines()[-1].partition("OMNINA_NOTE=")[2]
    assert notes.endswith(",.") and "more%20than%20a%20window" in notes


def test_windows_of_too_many_tokens_have_a_reason(world, reader):
    (world / "genome.fa").write_text(f">chr1\n{BASES[:100]}{'N' * 500}{BASES[100:]}\n")
    at = BASES[99]
    near_gap = f"chr1\t100\t.\t{at}\t{OTHER[at]}\t.\t.\t."
    in_gap = "chr1\t400\t.\tNN\tN\t.\t.\t."
    far = f"chr1\t800\t.\t{BASES[299]}\t{OTHER[BASES[299]]}\t.\t.\t."
    first, second, third = scored(world, lines_of(world, near_gap, in_gap, far), reader, 301)
    for row in (first, second):
        assert row["score"] == "" and "more tokens than the model reads" in row["note"], row
    assert third["score"], third["note"]


def test_nothing_else_of_a_record_changes(world, reader):
    ref = BASES[199]
    line = f"chr1\t200\tx\t{ref}\t{OTHER[ref]}\t29.123456789\tPASS\tAF=0.123456789;OMNINA_X=1"
    header = '##fileformat=VCFv4.2\n##INFO=<ID=AF,Number=A,Type=Float,Description="f">\n'
    header += '##INFO=<ID=OMNINA_X,Number=1,Type=Integer,Description="not ours">\n'
    (world / "own.vcf").write_text(f"{header}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n{line}\n")
    scored(world, world / "own.vcf", reader, 61)
    text = (world / "more_out.vcf").read_text()
    assert text.splitlines()[-1].startswith(f"{line};OMNINA_SCORE=")
    assert "ID=OMNINA_X," in text


def test_two_outputs_of_one_name_and_what_is_left_of_a_run_that_fails(world, reader):
    with pytest.raises(UserError, match="--output_vcf another one"):
        VariantJob(world / "in.vcf", Reference(world / "genome.fa"), world / "s.vcf", world / "s.vcf")
    scorer = VariantScorer(reader, VariantSettings(61))
    scorer.scores = None  # what it calls fails
    job = VariantJob(world / "in.vcf", Reference(world / "genome.fa"), world / "s.csv", world / "s.vcf")
    with pytest.raises(TypeError):
        job.run(AlternativeScorer(scorer))
    assert not list(world.glob("*s.csv")) and not list(world.glob("*s.vcf"))
