"""What training draws is another thing for every seed, and nothing else is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tables import random_dna

from omnina.chunking import SequenceRules, parse_cell
from omnina.config import FinetuneSettings, PretrainSettings
from omnina.dataset import _decisive
from omnina.draws import Draw
from omnina.tables.rows import DataSettings, RowEncoder, TableRow
from omnina.tokenizer import BOS_ID, EOS_ID, load_tokenizer

BACKEND = load_tokenizer(Path(__file__).parents[1] / "data" / "tokenizer").backend_tokenizer.to_str()
CELLS = [random_dna(150, seed) for seed in range(4)]
PRETRAIN = DataSettings(400, False, SequenceRules(min_bases=1, window=60))
FINETUNE = DataSettings(400, True, None)
DRAWN = [
    replace(PRETRAIN, cuts=3),
    replace(PRETRAIN, all_strands=True, reverse_complement=0.5),
    replace(FINETUNE, random_windows=3),
    replace(FINETUNE, segmentations=2),
    replace(FINETUNE, random_resolution=True),
    replace(FINETUNE, base_probability=0.5),
    replace(FINETUNE, drawn_windows=True, max_length=75),
]


def ids(settings: DataSettings) -> list[list[int]]:
    encoder = RowEncoder(BACKEND, BOS_ID, EOS_ID, settings)
    texts = {"question": "Is it a gene?", "response": "Yes"}
    outcomes = encoder.outcomes([TableRow("a.csv", 2, {"sequence": cell, **texts}) for cell in CELLS])
    return [document.input_ids.tolist() for outcome in outcomes for document in outcome.documents]


def name(settings: DataSettings) -> str:
    return str(_decisive(("{}", BOS_ID, EOS_ID, settings)))


@pytest.mark.parametrize("settings", DRAWN)
def test_every_draw_and_its_cache_are_of_the_seed(settings):
    one, again, other = (replace(settings, seed=seed) for seed in (1, 1, 2))
    assert ids(one) == ids(again) != ids(other)
    assert name(one) == name(again) != name(other)


@pytest.mark.parametrize("settings", [PRETRAIN, FINETUNE, replace(PRETRAIN, all_strands=True, written=True)])
def test_where_nothing_is_drawn_all_seeds_share_a_cache(settings):
    one, other = (replace(settings, seed=seed) for seed in (1, 2))
    assert ids(one) == ids(other) and name(one) == name(other) and "seed" not in name(one)


def test_the_seed_is_of_training_alone():
    given = {"train_files": ["a.csv"], "validation_files": ["b.csv"], "tokens_per_step": 8192}
    given |= {"tokens_per_device": 4096, "checkpoint": "c"}
    for run in (PretrainSettings(**given), FinetuneSettings(**given)):
        assert (run.training_settings(5).seed, run.data_settings().seed) == (5, 0)


def test_a_kept_window_tells_nothing_of_a_random_one():
    cells = [parse_cell(random_dna(400, seed)) for seed in range(300)]
    kept = [cell.drawn_start(0, 200, Draw(3, 1)) for cell in cells]
    windows = [cell.random_window(0.5, Draw(3, 1)) for cell in cells]
    starts = [cell.text.index(window.text) for cell, window in zip(cells, windows, strict=True)]
    for found in (starts, [window.bases for window in windows]):
        assert np.corrcoef(kept, found)[0, 1] == pytest.approx(0, abs=0.2)
