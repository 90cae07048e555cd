"""Sequences written for an annotation: what training reads, and what a checkpoint that read it writes."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from tables import random_dna, write_table

from omnina import OmniNA, pretrain
from omnina.chunking import parse_cell
from omnina.errors import UserError
from omnina.inference.generation import Decoding
from omnina.inference.packed import PackedReader
from omnina.inference.sequence_writing import SequenceWriter
from omnina.loss_weights import LossWeights
from omnina.objective import TokenWeights
from omnina.prompt import PRETRAIN_PROMPT, PromptEncoder, Row, writing_prompt
from omnina.resolution_draws import ResolutionDraws
from omnina.token_kinds import ANNOTATION, PROMPT, WRITTEN, is_written, token_kinds
from omnina.tokenizer import BOS_ID, EOS_ID, load_tokenizer
from omnina.writing import encode_writing

ROOT = Path(__file__).parents[2]
TOKENIZER = ROOT / "data" / "tokenizer"
RICH, POOR = "rich in G and C", "poor in G and C"


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(TOKENIZER)


def encoder(tokenizer, max_length=200) -> PromptEncoder:
    backend = tokenizer.backend_tokenizer
    return PromptEncoder(backend, PRETRAIN_PROMPT, bos_id=BOS_ID, eos_id=EOS_ID, max_length=max_length)


def as_row(document) -> dict:
    return {name: getattr(document, name) for name in ("input_ids", "answer_start", "sequence_spans")}


@pytest.mark.parametrize("cell", ["ACGTTGCAAC", "gRNA:GATTACA target:ACGTTGG"])
def test_a_row_the_other_way_round(tokenizer, cell):
    [document] = encode_writing(encoder(tokenizer), [Row(parse_cell(cell), "a </s> gene")])
    ids, start = document.input_ids.tolist(), document.answer_start
    assert (ids[0], ids[-1], ids.count(EOS_ID)) == (BOS_ID, EOS_ID, 1)
    assert tokenizer.decode(ids[1:start]) == writing_prompt("a </s> gene")
    assert tokenizer.decode(ids[start:-1]) == cell
    spelled = [tokenizer.decode(ids[a:b]).strip() for a, b in document.sequence_spans]
    assert spelled == [bases for _, bases in parse_cell(cell).parts]
    assert (document.bases, document.trimmed_bases) == (sum(map(len, spelled)), 0)
    kinds = token_kinds(as_row(document))
    assert is_written(as_row(document))
    assert set(kinds[:start]) == {PROMPT} and ANNOTATION not in kinds
    assert sum(kinds == WRITTEN) == sum(b - a for a, b in document.sequence_spans)


def test_a_sequence_that_does_not_fit_has_no_end(tokenizer):
    bases = random_dna(900, 1)
    [document] = encode_writing(encoder(tokenizer, 100), [Row(parse_cell(bases), "a gene")])
    assert len(document.input_ids) == 99  # room for the end is kept
    assert EOS_ID not in document.input_ids
    assert tokenizer.decode(document.input_ids[document.answer_start :]) == bases[: document.bases]
    assert document.bases + document.trimmed_bases == 900
    [refused] = encode_writing(encoder(tokenizer, 100), [Row(parse_cell(bases), "a long name " * 40)])
    assert "leaves no room to write a sequence in max_length = 100" in str(refused)


def test_its_resolution_is_drawn_behind_the_annotation(tokenizer):
    [document] = encode_writing(encoder(tokenizer), [Row(parse_cell(random_dna(60, 2)), "a gene")])
    for number in range(20):
        drawn = ResolutionDraws(tokenizer.backend_tokenizer, 200).draw(document, number)
        assert drawn.answer_start == document.answer_start
        assert tokenizer.decode(drawn.input_ids) == tokenizer.decode(document.input_ids)


def test_a_sequence_too_long_at_its_resolution_loses_its_end_and_eos(tokenizer):
    bases = random_dna(150, 5)
    [document] = encode_writing(encoder(tokenizer, 150), [Row(parse_cell(bases), "a gene")])
    assert document.trimmed_bases == 0
    ends = set()
    for number in range(40):
        drawn = ResolutionDraws(tokenizer.backend_tokenizer, 150).draw(document, number)
        assert len(drawn.input_ids) <= 150
        assert (drawn.input_ids[-1] == EOS_ID) == (drawn.trimmed_bases == 0)
        ids = [token for token in drawn.input_ids[drawn.answer_start :] if token != EOS_ID]
        assert tokenizer.decode(ids) == bases[: drawn.bases]
        assert drawn.bases + drawn.trimmed_bases == 150
        ends.add(drawn.trimmed_bases == 0)
    assert ends == {True, False}


def test_the_end_of_a_written_sequence_weighs_as_the_sequence(tokenizer):
    [document] = encode_writing(encoder(tokenizer), [Row(parse_cell("ACGTTGCAAC"), "a gene")])
    weights = TokenWeights(LossWeights(0.0, 0.5, None, 1.0)).of(as_row(document))
    assert set(weights[: document.answer_start]) == {0.0}
    assert set(weights[document.answer_start :]) == {0.5}


def made_rows(count: int, seed: int) -> list[dict[str, str]]:
    generator = np.random.default_rng(seed)
    shares = {RICH: [0.05, 0.45, 0.45, 0.05], POOR: [0.45, 0.05, 0.05, 0.45]}
    made = []
    for number in range(count):
        text = (RICH, POOR)[number % 2]
        made.append(
            {"sequence": "".join(generator.choice(list("ACGT"), 24, p=shares[text])), "response": text}
        )
    return made


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """A small model that was pretrained in both orders."""
    folder = tmp_path_factory.mktemp("writing")
    write_table(folder / "train.csv", made_rows(300, 0))
    write_table(folder / "val.csv", made_rows(40, 1))
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"vocab_size": 641}
    (folder / "model.yaml").write_text(yaml.safe_dump(sizes | {"max_position_embeddings": 256}))
    values = {
        "train_files": str(folder / "train.csv"), "validation_files": str(folder / "val.csv"),
        "tokenizer": str(TOKENIZER), "model_config": str(folder / "model.yaml"), "max_length": 256,
        "min_bases": 1, "tokens_per_step": 2048, "tokens_per_device": 2048, "max_steps": 80, "seed": 1,
        "resolution": "bases",
        "learning_rate": 1e-2, "write_sequences": True, "output_dir": str(folder / "run"), "eval_steps": 80,
        "cache_dir": str(folder / "cache"), "save_steps": 80, "disable_tqdm": True, "use_cpu": True,
    }  # fmt: skip
    (folder / "run.yaml").write_text(yaml.safe_dump(values))
    pretrain.main([str(folder / "run.yaml")])
    return folder / "run"


def test_the_annotation_tells_which_sequence_is_written(written):
    """And sampled sequences do not depend on the others."""
    reader = PackedReader(written)
    decoding = Decoding(max_new_tokens=24, sample=True, seed=3)
    rich, poor = SequenceWriter(reader, decoding, 8).write([RICH, POOR])
    shares = []
    for found in (rich, poor):
        assert all(one.bases for one in found)
        text = "".join(one.bases for one in found)
        assert not set(text) - set("ACGTRYSWKMBDHVN")
        shares.append(sum(text.count(base) for base in "GC") / len(text))
        likelihoods = [one.log_likelihood for one in found]
        assert likelihoods == sorted(likelihoods, reverse=True) and all(map(math.isfinite, likelihoods))
    assert shares[0] - shares[1] > 0.4  # 0.9 and 0.1 in training
    [alone] = OmniNA.load(written).write([RICH], each=8, decoding=decoding)
    assert [one.bases for one in alone] == [one.bases for one in rich]


def test_validation_tells_bits_given_the_annotation(written):
    end = json.loads((written / "run.json").read_text())["validation_at_end"]
    assert (
        0 < end["eval_written_bits"] < 1.5
    )  # 1.469 is their entropy; 1.521 the best Markov model, which knows no annotation
    assert end["eval_bits_per_base"] > 0


@pytest.mark.parametrize(
    ("annotation", "decoding", "each", "message"),
    [
        (" ", Decoding(), 1, "an annotation is empty"),
        ("a gene", Decoding(max_new_tokens=250), 1, "that is more than the 256 of"),
        ("a gene", Decoding(), 2, "several differ only if they are sampled"),
    ],
)
def test_what_cannot_be_written(written, annotation, decoding, each, message):
    with pytest.raises(UserError, match=message):
        SequenceWriter(PackedReader(written), decoding, each).write([annotation])


def test_a_checkpoint_that_never_wrote_is_refused(reader):
    with pytest.raises(UserError, match="was not trained to write sequences; pretrain with write_sequences"):
        SequenceWriter(reader, Decoding())


def test_a_run_that_goes_on_without_writing_says_so(written, tmp_path):
    values = yaml.safe_load((written.parent / "run.yaml").read_text())
    values |= {"checkpoint": str(written), "write_sequences": False, "max_steps": 1}
    values |= {"output_dir": str(tmp_path / "on"), "eval_on_start": False, "resolution": "pieces"}
    del values["model_config"]
    (tmp_path / "on.yaml").write_text(yaml.safe_dump(values))
    pretrain.main([str(tmp_path / "on.yaml")])
    with pytest.raises(UserError, match="was not trained to write"):
        SequenceWriter(PackedReader(tmp_path / "on"), Decoding())


def test_the_command_writes_a_fasta(written, tmp_path):
    command = [sys.executable, "scripts/write_sequences.py", "--checkpoint", str(written), "--annotation"]
    command += [RICH, POOR, "--sample", "--sequences", "2", "--max_new_tokens", "9"]
    command += ["--output", str(tmp_path / "written.fasta")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "written.fasta").read_text().splitlines()
    assert [line.split()[0] for line in lines[::2]] == [">1.1", ">1.2", ">2.1", ">2.2"]
    assert RICH in lines[0] and "log-likelihood -" in lines[0]
    assert not set("".join(lines[1::2])) - set("ACGTRYSWKMBDHVN")
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 2 and "this exists already" in again.stderr
