"""The faster encoder's ids are the tokenizer's on many texts, and a wrong encoder is found."""

import json
from pathlib import Path

import pytest
from benchmark_script import benchmark_script

from omnina.benchmarks.encoders import measure_encoders
from omnina.benchmarks.random_texts import RandomTexts
from omnina.errors import UserError
from omnina.text_encoding import MergeRankEncoder

ROOT = Path(__file__).parents[1]
TABLE, TOKENIZER = ROOT / "data" / "finetune_val_example.csv", ROOT / "data" / "tokenizer"


@pytest.fixture
def small_table(tmp_path) -> str:
    lines = TABLE.read_text(encoding="utf-8").splitlines(keepends=True)
    path = tmp_path / "table.csv"
    path.write_text("".join(lines[:30]), encoding="utf-8")
    return str(path)


def run(monkeypatch, table: str, report: Path) -> list[dict]:
    given = ["encoders", "--input", table, "--tokenizer", str(TOKENIZER), "--strings", "600"]
    monkeypatch.setattr("sys.argv", ["benchmark.py", *given, "--json", str(report)])
    benchmark_script().main()
    return json.loads(report.read_text())["figures"]


def test_the_faster_encoder_gives_the_tokenizers_ids(monkeypatch, small_table, tmp_path):
    figures = run(monkeypatch, small_table, tmp_path / "report.json")
    of_all = {row["metric"]: row["value"] for row in figures if row["work"] == "all"}
    assert of_all["texts"] >= of_all["different texts"] >= 600
    assert of_all["texts by splintr"] > 400  # the comparison is of two encoders
    assert of_all["with other ids"] == 0


def test_a_wrong_encoder_is_found_and_ends_the_command_with_status_1(
    monkeypatch, small_table, tmp_path, capsys
):
    """Wrong in one id, in texts that hold CGCG alone."""
    right = MergeRankEncoder.encode

    def wrong(self, texts):
        encoded = right(self, texts)
        for text, each in zip(texts, encoded, strict=True):
            if "CGCG" in text:
                each.ids = each.ids.copy()
                each.ids[-1] += 1
        return encoded

    monkeypatch.setattr(MergeRankEncoder, "encode", wrong)
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, small_table, tmp_path / "report.json")
    assert ended.value.code == 1
    figures = json.loads((tmp_path / "report.json").read_text())["figures"]
    firsts = [row["value"] for row in figures if row["metric"] == "first of them"]
    assert firsts and all("CGCG" in first for first in firsts)
    assert firsts[0] in capsys.readouterr().out


def test_nothing_is_compared_without_the_faster_encoder(monkeypatch, small_table):
    monkeypatch.setattr(MergeRankEncoder, "of", lambda tokenizer: None)
    with pytest.raises(UserError, match=r"pip install -r requirements-corpus\.txt"):
        measure_encoders(small_table, TOKENIZER, 10, 0)


def test_texts_follow_from_the_seed():
    def drawn(seed: int) -> list[list[str]]:
        texts = RandomTexts(["ACGTTGCA"], ["some gene, of all"], ["AC", " gene"], seed)
        return [[kind.make() for _ in range(20)] for kind in texts.kinds()]

    assert drawn(1) == drawn(1) != drawn(2)
    assert all(len(set(texts)) > 3 for texts in drawn(1))
