"""Likelihoods against brute force: each document on its own through transformers' Llama."""

import csv
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tables import random_dna, write_table

from omnina.chunking import parse_cell
from omnina.errors import UserError
from omnina.inference.likelihood import Scored, likelihoods
from omnina.inference.likelihood_file import LikelihoodPlan
from omnina.inference.queries import SequenceFile

ROOT = Path(__file__).parents[2]


def brute_force(reader, plain, sequence: str, annotation: str) -> tuple[float, float]:
    """log p of the sequence's tokens, and of the annotation's; the prompt's ids are made here."""
    tokenizer = reader.tokenizer
    messages = [{"role": "user", "content": sequence}]
    prompt = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=False)
    answer = reader.annotating.answer_ids(annotation)
    ids = torch.tensor([[*prompt, *answer]])
    with torch.no_grad():
        nats = plain(input_ids=ids).logits[0, :-1].double().log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
    text = "### Instruction: Annotate the following sequence. ### Input: "
    encoding = tokenizer.backend_tokenizer.encode(
        text + sequence + " ### Response:", add_special_tokens=False
    )
    start, end = encoding.char_to_token(len(text)), encoding.char_to_token(len(text + sequence) - 1)
    return nats[start : end + 1].sum().item(), nats[len(prompt) - 1 :].sum().item()


def test_against_brute_force(reader, plain):
    cases = [(random_dna(80, 0), "a story"), (random_dna(33, 1), "only this kind of gene"), ("A", "red")]
    found = likelihoods(reader, [Scored(parse_cell(bases), text) for bases, text in cases])
    for likelihood, (bases, text) in zip(found, cases, strict=True):
        sequence, annotation = brute_force(reader, plain, bases, text)
        assert likelihood.sequence == pytest.approx(sequence, abs=1e-4)
        assert likelihood.annotation == pytest.approx(annotation, abs=1e-4)
        assert likelihood.bits_per_base == pytest.approx(-sequence / math.log(2) / len(bases), abs=1e-5)
        given = math.exp(-(sequence + annotation - likelihood.annotation_alone) / likelihood.tokens)
        assert likelihood.perplexity_given_annotation == pytest.approx(given, rel=1e-4)
        assert likelihood.annotation_perplexity == pytest.approx(
            math.exp(-annotation / likelihood.annotation_tokens), rel=1e-4
        )


def test_an_annotation_after_an_empty_sequence(reader, plain):
    [found] = likelihoods(reader, [Scored(parse_cell("ACGT"), "a story")])
    messages = [{"role": "user", "content": ""}]
    prompt = reader.tokenizer.apply_chat_template(messages, tokenize=True, return_dict=False)
    ids = torch.tensor([[*prompt, *reader.annotating.answer_ids("a story")]])
    with torch.no_grad():
        nats = plain(input_ids=ids).logits[0, :-1].double().log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
    assert found.annotation_alone == pytest.approx(nats[len(prompt) - 1 :].sum().item(), abs=1e-4)


def test_a_long_sequence_is_the_sum_of_its_windows(reader):
    bases = random_dna(3000, 3)
    [whole] = likelihoods(reader, [Scored(parse_cell(bases))])
    assert whole.windows > 1 and whole.bases == 3000
    size = 3000 // whole.windows
    pieces = [parse_cell(bases[start : start + size]) for start in range(0, 3000, size)]
    parts = likelihoods(reader, [Scored(piece) for piece in pieces])
    assert whole.sequence == pytest.approx(sum(part.sequence for part in parts), rel=1e-6)
    assert whole.annotation is None and whole.perplexity_given_annotation is None


def test_a_sequence_is_as_likely_whatever_annotation_stands_beside_it(reader):
    for bases in (random_dna(n, n) for n in (60, 390, 400, 1500)):
        rows = [Scored(parse_cell(bases), text) for text in ("", "red", "only this kind of gene " * 4)]
        nothing, short, long = likelihoods(reader, rows)
        assert short.sequence == pytest.approx(nothing.sequence, abs=1e-3)
        assert long.sequence == pytest.approx(nothing.sequence, abs=1e-3)
        assert nothing.windows == short.windows == long.windows
        assert long.annotation_windows >= short.annotation_windows >= 1
        gain = long.annotation_windows * (long.annotation - long.annotation_alone)
        assert long.sequence_given_annotation == pytest.approx(long.sequence + gain, abs=1e-6)


def test_neighbours_do_not_matter(reader):
    rows = [Scored(parse_cell(random_dna(20 + n, n)), "red") for n in range(12)]
    together = likelihoods(reader, rows)
    for row, found in zip(rows, together, strict=True):
        [alone] = likelihoods(reader, [row])
        assert found.sequence == pytest.approx(alone.sequence, abs=1e-4)


@pytest.fixture
def table(tmp_path) -> Path:
    rows = [
        {"id": f"row {n}", "sequence": random_dna(30, n), "response": "red" if n else ""} for n in range(5)
    ]
    return write_table(tmp_path / "rows.csv", rows)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_script_writes_what_the_function_gives(checkpoint, reader, table, tmp_path):
    output = tmp_path / "scores.csv"
    command = [sys.executable, "scripts/score_sequences.py", "--checkpoint", str(checkpoint)]
    command += ["--input", str(table), "--output", str(output), "--annotations", "response"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{output}: 5 rows, 0 of them with a note" in done.stdout
    rows = read(output)
    assert [row["id"] for row in rows] == [f"row {n}" for n in range(5)]
    for row in rows:
        [found] = likelihoods(reader, [Scored(parse_cell(row["sequence"]), row["response"])])
        assert float(row["log_likelihood"]) == pytest.approx(found.sequence, rel=1e-5)
        assert float(row["log_likelihood_per_base"]) == pytest.approx(found.sequence / 30, rel=1e-5)
        assert float(row["bits_per_base"]) == pytest.approx(found.bits_per_base, rel=1e-5)
        if row["response"]:
            assert float(row["annotation_log_likelihood"]) == pytest.approx(found.annotation, rel=1e-5)
        else:
            assert row["annotation_log_likelihood"] == ""


def test_fasta_and_bad_rows(reader, tmp_path):
    path = tmp_path / "genes.fasta"
    path.write_text(f">a one\n{random_dna(40, 0)}\n>b\nACGJ\n")
    with pytest.raises(UserError, match=r"genes.fasta:3: record 'b'.*'J' at base 4.*--bad_rows skip"):
        LikelihoodPlan(SequenceFile(path), tmp_path / "out.csv")
    plan = LikelihoodPlan(SequenceFile(path), tmp_path / "out.csv", skip_bad_rows=True)
    assert plan.run(reader) == {"rows": 2, "noted": 1}
    good, bad = read(tmp_path / "out.csv")
    assert float(good["bits_per_base"]) > 0 and good["note"] == ""
    assert bad["bits_per_base"] == "" and "'J' at base 4" in bad["note"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"annotations": "label"}, "no column 'label' with annotations; its columns are id, sequence"),
        ({"column_prefix": "x"}, "the column 'xtokens' would be written twice"),
    ],
)
def test_columns_that_cannot_be(tmp_path, given, message):
    path = write_table(tmp_path / "rows.csv", [{"id": "1", "sequence": "ACGT", "xtokens": "4"}])
    with pytest.raises(UserError, match=message):
        LikelihoodPlan(SequenceFile(path), tmp_path / "out.csv", **given)
