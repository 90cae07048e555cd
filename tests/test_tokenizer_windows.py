"""Windows hold every byte of the input, as the prompt shows it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import random_dna, write_table

from omnina.vocabulary.windows import (
    DNA,
    ENGLISH,
    WINDOW_BYTES,
    cut_text,
    plain_text_windows,
    table_windows,
)

SENTENCEPIECE_LIMIT = 4192  # bytes; longer lines are dropped in silence


def of_language(windows, name: str) -> list[str]:
    return [window for language, window in windows if language == name]


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
