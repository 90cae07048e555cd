"""Annotated genes of a GenBank genome, each on its coding strand."""

import gzip
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from Bio import SeqIO
from Bio.SeqFeature import SeqFeature
from Bio.SeqRecord import SeqRecord

from omnina.corpus.record import AnnotatedSequence
from omnina.errors import UserError

SOURCE = "genome"
GENE_TYPES = ("CDS", "tRNA", "rRNA", "tmRNA", "ncRNA")


@dataclass
class Genome:
    """Genes of all contigs, in the file's order, and the contigs that carry ribosomal RNA."""

    features: int = 0
    genes: list[AnnotatedSequence] = field(default_factory=list)
    ribosomal_contigs: set[str] = field(default_factory=set)


def read_genome(path: Path, dropped: Counter) -> Genome:
    """The genes of a gzipped GenBank file.

    Adds to ``dropped`` the genes left out: pseudogenes, and those without a product.
    Raises UserError for a missing file or one without any gene.
    """
    if not path.is_file():
        raise UserError(
            f"{path}: there is no such file; it is part of the repository (git checkout -- data)."
        )
    genome = Genome()
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        for contig in SeqIO.parse(stream, "genbank"):
            for feature in contig.features:
                if feature.type in GENE_TYPES:
                    _add_gene(genome, contig, feature, dropped)
    if not genome.features:
        raise UserError(f"{path}: no {', '.join(GENE_TYPES)} feature found; is it a GenBank file?")
    return genome


def _add_gene(genome: Genome, contig: SeqRecord, feature: SeqFeature, dropped: Counter) -> None:
    genome.features += 1
    if feature.type == "rRNA":
        genome.ribosomal_contigs.add(contig.id)
    if "pseudo" in feature.qualifiers:
        dropped["pseudogene"] += 1
    elif "product" not in feature.qualifiers:
        dropped["no product"] += 1
    else:
        genome.genes.append(_row(contig, feature))


def _row(contig: SeqRecord, feature: SeqFeature) -> AnnotatedSequence:
    gene = feature.qualifiers.get("gene")
    named = f" Gene: {gene[0]}." if gene else ""
    organism = contig.annotations["organism"]
    return AnnotatedSequence(
        sequence=str(feature.extract(contig.seq)).upper(),
        response=f"{feature.type} of {organism}.{named} Product: {feature.qualifiers['product'][0]}.",
        source=SOURCE,
        group=contig.id,
    )
