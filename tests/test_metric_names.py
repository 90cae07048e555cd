"""Names of questions and sources in metrics and files."""

import pytest

from omnina.metric_names import distinct_names


def test_a_text_alone_keeps_its_letters_and_digits():
    assert distinct_names(["Which phylum is 16S from?", "Is it A?"]) == {
        "Which phylum is 16S from?": "Which_phylum_is_16S_from",
        "Is it A?": "Is_it_A",
    }


@pytest.mark.parametrize(
    "texts",
    [
        ["Is it A?", "Is it A!", "is it a"],
        ["a", "a 2", "a!"],
        ["a!", "a?", "a 2", "a_2?"],
        ["?", "!", "unnamed"],
        ["x" * 70 + "1", "x" * 70 + "2"],
    ],
)
def test_no_two_texts_share_a_name_whatever_the_case(texts):
    for longest in (None, 60):
        names = distinct_names(texts, longest)
        assert list(names) == texts
        assert len({name.casefold() for name in names.values()}) == len(texts)


def test_more_texts_behind_change_no_name():
    texts = ["Is it A?", "Is it A!", "Is it B?"]
    assert distinct_names([*texts, "is it a", "Is it A?"]).items() >= distinct_names(texts).items()
