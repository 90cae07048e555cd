import csv
import gzip
from pathlib import Path

import pytest

from omnina.corpus.example import FILE_NAMES, make_example, read_records

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    return DATA


@pytest.fixture(scope="session")
def committed_rows() -> dict[str, list[dict[str, str]]]:
    tables = {}
    for split, name in FILE_NAMES.items():
        with (DATA / name).open(encoding="utf-8", newline="") as stream:
            tables[split] = list(csv.DictReader(stream, strict=True))
    return tables


@pytest.fixture(scope="session")
def entries():
    return read_records(DATA / "records")


@pytest.fixture(scope="session")
def remade(tmp_path_factory):
    """The example made anew: (what became of the records, the folder with the tables)."""
    output = tmp_path_factory.mktemp("example")
    return make_example(DATA / "records", output, seed=0), output


@pytest.fixture
def gzipped(tmp_path):
    def write(text: str, name: str = "records.gz") -> Path:
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()))
        return path

    return write
