"""The benchmark of the page: every figure is there."""

from tables import random_dna

from omnina.benchmarks.serving import AT_ONCE, measure_serving


def test_latencies_are_complete(answerer):
    rows = measure_serving(answerer, random_dna(60), next(iter(answerer.label_sets)))
    works = {row["work"] for row in rows}
    assert all(any(f"{count} at once" in work for work in works) for count in AT_ONCE)
    assert all(row["value"] > 0 for row in rows)
    seconds = {row["work"].split(", ", 2)[2]: row["value"] for row in rows if row["metric"] == "seconds"}
    assert set(seconds) == {
        "beside 100 sequences",
        "100 sequences",
        "beside an upload of 10 MB",
        "an upload of 10 MB",
    }
