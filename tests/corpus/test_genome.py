import io

import pytest
from Bio import SeqIO
from Bio.Seq import Seq
from Bio.SeqFeature import BeforePosition, SeqFeature, SimpleLocation
from Bio.SeqRecord import SeqRecord

from omnina.corpus.genome import NO_PRODUCT, PSEUDO, read_genome
from omnina.errors import UserError

FORWARD, REVERSE = 1, -1
#        0   4   8   12
BASES = "aaccggttacgtn"


def feature(kind, start, end, strand=FORWARD, **qualifiers) -> SeqFeature:
    values = {name: [value] for name, value in qualifiers.items()}
    return SeqFeature(SimpleLocation(start, end, strand), type=kind, qualifiers=values)


def contig(*features: SeqFeature, organism: str = "Leptospira sp. 7") -> str:
    record = SeqRecord(Seq(BASES), id="C1.1", name="C1", features=list(features))
    record.annotations |= {"molecule_type": "DNA", "organism": organism}
    text = io.StringIO()
    SeqIO.write(record, text, "genbank")
    return text.getvalue()


def read(path):
    return list(read_genome(path))


def test_gene_is_read_along_its_own_strand(gzipped):
    forward, reverse = read(
        gzipped(
            contig(
                feature("CDS", 0, 6, FORWARD, product="a"),
                feature("tRNA", 2, 8, REVERSE, product="b"),
            )
        )
    )
    assert forward.sequence == "AACCGG"
    assert reverse.sequence == "AACCGG"  # the complement of CCGGTT, read backwards


def test_joined_pieces_are_put_together_in_the_order_of_the_gene(gzipped):
    left, right = SimpleLocation(0, 3, REVERSE), SimpleLocation(6, 9, REVERSE)
    gene = SeqFeature(right + left, type="CDS", qualifiers={"product": ["joined"]})
    (entry,) = read(gzipped(contig(gene)))
    assert entry.sequence == "TAA" + "GTT"


def test_response_names_type_organism_gene_and_product(gzipped):
    cut_off = SeqFeature(
        SimpleLocation(BeforePosition(0), 6, FORWARD),
        type="rRNA",
        qualifiers={"product": ["16S ribosomal RNA"]},
    )
    named = feature("CDS", 0, 6, gene="dnaA", product="initiator, DnaA")
    assert [entry.response for entry in read(gzipped(contig(cut_off, named)))] == [
        "Partial rRNA of Leptospira sp. 7. Product: 16S ribosomal RNA.",
        "CDS of Leptospira sp. 7. Gene: dnaA. Product: initiator, DnaA.",
    ]


def test_pseudo_genes_and_genes_without_product_are_marked(gzipped):
    text = contig(
        feature("CDS", 0, 3, product="x", pseudogene="unknown"),
        feature("CDS", 0, 6, locus_tag="L1"),
        feature("CDS", 0, 9, product="kept"),
    ).replace('/pseudogene="unknown"', "/pseudo")
    assert [entry.drop_reason for entry in read(gzipped(text))] == [PSEUDO, NO_PRODUCT, ""]


def test_features_that_are_no_genes_are_not_read(gzipped):
    kinds = ("source", "gene", "repeat_region", "misc_feature", "regulatory")
    features = [feature(kind, 0, 6, product="x") for kind in kinds]
    assert read(gzipped(contig(*features))) == []


WHOLE = contig(feature("CDS", 0, 6, product="x"))
HEADER = WHOLE[: WHOLE.index("FEATURES")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no GenBank record"),
        ("not a GenBank file\n", "no GenBank record"),
        (HEADER, "first record is not whole"),
        (WHOLE + HEADER, "after 'C1.1' is not whole"),
        (WHOLE[: WHOLE.index("ORIGIN") + 30], "first record is not whole"),
        (WHOLE.replace("13 bp", "14 bp"), "first record is not whole"),
        (WHOLE.replace("1..6", "1..six"), "first record is not whole"),
        (WHOLE.replace("aacc", "aa!c"), "'C1.1.*': .*'!'"),
        (WHOLE.replace("Leptospira sp. 7", "."), "'C1.1' has no organism"),
        (WHOLE.replace("        1 aaccggttac gtn\n", ""), "'C1.1' has no bases"),
    ],
)
def test_bad_file_is_refused_by_name(gzipped, text, message):
    path = gzipped(text)
    with pytest.raises(UserError, match=message) as error:
        read(path)
    assert str(path) in str(error.value)


def test_absent_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.gz.*--records"):
        read(tmp_path / "absent.gz")


def test_committed_genome_holds_the_genes_that_its_header_announces(entries):
    """Its COMMENT says: 4,162 CDS, 465 of them pseudo genes, and 45 RNA genes."""
    genes = [entry for entry in entries if entry.source == "genome"]
    assert len({(entry.group, entry.name) for entry in genes}) == len(genes) == 4207
    assert sum(entry.feature == "CDS" for entry in genes) == 4162
    assert sum(entry.drop_reason == PSEUDO for entry in genes) == 465
    assert sum(len(entry.sequence) > 3000 for entry in genes) > 0


def test_committed_coding_sequences_begin_like_genes_and_end_in_stop(entries):
    """Reading the wrong strand, or from one base off, would leave a few per cent of these."""
    whole = [e for e in entries if e.feature == "CDS" and e.response.startswith("CDS")]
    stops = sum(entry.sequence[-3:] in ("TAA", "TAG", "TGA") for entry in whole)
    starts = sum(entry.sequence[1:3] == "TG" for entry in whole)
    assert stops == len(whole)
    assert starts > 0.95 * len(whole)
