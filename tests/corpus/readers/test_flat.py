import io
import tracemalloc
from dataclasses import replace

import pytest
from Bio import SeqIO

from omnina.corpus.readers.features import Selection, passages_of
from omnina.corpus.readers.flat import AnnotatedRecord, read_flat
from omnina.corpus.readers.flat_faults import NOT_PARSED, WRONG_LENGTH
from omnina.corpus.readers.flat_text import NO_FIRST_LINE
from omnina.corpus.readers.windowed import Cutting
from omnina.corpus.reject import BAD_LOCATION, CUT_SHORT, DUPLICATE, NO_SEQUENCE, NOT_NUCLEOTIDE
from omnina.errors import UserError

BOTH = ["V00294.1", "M27612.1"]
LINEAGE = (
    *("Bacteria", "Proteobacteria", "Gammaproteobacteria", "Enterobacteriales", "Enterobacteriaceae"),
    "Escherichia",
)
RELEASE_HEADER = """GBBCT1.SEQ          Genetic Sequence Data Bank
                         August 15 2008

    2 loci,       2178 bases, from        2 reported sequences

"""


@pytest.fixture
def read(record_file, parted):
    def reading(text: str | bytes, name: str = "r.gb", flat_format: str = "genbank"):
        return parted(read_flat(record_file(text, name), flat_format))

    return reading


def accessions(records: list[AnnotatedRecord]) -> list[str]:
    return [record.accession for record in records]


@pytest.mark.parametrize("name, flat_format", [("r.gb", "genbank"), ("r.embl.gz", "embl")])
def test_records_and_features_are_those_that_biopython_reads(read, request, name, flat_format):
    text = request.getfixturevalue(flat_format)
    records, rejects = read(text, name, flat_format)
    expected = list(SeqIO.parse(io.StringIO(text), flat_format))
    assert not rejects
    assert [(r.accession, r.sequence) for r in records] == [(e.id, str(e.seq).upper()) for e in expected]
    kinds = [[f.type for f in e.features if f.type == "CDS"] for e in expected]
    assert [[feature.kind for feature in record.features] for record in records] == kinds


def test_fields_say_what_the_record_says(read, genbank, embl):
    records, _ = read(genbank)
    assert records[0].fields == {
        "accession": "V00294.1",
        "description": "E. coli laci gene (codes for the lac repressor)",
        "organism": "Escherichia coli",
        "taxid": "562",
        "lineage": "; ".join(LINEAGE),
        "molecule_type": "DNA",
    }
    records, _ = read(embl, "r.embl", "embl")
    assert records[0].fields["organism"] == "Homo sapiens"  # the OS line adds "(human)"
    assert records[0].fields["molecule_type"] == "genomic DNA"


def test_release_header_and_mixed_line_ends_change_nothing(read, genbank):
    expected = read(genbank)
    half = genbank.index("//\n")
    mixed = genbank[:half].replace("\n", "\r\n") + genbank[half:].replace("\n", "\r")
    assert read(mixed.encode()) == expected
    records, rejects = read(RELEASE_HEADER + genbank)
    assert not rejects
    moved = RELEASE_HEADER.count("\n")
    assert records == [
        replace(one, features=tuple(replace(each, line=each.line + moved) for each in one.features))
        for one in expected[0]
    ]


@pytest.mark.parametrize(
    "found, put, kind, reason",
    [
        (
            "1081  CGACAGGTTT CCCGACTGGA",
            "1081  CGACAGGTTT",
            WRONG_LENGTH,
            "the first line says 1113 bases, there are 1103",
        ),
        ("ORIGIN", "ORIGN", CUT_SHORT, "none that bases stand under"),
        (
            "FEATURES             Location",
            "FEATURE              Location",
            NOT_PARSED,
            "feature table was not found",
        ),
        ("CCGGAAGAGA", "CCGGEAGAGA", NOT_NUCLEOTIDE, "'E' at base 5 is not a nucleotide code"),
        ("1113 bp ", "many bp ", NOT_PARSED, "(ValueError)"),
    ],
)
def test_record_that_is_not_whole_is_one_reject_and_the_next_is_read(read, genbank, found, put, kind, reason):
    records, (reject,) = read(genbank.replace(found, put, 1))
    assert accessions(records) == BOTH[1:]
    assert (reject.source_file, reject.record, reject.kind) == ("r.gb", "V00294", kind)
    assert reject.line == 1
    assert reason in reject.reason


@pytest.mark.parametrize(
    "found, put, kind, reason",
    [
        ("31..1113", "31..1l13", BAD_LOCATION, "'31..1l13' of a CDS is no location"),
        ("31..1113", "?..1113", BAD_LOCATION, "'?..1113' of a CDS"),
        ("31..1113", "gap(20)", BAD_LOCATION, "'gap(20)' of a CDS"),
        ("31..1113", "join(31..40,20", NOT_PARSED, "'join(31..40,20"),
        ("31..1113", "1113..31", BAD_LOCATION, "'1113..31' of a CDS"),
        ('RQVSRLESGQ"', "RQVSRLESGQ", NOT_PARSED, "of a CDS does not end as a feature should"),
    ],
)
def test_odd_feature_is_left_out_alone_and_only_where_its_kind_is_chosen(
    record_file, parted, genbank, found, put, kind, reason
):
    path = record_file(genbank.replace(found, put, 1), "r.gb")
    records, rejects = parted(read_flat(path, "genbank"))
    assert accessions(records) == BOTH
    assert not rejects
    (feature,) = records[0].features
    assert (feature.line, feature.fault[0]) == (21, kind)
    assert reason in feature.fault[1]
    whole, rejects = parted(read_flat(path, "genbank", ()))
    assert [record.sequence for record in whole] == [record.sequence for record in records]
    assert not rejects


def test_record_cut_off_by_the_next_is_a_reject(read, genbank):
    first, second = genbank.split("//\n")[:2]
    records, (reject,) = read(first[:3000] + "\n" + second + "//\n")
    assert accessions(records) == BOTH[1:]
    assert (reject.record, reject.kind) == ("V00294", CUT_SHORT)
    assert "before this one's '//'" in reject.reason


def test_file_cut_anywhere_never_gives_half_a_record(read, genbank):
    second = genbank.index("LOCUS       M27612")
    whole = read(genbank)[0]
    for end in range(second + 20, len(genbank) - 3, 97):
        records, (reject,) = read(genbank[:end])
        assert records == whole[:1]
        assert reject.kind == CUT_SHORT
        assert reject.line == 84


def test_broken_first_line_is_not_taken_for_a_release_header(read, genbank):
    records, (reject,) = read(genbank.replace("LOCUS       M27612", "LOCVS       M27612"))
    assert accessions(records) == BOTH[:1]
    assert (reject.kind, reject.line) == (NO_FIRST_LINE, 84)
    records, (reject,) = read(genbank + "more\n")
    assert accessions(records) == BOTH
    assert reject.kind == NO_FIRST_LINE


def test_record_without_bases_is_a_reject(read, genbank):
    origin, end = genbank.index("ORIGIN"), genbank.index("//\n")
    for bases in ("ORIGIN\n", "CONTIG      join(U00096.1:1..1113)\n"):
        records, (reject,) = read(genbank[:origin] + bases + genbank[end:])
        assert accessions(records) == BOTH[1:]
        assert (reject.record, reject.kind) == ("V00294", NO_SEQUENCE)


def test_second_record_of_an_accession_is_a_reject(read, genbank):
    records, rejects = read(genbank + genbank)
    assert accessions(records) == BOTH
    assert [(r.record, r.kind, r.line) for r in rejects] == [
        ("V00294.1", DUPLICATE, 142),
        ("M27612.1", DUPLICATE, 225),
    ]


def test_embl_record_cut_short_is_a_reject(read, embl):
    records, (reject,) = read(embl.replace("//\nID   X03487", "ID   X03487"), "r.embl", "embl")
    assert accessions(records) == ["X03487.1", "M23100.1"]
    assert (reject.record, reject.kind) == ("L22968", CUT_SHORT)


def test_file_without_record_is_an_error(read, embl):
    with pytest.raises(UserError, match=r"r\.gb: no genbank record in it \(none starts with 'LOCUS'\)"):
        read(embl)
    with pytest.raises(UserError, match=r"r\.gb: no genbank record"):
        read(RELEASE_HEADER)


@pytest.mark.parametrize("name", ["  ", " .", " unknown", " <unknown id>"])
def test_records_without_accession_are_known_by_the_name_on_their_first_line(read, genbank, name):
    for accession in ("V00294", "M27612"):
        for key in ("ACCESSION  ", "VERSION    "):
            genbank = genbank.replace(f"{key} {accession}", f"{key}{name}\n{' ' * 12}", 1)
    text = genbank.replace("LOCUS       V00294", "LOCUS       ctg_1 ")
    records, rejects = read(text)
    assert accessions(records) == ["ctg_1", "M27612"]
    assert [record.fields["accession"] for record in records] == accessions(records)
    assert not rejects


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_names_wrapped_at_a_hyphen_are_whole(read, genbank, end):
    margin = "\n" + " " * 21
    wrapped = (
        f'/product="D-alanyl-D-{margin}alanine ligase"{margin}/product="alpha- and{margin}beta-{margin}and '
        f'gamma-hydrolase -{margin}like"{margin}'
    )
    text = genbank.replace("/note=", wrapped + "/note=", 1)
    text = text.replace("(codes for the", "(codes for a beta-\n            galactosidase", 1)
    records, _ = read(text.replace("\n", end).encode())
    product = records[0].features[0].fields["product"]
    assert product == "D-alanyl-D-alanine ligase; alpha- and beta- and gamma-hydrolase - like"
    assert "codes for a beta-galactosidase" in records[0].fields["description"]


def test_embl_names_wrapped_at_a_hyphen_are_whole(read, embl):
    text = embl.replace('/organism="Homo sapiens"', '/organism="Homo-\nFT                   sapiens"')
    text = text.replace("aFGF) gene", "aFGF) beta-\nDE   gene", 1)
    records, _ = read(text, "r.embl", "embl")
    assert "beta-gene sequence" in records[0].fields["description"]


def test_text_is_utf8_and_what_is_not_is_a_reject_of_its_record_or_feature(read, genbank):
    records, _ = read("\ufeff".encode() + genbank.replace("lac repressor", "β lac").encode())
    assert "β lac" in records[0].fields["description"]
    latin = genbank.encode().replace(b"the lac repressor", b"the \xb5 repressor", 1)
    records, (reject,) = read(latin)
    assert accessions(records) == BOTH[1:]
    assert (reject.kind, reject.line) == (NOT_PARSED, 2)
    assert "byte 0xb5 after" in reject.reason
    in_feature = genbank.encode().replace(b'/note="', b'/note="\xb5', 1)
    records, rejects = read(in_feature)
    assert accessions(records) == BOTH
    assert not rejects


def test_proteins_are_called_proteins(read, genbank):
    swissprot = (
        "ID   001R_FRG3G              Reviewed;         20 AA.\nAC   Q6GZX4;\nOS   Frog virus 3.\n"
        "SQ   SEQUENCE   20 AA;  29735 MW;  B4840739BF7D4121 CRC64;\n     MAFSAEDVLK EYDRRRRMEA\n//\n"
    )
    _, (reject,) = read(swissprot, "r.dat", "embl")
    assert (reject.kind, reject.reason) == (NOT_NUCLEOTIDE, "the record is a protein")


def test_a_base_takes_four_bytes_at_most(record_file):
    bases = 2_000_000
    lines = ("acgtacgtac " * 6).strip()
    body = "".join(f"{at + 1:>9} {lines}\n" for at in range(0, bases, 60))
    locus = f"LOCUS       X1          {-(-bases // 60) * 60:>11} bp    DNA     linear   BCT 01-JAN-2020\n"
    path = record_file(f"{locus}ACCESSION   X1\nORIGIN\n{body}//\n", "r.gb")
    del body
    tracemalloc.start()
    (record,) = read_flat(path, "genbank")
    cutter = Selection(whole=True, feature_types=(), cutting=Cutting(window=3000))
    assert sum(1 for _ in passages_of(record, cutter)) > bases / 3000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * bases


def test_memory_is_one_records_whatever_the_file(record_file, genbank):
    first = genbank.split("//\n")[0] + "//\n"
    text = "".join(first.replace("V00294", f"V{number:05}") for number in range(300))
    path = record_file(text, "r.gb.gz")
    tracemalloc.start()
    assert sum(1 for _ in read_flat(path, "genbank")) == 300
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < len(text) / 2


def test_bytes_that_are_no_text_in_the_source_feature_do_not_reach_a_table(read, genbank):
    records, _ = read(genbank.encode().replace(b"taxon:562", b"taxon:5\xff2", 1))
    assert "taxid" not in records[0].fields
    assert records[1].fields["taxid"] == "287"
