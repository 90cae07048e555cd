"""Annotated genes of a GenBank file -> annotated sequences.

A gene is a CDS or RNA feature; ``gene`` features only repeat their places, and repeats, regulatory sites and
``misc_feature`` have no product.
"""

from collections.abc import Iterator
from pathlib import Path

from Bio import SeqIO
from Bio.SeqFeature import ExactPosition, SeqFeature
from Bio.SeqRecord import SeqRecord

from omnina.corpus.entry import Entry, opened_records
from omnina.errors import UserError

SOURCE = "genome"
GENE_FEATURES = ("CDS", "tRNA", "rRNA", "ncRNA", "tmRNA")
PSEUDO = "pseudo gene"
NO_PRODUCT = "no product"


def read_genome(path: Path) -> Iterator[Entry]:
    """Yield each gene of a gzipped GenBank file; pseudo genes and those without product are marked dropped.

    Raises UserError, naming file and record, for a missing file, one without records, one that biopython
    cannot parse, or a record without sequence or organism.
    """
    contig = None
    with opened_records(path) as stream:
        contigs = SeqIO.parse(stream, "genbank")
        try:
            for contig in contigs:
                yield from genes_of(contig, path)
        except ValueError as error:
            if isinstance(error, (UserError, UnicodeDecodeError)):
                raise
            after = f"the record after '{contig.id}'" if contig else "the first record"
            raise UserError(
                f"{path}: {after} is not GenBank ({error}); fetch the record file again."
            ) from error
    if contig is None:
        raise UserError(f"{path}: no GenBank record in it; fetch the record file again.")


def genes_of(contig: SeqRecord, path: Path) -> Iterator[Entry]:
    """Yield the genes of one contig in the order of the file, each read along its own strand."""
    organism = contig.annotations.get("organism")
    if not organism or contig.seq.defined is False:
        raise UserError(
            f"{path}: record '{contig.id}' has no {'bases' if organism else 'ORGANISM line'}; "
            "fetch the full record (with sequence) or remove it."
        )
    for feature in contig.features:
        if feature.type in GENE_FEATURES:
            yield _entry(contig, feature, organism)


def described(feature: SeqFeature, organism: str) -> str:
    """The annotation in English; a gene cut off by the contig's end is called partial."""
    location = feature.location
    whole = isinstance(location.start, ExactPosition) and isinstance(location.end, ExactPosition)
    kind = feature.type if whole else f"Partial {feature.type}"
    gene = f" Gene: {feature.qualifiers['gene'][0]}." if "gene" in feature.qualifiers else ""
    return f"{kind} of {organism}.{gene} Product: {'; '.join(feature.qualifiers['product'])}."


def _entry(contig: SeqRecord, feature: SeqFeature, organism: str) -> Entry:
    drop_reason = _drop_reason(feature)
    return Entry(
        source=SOURCE,
        name=f"{contig.id}:{feature.location}:{feature.type}",
        group=contig.id,
        feature=feature.type,
        sequence=str(feature.extract(contig.seq)).upper(),
        response="" if drop_reason else described(feature, organism),
        drop_reason=drop_reason,
    )


def _drop_reason(feature: SeqFeature) -> str:
    if "pseudo" in feature.qualifiers or "pseudogene" in feature.qualifiers:
        return PSEUDO
    return "" if any(feature.qualifiers.get("product", [])) else NO_PRODUCT
