"""The Python interface gives what the parts behind it give."""

import subprocess
import sys

import numpy as np
import pytest
from tables import random_dna

import omnina
from omnina import OmniNA
from omnina.chunking import parse_cell
from omnina.errors import UserError
from omnina.inference.answer import Answerer, Query
from omnina.inference.embedding import Embedder, EmbeddingSettings
from omnina.inference.generation import Decoding
from omnina.inference.likelihood import Scored, likelihoods
from omnina.inference.variants.haplotypes import TextContig, canonical, windows
from omnina.inference.variants.scoring import VariantScorer, VariantSettings

COLOUR, STORY = "Which colour?", "What is it?"
LABELS = ["green", "red", "red brown", "redder"]  # of the first, sorted
SEQUENCES = [random_dna(30 + 7 * n, n) for n in range(4)]


@pytest.fixture(scope="module")
def model(checkpoint) -> OmniNA:
    return OmniNA.load(checkpoint)


def test_answers(model, checkpoint):
    expected = Answerer(checkpoint).answer([Query(parse_cell(one), COLOUR) for one in SEQUENCES])
    found = model.answer(SEQUENCES, COLOUR)
    assert [answer.text for answer in found] == [answer.text for answer in expected]
    assert found[0].labels == pytest.approx(expected[0].labels, rel=1e-4)
    assert model.answer(SEQUENCES[0], COLOUR).text == expected[0].text
    assert model.answer(SEQUENCES[0].lower().replace("t", "u"), COLOUR).text == expected[0].text


def test_answers_from_labels_of_ones_own(model):
    given = model.answer(SEQUENCES[0], STORY, labels=["green", "red"])
    assert set(given.labels) == {"green", "red"} and sum(given.labels.values()) == pytest.approx(1)
    of_question = model.answer(SEQUENCES[0], COLOUR)
    fewer = model.answer(SEQUENCES[0], COLOUR, labels=["green", "red"])
    both = np.exp([of_question.log_probabilities[LABELS.index(name)] for name in ("green", "red")])
    assert fewer.labels["green"] == pytest.approx(both[0] / both.sum(), rel=1e-3)
    assert set(model.answer(SEQUENCES[0], COLOUR).labels) == set(LABELS)
    with pytest.raises(UserError, match="give a list of the answers"):
        model.answer(SEQUENCES[0], COLOUR, labels=[])


def test_annotations(model):
    one = model.annotate(SEQUENCES[0], decoding=Decoding(max_new_tokens=4))
    several = model.annotate(SEQUENCES, decoding=Decoding(max_new_tokens=4))
    assert len(several) == 4 and one[0].text == several[0][0].text
    sampled = Decoding(max_new_tokens=4, sample=True)
    assert len(model.annotate(SEQUENCES[0], each=3, decoding=sampled)) == 3


def test_embeddings(model, reader):
    parsed = [parse_cell(one) for one in SEQUENCES]
    expected = Embedder(reader, [1], EmbeddingSettings("mean", both_strands=True)).embed(parsed)
    found = model.embed(SEQUENCES, layer=1, both_strands=True)
    assert found.shape == (4, 32) and found.dtype == np.float32
    np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-6)
    assert model.embed(SEQUENCES[0]).shape == (32,)
    bases = model.embed(SEQUENCES, pooling="bases")
    assert [vectors.shape for vectors in bases] == [(len(one), 32) for one in SEQUENCES]


def test_scores(model, reader):
    [expected] = likelihoods(reader, [Scored(parse_cell(SEQUENCES[0]), "red")])
    assert model.score(SEQUENCES[0], "red").annotation == pytest.approx(expected.annotation, rel=1e-5)
    assert [one.bases for one in model.score(SEQUENCES)] == [len(one) for one in SEQUENCES]
    with pytest.raises(UserError, match="4 sequences, but 1 annotations"):
        model.score(SEQUENCES, "red")


def test_variants(model, reader):
    bases = SEQUENCES[3]
    other = "A" if bases[20] != "A" else "C"
    contig, settings = TextContig(bases), VariantSettings(window=40)
    pairs = [windows(contig, canonical(contig, 20, bases[20], alt), 40) for alt in (other, f"{bases[20]}GG")]
    expected = VariantScorer(reader, settings).scores(pairs)
    variants = [(21, bases[20], other), (21, bases[20].lower(), f"{bases[20]}gg")]
    np.testing.assert_allclose(model.score_variants(bases, variants, window=40), expected, atol=1e-4)
    for variant, message in (((21, other, "G"), "the sequence has"), ((99, "A", "C"), "fewer bases there")):
        with pytest.raises(UserError, match=message):
            model.score_variants(bases, [variant])
    with pytest.raises(UserError, match="one sequence without labels"):
        model.score_variants("a:ACGT b:TT", [(1, "A", "C")])


def test_mistakes_are_named(model, checkpoint, tmp_path):
    with pytest.raises(UserError, match=r"sequence 1: .*'-' at base 3"):
        model.embed(["ACGT", "AC-T"])
    with pytest.raises(UserError, match="'fp64' is none of fp32, bf16"):
        OmniNA.load(checkpoint, dtype="fp64")
    with pytest.raises(UserError, match="there is no such checkpoint"):
        OmniNA.load(tmp_path / "nowhere")
    with pytest.raises(AttributeError, match="no attribute 'OmniNa'"):
        _ = omnina.OmniNa


def test_all_methods_share_one_model(model):
    assert model._answerer.reader.model is model._answerer.model


def test_the_package_is_imported_without_torch():
    code = "import sys, omnina; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_cannot_be_is_refused_by_name(model):
    sequence = random_dna(60, 3)
    with pytest.raises(UserError, match="pooling 'meen' is none of mean, last, bases"):
        model.embed(sequence, pooling="meen")
    with pytest.raises(UserError, match="labels: give a list"):
        model.answer(sequence, COLOUR, "yes")
    for alt, message in (("A ", "ALT A  is no bases"), ("x:A", "is no bases"), ("<DEL>", "is symbolic")):
        with pytest.raises(UserError, match=f"variant 12 .*{message}"):
            model.score_variants(sequence, [(12, sequence[11], alt)], window=21)
    with pytest.raises(UserError, match=r"variant 12 .*more than a window"):
        model.score_variants(sequence, [(12, sequence[11], "ACGTC" * 9)], window=21)
    with pytest.raises(UserError, match="one sequence; call once for each"):
        model.score_variants([sequence], [(12, sequence[11], "A")])
    with pytest.raises(UserError, match="device 'gpu'"):
        OmniNA.load("nowhere", device="gpu")
    with pytest.raises(UserError, match="0 annotations: from 1 to 1024"):
        model.annotate(sequence, each=0)
    assert model.embed([]).shape == (0, 32)
