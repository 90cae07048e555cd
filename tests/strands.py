"""Strands by Biopython, against which our own code for them is held."""

from Bio.Seq import reverse_complement


def strand_free(sequence: str) -> str:
    """The same string for a sequence and its reverse complement: the one that sorts first."""
    return min(sequence, reverse_complement(sequence))
