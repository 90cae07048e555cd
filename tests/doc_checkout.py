"""A copy of the checkout where documented commands run: small tables, and files that a reader would have."""

import csv
import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

from Bio import SeqIO
from doc_commands import Command, file_name
from doc_pages import ROOT
from doc_rules import ADDED, BEFORE_PYTHON, BEGINNING, rule

# Rows that are left of the committed tables: a step and an evaluation then take seconds.
ROWS = {
    "data/pretrain_train_example.csv": 120,
    "data/pretrain_val_example.csv": 24,
    "data/finetune_train_example.csv": 240,
    "data/finetune_val_example.csv": 40,
}
# The reader's own files, and what stands in for them.
COPIES = {
    "CONFIG.yaml": "configs/pretrain/example.yaml",
    "a.csv": "data/finetune_train_example.csv",
    "b.csv": "data/finetune_val_example.csv",
    "val.csv": "data/finetune_val_example.csv",
    "my_train.csv": "data/pretrain_train_example.csv",
    "my_val.csv": "data/pretrain_val_example.csv",
}
CONTIG = "NZ_AHMY02000051.1"
GENOME = "data/records/leptospira_kirschneri_H1.gbk.gz"
VARIANTS = f"""##fileformat=VCFv4.2
##contig=<ID={CONTIG}>
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO
{CONTIG}\t9854\tsnv\tG\tA\t.\t.\t.
{CONTIG}\t9884\tdeletion\tCC\tC\t.\t.\t.
"""
SECONDS = 300  # longer than any command here should take


def make_checkout(folder: Path) -> None:
    """Copy what git has, cut the tables, write the reader's files, and train both stages for a few steps."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    for name, rows in ROWS.items():
        _cut(folder / name, rows)
    _write_readers_files(folder)
    for text in BEGINNING:
        run(folder, f"{text} {ADDED[text]}")


def run(folder: Path, text: str) -> None:
    """Run a shell's command there; AssertionError with the end of what it printed if it fails."""
    done = subprocess.run(
        ["bash", "-c", text],
        cwd=folder,
        env=_environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{text}\nended with status {done.returncode}:\n{done.stdout[-3000:]}"


def follow(folder: Path, command: Command) -> None:
    """Do what a page says: run a command, or Python; write a file that it shows."""
    if command.language == "yaml":
        path = folder / file_name(command.text)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(command.text)
    elif command.language == "python":
        beginning = rule(BEFORE_PYTHON, command.text)
        (folder / "block.py").write_text(BEFORE_PYTHON.get(beginning, "") + command.text)
        run(folder, "python block.py")
    else:
        run(folder, f"{command.text} {ADDED.get(rule(ADDED, command.text), '')}")


def _environment(folder: Path) -> dict[str, str]:
    """Of this process, with its Python as the active environment, and the copy's code in it."""
    programs = Path(sys.executable).parent
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ACCELERATE")}
    return inherited | {
        "PATH": os.pathsep.join([str(programs), os.environ["PATH"]]),
        "VIRTUAL_ENV": str(programs.parent),
        "PYTHONPATH": str(folder),
        "CUDA_VISIBLE_DEVICES": "",
    }


def _cut(table: Path, rows: int) -> None:
    with table.open(newline="") as stream:
        lines = list(csv.reader(stream))
    with table.open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(lines[: rows + 1])


def _write_readers_files(folder: Path) -> None:
    for name, source in COPIES.items():
        shutil.copy(folder / source, folder / name)
    with (folder / "data/pretrain_train_example.csv").open(newline="") as stream:
        genes = {f"gene{number}": row for number, row in enumerate(csv.DictReader(stream))}
    few = list(genes)[:12]
    (folder / "genes.fasta").write_text("".join(f">{name}\n{genes[name]['sequence']}\n" for name in few))
    _write_rows(
        folder / "genes.csv", [{"id": name, "sequence": row["sequence"]} for name, row in genes.items()]
    )
    _write_rows(folder / "labels.csv", [{"id": name, "label": row["source"]} for name, row in genes.items()])
    (folder / "variants.vcf").write_text(VARIANTS)
    with gzip.open(folder / GENOME, "rt") as stream:
        contig = next(record for record in SeqIO.parse(stream, "genbank") if record.id == CONTIG)
    (folder / "genome.fa").write_text(f">{CONTIG}\n{contig.seq}\n")


def _write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
