"""Passages for tests: a coding sequence with everything a record says, or what a test changes of it."""

from omnina.corpus.passage import Passage

FIELDS = {
    "organism": "Escherichia coli",
    "lineage": "Bacteria; Pseudomonadota; Gammaproteobacteria; Escherichia",
    "feature_type": "CDS",
    "gene": "thrL",
    "product": "thr operon leader peptide",
}


def passage(sequence="ATGAAACGC", start=0, strand="+", without=(), accession="U00096.3", **fields) -> Passage:
    """A passage; ``without`` names fields to take away, ``fields`` those to add or change."""
    kept = {name: value for name, value in (FIELDS | fields).items() if name not in without}
    return Passage("u.gb.gz", accession, start, start + len(sequence), strand, sequence, kept)
