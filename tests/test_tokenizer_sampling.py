"""Windows hold every byte of the input, and a sample of them is bounded, fair and repeatable."""

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import random_dna, write_table

from omnina.tokenizer_sampling import (
    DNA,
    ENGLISH,
    WINDOW_BYTES,
    WindowSample,
    cut_text,
    plain_text_windows,
    sample_languages,
    table_windows,
)

SENTENCEPIECE_LIMIT = 4192  # bytes; longer lines are dropped in silence
SAMPLE_BYTES = 10_000_000


def of_language(windows, name: str) -> list[str]:
    return [window for language, window in windows if language == name]


@pytest.fixture
def table(tmp_path) -> Path:
    generator = random.Random(0)
    words = [random_dna(7, seed).lower() for seed in range(60)]
    rows = [
        {"sequence": random_dna(400, seed), "response": " ".join(generator.choices(words, k=8))}
        for seed in range(200)
    ]
    return write_table(tmp_path / "table.csv", rows)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(4, 40))
def test_windows_join_to_the_text(text, limit):
    windows = list(cut_text(text, limit))
    assert "".join(windows) == text
    assert all(0 < len(window.encode()) <= limit for window in windows)


@given(st.lists(st.text("aé", min_size=1, max_size=5), min_size=1), st.integers(11, 40))
def test_words_stay_whole_where_windows_can_hold_them(words, limit):
    windows = list(cut_text(" ".join(words), limit))
    assert [word for window in windows for word in window.split()] == words
    assert all(window.startswith(" ") for window in windows[1:])


def test_windows_are_as_long_as_they_may_be():
    assert list(cut_text("a bb cc", 4)) == ["a bb", " cc"]
    assert list(cut_text("aaaaaa éé", 4)) == ["aaaa", "aa", " é", "é"]
    assert list(cut_text("", 4)) == []


def test_no_base_of_a_long_sequence_is_lost(tmp_path):
    sequence = random_dna(30_000).lower().replace("t", "u")
    path = write_table(tmp_path / "t.csv", [{"sequence": sequence, "response": "a gene"}])
    windows = of_language(table_windows(path), DNA)
    assert all(window.startswith(" ") for window in windows)
    assert "".join(window[1:] for window in windows) == sequence.upper().replace("U", "T")
    assert max(len(window) for window in windows) == WINDOW_BYTES < SENTENCEPIECE_LIMIT


def test_cells_are_shown_as_the_prompt_shows_them(tmp_path):
    row = {
        "source": "elsewhere",
        "question": "Is it cut?",
        "response": "Yes,\r\n\nat once",
        "sequence": "gRNA:acgu  targetRNA:NNN",
    }
    windows = list(table_windows(write_table(tmp_path / "t.csv", [row])))
    assert windows == [
        (DNA, " gRNA:ACGT targetRNA:NNN"),
        (ENGLISH, "Yes,"),
        (ENGLISH, "at once"),
        (ENGLISH, " Is it cut?"),
    ]


@pytest.mark.parametrize("ending", ["", "\n"])
@pytest.mark.parametrize("text", ["word " * 20_000 + "end", "é" * 30_000, "short"])
def test_no_line_of_a_text_file_is_lost_for_its_length(tmp_path, text, ending):
    path = tmp_path / "text.txt"
    path.write_text(f"first\n\n{text}{ending}", encoding="utf-8")
    first, *windows = of_language(plain_text_windows(path), ENGLISH)
    assert first == "first"
    assert "".join(windows) == text
    assert all(len(window.encode()) <= WINDOW_BYTES for window in windows)
    assert all(set(window.split()) <= {"word", "end"} for window in windows if "word" in text)


def test_a_sample_is_bounded_ordered_and_repeatable():
    def sample(seed: str) -> WindowSample:
        windows = WindowSample(1000, seed)
        for number in range(500):
            windows.add(f"{number:03d}" + "x" * (number % 40))
        return windows

    once, again, other = sample("a"), sample("a"), sample("b")
    assert 950 < once.sampled_bytes == sum(map(len, once.windows())) <= 1000
    assert (once.total_windows, once.total_bytes) == (500, sum(3 + number % 40 for number in range(500)))
    assert once.windows() == sorted(once.windows()) == again.windows() != other.windows()


@pytest.mark.parametrize("seed", range(20))
def test_the_sample_is_the_windows_of_lowest_rank(seed):
    """Nothing that came late and short fills the room that a long one left."""
    generator = random.Random(str(seed))
    ranks = {f"{number:03d}" + "x" * (number % 7 * 40): generator.random() for number in range(300)}
    sample = WindowSample(2000, str(seed))
    for window in ranks:
        sample.add(window)
    kept = set(sample.windows())
    assert max(ranks[window] for window in kept) < min(ranks[window] for window in ranks.keys() - kept)


def test_every_window_has_the_same_chance():
    counts: Counter[str] = Counter()
    for seed in range(2000):
        sample = WindowSample(40, str(seed))
        for number in range(10):
            sample.add(str(number) * (4 if number < 5 else 12))  # short and long ones
        counts.update(window[0] for window in sample.windows())
    short = sum(counts[str(number)] for number in range(5))
    long = sum(counts[str(number)] for number in range(5, 10))
    assert max(counts.values()) - min(counts.values()) < 0.2 * max(counts.values())
    assert 0.85 < long / short < 1  # the one that overflows is more often long


def test_a_budget_that_suffices_keeps_everything(table):
    languages = sample_languages([table], SAMPLE_BYTES, 0.5, seed=0)
    offered = list(table_windows(table))
    for name, language in languages.items():
        kept = language.training.windows() + language.held_out.windows()
        assert Counter(kept) == Counter(of_language(offered, name))
        assert language.held_out.windows()
