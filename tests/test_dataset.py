import csv
import random
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import BPE

from omnina.chunking import SequenceRules, parse_cell, reverse_complement, shifted_windows
from omnina.dataset import load_data
from omnina.errors import UserError
from omnina.prompt import FINETUNE_PROMPT, PRETRAIN_PROMPT
from omnina.shards.writer import REJECTED_FILE
from omnina.tables.rows import DataSettings
from omnina.token_kinds import ANNOTATION, PROMPT, SEQUENCE, token_kinds
from omnina.tokenizer import BOS_ID, EOS_ID, load_tokenizer

TOKENIZER = Path(__file__).parents[1] / "data" / "tokenizer"
PRETRAIN = DataSettings(max_length=600, questions=False, rules=SequenceRules())
GENERATOR = random.Random(4)


def dna(bases: int) -> str:
    return "".join(GENERATOR.choices("ACGT", k=bases))


def table(tmp_path: Path, rows: list[list[str]], header=("sequence", "response"), name="rows.csv") -> str:
    path = tmp_path / name
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return str(path)


def load(tmp_path: Path, path: str, settings: DataSettings = PRETRAIN, workers: int | None = None):
    definition = (TOKENIZER / "tokenizer.json").read_text(encoding="utf-8")
    return load_data(
        path, definition, BOS_ID, EOS_ID, settings, cache_dir=tmp_path / "cache", workers=workers
    )


def test_a_document_is_bos_prompt_answer_eos(tmp_path):
    sequence = dna(300)
    data = load(tmp_path, table(tmp_path, [[sequence, "a </s> gene"]]))
    tokenizer = load_tokenizer(TOKENIZER)
    row = data[0]
    ids, start = row["input_ids"].tolist(), int(row["answer_start"])
    assert (ids[0], ids[-1]) == (BOS_ID, EOS_ID)
    assert ids.count(EOS_ID) == 1
    assert tokenizer.decode(ids[1:start]) == PRETRAIN_PROMPT.render(sequence)
    assert tokenizer.decode(ids[start:-1]) == "a </s> gene"
    assert row["input_ids"].dtype == "uint16"


def test_rows_of_a_strand_free_question_are_read_from_both_strands(tmp_path):
    settings = DataSettings(600, questions=True, rules=None, both_strands=("Coding?",))
    rows = [["AAACCU", "Coding?", "Yes"], ["a:AAR b:GG", "Coding?", "No"], ["TTTT", "Phylum?", "X"]]
    data = load(tmp_path, table(tmp_path, rows, ("sequence", "question", "response")), settings)
    tokenizer = load_tokenizer(TOKENIZER)
    texts = [tokenizer.decode(row["input_ids"][1 : int(row["answer_start"])]) for row in data]
    asked = [("AAACCT", "Coding?"), ("AGGTTT", "Coding?"), ("a:AAR b:GG", "Coding?")]
    asked += [("a:YTT b:CC", "Coding?"), ("TTTT", "Phylum?")]
    assert texts == [FINETUNE_PROMPT.render(*pair) for pair in asked]
    assert (data.counts.used, data.counts.documents) == (3, 5)


def test_finetuning_rows_hold_the_question_and_their_own_wording(tmp_path):
    settings = DataSettings(600, questions=True, rules=None)
    rows = [["Is it?", "True", "gRNA:GAUU targetRNA:ACGT"]]
    data = load(tmp_path, table(tmp_path, rows, ("question", "response", "sequence")), settings)
    tokenizer = load_tokenizer(TOKENIZER)
    ids = data[0]["input_ids"].tolist()
    text = FINETUNE_PROMPT.render("gRNA:GATT targetRNA:ACGT", "Is it?")
    assert tokenizer.decode(ids[1:-1]) == text + "True "
    assert data.counts.converted_uracils == 2
    spans = data[0]["sequence_spans"].reshape(-1, 2)
    assert [tokenizer.decode(ids[a:b]).strip(" :") for a, b in spans] == ["GATT", "ACGT"]


def test_pretraining_reads_windows_in_all_cuts_and_from_both_strands(tmp_path):
    bases = dna(1000)
    rules = SequenceRules(window=300)
    settings = DataSettings(600, False, rules, cuts=2, all_strands=True)
    data = load(tmp_path, table(tmp_path, [[bases, "an answer"], [bases[:250], "whole"]]), settings)
    tokenizer = load_tokenizer(TOKENIZER)
    texts = [tokenizer.decode(row["input_ids"][1 : int(row["answer_start"])]) for row in data]
    cuts = [piece.text for piece in shifted_windows(parse_cell(bases), rules, 2)]
    expected = [bases[:300], bases[300:600], bases[600:900], bases[700:], *cuts]
    expected += [reverse_complement(piece) for piece in expected]
    expected += [bases[:250], reverse_complement(bases[:250])]
    assert texts == [PRETRAIN_PROMPT.render(piece) for piece in expected]
    assert data.counts.documents == len(expected)


def test_kinds_of_tokens_split_the_document(tmp_path):
    sequence = dna(250)
    data = load(tmp_path, table(tmp_path, [[sequence, "an answer"]]))
    row, tokenizer = data[0], load_tokenizer(TOKENIZER)
    kinds = token_kinds(row)
    text = {
        kind: tokenizer.decode(row["input_ids"][kinds == kind][: -1 if kind == ANNOTATION else None])
        for kind in range(3)
    }
    assert sequence in text[SEQUENCE].replace("#", "").strip()
    assert text[ANNOTATION] == "an answer"
    assert "Instruction" in text[PROMPT]


def test_long_answers_cut_bases_and_never_the_answer(tmp_path):
    answer = "a long annotation " * 40
    data = load(tmp_path, table(tmp_path, [[dna(2500), answer]]))
    tokenizer = load_tokenizer(TOKENIZER)
    row = data[0]
    assert 590 <= len(row["input_ids"]) <= 600
    assert tokenizer.decode(row["input_ids"][int(row["answer_start"]) : -1]) == answer
    assert data.counts.trimmed_documents == 1
    assert data.counts.bases + data.counts.trimmed_bases == 2500
    assert data.counts.summary().endswith("  <- raise max_length or lower window")
    assert data.counts.summary(windows=False).endswith("  <- raise max_length")  # fine-tuning has none


def test_windows_together_hold_every_base(tmp_path):
    settings = replace(PRETRAIN, max_length=2000, rules=SequenceRules(window=1000, overlap=100))
    data = load(tmp_path, table(tmp_path, [[dna(3500), "x"], [dna(999), "y"]]), settings)
    assert data.counts.documents == 4 + 1
    assert data.bases.tolist() == [1000, 1000, 1000, 1000, 999]


def test_counts_add_up_and_rejected_rows_are_listed(tmp_path):
    rows = [[dna(300), "a"], [dna(100), "short"], [dna(300) + "NN", "n"], ["", "empty"], [dna(300), " "]]
    rows += [["MKVLAAGE" * 40, "protein"], [dna(300), "x" * 5000]]
    path = table(tmp_path, rows)
    data = load(tmp_path, path, replace(PRETRAIN, bad_rows="skip"))
    counts = data.counts
    assert counts.rows == counts.used + sum(counts.filtered.values()) + sum(counts.rejected.values()) == 7
    assert (counts.used, sum(counts.filtered.values()), sum(counts.rejected.values())) == (1, 2, 4)
    with (data.folder / REJECTED_FILE).open(newline="") as stream:
        listed = list(csv.DictReader(stream))
    assert [int(row["line"]) for row in listed] == [5, 6, 7, 8]
    assert "not a nucleotide code" in listed[2]["reason"]
    assert listed[2]["sequence"] == "MKVLAAGE" * 40


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (["", "a"], r"rows.csv:3: the sequence is empty\. Mend the row, or set bad_rows: skip"),
        (["ACGT" * 60, ""], r"rows.csv:3: the response is empty"),
        (["ACGE" * 60, "a"], r"rows.csv:3: the sequence has 'E' at base 4"),
        (["ACGT" * 60, "y" * 5000], r"rows.csv:3: question and answer leave no room"),
    ],
)
def test_a_bad_row_stops_the_run_with_its_line(tmp_path, row, message):
    with pytest.raises(UserError, match=message):
        load(tmp_path, table(tmp_path, [[dna(300), "a"], row]))
    assert not list((tmp_path / "cache").rglob("*.unfinished"))


def test_tables_without_a_usable_row_are_refused(tmp_path):
    with pytest.raises(UserError, match="no row is left to train on: 1 rows = 0 used"):
        load(tmp_path, table(tmp_path, [["ACGT", "short"]]))


def test_a_max_length_below_the_prompt_is_refused(tmp_path):
    with pytest.raises(UserError, match="the prompt without any sequence, question or answer takes"):
        load(tmp_path, table(tmp_path, [[dna(300), "a"]]), replace(PRETRAIN, max_length=10))


def test_the_cache_is_keyed_by_content_and_settings(tmp_path):
    path = table(tmp_path, [[dna(300), "a"]])
    first = load(tmp_path, path)
    assert load(tmp_path, path).folder == first.folder
    assert load(tmp_path, path, replace(PRETRAIN, max_length=500)).folder != first.folder
    table(tmp_path, [[dna(300), "b"]])
    changed = load(tmp_path, path)
    assert changed.folder != first.folder
    assert changed.data_hash != first.data_hash


def test_sources_come_from_the_column_or_the_file(tmp_path):
    path = table(tmp_path, [[dna(300), "a", "x"], [dna(300), "b", "y"]], ("sequence", "response", "kind"))
    assert load(tmp_path, path).sources == ["rows.csv"]
    assert load(tmp_path, path, replace(PRETRAIN, source_column="kind")).sources == ["x", "y"]


def test_a_tokenizer_whose_ids_two_bytes_do_not_hold(tmp_path):
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2} | {f"piece {n}": n for n in range(3, 2**16 + 1)}
    definition = Tokenizer(BPE(vocabulary, [], unk_token="<unk>")).to_str()
    path = table(tmp_path, [[dna(300), "a"]])
    with pytest.raises(UserError, match="ids go up to 65,536, but"):
        load_data(str(path), definition, BOS_ID, EOS_ID, PRETRAIN, cache_dir=tmp_path / "cache", workers=0)
