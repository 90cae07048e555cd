"""The YAML of a corpus run: shipped ones are right, and every mistake is named with its place."""

from pathlib import Path

import pytest

from omnina.corpus.corpus_config import read_corpus_config
from omnina.errors import UserError
from omnina.files.yaml_file import read_yaml

SHIPPED = sorted((Path(__file__).parents[2] / "configs" / "corpus").glob("*.yaml"))
NT = next(path for path in SHIPPED if path.name == "nt.yaml")
EXAMPLE_RECORDS = ("rRNA16S.gold.fasta.gz", "leptospira_kirschneri_H1.gbk.gz")
CONFIG = {
    "sources": [{"path": "*.gb"}],
    "templates": {"annotations": [{"response": "{description}"}]},
}


@pytest.fixture
def folder(tmp_path):
    for name in ("b.gb", "a.gb", "c.gb.gz", "d.fa.gz", "e.txt", *EXAMPLE_RECORDS):
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_configurations_are_right(path, folder):
    config = read_corpus_config(read_yaml(path), folder, (), str(path))
    assert all(table.filters.max_n_run == 1 for table in config.tables)
    assert sum(config.split.rule.shares.values()) == pytest.approx(1)


def test_a_glob_stands_for_its_files_by_name(folder):
    config = read_corpus_config(CONFIG, folder, (), "corpus.yaml")
    assert [unit.spec.path.name for unit in config.units] == ["a.gb", "b.gb"]
    assert dict(config.split.rule.shares) == {"train": 0.98, "val": 0.01, "test": 0.01}
    assert config.as_written["files"]["number"] == 2


def sources(folder: Path, **keys) -> tuple:
    config = read_corpus_config(CONFIG | {"sources": [keys]}, folder, (), "corpus.yaml")
    return config.tables[0].sources


def test_a_source_may_have_several_patterns_of_which_some_find_nothing(folder):
    for name in ("d.fa.gz.gzi", "d.fa.fai", "nt.md5"):
        (folder / name).write_text("")
    path = read_yaml(NT)["sources"][0]["path"]
    found = sources(folder, path=path, format="nt_fasta")
    assert [one.path.name for one in found] == ["d.fa.gz", EXAMPLE_RECORDS[0]]
    with pytest.raises(UserError, match=r"sources\[0\].path: no file of \*.x, \*.y in"):
        sources(folder, path=["*.x", "*.y"])


def test_an_annotation_is_named_after_each_record_file(tmp_path):
    for genome in ("g1", "g2"):
        (tmp_path / genome).mkdir()
        for name in (f"{genome}.1_genomic.fna.gz", f"{genome}.1_genomic.gff", "genomic.gtf"):
            (tmp_path / genome / name).write_text("")
    keys = {"path": "**/*.fna.gz", "passages": "features"}
    pairs = [
        (one.path.parent, one.annotation)
        for one in sources(tmp_path, **keys, annotation="{folder}/{stem}.gff")
    ]
    assert pairs == [(tmp_path / g, tmp_path / g / f"{g}.1_genomic.gff") for g in ("g1", "g2")]
    pairs = [
        (one.path.parent, one.annotation)
        for one in sources(tmp_path, **keys, annotation="{folder}/genomic.gtf")
    ]
    assert pairs == [(tmp_path / g, tmp_path / g / "genomic.gtf") for g in ("g1", "g2")]
    with pytest.raises(UserError, match=r"annotation: there is no file .*g1\.1_genomic\.gff"):
        sources(tmp_path, **keys, annotation="{stem}.gff")


def test_an_annotation_is_found_too_where_the_input_folder_is_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = Path("records", "g1")
    place.mkdir(parents=True)
    for name in ("genomic.fna", "genomic.gff"):
        (place / name).write_text("")
    keys = {"path": "**/*.fna", "passages": "features", "annotation": "{folder}/{stem}.gff"}
    (one,) = sources(Path("records"), **keys)
    assert one.annotation == place / "genomic.gff"


def test_sources_have_constant_fields_and_the_input_folder(folder):
    (spec,) = sources(folder, path="a.gb", fields={"organism": "Homo sapiens"})
    assert (spec.fields, spec.folder) == ({"organism": "Homo sapiens"}, folder)


def test_the_recorded_configuration_does_not_depend_on_where_the_files_lie(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("a.gb", "b.gb"):
        (elsewhere / name).write_text("")
    here, there = (read_corpus_config(CONFIG, where, (), "corpus.yaml") for where in (folder, elsewhere))
    assert here.as_written == there.as_written


@pytest.mark.parametrize("place", [0, 2**20, 2**20 + 7, 3 * 2**20 - 1], ids=str)
def test_changed_record_files_of_equal_size_are_noticed(folder, place):
    bases = bytearray(b"A" * (3 * 2**20))
    (folder / "a.gb").write_bytes(bases)
    before = read_corpus_config(CONFIG, folder, (), "corpus.yaml").as_written
    bases[place] = ord("C")
    (folder / "a.gb").write_bytes(bases)
    after = read_corpus_config(CONFIG, folder, (), "corpus.yaml").as_written
    in_the_middle = 2**20 <= place < 2 * 2**20  # what is read of a large file stays small
    assert (before == after) == in_the_middle


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"source": []}, "corpus.yaml: unknown key 'source'. Did you mean 'sources'"),
        ({"sources": []}, "sources: expected a list"),
        (
            {"sources": [{"path": "*.gb", "widow": 3}]},
            r"sources\[0\]: unknown key 'widow'. Did you mean 'window'",
        ),
        ({"sources": [{"passages": "whole"}]}, r"sources\[0\]: no 'path' in it"),
        ({"sources": [{"path": "a.gb", "fields": {}}]}, r"fields: expected lines of the form 'organism"),
        ({"sources": [{"path": "a.gb", "fields": {"organism": 7}}]}, r"fields.organism: expected a text"),
        ({"sources": [{"path": "a.gb", "fields": {"genius": "x"}}]}, r"fields: 'genius' is none of"),
        ({"sources": [{"path": "a.gb", "folder": "x"}]}, r"unknown key 'folder'"),
        ({"sources": [{"path": "*.gbk"}]}, r"sources\[0\].path: no file '\*.gbk' in"),
        ({"sources": [{"path": "-"}]}, "which stdin cannot be"),
        ({"sources": [{"path": "e.txt"}]}, r"sources\[0\]: .*e.txt: format: the name does not tell it"),
        ({"sources": [{"path": "a.gb", "window": "3k"}]}, r"sources\[0\].window: expected a whole number"),
        (
            {"sources": [{"path": "a.gb", "split_at_n": 1}]},
            r"sources\[0\].split_at_n: expected true or false",
        ),
        (
            {"sources": [{"path": "*.gb", "annotation": "a.gff"}]},
            "annotation: one file for 2 record files",
        ),
        ({"templates": {}}, "templates: no template in it"),
        ({"filters": {"min_base": 3}}, "filters: unknown key 'min_base'. Did you mean 'min_bases'"),
        ({"output": {"format": "json"}}, "output.format: 'json' is unknown"),
        ({"split": {"by": "acession"}}, "split.by: 'acession' is unknown. Did you mean 'accession'"),
        ({"split": {"rank": "organism"}}, "split.rank: it names the taxon"),
        ({"split": {"shares": {"train": 0.9}}}, "split.shares: .* add up to 0.9"),
        ({"split": {"shares": {"tr-ain": 1}}}, "split.shares: 'tr-ain' must be letters"),
        ({"dedup": {"near": "yes"}}, "dedup.near: expected true or false"),
        ({"forbid": ["none.csv"]}, "none.csv"),
        ({"seed": -1}, "seed: -1 is less than 0"),
    ],
)
def test_mistakes_are_named(folder, keys, message):
    with pytest.raises(UserError, match=message):
        read_corpus_config(CONFIG | keys, folder, (), "corpus.yaml")


@pytest.mark.parametrize("key", ["sources", "templates"])
def test_a_needed_key(folder, key):
    values = {name: value for name, value in CONFIG.items() if name != key}
    with pytest.raises(UserError, match=f"corpus.yaml: no '{key}' in it"):
        read_corpus_config(values, folder, (), "corpus.yaml")


def test_forbid_needs_a_side_that_is_training(folder, tmp_path):
    split = {"split": {"shares": {"all": 1}}}
    with pytest.raises(UserError, match="forbid: it keeps rows out of 'train'"):
        read_corpus_config(CONFIG | split, folder, (str(tmp_path / "test.csv"),), "corpus.yaml")


def test_annotations_and_questions_are_two_runs(folder):
    both = CONFIG["templates"] | {"questions": [{"name": "a", "question": "b", "response": "c"}]}
    with pytest.raises(UserError, match="templates: annotations and questions make different tables"):
        read_corpus_config(CONFIG | {"templates": both}, folder, (), "corpus.yaml")
