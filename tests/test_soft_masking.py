"""Soft-masked tokens are those of bases in lower case, whatever is done to the sequence on its way."""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import random_dna, write_table
from tokenizers import Tokenizer

from omnina.chunking import BASES, SequenceRules, filter_reason, parse_cell, reverse_complement, windows
from omnina.dataset import TokenizedData, _decisive, load_data
from omnina.errors import UserError
from omnina.loss_weights import LossWeights, given_weights
from omnina.objective import TokenWeights
from omnina.prompt import PRETRAIN_PROMPT, PromptEncoder, Row
from omnina.resolution import at_resolution
from omnina.shards import plan as shard_plan
from omnina.soft_masking import is_masked, masked_spans
from omnina.tables.rows import DataSettings
from omnina.token_kinds import is_written
from omnina.tokenizer import BOS_ID, EOS_ID, SPACE, load_tokenizer

TOKENIZER = load_tokenizer(Path(__file__).parents[1] / "data" / "tokenizer")
OTHER_STRAND = dict(zip("ACGTacgt", "TGCAtgca", strict=True))
PLAIN = DataSettings(2048, False, SequenceRules(min_bases=1, window=700, overlap=60))
WAYS = {
    "pieces": {},
    "whole": {"rules": None},
    "trimmed": {"max_length": 120},
    "cuts": {"cuts": 3},
    "strands": {"all_strands": True},
    "drawn strands": {"all_strands": True, "reverse_complement": 0.5},
    "written": {"written": True, "max_length": 200},
    "random": {"random_resolution": True},
    "all": {"cuts": 2, "all_strands": True, "written": True, "random_resolution": True, "max_length": 250},
}


def soft_masked_dna(length: int, seed: int) -> str:
    """Uniform bases, in runs of both cases, short ones and long ones."""
    generator, found = random.Random(seed), ""
    while len(found) < length:
        run = random_dna(generator.choice([1, 2, 5, 40]), generator.randrange(10**9))
        found += run.lower() if generator.random() < 0.5 else run
    return found[:length]


CELLS = [soft_masked_dna(1500, 0), soft_masked_dna(650, 1), random_dna(300, 2), random_dna(300, 3).lower()]
CELLS.append(f"gRNA:{soft_masked_dna(90, 4)} target:{soft_masked_dna(200, 5)}")


def load(folder: Path, settings: DataSettings, cells: list[str], tokenizer=TOKENIZER, workers: int = 0):
    rows = [{"sequence": cell, "response": f"gene {number}"} for number, cell in enumerate(cells)]
    folder.mkdir(exist_ok=True)
    path = str(write_table(folder / "rows.csv", rows))
    definition = tokenizer.backend_tokenizer.to_str()
    return load_data(path, definition, BOS_ID, EOS_ID, settings, cache_dir=folder / "cache", workers=workers)


def asked(**changes) -> DataSettings:
    return replace(PLAIN, soft_masked=True, **changes)


def from_text(row: dict) -> np.ndarray:
    """(tokens,) which are soft-masked, by where their letters stand in the cells: on either strand."""
    masked = np.zeros(len(row["input_ids"]), dtype=bool)
    parts = [part.partition(":")[2] or part for cell in CELLS for part in cell.split()]
    turned = ["".join(map(OTHER_STRAND.get, part[::-1])) for part in parts]
    for start, stop in row["sequence_spans"].reshape(-1, 2):
        pieces = TOKENIZER.convert_ids_to_tokens(row["input_ids"][start:stop].tolist())
        pieces = [piece.strip(f"{SPACE}:") for piece in pieces]
        [text] = [cell for cell in parts + turned if "".join(pieces) in cell.upper()]
        place = text.upper().index("".join(pieces))
        for token, piece in enumerate(pieces, start):
            lower = sum(map(str.islower, text[place : place + len(piece)]))
            masked[token] = lower >= len(piece) / 2
            place += len(piece)
    return masked


def noted(row: dict) -> np.ndarray:
    """(tokens,) which are soft-masked, as the cache has it."""
    masked = np.zeros(len(row["input_ids"]), dtype=bool)
    for start, stop in row["soft_masked"].reshape(-1, 2):
        assert not masked[start:stop].any()
        masked[start:stop] = True
    return masked


def assert_same_ids(one: TokenizedData, other: TokenizedData) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert all(np.array_equal(a[name], b[name]) for name in b)


@pytest.mark.parametrize("way", WAYS)
def test_masks_follow_the_bases(tmp_path, way):
    data = load(tmp_path, asked(**WAYS[way]), CELLS)
    shares = []
    for row in data:
        assert noted(row).tolist() == from_text(row).tolist()
        shares.append(noted(row).mean())
    assert min(shares) == 0 and max(shares) > 0.4
    assert any(is_written(row) for row in data) == ("written" in WAYS[way])
    assert (data.counts.trimmed_bases > 0) == ("max_length" in WAYS[way])
    assert f"; {data.counts.soft_masked_bases} bases (" in data.counts.summary()


def test_masks_follow_single_bases(tmp_path):
    single = at_resolution(TOKENIZER, BASES)
    for row in load(tmp_path, asked(), CELLS, single):
        assert noted(row).tolist() == from_text(row).tolist()


@pytest.mark.parametrize("way", WAYS)
def test_ids_are_those_of_upper_case_and_of_runs_that_do_not_ask(tmp_path, way):
    masked = load(tmp_path / "asked", asked(**WAYS[way]), CELLS)
    plain = load(tmp_path / "plain", replace(PLAIN, **WAYS[way]), CELLS)
    upper = load(tmp_path / "upper", replace(PLAIN, **WAYS[way]), [_upper(cell) for cell in CELLS])
    assert "soft_masked" not in plain[0]
    assert_same_ids(masked, plain)
    assert_same_ids(plain, upper)


def _upper(cell: str) -> str:
    return " ".join(part[: part.find(":") + 1] + part[part.find(":") + 1 :].upper() for part in cell.split())


def test_the_bases_in_lower_case_are_counted_once_for_each_document_they_are_in(tmp_path):
    data = load(tmp_path, asked(rules=None, all_strands=True), CELLS[:2])
    assert data.counts.soft_masked_bases == 2 * sum(map(str.islower, CELLS[0] + CELLS[1]))


def test_worker_processes_and_small_shards_note_the_same(tmp_path, monkeypatch):
    settings, cells = asked(**WAYS["all"]), CELLS * 10
    whole = load(tmp_path / "whole", settings, cells)
    monkeypatch.setattr(shard_plan, "SHARD_BYTES", 4096)
    shared = load(tmp_path / "shared", settings, cells, workers=2)
    assert len(shared.documents_by_shard) > 2
    assert_same_ids(shared, whole)
    assert shared.counts == whole.counts


def test_caches_of_runs_that_do_not_ask_are_named_as_before():
    assert "soft_masked" not in json.dumps(_decisive(("{}", 1, 2, PLAIN)))
    assert "soft_masked" in json.dumps(_decisive(("{}", 1, 2, asked())))


def test_lower_case_n_and_u_are_read_as_in_upper_case():
    assert filter_reason(parse_cell("acnngt", keep_case=True), SequenceRules(1)) == "run of 2 or more N"
    assert parse_cell("AUuG\ngu", keep_case=True).parts == (("", "ATtGgt"),)
    assert parse_cell("AUuG\ngu").parts == (("", "ATTGGT"),)
    assert parse_cell("AUuG\ngu", keep_case=True).converted_uracils == 3


@given(st.text("ACGTRYSWKMBDHVNacgtryswkmbdhvn", min_size=1, max_size=300), st.integers(1, 50))
def test_case_goes_along_with_windows_and_strands(bases, window):
    cell = parse_cell(bases, keep_case=True)
    assert cell.text == bases.upper()
    assert reverse_complement(reverse_complement(bases)) == bases
    assert [base.islower() for base in reverse_complement(bases)] == [base.islower() for base in bases[::-1]]
    rules = SequenceRules(1, window=window)
    for cased, upper in zip(windows(cell, rules), windows(parse_cell(bases), rules), strict=True):
        assert cased.text == upper.text and cased.parts[0][1] in bases


@given(st.text("ACGTacgt", min_size=1, max_size=60))
def test_tokens_hold_all_bases_in_order(bases):
    [document] = _encoder().encode([Row(parse_cell(bases, keep_case=True), "a gene")])
    if bases.isupper():
        assert document.token_bases == ()
        return
    [held] = document.token_bases
    assert "".join(held) == bases
    assert [np.cumsum([0, *map(len, held[:-1])]).tolist()] == _encoder().token_starts(parse_cell(bases))


def _encoder() -> PromptEncoder:
    backend = Tokenizer.from_str(TOKENIZER.backend_tokenizer.to_str())
    return PromptEncoder(backend, PRETRAIN_PROMPT, bos_id=BOS_ID, eos_id=EOS_ID, max_length=512)


@pytest.mark.parametrize(
    ("bases", "masked"), [("ACgt", True), ("ACGt", False), ("a", True), ("A", False), ("AcG", False)]
)
def test_half_of_a_tokens_bases_decide(bases, masked):
    assert is_masked(bases) == masked


def test_neighbours_make_one_span():
    held = (("ac", "GT", "gg", "Tt"), ("c",))
    assert masked_spans(held, [(5, 9), (10, 11)]) == [(5, 6), (7, 9), (10, 11)]
    assert masked_spans((), [(5, 9)]) == []


def test_soft_masked_tokens_have_a_weight_of_their_own(tmp_path):
    [row] = load(tmp_path, asked(rules=None), CELLS[:1])
    weights = TokenWeights(LossWeights(1.0, 0.5, None, 1.0, 0.125)).of(row)
    assert np.array_equal(weights == 0.125, noted(row))
    sequence = np.zeros(len(weights), dtype=bool)
    sequence[slice(*row["sequence_spans"])] = True
    assert set(weights[sequence & ~noted(row)]) == {0.5} and set(weights[~sequence]) == {1.0}


def test_unset_they_weigh_as_the_sequence_and_only_pretraining_may_set_them():
    plain = LossWeights(1.0, 1.0, None, 1.0)
    assert given_weights('{"sequence": 0.5}', plain).soft_masked is None
    assert given_weights('{"soft_masked": 0}', plain) == LossWeights(1.0, 1.0, None, 1.0, 0.0)
    with pytest.raises(UserError, match="soft_masked is 'low'; it must be a number of at least 0"):
        given_weights('{"soft_masked": "low"}', plain)
    with pytest.raises(UserError, match="soft_masked is pretraining's alone; leave it out of fine-tuning"):
        given_weights('{"soft_masked": 0}', LossWeights(0.0, 0.0, 0.0, 1.0))
