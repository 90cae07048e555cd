"""What a reader left out, and why: every reader gives these beside its passages, so that counts add up."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reject:
    """A record, feature, line or stretch that gave no passage.

    Attributes:
        source_file: the record file's name: in a corpus with its folders below the input folder.
        record: accession or name; empty where none could be read.
        line: where it starts in the file, from 1; None where lines are not counted (FASTA).
        kind: a few words to group by, the same for every reject of its kind (``duplicate accession``).
        reason: what is wrong with this one, a part of an English sentence.
        bases: how many bases were left out, where that was counted; 0 otherwise.
    """

    source_file: str
    record: str
    line: int | None
    kind: str
    reason: str
    bases: int = 0


# Kinds that several readers give; those of one reader stand beside it.
DUPLICATE = "duplicate accession"
NO_SEQUENCE = "no sequence"
NOT_NUCLEOTIDE = "not a nucleotide"
CUT_SHORT = "cut short"
BAD_LOCATION = "bad location"
PSEUDO = "pseudo gene"
TOO_SHORT = "too short"
N_RUN = "run of N"
NO_ANNOTATION = "no annotation"
