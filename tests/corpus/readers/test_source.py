import pickle
from dataclasses import replace

import pytest

from omnina.corpus.passage import FIELDS
from omnina.corpus.readers import SourceSpec, read_source
from omnina.corpus.readers.source import format_of
from omnina.corpus.reject import Reject
from omnina.errors import UserError

GFF = "V00294.1\tx\tCDS\t31\t1113\t.\t+\t.\tID=a\n"


@pytest.mark.parametrize(
    "path, annotation, expected",
    [
        ("a.fna.gz", None, "fasta"),
        ("a.FA", None, "fasta"),
        ("a.gbff.zst", None, "genbank"),
        ("gbbct1.seq.gz", None, "genbank"),
        ("rel_std_hum.dat.gz", None, "embl"),
        ("a.fna", "a.gff3.gz", "gff"),
        ("a.fna", "a.gtf", "gff"),
        ("a.gff3.GZ", None, "gff"),
        ("a.fna", "a.tsv", "table_fasta"),
    ],
)
def test_names_tell_the_format(path, annotation, expected):
    assert format_of(SourceSpec(path, annotation=annotation)) == expected


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"path": "-"}, "format: the name does not tell it"),
        ({"path": "a.txt"}, "format: the name does not tell it"),
        ({"format": "fastq"}, "format: 'fastq' is none of auto, fasta"),
        ({"passages": "all"}, "passages: 'all' is none of whole"),
        ({"format": "gff"}, "annotation: format gff needs"),
        ({"annotation": "a.txt"}, "annotation: format genbank takes none"),
        ({"flank": -1}, "flank: -1 is negative"),
        ({"window": 100, "overlap": 100}, "overlap: 100 must be less than window"),
        ({"overlap": 10}, "overlap: 10 must be less than window"),
        ({"window": 100, "min_bases": 200}, "min_bases: 200 exceeds window"),
        ({"format": "fasta", "passages": "both"}, "passages: format fasta has no features"),
        ({"path": "a.fa", "annotation": "a.gff"}, "passages: whole records need no a.gff"),
        ({"passages": "both", "feature_types": ()}, "feature_types: no type is named"),
        ({"fields": {"organsm": "x"}}, "fields: 'organsm' is none of description, organism"),
        ({"fields": {"strand": "+"}}, "fields: 'strand' is none of"),
        ({"path": "a.gtf", "format": "gff", "passages": "features"}, "annotation: format gff needs"),
        ({"flank": 10}, "flank: it concerns features"),
        ({"include_pseudo": True}, "include_pseudo: it concerns features"),
        ({"passages": "features", "window": 100}, "window: it cuts whole records"),
        ({"passages": "features", "split_at_n": True}, "split_at_n: it cuts whole records"),
    ],
)
def test_wrong_key_is_named_before_anything_is_read(keys, message):
    with pytest.raises(UserError, match=message):
        read_source(SourceSpec(**({"path": "a.gb"} | keys)))


def test_constant_fields_are_those_that_the_record_lacks(record_file, genbank):
    known = {"organism": "Homo sapiens", "lineage": "Eukaryota; Homo"}
    (passage,) = read_source(SourceSpec(record_file(">a b\nACGT\n", "r.fa"), fields=known))
    assert passage.fields == {"accession": "a", "description": "b", **known}
    (passage, _) = read_source(SourceSpec(record_file(genbank, "r.gb"), fields={**known, "gene": "g"}))
    assert (passage.fields["organism"], passage.fields["gene"]) == ("Escherichia coli", "g")


def test_files_are_named_by_their_place_in_the_folder(record_file, tmp_path):
    (tmp_path / "one").mkdir()
    fasta = record_file(">a\nACGT\n>b\n\n", "one/genomic.fna")
    gff = record_file("a\tx\tCDS\t1\t3\t.\t+\t0\tID=c\na\n", "one/genomic.gff")
    spec = SourceSpec(fasta, annotation=gff, passages="features", folder=tmp_path)
    assert [item.source_file for item in read_source(spec)] == [
        *("one/genomic.gff", "one/genomic.fna", "one/genomic.fna"),
    ]
    assert {item.source_file for item in read_source(replace(spec, folder=None))} == {
        *("genomic.gff", "genomic.fna"),
    }


def test_all_formats_lead_to_passages_of_the_same_shape(record_file, genbank, embl):
    files = {
        "gb": record_file(genbank, "r.gb"),
        "embl": record_file(embl, "r.embl.gz"),
        "fa": record_file(">V00294.1 lacI\n" + "ACGTN" * 240 + "\n", "r.fa"),
        "gff": record_file(GFF, "r.gff3"),
        "csv": record_file("accession,annotation\nV00294.1,the repressor\n", "r.csv"),
    }
    specs = [
        SourceSpec(files["gb"], passages="both", window=500, overlap=50),
        SourceSpec(files["embl"], passages="both", feature_types=("CDS", "exon", "mRNA"), flank=10),
        SourceSpec(files["fa"], window=100, min_bases=50, split_at_n=True),
        SourceSpec(files["fa"], "nt_fasta"),
        SourceSpec(files["fa"], annotation=files["gff"], passages="features"),
        SourceSpec(files["fa"], annotation=files["csv"]),
    ]
    for spec in specs:
        passages = [item for item in read_source(spec) if not isinstance(item, Reject)]
        assert passages
        assert set().union(*(passage.fields for passage in passages)) <= set(FIELDS)
        assert all(all(passage.fields.values()) for passage in passages)
        assert pickle.loads(pickle.dumps(passages)) == passages  # so that other processes can take them
