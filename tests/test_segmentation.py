import random
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from spaced_pieces import spaced_tokenizer

from omnina.chunking import parse_cell
from omnina.prompt import FINETUNE_PROMPT, Document, PromptEncoder, Row
from omnina.segmentation import TokenSplitter
from omnina.tokenizer import BOS_ID, EOS_ID, SPACE, load_tokenizer

TOKENIZER = load_tokenizer(Path(__file__).parents[1] / "data" / "tokenizer")
BACKEND = TOKENIZER.backend_tokenizer
CELLS = ["".join(random.Random(7).choices("ACGT", k=300)), "gRNA:ACGTNNACGTACGT targetRNA:GGGTTTACCCAGA", "A"]


def document(cell: str, max_length: int = 512, question: str = "Is GATTACA a gene?") -> Document:
    encoder = PromptEncoder(BACKEND, FINETUNE_PROMPT, bos_id=BOS_ID, eos_id=EOS_ID, max_length=max_length)
    (found,) = encoder.encode([Row(parse_cell(cell), "Yes", question)])
    return found


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("share", [0.2, 1.0])
def test_the_text_stays_the_same_and_only_bases_are_split(cell, share):
    plain = document(cell)
    split = TokenSplitter(BACKEND, share, 512).split(plain, 1)
    assert TOKENIZER.decode(split.input_ids) == TOKENIZER.decode(plain.input_ids)
    answers = (each.input_ids[each.answer_start :] for each in (split, plain))
    np.testing.assert_array_equal(*answers)
    for (first, stop), (plain_first, plain_stop) in zip(
        split.sequence_spans, plain.sequence_spans, strict=True
    ):
        bases = TOKENIZER.decode(split.input_ids[first:stop])
        assert bases == TOKENIZER.decode(plain.input_ids[plain_first:plain_stop])
    outside = len(plain.input_ids) - sum(stop - first for first, stop in plain.sequence_spans)
    assert len(split.input_ids) - sum(stop - first for first, stop in split.sequence_spans) == outside


def test_about_the_wanted_share_is_split_and_each_variant_in_its_own_way():
    plain = document(CELLS[0])
    splitter = TokenSplitter(BACKEND, 0.2, 512)
    variants = [splitter.split(plain, variant) for variant in range(1, 41)]
    added = [len(variant.input_ids) - len(plain.input_ids) for variant in variants]
    ((first, stop),) = plain.sequence_spans
    assert sum(added) / 40 / (stop - first) == pytest.approx(0.2, abs=0.04)
    assert len({tuple(variant.input_ids) for variant in variants}) == 40
    np.testing.assert_equal(asdict(splitter.split(plain, 3)), asdict(variants[2]))


def test_a_piece_with_the_space_before_it_is_split_behind_its_first_base(tmp_path):
    spaced = spaced_tokenizer(tmp_path)
    backend = spaced.backend_tokenizer
    encoder = PromptEncoder(backend, FINETUNE_PROMPT, bos_id=BOS_ID, eos_id=EOS_ID, max_length=512)
    found = set()
    for cell in ("ACGTNN", "GGANN"):
        [plain] = encoder.encode([Row(parse_cell(cell), "Yes", "Is it a gene?")])
        for variant in range(1, 20):
            split = TokenSplitter(backend, 1.0, 512).split(plain, variant)
            found.add(tuple(spaced.convert_ids_to_tokens(split.input_ids[slice(*split.sequence_spans[0])])))
            texts = ("".join(spaced.convert_ids_to_tokens(each.input_ids)) for each in (split, plain))
            assert len(set(texts)) == 1
    assert found == {(f"{SPACE}AC", "GT", "N", "N"), (f"{SPACE}G", "G", "A", "N", "N")}


def test_a_document_stays_within_the_longest_length():
    plain = document(CELLS[0])
    for room in (0, 3):
        longest = len(plain.input_ids) + room
        assert len(TokenSplitter(BACKEND, 1.0, longest).split(plain, 1).input_ids) == longest


def test_a_split_stays_what_it_was():
    """Caches hold documents under a name that says nothing of the draw: another would not be noticed."""
    plain = document("ACGTTGCAACGGATTACAGGCCTTAAGC", question="Is this a gene?")
    split = TokenSplitter(BACKEND, 0.5, 512).split(plain, 1)
    wanted = [304, 264, 305, 312, 548, 260, 545, 261, 268, 285, 262, 261, 282, 548]
    assert split.input_ids[slice(*split.sequence_spans[0])].tolist() == wanted
    assert plain.input_ids.dtype == split.input_ids.dtype == np.int64
