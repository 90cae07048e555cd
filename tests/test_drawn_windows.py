"""Windows that training draws, of sequences that are too long and of all: the same on every machine."""

import random
from pathlib import Path

import numpy as np
import pytest

from omnina.chunking import BASES, PIECES, SequenceRules, reverse_complement
from omnina.config import FinetuneSettings, PretrainSettings
from omnina.packing import spread_over_blocks
from omnina.prompt import Document
from omnina.resolution import at_resolution
from omnina.tables.rows import DataSettings, RowEncoder, TableRow
from omnina.tokenizer import BOS_ID, EOS_ID, load_tokenizer

TOKENIZER = load_tokenizer(Path(__file__).parents[1] / "data" / "tokenizer")
LONGEST = 120  # tokens, about half of them the prompt's
DRAWN = ({"random_resolution": True}, {"base_probability": 0.3})


def sequences(count: int, bases: int) -> list[str]:
    return ["".join(random.Random(seed).choices("ACGT", k=bases)) for seed in range(count)]


def outcomes(cells: list[str], resolution: str = PIECES, **how):
    tokenizer = at_resolution(TOKENIZER, resolution)
    settings = DataSettings(LONGEST, True, None, **{"drawn_windows": True} | how)
    encoder = RowEncoder(tokenizer.backend_tokenizer.to_str(), BOS_ID, EOS_ID, settings)
    texts = {"question": "Is this a gene?", "response": "Yes, it is"}
    return encoder.outcomes([TableRow("a.csv", 2, {"sequence": cell, **texts}) for cell in cells])


def bases_of(document: Document, part: int = 0) -> str:
    start, stop = document.sequence_spans[part]
    return TOKENIZER.decode(document.input_ids[start:stop]).strip()


def check_window(document: Document, cell: str) -> int:
    """Everything but the window is there, and what was cut is counted; its first base."""
    window = bases_of(document)
    assert cell.count(window) == 1 and len(document.input_ids) <= LONGEST
    assert (document.bases, document.trimmed_bases) == (len(window), len(cell) - len(window))
    text = TOKENIZER.decode(document.input_ids, skip_special_tokens=True)
    assert "Is this a gene?" in text and text.rstrip().endswith("Yes, it is")
    return cell.index(window)


def test_windows_of_single_bases_are_as_long_as_fits_and_anywhere():
    cells = sequences(40, 400)
    firsts = []
    for cell, outcome in zip(cells, outcomes(cells, BASES), strict=True):
        [document] = outcome.documents
        assert len(document.input_ids) == LONGEST
        firsts.append(check_window(document, cell))
    assert min(firsts) < 80 and max(firsts) > 240 and len(set(firsts)) > 30
    again = [
        check_window(o.documents[0], cell) for cell, o in zip(cells, outcomes(cells, BASES), strict=True)
    ]
    assert again == firsts


@pytest.mark.parametrize("how", DRAWN)
def test_every_draw_of_a_resolution_has_a_window_of_its_own(how):
    cells = sequences(8, 900)
    for cell, outcome in zip(cells, outcomes(cells, segmentations=5, **how), strict=True):
        assert len({check_window(document, cell) for document in outcome.documents}) > 3


@pytest.mark.parametrize("how", [*DRAWN, {}])
def test_what_fits_stays_whole(how):
    cell = "ACGTTGCATGCC"
    [outcome] = outcomes([cell], segmentations=3, **how)
    assert [(bases_of(each), each.trimmed_bases) for each in outcome.documents] == [(cell, 0)] * 3


def test_the_longest_of_several_parts_is_cut():
    [cell] = sequences(1, 300)
    [outcome] = outcomes([f"guide:GATTACA target:{cell}"], BASES)
    [document] = outcome.documents
    assert bases_of(document) == "GATTACA" and cell.index(bases_of(document, part=1)) > 0
    assert document.bases + document.trimmed_bases == 307


def test_without_windows_the_beginning_stays():
    cells = sequences(5, 400)
    for cell, outcome in zip(cells, outcomes(cells, BASES, drawn_windows=False), strict=True):
        assert check_window(outcome.documents[0], cell) == 0


def test_a_row_whose_question_leaves_no_room_is_rejected():
    encoder = RowEncoder(
        TOKENIZER.backend_tokenizer.to_str(),
        *(BOS_ID, EOS_ID),
        DataSettings(LONGEST, True, None, drawn_windows=True, base_probability=0.5, segmentations=2),
    )
    cells = {"sequence": "ACGT" * 50, "question": "why? " * 100, "response": "so"}
    [outcome] = encoder.outcomes([TableRow("a.csv", 2, cells)])
    assert "leave no room for the sequence" in outcome.rejected and not outcome.documents


@pytest.mark.parametrize(
    ("resolution", "drawn"), [("pieces", False), ("bases", True), ("random", True), ("0.1", True)]
)
def test_windows_are_of_training_alone(resolution, drawn):
    given = {"train_files": ["a.csv"], "validation_files": ["b.csv"], "tokens_per_step": 8192}
    given |= {"tokens_per_device": 4096, "checkpoint": "c", "resolution": resolution}
    for run in (FinetuneSettings(**given), PretrainSettings(**given)):
        assert (run.training_settings(0).drawn_windows, run.data_settings().drawn_windows) == (drawn, False)


def pretraining(cells: list[str], resolution: str, **how) -> list[tuple[Document, ...]]:
    """Documents of each cell, of which far too many bases are left in a window."""
    rules = SequenceRules(min_bases=1, window=500)
    settings = DataSettings(LONGEST, False, rules, drawn_windows=True, **how)
    tokenizer = at_resolution(TOKENIZER, resolution).backend_tokenizer.to_str()
    rows = [TableRow("a.csv", 2, {"sequence": cell, "response": "a gene"}) for cell in cells]
    return [outcome.documents for outcome in RowEncoder(tokenizer, BOS_ID, EOS_ID, settings).outcomes(rows)]


def test_pretraining_at_single_bases_reads_every_part_of_its_windows():
    cells = sequences(60, 1000)
    seen = np.zeros((2, 500), dtype=int)
    for cell, documents in zip(cells, pretraining(cells, BASES), strict=True):
        for window, document in enumerate(documents):
            start = cell.index(bases_of(document)) - 500 * window
            assert document.bases + document.trimmed_bases == 500 and len(document.input_ids) == LONGEST
            seen[window, start : start + document.bases] += 1
    assert (seen[:, 10:-10] > 0).all()  # the outermost bases are in few of the windows there are


def test_written_sequences_keep_their_beginning_in_every_draw():
    [cell] = sequences(1, 500)
    [documents] = pretraining([cell], PIECES, written=True, base_probability=0.5, segmentations=3)
    written = [document for document in documents if document.is_written]
    assert len(written) == 3 and len(documents) == 6
    assert all(cell.startswith(bases_of(document)) and document.trimmed_bases for document in written)
    assert len({cell.index(bases_of(each)) for each in documents if not each.is_written}) == 3


def test_random_windows_are_of_drawn_lengths_and_places_behind_the_whole_sequence():
    cells = sequences(10, 50)
    how = {"random_windows": 20, "shortest_window": 0.5}
    for cell, outcome in zip(cells, outcomes(cells, BASES, **how), strict=True):
        found = [bases_of(document) for document in outcome.documents]
        assert found[0] == cell and len(found) == 20
        assert all(window in cell and 25 <= len(window) <= 50 for window in found)
        assert (
            len({len(window) for window in found}) > 10 and len({cell.index(window) for window in found}) > 5
        )
        assert not any(document.trimmed_bases for document in outcome.documents)
        again = outcomes([cell], BASES, **how)[0].documents
        assert [bases_of(document) for document in again] == found


def test_random_windows_are_of_both_strands():
    [cell] = sequences(1, 40)
    [outcome] = outcomes([cell], random_windows=3, both_strands=("Is this a gene?",))
    given, other = outcome.documents[:3], outcome.documents[3:]
    for document, turned in zip(given, other, strict=True):
        assert bases_of(document) in cell
        assert bases_of(turned) == reverse_complement(bases_of(document))


def test_guides_and_targets_have_no_random_windows():
    [outcome] = outcomes(["guide:GATTACA target:GATTACAGATTACA"], random_windows=5)
    [document] = outcome.documents
    assert [bases_of(document, part) for part in (0, 1)] == ["GATTACA", "GATTACAGATTACA"]


def test_windows_of_one_row_are_learned_far_apart():
    rows = np.arange(1000)
    assert spread_over_blocks(rows, seed=1, block_rows=1000) is rows
    spread = spread_over_blocks(rows, seed=1, block_rows=100)
    assert sorted(spread) == rows.tolist() and spread.tolist() != rows.tolist()
    assert spread.tolist() == spread_over_blocks(rows, seed=1, block_rows=100).tolist()
    blocks = np.empty(1000, dtype=int)
    blocks[spread] = np.arange(1000) // 100
    assert np.mean([len(set(blocks[start : start + 20])) for start in range(0, 1000, 20)]) > 7
