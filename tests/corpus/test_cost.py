"""The cost page says what its formulas give."""

from dataclasses import replace
from pathlib import Path

import pytest

from omnina.corpus.cost import MEASURED, Corpus, core_hours, cost_table, near_duplicates, storage

ROOT = Path(__file__).parents[2]


def results(lines) -> dict[str, float]:
    return {line.what: float(line.result.split()[0]) for line in lines}


def test_the_page_has_the_table_of_the_measured_rates():
    assert cost_table(Corpus(), MEASURED) in (ROOT / "docs" / "corpus_cost.md").read_text(encoding="utf-8")


def test_a_second_at_one_base_a_second_is_a_3600th_of_a_core_hour():
    rates = replace(MEASURED, keys=1.0, rows=1.0, choice=1.0, tokens=1.0, bases_written=1.0)
    found = results(core_hours(Corpus(bases=3.6e6, records=0, window=1), rates))
    assert found["all of it"] == sum(list(found.values())[:4]) == 4000


def test_near_duplicates_cost_by_bases_and_by_windows():
    rates = replace(MEASURED, signatures=2.0, bands=3.0, clusters=4.0)
    found = list(results(near_duplicates(Corpus(bases=36e9, records=0, window=3000), rates)).values())
    assert found[:3] == [
        5e6,
        pytest.approx(12e6 / 3 / 3600, abs=0.01),
        pytest.approx(12e6 / 4 / 3600, abs=0.01),
    ]


@pytest.mark.parametrize("lines_of", [core_hours, storage, near_duplicates])
def test_twice_the_bases_and_records_cost_twice(lines_of):
    # Ten times the default: of its share of a node one digit is printed.
    once, twice = (Corpus(n * Corpus.bases, n * Corpus.records) for n in (10, 20))
    one, two = (results(lines_of(corpus, MEASURED)) for corpus in (once, twice))
    for what, amount in one.items():
        if not what.startswith("memory"):  # which has a fixed part
            assert two[what] == pytest.approx(2 * amount, rel=0.1), what  # printed with two digits
