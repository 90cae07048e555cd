import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from corpus_records import dna, fasta, turned

ROOT = Path(__file__).parents[2]
DATA = ROOT / "data"
STAGES = ("pretrain", "finetune")
SPLITS = ("train", "val")


def table_name(stage: str, split: str) -> str:
    return f"{stage}_{split}_example.csv"


@pytest.fixture(autouse=True)
def log_of_this_test() -> None:
    """datatrove's log goes to this test's stderr; loguru would keep that of the test which imported it."""
    if "loguru" in sys.modules:
        logger = sys.modules["loguru"].logger
        logger.remove()
        logger.add(sys.stderr)


@pytest.fixture(scope="session")
def data() -> Path:
    return DATA


@pytest.fixture(scope="session")
def committed() -> dict[tuple[str, str], list[dict[str, str]]]:
    """Rows of the committed tables by stage and split."""
    tables = {}
    for stage, split in ((stage, split) for stage in STAGES for split in SPLITS):
        with (DATA / table_name(stage, split)).open(encoding="utf-8", newline="") as stream:
            tables[stage, split] = list(csv.DictReader(stream, strict=True))
    return tables


@pytest.fixture(scope="session")
def committed_rows(committed) -> dict[str, list[dict[str, str]]]:
    """Rows of the pretraining tables by split."""
    return {split: committed["pretrain", split] for split in SPLITS}


@pytest.fixture(scope="session")
def remade(tmp_path_factory) -> Path:
    """The folder of the example made anew by its command, from records that lie somewhere among others."""
    pytest.importorskip("datatrove")
    folder = tmp_path_factory.mktemp("example")
    shutil.copytree(DATA / "records", folder / "input" / "from" / "debian")
    (folder / "input" / "other.gbk.gz").write_bytes(b"no GenBank file")
    (folder / "input" / "from" / "rRNA16S.gold.fasta").write_text("another name\n")
    command = [sys.executable, "scripts/build_corpus.py", "configs/corpus/example.yaml", "--tasks", "3"]
    command += ["--input", str(folder / "input"), "--output", str(folder / "output")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return folder / "output"


@pytest.fixture
def records(tmp_path) -> Path:
    """Five files of 30 records; b repeats two of a, once on the other strand; c has a short and a bad one."""
    folder = tmp_path / "records"
    folder.mkdir()
    files = {
        name: {f"{name}{n}.1": dna(120 + n, 100 * place + n) for n in range(30)}
        for place, name in enumerate("abcde")
    }
    files["b"] |= {"again.1": files["a"]["a3.1"], "turned.1": turned(files["a"]["a4.1"])}
    files["a"]["late.1"] = files["b"]["b5.1"]  # the first file's stays although it is its last record
    files["c"] |= {"short.1": "ACGTACGT", "broken.1": "ACGTXACGT" * 10, "nothing.1": ""}
    for name, sequences in files.items():
        fasta(folder, f"{name}.fa", sequences)
    return folder
