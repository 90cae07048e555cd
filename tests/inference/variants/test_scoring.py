"""Scores of variants against brute force, and the laws that any score must keep."""

import random

import numpy as np
import pytest
import torch

from omnina.chunking import reverse_complement
from omnina.errors import UserError
from omnina.inference.variants.haplotypes import TextContig, canonical, windows
from omnina.inference.variants.scoring import VariantScorer, VariantSettings

BEFORE = "### Instruction: Annotate the following sequence. ### Input: "
BASES = "".join(random.Random(0).choices("ACGT", k=300))
CONTIG = TextContig(BASES)
VARIANTS = [
    (150, BASES[150], "A" if BASES[150] != "A" else "C"),
    (120, "", "GATTA"),
    (180, BASES[180:187], ""),
]
SETTINGS = VariantSettings(window=80)


def score(reader, contig, variants, settings=SETTINGS) -> np.ndarray:
    pairs = [windows(contig, canonical(contig, *variant), settings.window) for variant in variants]
    return VariantScorer(reader, settings).scores(pairs)


def nats_by_hand(reader, plain, sequence: str) -> float:
    """Of the tokens that hold bases, in the tokenizer's own segmentation."""
    text = BEFORE + sequence + " ### Response:"
    encoding = reader.tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)
    ids = torch.tensor([[1, *encoding.ids]])
    with torch.no_grad():
        nats = plain(input_ids=ids).logits[0, :-1].double().log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
    first = encoding.char_to_token(len(BEFORE))
    last = encoding.char_to_token(len(BEFORE) + len(sequence) - 1)
    return nats[first : last + 1].sum().item()


def test_against_brute_force(reader, plain):
    settings = VariantSettings(window=80, segmentations=1)
    found = score(reader, CONTIG, VARIANTS, settings)
    for variant, value in zip(VARIANTS, found, strict=True):
        pair = windows(CONTIG, canonical(CONTIG, *variant), 80)
        sides = [
            np.mean(
                [
                    nats_by_hand(reader, plain, strand)
                    for window in side
                    for strand in ("".join(window), reverse_complement("".join(window)))
                ]
            )
            for side in (pair.ref, pair.alt)
        ]
        assert value == pytest.approx(sides[1] - sides[0], abs=1e-3)


def test_the_reverse_complement_has_the_same_score(reader):
    turned = TextContig(reverse_complement(BASES))
    theirs = [
        (len(BASES) - start - len(ref), reverse_complement(ref), reverse_complement(alt))
        for start, ref, alt in VARIANTS
    ]
    np.testing.assert_allclose(score(reader, turned, theirs), score(reader, CONTIG, VARIANTS), atol=1e-3)


def test_no_change_scores_nothing(reader):
    assert score(reader, CONTIG, [(100, BASES[100:104], BASES[100:104])]).tolist() == [0.0]


def test_the_other_way_round_has_the_other_sign(reader):
    for start, ref, alt in VARIANTS:
        changed = TextContig(BASES[:start] + alt + BASES[start + len(ref) :])
        [there], [back] = (
            score(reader, CONTIG, [(start, ref, alt)]),
            score(reader, changed, [(start, alt, ref)]),
        )
        assert there == pytest.approx(-back, abs=1e-3)
        assert there != 0


def test_an_indel_has_one_score_wherever_it_is_written(reader):
    repeat = TextContig(BASES[:100] + "CACACACACA" + BASES[100:])
    ways = [(place, repeat.fetch(place, place + 2), "") for place in range(100, 109)]
    found = score(reader, repeat, ways)
    np.testing.assert_allclose(found, found[0], atol=1e-9)


def test_a_cut_is_where_it_should_be(reader):
    encoder = reader.annotating
    document = encoder.encode_cut("ACGTACGTTT", 4)
    (first, stop), (again, end) = document.sequence_spans
    assert stop == again
    decode = reader.tokenizer.decode
    assert decode(document.input_ids[first:stop]).endswith("ACGT")
    assert decode(document.input_ids[again:end]).startswith("ACGTTT")
    whole = decode(document.input_ids[1 : document.answer_start])
    assert whole.replace(" ", "").endswith("ACGTACGTTT###Response:".replace(" ", ""))


def test_mistakes_are_named(reader):
    with pytest.raises(UserError, match=r"--segmentations \(2\) must be odd"):
        VariantSettings(segmentations=2)
    with pytest.raises(UserError, match=r"--window \(1\) must be at least 2"):
        VariantSettings(window=1)
    [unread] = score(reader, TextContig("ACGT" * 1000), [(2000, "A", "C")], VariantSettings(window=3000))
    assert np.isnan(unread)
