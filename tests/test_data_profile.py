"""A table set's profile: every document is in the histograms, every base of a small set is counted."""

from collections import Counter

import pytest
from answering import made_rows
from tables import write_table

from omnina.data_profile import data_profile
from omnina.dataset import load_data
from omnina.tables.rows import DataSettings
from omnina.tokenizer import BOS_ID, EOS_ID, load_tokenizer


@pytest.fixture
def profiled(world, tmp_path):
    rows = made_rows(50, 3)
    tokenizer = load_tokenizer(world / "tokenizer")
    settings = DataSettings(512, True, None)
    table = write_table(tmp_path / "rows.csv", rows)
    definition = tokenizer.backend_tokenizer.to_str()
    data = load_data(str(table), definition, BOS_ID, EOS_ID, settings, cache_dir=tmp_path / "cache")
    return rows, data, data_profile(data, tokenizer)


def test_every_document_is_in_both_histograms(profiled):
    _, data, profile = profiled
    for name in ("bases", "tokens"):
        assert sum(profile[name]["counts"]) == len(data)
        assert len(profile[name]["edges"]) == len(profile[name]["counts"]) + 1
    assert profile["bases"]["edges"][0] == data.bases.min()
    assert profile["tokens"]["edges"][-1] == data.lengths.max()


def test_bases_are_those_of_the_table(profiled):
    rows, _, profile = profiled
    cells = "".join(row["sequence"].replace("a:", "").replace("b:", "") for row in rows)
    letters = Counter(letter for letter in cells if letter.isalpha())
    assert profile["composition"] == dict(letters)
    assert profile["composition_documents"] == len(rows)
