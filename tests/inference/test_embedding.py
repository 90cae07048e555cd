"""Vectors against transformers' hidden states, pooled by hand."""

import csv
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from tables import random_dna, write_table

from omnina.chunking import Nucleotides, parse_cell
from omnina.errors import UserError
from omnina.inference import embedding_file
from omnina.inference.embedding import Embedder, EmbeddingSettings
from omnina.inference.embedding_file import read_embeddings
from omnina.inference.embedding_job import EmbeddingJob
from omnina.inference.packed import PackedReader
from omnina.inference.queries import SequenceFile

ROOT = Path(__file__).parents[2]
BEFORE = "### Instruction: Annotate the following sequence. ### Input: "


def by_hand(reader, plain, sequence: str) -> tuple[np.ndarray, list[int]]:
    """(tokens with bases, layers, H), and the first base of each of these tokens."""
    text = BEFORE + sequence + " ### Response:"
    encoding = reader.tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)
    first = encoding.char_to_token(len(BEFORE))
    last = encoding.char_to_token(len(BEFORE) + len(sequence) - 1)
    with torch.no_grad():
        states = plain(input_ids=torch.tensor([[1, *encoding.ids]]), output_hidden_states=True).hidden_states
    stacked = torch.stack(states, dim=2)[0, 1:]  # after BOS
    starts = [max(encoding.offsets[token][0] - len(BEFORE), 0) for token in range(first, last + 1)]
    return stacked[first : last + 1].numpy(), starts


def embed(reader, sequences: list[str], layers=(0, 1, 2), **settings) -> list[np.ndarray]:
    embedder = Embedder(reader, layers, EmbeddingSettings(**settings))
    return embedder.embed([parse_cell(sequence) for sequence in sequences])


SEQUENCES = [random_dna(length, length) for length in (1, 5, 60, 111, 240)]


def test_mean_and_last(reader, plain):
    means, lasts = embed(reader, SEQUENCES), embed(reader, SEQUENCES, pooling="last")
    for sequence, mean, last in zip(SEQUENCES, means, lasts, strict=True):
        states, _ = by_hand(reader, plain, sequence)
        assert mean.shape == (3, 32)
        np.testing.assert_allclose(mean, states.mean(axis=0), atol=2e-6)
        np.testing.assert_allclose(last, states[-1], atol=2e-6)


def test_each_base_has_the_vector_of_its_token(reader, plain):
    for sequence, found in zip(SEQUENCES, embed(reader, SEQUENCES, pooling="bases"), strict=True):
        states, starts = by_hand(reader, plain, sequence)
        assert found.shape == (len(sequence), 3, 32)
        for base in range(len(sequence)):
            token = max(place for place, start in enumerate(starts) if start <= base)
            np.testing.assert_allclose(found[base], states[token], atol=2e-6)


@pytest.mark.parametrize("pooling", ["mean", "last", "bases"])
def test_both_strands_do_not_depend_on_the_strand(reader, pooling):
    turned = [parse_cell(sequence).other_strand.text for sequence in SEQUENCES]
    found = embed(reader, SEQUENCES, pooling=pooling, both_strands=True)
    others = embed(reader, turned, pooling=pooling, both_strands=True)
    for one, other in zip(found, others, strict=True):
        np.testing.assert_allclose(one, other[::-1] if pooling == "bases" else other, atol=2e-6)


def test_labelled_sequences_have_one_vector_or_one_for_each_base(reader):
    cell = f"a:{random_dna(9, 1)} b:{random_dna(14, 2)}"
    [mean], [bases] = embed(reader, [cell]), embed(reader, [cell], pooling="bases")
    assert mean.shape == (3, 32) and bases.shape == (23, 3, 32)
    other = parse_cell(cell).other_strand.text
    [one] = embed(reader, [cell], pooling="bases", both_strands=True)
    [two] = embed(reader, [other], pooling="bases", both_strands=True)
    np.testing.assert_allclose(one[:9], two[:9][::-1], atol=2e-6)


def test_a_long_sequence_is_the_mean_over_its_windows_tokens(reader):
    bases = random_dna(2000, 5)
    [mean], [spread] = embed(reader, [bases], layers=[-1]), embed(reader, [bases], [-1], pooling="bases")
    assert spread.shape == (2000, 1, 32)
    assert mean.shape == (1, 32) and np.isfinite(mean).all()
    assert np.abs(mean - spread.mean(axis=0)).max() < 0.2  # long tokens count more there


def test_a_layer_that_is_not_there(reader):
    with pytest.raises(UserError, match=r"layer 3: .* has the layers 0 \(the embedding\) to 2"):
        embed(reader, ["ACGT"], layers=[3])
    assert Embedder(reader, [-1, -3], EmbeddingSettings()).layers == [2, 0]


def test_sequences_that_are_too_long_to_be_one_document(reader):
    with pytest.raises(ValueError, match="do not fit"):
        embed(reader, [f"a:{random_dna(3000, 0)} b:ACGT"])


@pytest.fixture
def fasta(tmp_path) -> Path:
    path = tmp_path / "genes.fasta"
    path.write_text("".join(f">gene{n} x\n{sequence}\n" for n, sequence in enumerate(SEQUENCES)))
    return path


@pytest.mark.parametrize("suffix", ["safetensors", "npz", "parquet"])
def test_files_hold_the_vectors(reader, fasta, tmp_path, suffix):
    output = tmp_path / f"vectors.{suffix}"
    EmbeddingJob(SequenceFile(fasta), output, EmbeddingSettings()).run(reader, [0, -1])
    embeddings, layers = read_embeddings(output)
    assert layers == [0, 2] and embeddings.dtype == np.float32
    np.testing.assert_allclose(embeddings, np.stack(embed(reader, SEQUENCES, [0, 2])), atol=1e-6)
    assert not list(tmp_path.glob("*.partial"))


def test_safetensors_and_npz_of_bases(reader, fasta, tmp_path):
    from safetensors.numpy import load_file

    for suffix in ("safetensors", "npz"):
        output = tmp_path / f"bases.{suffix}"
        EmbeddingJob(SequenceFile(fasta), output, EmbeddingSettings("bases")).run(reader, [1])
        held = load_file(output) if suffix == "safetensors" else np.load(output)
        assert held["offsets"].tolist() == np.cumsum([0, *map(len, SEQUENCES)]).tolist()
        expected = np.concatenate(embed(reader, SEQUENCES, [1], pooling="bases"))
        np.testing.assert_allclose(held["embeddings"], expected, atol=1e-6)


def test_ids_are_kept(reader, fasta, tmp_path):
    from safetensors import safe_open

    for suffix in ("safetensors", "npz"):
        EmbeddingJob(SequenceFile(fasta), tmp_path / f"v.{suffix}", EmbeddingSettings()).run(reader, [1])
    with safe_open(tmp_path / "v.safetensors", "np") as tensors:
        assert tensors.metadata()["ids"] == '["gene0", "gene1", "gene2", "gene3", "gene4"]'
    assert np.load(tmp_path / "v.npz")["ids"].tolist() == [f"gene{n}" for n in range(5)]


@pytest.mark.parametrize(
    ("name", "message"),
    [("v.txt", r"a name that ends in .safetensors, .npz, .parquet"), ("there.npz", "this exists already")],
)
def test_outputs_that_cannot_be(fasta, tmp_path, name, message):
    (tmp_path / "there.npz").touch()
    with pytest.raises(UserError, match=message):
        EmbeddingJob(SequenceFile(fasta), tmp_path / name, EmbeddingSettings())


def test_a_bad_row_is_named(tmp_path):
    path = write_table(tmp_path / "rows.csv", [{"sequence": "ACGT"}, {"sequence": "AC-T"}])
    with pytest.raises(UserError, match=r"rows.csv:3: .*'-' at base 3"):
        EmbeddingJob(SequenceFile(path), tmp_path / "v.npz", EmbeddingSettings())


def run(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "scripts/embed.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_script_and_its_probe(checkpoint, tmp_path):
    """Half of the sequences are rich in G and C: even the embedding layer tells them apart."""
    generator = np.random.default_rng(0)
    rows = []
    for number in range(60):
        weights = [0.05, 0.45, 0.45, 0.05] if number % 2 else [0.45, 0.05, 0.05, 0.45]
        rows.append({"id": f"s{number}", "sequence": "".join(generator.choice(list("ACGT"), 80, p=weights))})
    table = write_table(tmp_path / "rows.csv", rows)
    labels = write_table(
        tmp_path / "labels.csv",
        [{"id": f"s{n}", "label": "rich" if n % 2 else "poor", "group": str(n // 4)} for n in range(60)],
    )
    paths = ["--input", str(table), "--output", str(tmp_path / "v.npz"), "--checkpoint", str(checkpoint)]
    probe = ["--probe", str(labels), "--probe_output", str(tmp_path / "probe")]
    done = run(*paths, "--layers", "all", *probe)
    assert done.returncode == 0, done.stderr
    assert "v.npz: 60 sequences" in done.stdout and "layer  2: accuracy" in done.stdout
    with (tmp_path / "probe" / "layers.csv").open(newline="") as stream:
        scores = list(csv.DictReader(stream))
    assert [entry["layer"] for entry in scores] == ["0", "1", "2"]
    assert all(float(entry["accuracy"]) > 0.9 for entry in scores)
    assert (tmp_path / "probe" / "layers.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layers", "first"], "--layers first: give whole numbers"),
        (["--probe", "labels.csv"], "--probe and --probe_output go together"),
        (
            ["--pooling", "bases", "--probe", "l.csv", "--probe_output", "x"],
            "needs one vector for each sequence",
        ),
    ],
)
def test_options_that_cannot_be(arguments, message):
    done = run("--input", "a.fasta", "--output", "v.npz", *arguments)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr


def test_nucleotides_of_the_other_strand_twice_are_the_same():
    whole = Nucleotides((("a", "ACGT"), ("b", "GGA")))
    assert whole.other_strand.other_strand == whole


def test_a_labelled_row_that_does_not_fit_is_named(checkpoint, tmp_path):
    rows = [{"sequence": "ACGT"}, {"sequence": f"a:{random_dna(900, 1)} b:{random_dna(900, 2)}"}]
    source = SequenceFile(write_table(tmp_path / "in.csv", rows))
    job = EmbeddingJob(source, tmp_path / "out.npz", EmbeddingSettings())
    with pytest.raises(UserError, match=r"in.csv:3: .* Mend the row"):
        job.run(PackedReader(checkpoint), [0])


def test_parquet_in_several_row_groups_holds_what_npz_does(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(embedding_file, "GROUP_BYTES", 2000)
    rows = [{"sequence": random_dna(5 + 3 * n, n)} for n in range(9)]
    table = write_table(tmp_path / "in.csv", rows)
    reader = PackedReader(checkpoint)
    for name in ("out.npz", "out.parquet"):
        EmbeddingJob(SequenceFile(table), tmp_path / name, EmbeddingSettings("bases")).run(reader, [0, -1, 0])
    with np.load(tmp_path / "out.npz") as archive:
        expected, offsets = archive["embeddings"], archive["offsets"]
    stored = pq.ParquetFile(tmp_path / "out.parquet")
    assert stored.num_row_groups > 1
    found = stored.read()
    assert found.column_names == ["id", "layer_0", "layer_2"]
    for row, (start, end) in enumerate(pairwise(offsets)):
        for place, name in enumerate(("layer_0", "layer_2")):
            np.testing.assert_array_equal(np.array(found[name][row].as_py()), expected[start:end, place])
