"""Annotated genes of a GenBank file -> annotated sequences.

A gene is a CDS or RNA feature; ``gene`` features only repeat their places, and repeats, regulatory sites and
``misc_feature`` have no product.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path

from Bio import BiopythonParserWarning, SeqIO
from Bio.SeqFeature import ExactPosition, SeqFeature
from Bio.SeqRecord import SeqRecord

from omnina.corpus.entry import Entry, checked_bases, opened_records
from omnina.errors import UserError

SOURCE = "genome"
GENE_FEATURES = ("CDS", "tRNA", "rRNA", "ncRNA", "tmRNA")
PSEUDO = "pseudo gene"
NO_PRODUCT = "no product"


def read_contigs(path: Path) -> list[SeqRecord]:
    """All records of a gzipped GenBank file.

    Raises UserError, naming file and record, for a missing file, one without records, or a record that
    biopython cannot parse whole.
    """
    contigs: list[SeqRecord] = []
    with opened_records(path) as stream, warnings.catch_warnings():
        # biopython only warns of a sequence cut short; we would train on what is left of it
        warnings.simplefilter("error", BiopythonParserWarning)
        try:
            contigs.extend(SeqIO.parse(stream, "genbank"))
        except UnicodeDecodeError:  # a ValueError too, but one that opened_records explains
            raise
        except (ValueError, BiopythonParserWarning) as error:
            where = f"the record after '{contigs[-1].id}'" if contigs else "the first record"
            raise UserError(
                f"{path}: {where} is not whole GenBank ({error}); fetch the record file again."
            ) from error
    if not contigs:
        raise UserError(f"{path}: no GenBank record in it; fetch the record file again.")
    return contigs


def read_genome(path: Path) -> Iterator[Entry]:
    """Yield each gene of a gzipped GenBank file; raises as ``read_contigs`` and ``genes_of`` do."""
    for contig in read_contigs(path):
        yield from genes_of(contig, path)


def genes_of(contig: SeqRecord, path: Path) -> Iterator[Entry]:
    """Yield the genes of one contig in the order of the file, each read along its own strand.

    Pseudo genes and those without product are marked dropped. Raises UserError, naming file and record,
    for a contig without sequence or organism.
    """
    organism = contig.annotations.get("organism")
    if organism in (None, ".") or not contig.seq.defined:
        raise UserError(
            f"{path}: record '{contig.id}' has no {'organism' if contig.seq.defined else 'bases'}; "
            "fetch the full record (with sequence) or remove it."
        )
    for feature in contig.features:
        if feature.type in GENE_FEATURES:
            yield _entry(contig, feature, organism, path)


def described(feature: SeqFeature, organism: str) -> str:
    """The annotation in English; a gene cut off by the contig's end is called partial."""
    location = feature.location
    whole = isinstance(location.start, ExactPosition) and isinstance(location.end, ExactPosition)
    kind = feature.type if whole else f"Partial {feature.type}"
    gene = f" Gene: {feature.qualifiers['gene'][0]}." if "gene" in feature.qualifiers else ""
    return f"{kind} of {organism}.{gene} Product: {'; '.join(feature.qualifiers['product'])}."


def _entry(contig: SeqRecord, feature: SeqFeature, organism: str, path: Path) -> Entry:
    name = f"{contig.id}:{feature.location}:{feature.type}"
    drop_reason = _drop_reason(feature)
    return Entry(
        source=SOURCE,
        name=name,
        group=contig.id,
        feature=feature.type,
        sequence=checked_bases(str(feature.extract(contig.seq)), path, name),
        response="" if drop_reason else described(feature, organism),
        drop_reason=drop_reason,
    )


def _drop_reason(feature: SeqFeature) -> str:
    if "pseudo" in feature.qualifiers or "pseudogene" in feature.qualifiers:
        return PSEUDO
    return "" if any(feature.qualifiers.get("product", [])) else NO_PRODUCT
