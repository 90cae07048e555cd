"""The figures of a tiny tokenizer of the published layout, counted by hand; errors name what is wrong."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest
from tables import random_dna, write_table
from tokenizers import AddedToken, Tokenizer, models, normalizers, processors

from omnina.command import check_report_folder
from omnina.errors import UserError
from omnina.special_tokens import BOS_ID, BOS_TOKEN, EOS_TOKEN, PAD_TOKEN, UNK_TOKEN
from omnina.tokenizer import SPACE
from omnina.vocabulary.comparison import compare_tokenizers, moved_figures, piece_kind, row_figures
from omnina.vocabulary.comparison_report import short_names, write_comparison
from omnina.vocabulary.training import train_tokenizer

ROWS = [
    {"sequence": "ACGT", "response": "ACG"},  # _A CG T | ACG
    {"sequence": "cgcg", "response": "A C"},  # CG CG | A _ C
    {"sequence": "T", "response": "Aé"},  # T | A unknown
]


@pytest.fixture
def published(tmp_path) -> Path:
    folder = tmp_path / "published"
    folder.mkdir()
    pieces = [UNK_TOKEN, BOS_TOKEN, EOS_TOKEN, SPACE, "A", "C", "G", "T", f"{SPACE}A", "CG", "ACG"]
    merges = [(SPACE, "A"), ("C", "G"), ("A", "CG")]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    backend = Tokenizer(models.BPE(vocabulary, merges, unk_token=UNK_TOKEN, fuse_unk=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    backend.post_processor = processors.TemplateProcessing(
        single=f"{BOS_TOKEN} $A", special_tokens=[(BOS_TOKEN, BOS_ID)]
    )
    special = (UNK_TOKEN, BOS_TOKEN, EOS_TOKEN)
    backend.add_special_tokens([AddedToken(name, normalized=False) for name in special])
    backend.save(str(folder / "tokenizer.json"))
    (folder / "added_tokens.json").write_text(json.dumps({PAD_TOKEN: len(pieces)}))
    return folder


@pytest.fixture
def table(tmp_path) -> Path:
    return write_table(tmp_path / "t.csv", ROWS)


def test_figures_by_hand(published, table):
    (found,), rows = compare_tokenizers([published], table)
    assert rows == {"used": 3, "skipped": 0}
    figures = found.figures
    assert figures["vocabulary"] == 12
    assert figures["bases_per_token"] == 9 / 6
    assert figures["characters_per_token"] == 8 / 6
    assert figures["unknown_rate"] == 1 / 12
    assert figures["byte_rate"] == 0
    kinds = [figures[f"pieces_{kind}"] * 12 for kind in ("dna", "english", "mixed", "special", "bytes")]
    assert kinds == pytest.approx([7, 1, 0, 4, 0])
    assert figures["pieces_in_both"] == 0
    assert figures["unused_pieces"] == 1  # G
    assert found.base_lengths == Counter({1: 3, 2: 3})
    assert found.character_lengths == Counter({3: 1, 1: 3, 0: 1})
    assert found.row_lengths.total() == 3
    assert len(found.moved) == 12  # four of each row


def test_byte_tokens_are_counted(tmp_path):
    rows = [{"sequence": random_dna(300, seed), "response": "one gene"} for seed in range(20)]
    train_tokenizer([write_table(tmp_path / "train.csv", rows)], tmp_path / "ours", vocab_size=400)
    table = write_table(tmp_path / "t.csv", [{"sequence": "A", "response": "éé"}])
    (found,), _ = compare_tokenizers([tmp_path / "ours"], table)
    assert (found.figures["byte_rate"], found.figures["unknown_rate"]) == (4 / 5, 0)
    assert found.figures["characters_per_token"] == 2 / 4


def test_questions_are_part_of_the_row(published, table, tmp_path):
    asked = write_table(tmp_path / "asked.csv", [row | {"question": "C" * 50} for row in ROWS])
    (plain,), _ = compare_tokenizers([published], table)
    (longer,), _ = compare_tokenizers([published], asked)
    assert longer.figures["tokens_per_row_mean"] > plain.figures["tokens_per_row_mean"] + 50
    assert longer.figures["bases_per_token"] == plain.figures["bases_per_token"]


@pytest.mark.parametrize(
    ("piece", "kind"),
    [
        ("A", "dna"),
        (f"{SPACE}ACGTN", "dna"),
        ("GCR", "english"),
        ("gene", "english"),
        (SPACE, "english"),
        (":ACGT", "mixed"),
        (f"{SPACE}TAC.", "english"),
        ("<0x0A>", "bytes"),
    ],
)
def test_kinds_of_pieces(piece, kind):
    assert piece_kind(piece) == kind


def test_figures_of_rows_and_changes_by_hand():
    assert row_figures(Counter({10: 1, 2048: 1, 2049: 2})) == {
        "tokens_per_row_mean": 1539,
        "tokens_per_row_median": 2048.5,
        "tokens_per_row_max": 2049,
        "rows_over_2048": 0.5,
    }
    assert moved_figures([1] * 50 + [2] * 40 + [5] * 11) == {
        "moved_mean": 185 / 101,
        "moved_median": 2,
        "moved_p95": 5,
        "moved_max": 5,
        "moved_one": 50 / 101,
    }


def test_bad_rows_stop_or_are_counted(published, tmp_path):
    table = write_table(tmp_path / "t.csv", [*ROWS, {"sequence": "AC!", "response": "x"}])
    with pytest.raises(UserError, match=r"t.csv:5: .*'!' at base 3.*--bad_rows skip"):
        compare_tokenizers([published], table)
    (found,), rows = compare_tokenizers([published], table, bad_rows="skip")
    assert rows == {"used": 3, "skipped": 1}
    assert found.figures["bases_per_token"] == 9 / 6
    only = write_table(tmp_path / "bad.csv", [{"sequence": "!", "response": "x"}])
    with pytest.raises(UserError, match=r"no row to compare on"):
        compare_tokenizers([published], only, bad_rows="skip")


def test_what_is_missing_is_named(published, table, tmp_path):
    with pytest.raises(UserError, match=r"nowhere: no such folder"):
        compare_tokenizers([published, tmp_path / "nowhere"], table)
    with pytest.raises(UserError, match=r"absent.csv: there is no such file"):
        compare_tokenizers([published], tmp_path / "absent.csv")
    with pytest.raises(UserError, match=r"no column 'response'"):
        compare_tokenizers([published], write_table(tmp_path / "dna.csv", [{"sequence": "A"}]))
    with pytest.raises(UserError, match="substitutions is 0"):
        compare_tokenizers([published], table, substitutions=0)
    with pytest.raises(UserError, match="this folder exists"):
        check_report_folder(tmp_path, overwrite=False)
    with pytest.raises(UserError, match="this is a file"):
        check_report_folder(table, overwrite=True)


def test_the_report_holds_every_figure(published, table, tmp_path):
    comparisons, rows = compare_tokenizers([published], table, seed=3)
    settings = {"command": "the command", "input": ["t.csv"], "seed": 3}
    page = write_comparison(comparisons, rows, settings, tmp_path / "out")
    names = {"report.md", "comparison.json", "comparison.csv", "token_lengths.png", "rows_and_changes.png"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert (tmp_path / "out" / "report.md").read_text() == page
    assert "| bases per token of a sequence | 1.50 |" in page and "the command" in page
    figures = comparisons[0].figures
    with (tmp_path / "out" / "comparison.csv").open() as stream:
        values = {row["figure"]: float(row["value"]) for row in csv.DictReader(stream)}
    assert values == figures
    saved = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert saved["rows"] == rows and saved["tokenizers"][0]["bases_per_token"] == 1.5
    assert saved["tokenizers"][0]["moved"] == comparisons[0].moved


def test_names_are_short_where_they_differ():
    assert short_names(["a/x", "b/y"]) == ["x", "y"]
    assert short_names(["a/x", "b/x"]) == ["a/x", "b/x"]
