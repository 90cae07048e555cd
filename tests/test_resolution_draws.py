"""Documents at a resolution of their own."""

import random
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from answering import RICH, make_world, settings
from spaced_pieces import SPACED_CELLS, spaced_tokenizer

from omnina import finetune
from omnina.chunking import BASES, PIECES, RANDOM, parse_cell
from omnina.inference.answer import Answerer, Query
from omnina.prompt import FINETUNE_PROMPT, Document, PromptEncoder, Row
from omnina.resolution import at_resolution
from omnina.resolution_draws import ResolutionDraws
from omnina.tables.rows import DataSettings, RowEncoder, TableRow
from omnina.tokenizer import BOS_ID, EOS_ID, SPACE, load_tokenizer

TOKENIZER = load_tokenizer(Path(__file__).parents[1] / "data" / "tokenizer")
DNA = "".join(random.Random(7).choices("ACGT", k=300))
CELLS = [DNA, "gRNA:ACGTNNACGTACGT targetRNA:GGGTTTACCCAGA", "A"]


def document(cell: str, tokenizer=TOKENIZER, max_length: int = 512) -> Document:
    encoder = PromptEncoder(
        tokenizer.backend_tokenizer, FINETUNE_PROMPT, bos_id=BOS_ID, eos_id=EOS_ID, max_length=max_length
    )
    (found,) = encoder.encode([Row(parse_cell(cell), "Yes", "is this a gene?")])
    return found


def bases_in(found: Document, span: tuple[int, int]) -> str:
    return TOKENIZER.decode(found.input_ids[slice(*span)]).strip()


def draws(
    cell: str, count: int = 60, max_length: int = 512, probability: float | None = None
) -> list[Document]:
    drawing = ResolutionDraws(TOKENIZER.backend_tokenizer, max_length, probability)
    return [drawing.draw(document(cell), number) for number in range(count)]


@pytest.mark.parametrize("cell", CELLS)
def test_the_text_stays_the_same_and_spans_hold_the_bases(cell):
    plain = document(cell)
    for drawn in draws(cell):
        assert TOKENIZER.decode(drawn.input_ids) == TOKENIZER.decode(plain.input_ids)
        answers = (each.input_ids[each.answer_start :] for each in (drawn, plain))
        np.testing.assert_array_equal(*answers)
        held = [bases_in(drawn, span) for span in drawn.sequence_spans]
        assert held == [bases for _, bases in parse_cell(cell).parts]
        assert (drawn.bases, drawn.trimmed_bases) == (plain.bases, 0)


def test_the_finest_has_the_ids_of_single_bases_and_the_coarsest_those_of_pieces():
    found = draws(DNA)
    lengths = [len(drawn.input_ids) for drawn in found]
    finest, coarsest = found[int(np.argmax(lengths))], found[int(np.argmin(lengths))]
    np.testing.assert_equal(asdict(finest), asdict(document(DNA, at_resolution(TOKENIZER, BASES))))
    np.testing.assert_equal(asdict(coarsest), asdict(document(DNA)))


@pytest.fixture(scope="module")
def spaced(tmp_path_factory):
    return spaced_tokenizer(tmp_path_factory.mktemp("spaced"))


@pytest.mark.parametrize("cell", [*SPACED_CELLS, "ACGTACGTNA" * 4])
def test_pieces_with_the_space_before_them_are_split_too_and_their_bases_counted(spaced, cell):
    plain, single = document(cell, spaced), document(cell, at_resolution(spaced, BASES))
    drawing = ResolutionDraws(spaced.backend_tokenizer, 512, 1 - 1e-9)
    np.testing.assert_equal(asdict(drawing.draw(plain, 1)), asdict(single))
    drawing.probability = 0.0
    np.testing.assert_equal(asdict(drawing.draw(plain, 1)), asdict(plain))


def test_a_window_keeps_the_space_that_its_first_token_held(spaced):
    cell = "ACGTACGTNAGTTGACCAGT" * 4
    plain, text = document(cell, spaced), "Input: "
    for longest in (len(plain.input_ids) - 8, len(plain.input_ids), len(plain.input_ids) + 10):
        drawing = ResolutionDraws(spaced.backend_tokenizer, longest)
        for number in range(20):
            drawn = drawing.draw(plain, number)
            whole = "".join(spaced.convert_ids_to_tokens(drawn.input_ids.tolist())).replace(SPACE, " ")
            kept = whole[whole.index(text) + len(text) :].split()[0]
            assert kept in cell and len(drawn.input_ids) <= longest
            assert (drawn.bases, drawn.trimmed_bases) == (len(kept), len(cell) - len(kept))


def test_a_third_is_whole_a_third_is_single_and_the_rest_between():
    plain = len(document(DNA).input_ids)
    lengths = np.array([len(drawn.input_ids) for drawn in draws(DNA, 600)])
    assert np.mean(lengths == plain) == pytest.approx(1 / 3, abs=0.07)
    assert np.mean(lengths == lengths.max()) == pytest.approx(1 / 3, abs=0.07)
    assert len(set(lengths.tolist())) > 50


def test_a_given_probability_is_that_of_each_piece():
    plain = document(DNA)
    (span,) = plain.sequence_spans
    sizes = [len(TOKENIZER.convert_ids_to_tokens(int(token))) for token in plain.input_ids[slice(*span)]]
    grown = sum(size - 1 for size in sizes if size > 1)  # where every piece is read as its bases
    found = draws(DNA, 200, probability=0.2)
    added = [len(drawn.input_ids) - len(plain.input_ids) for drawn in found]
    assert np.mean(added) / grown == pytest.approx(0.2, abs=0.03)
    assert min(added) > 0 and max(added) < grown and len({tuple(d.input_ids) for d in found}) == 200


@pytest.mark.parametrize("how", [{"random_resolution": True}, {"base_probability": 0.3}])
@pytest.mark.parametrize("written", [False, True])
def test_a_row_of_pretraining_comes_up_in_as_many_draws_as_segmentations(how, written):
    settings = DataSettings(512, False, None, segmentations=3, written=written, seed=1, **how)
    encoder = RowEncoder(TOKENIZER.backend_tokenizer.to_str(), BOS_ID, EOS_ID, settings)
    [outcome] = encoder.outcomes([TableRow("a.csv", 2, {"sequence": DNA, "response": "a gene"})])
    assert len(outcome.documents) == 3 * (1 + written)
    assert len({tuple(each.input_ids) for each in outcome.documents}) == len(outcome.documents)
    texts = {TOKENIZER.decode(each.input_ids) for each in outcome.documents}
    assert len(texts) == 1 + written


def test_the_same_draw_is_the_same_and_another_another():
    first, again = (list(map(asdict, draws(DNA))) for _ in range(2))
    np.testing.assert_equal(first, again)
    assert len({tuple(drawn.input_ids) for drawn in draws(DNA)}) > 15


def test_what_no_longer_fits_is_cut_to_a_window_anywhere_and_counted():
    plain = document(DNA)
    longest = len(plain.input_ids) + 40
    found = draws(DNA, 60, longest)
    cut = [drawn for drawn in found if drawn.trimmed_bases]
    assert cut and all(len(drawn.input_ids) <= longest for drawn in found)
    places = set()
    for drawn in cut:
        (span,) = drawn.sequence_spans
        kept = bases_in(drawn, span)
        assert len(kept) == drawn.bases and drawn.bases + drawn.trimmed_bases == len(DNA)
        places.add(DNA.index(kept))
    assert len(places) > 5


def test_a_run_on_drawn_resolutions_answers_at_both(tmp_path):
    make_world(tmp_path)
    output = tmp_path / "out"
    finetune.main(settings(tmp_path, output, resolution=RANDOM))
    cell = "ACGTGCCA" * 5
    lengths = {}
    for resolution in (PIECES, BASES):
        answerer = Answerer(output, resolution=resolution)
        lengths[resolution] = len(answerer.tokenizer.encode(cell, add_special_tokens=False))
        [answer] = answerer.answer([Query(parse_cell(cell), RICH)])
        assert sum(answer.labels.values()) == pytest.approx(1)
    assert lengths[BASES] == len(cell) > lengths[PIECES]


def test_a_draw_stays_what_it_was():
    """Caches hold documents under a name that says nothing of the draw: another would not be noticed."""
    plain = document("ACGTTGCAACGGATTACAGGCCTTAAGC")
    drawn = ResolutionDraws(TOKENIZER.backend_tokenizer, 512).draw(plain, 0)
    wanted = [304, 548, 546, 547, 547, 546, 548, 545, 545, 548, 546, 546, 545, 547, 547, 545, 548, 545]
    wanted += [546, 546, 427, 545, 545, 546, 548]
    assert drawn.input_ids[slice(*drawn.sequence_spans[0])].tolist() == wanted
    assert drawn.input_ids.dtype == plain.input_ids.dtype == np.int64
