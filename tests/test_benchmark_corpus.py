import pytest

from omnina.benchmarks.figures import markdown_table
from omnina.benchmarks.records import write_families, write_fasta, write_genbank
from omnina.corpus.passage import Passage
from omnina.corpus.readers import SourceSpec, read_source


@pytest.mark.parametrize(
    "name, write", [("r.fa", write_fasta), ("r.gb", write_genbank), ("r.fa", write_families)]
)
def test_generated_files_are_of_the_size_asked_for_and_every_record_is_sound(tmp_path, name, write):
    path = tmp_path / name
    bases = write(path, 1)
    assert path.stat().st_size == pytest.approx(1e6, rel=0.05)
    items = list(read_source(SourceSpec(path)))
    assert all(isinstance(item, Passage) for item in items)
    assert sum(len(item.sequence) for item in items) == bases
    assert len({item.accession for item in items}) == len(items)


def test_the_same_size_is_the_same_file(tmp_path):
    for name in "ab":
        write_fasta(tmp_path / name, 1)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_every_figure_of_a_small_benchmark_is_there(monkeypatch):
    pytest.importorskip("datatrove")
    from omnina.benchmarks import corpus as benchmark_corpus

    monkeypatch.setattr(benchmark_corpus, "REPEATS", 1)
    rows = benchmark_corpus.measure_corpus([1, 4], ["FASTA"])
    # Less start-up, the cost of so little drowns in its noise: such figures may have either sign.
    less_start_up = {"million bases per CPU second", "CPU s", "growth of cost / growth of bases"}
    whole = [row for row in rows if row["metric"] not in less_start_up and "of stage" not in row["metric"]]
    assert len(whole) >= 10
    assert all(row["value"] > 0 for row in whole)
    assert {row["work"] for row in rows} == {"FASTA", "FASTA, 1 MB", "FASTA, 4 MB", "FASTA, 1 to 4 MB"}
    assert markdown_table(rows).count("\n| FASTA") == len(rows)
