"""Annotations: written by transformers' Llama, scored exactly, placed where their window is."""

import csv
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
import torch
from tables import random_dna, write_table

from omnina.chunking import parse_cell
from omnina.errors import UserError
from omnina.inference.annotation import Annotator
from omnina.inference.annotation_file import AnnotationPlan, write_gff3
from omnina.inference.generation import Decoding
from omnina.inference.queries import SequenceFile

ROOT = Path(__file__).parents[2]
SEQUENCES = [random_dna(length, length) for length in (40, 12, 90, 700)]
SHORT = Decoding(max_new_tokens=6)
SAMPLED = Decoding(max_new_tokens=6, sample=True, seed=4)


def annotate(reader, sequences=SEQUENCES, decoding=SHORT, each=1, numbers=None):
    numbers = range(len(sequences)) if numbers is None else numbers
    parsed = [parse_cell(sequence) for sequence in sequences]
    return Annotator(reader, decoding, each).annotate(parsed, list(numbers))


def test_the_text_is_llamas_and_its_likelihood_exact(reader, plain):
    tokenizer = reader.tokenizer
    for sequence, [found] in zip(SEQUENCES[:3], annotate(reader, SEQUENCES[:3]), strict=True):
        messages = [{"role": "user", "content": sequence}]
        prompt = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=False)
        ids = torch.tensor([prompt])
        written = plain.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=6, do_sample=False, eos_token_id=2
        )[0]
        assert found.text == tokenizer.decode(written[len(prompt) :], skip_special_tokens=True).strip()
        with torch.no_grad():
            nats = plain(input_ids=written[None]).logits[0, :-1].double().log_softmax(-1)
        expected = nats.gather(1, written[1:, None])[len(prompt) - 1 :].sum().item()
        assert found.log_likelihood == pytest.approx(expected, abs=1e-4)
        assert (found.start, found.end) == (0, len(sequence))
        assert found.tokens == len(written) - len(prompt)
        assert found.whole == (written[-1].item() == 2)


def test_windows_of_a_long_sequence_follow_each_other(reader):
    [found] = annotate(reader, [SEQUENCES[3]])
    assert len(found) > 1
    assert [one.start for one in found] == [0, *[one.end for one in found[:-1]]]
    assert found[-1].end == 700


def test_several_are_sampled_and_the_likeliest_comes_first(reader):
    [found] = annotate(reader, SEQUENCES[:1], SAMPLED, each=5)
    scores = [one.log_likelihood for one in found]
    assert scores == sorted(scores, reverse=True) and len({one.text for one in found}) > 1


def test_a_sampled_text_does_not_depend_on_the_others(reader):
    together = annotate(reader, SEQUENCES, SAMPLED, each=2)
    for number, sequence in enumerate(SEQUENCES):
        [alone] = annotate(reader, [sequence], SAMPLED, each=2, numbers=[number])
        assert [one.text for one in alone] == [one.text for one in together[number]]


@pytest.mark.parametrize(
    ("decoding", "each", "message"),
    [
        (SHORT, 2, "2 annotations: several differ only if they are sampled"),
        (SAMPLED, 2000, "from 1 to 1024"),
        (Decoding(max_new_tokens=250), 1, r"--max_new_tokens \(250\) leaves no room"),
    ],
)
def test_settings_that_cannot_be(reader, decoding, each, message):
    with pytest.raises(UserError, match=message):
        Annotator(reader, decoding, each)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_script_writes_csv_and_gff3(checkpoint, reader, tmp_path):
    fasta = tmp_path / "genes.fasta"
    fasta.write_text("".join(f">gene{n} x\n{sequence}\n" for n, sequence in enumerate(SEQUENCES)))
    output, gff = tmp_path / "found.csv", tmp_path / "found.gff3"
    command = [sys.executable, "scripts/annotate.py", "--checkpoint", str(checkpoint), "--input", str(fasta)]
    command += ["--output", str(output), "--gff3", str(gff), "--max_new_tokens", "6"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = read(output)
    expected = [(n, one) for n, found in enumerate(annotate(reader)) for one in found]
    assert f"{output}: {len(expected)} annotations of 4 sequences" in done.stdout
    for row, (number, one) in zip(rows, expected, strict=True):
        assert (row["id"], row["start"], row["end"]) == (f"gene{number}", str(one.start + 1), str(one.end))
        assert row["annotation"] == one.text
        assert float(row["log_likelihood"]) == pytest.approx(one.log_likelihood, rel=1e-4)
    header, *lines = gff.read_text().splitlines()
    assert header == "##gff-version 3" and len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        name, source, kind, start, end, score, strand, phase, attributes = line.split("\t")
        assert (name, source, kind, strand, phase) == (row["id"], "OmniNA", "region", ".", ".")
        assert (start, end, score) == (row["start"], row["end"], row["log_likelihood"])
        assert (
            unquote(dict(pair.split("=", 1) for pair in attributes.split(";"))["Note"]) == row["annotation"]
        )


def test_what_gff3_reserves_is_written_in_code(tmp_path):
    columns = ["id", "start", "end", "annotation", "log_likelihood", "perplexity"]
    values = ["a b>1", "1", "9", "one; two=2, three & %\t\n", "-3", "2"]
    write_table(tmp_path / "a.csv", [dict(zip(columns, values, strict=True))])
    write_gff3(tmp_path / "a.csv", tmp_path / "a.gff3")
    _, line = (tmp_path / "a.gff3").read_text().splitlines()
    assert line.startswith("a%20b%3E1\t") and line.count("\t") == 8
    assert "Note=one%3B two%3D2%2C three %26 %25%09%0A;" in line


def test_bad_rows_stop_or_are_noted(reader, tmp_path):
    rows = [{"id": "good", "sequence": "ACGT"}, {"id": "bad", "sequence": "AC-T"}]
    rows += [{"id": "long", "sequence": f"a:{random_dna(2000, 0)} b:ACGT"}]
    source = SequenceFile(write_table(tmp_path / "rows.csv", rows))
    with pytest.raises(UserError, match=r"rows.csv:3: .*'-' at base 3"):
        AnnotationPlan(source, tmp_path / "out.csv")
    plan = AnnotationPlan(source, tmp_path / "out.csv", skip_bad_rows=True)
    tally = plan.run(Annotator(reader, SHORT))
    assert (tally["rows"], tally["annotations"], tally["noted"]) == (3, 1, 2)
    good, bad, long = read(tmp_path / "out.csv")
    assert good["annotation"] is not None and "'-' at base 3" in bad["note"] and "do not fit" in long["note"]
    write_gff3(tmp_path / "out.csv", tmp_path / "out.gff3")
    assert len((tmp_path / "out.gff3").read_text().splitlines()) == 2
