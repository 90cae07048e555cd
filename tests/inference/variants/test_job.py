"""From a VCF file to scores in CSV and VCF, by the script."""

import csv
import random
import subprocess
import sys
from pathlib import Path

import pysam
import pytest

from omnina.errors import UserError
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
    assert second.info["OMNINA_SCORE"] == (None,) and second.info["OMNINA_NOTE"][0].startswith("REF_is_")
    assert third.info["OMNINA_SCORE"][0] == pytest.approx(float(near_n["score"]), abs=1e-4)


def test_outputs_that_exist_are_left_alone(world):
    (world / "out.vcf").touch()
    with pytest.raises(UserError, match=r"out.vcf: this file exists"):
        VariantJob(world / "in.vcf", Reference(world / "genome.fa"), world / "out.csv", world / "out.vcf")
