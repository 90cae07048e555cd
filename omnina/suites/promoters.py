"""Promoter regions against coding regions of an annotated genome; no stretch of it is in two splits.

A promoter region is so many bases before a gene that codes for a protein, and the last ``FREE`` before the
gene lie in no other; a coding region as many bases from inside such a gene, at a random phase, on the gene's
strand. Where promoters begin is not annotated, so this is a proxy: a free gap may be there by chance. Genes
of several parts (joined over an intron, a frame shift, or a circular genome's end) count as genes, but no
region is taken from them or before them.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import TextIOWrapper
from pathlib import Path

import numpy as np
from Bio import SeqIO
from Bio.Seq import UndefinedSequenceError
from Bio.SeqFeature import SeqFeature
from Bio.SeqRecord import SeqRecord

from omnina.chunking import reverse_complement
from omnina.corpus.readers.streams import opened_bytes
from omnina.errors import UserError
from omnina.suites.task import Example, Task, checked_task

LENGTH, FREE = 251, 100
GENES = {"CDS", "tRNA", "rRNA", "ncRNA", "tmRNA"}
STRETCH = 50_000  # bases of a contig that stay together
TEST_SHARE, VALIDATION_SHARE = 0.2, 0.1
NAME, QUESTION = "promoters", "Is this a promoter region or a coding region?"
PROMOTER, CODING = "promoter", "coding"
Place = tuple[int, int]


def promoter_task(genome: Path, length: int = LENGTH, seed: int = 0) -> Task:
    """As many promoter regions as coding regions of a GenBank file (``.gbk``, ``.gbk.gz``).

    Args:
        genome: the file.
        length: of each region, in bases.
        seed: of the choice of coding regions, and of the splits.

    Raises UserError for a file without sequences, with too few genes, or with none of that length.
    """
    generator = random.Random(seed)
    try:
        with opened_bytes(genome) as stream:
            records = SeqIO.parse(TextIOWrapper(stream, encoding="utf-8"), "genbank")
            contigs = [_Contig.of(record, length) for record in records]
    except UserError:  # of the file itself, as one that is not there
        raise
    except (UndefinedSequenceError, ValueError) as error:  # no bases; not the format, not even text
        raise UserError(f"{genome}: not a whole GenBank file ({error}); fetch it again.") from error
    genes = [gene for contig in contigs for gene in contig.coding]
    if genes and (length > STRETCH or length > max(map(len, genes))):
        raise UserError(f"{genome}: no coding region of {length:,} bases in it; ask for fewer (--bases).")
    stretches = [stretch for contig in contigs for stretch in contig.stretches()]
    generator.shuffle(stretches)
    test, validation, train = _dealt([list(stretch.examples(generator)) for stretch in stretches])
    return checked_task(Task(NAME, QUESTION, train, validation, test))


@dataclass(frozen=True)
class _Contig:
    """A contig, or a stretch of it.

    Attributes:
        bases: of the whole contig, upper case.
        free: (bases,) bool, where no gene lies.
        coding: genes of one part that code for a protein.
        start, end: regions lie between them.
        length: of a region.
    """

    bases: str
    free: np.ndarray
    coding: list[SeqFeature]
    start: int
    end: int
    length: int

    @classmethod
    def of(cls, record: SeqRecord, length: int) -> "_Contig":
        """A whole contig."""
        bases = str(record.seq).upper()
        genes = [feature for feature in record.features if feature.type in GENES]
        free = np.ones(len(bases), dtype=bool)
        for part in (part for gene in genes for part in gene.location.parts):
            free[part.start : part.end] = False
        coding = [gene for gene in genes if gene.type == "CDS" and len(gene.location.parts) == 1]
        return cls(bases, free, coding, 0, len(bases), length)

    def stretches(self) -> Iterator["_Contig"]:
        """It in stretches, each with the genes that begin in it."""
        for start in range(0, len(self.bases), STRETCH):
            end = min(start + STRETCH, len(self.bases))
            coding = [gene for gene in self.coding if start <= gene.location.start < end]
            yield replace(self, coding=coding, start=start, end=end)

    def examples(self, generator: random.Random) -> Iterator[Example]:
        """A coding region for every promoter region."""
        long = [gene for gene in self.coding if len(gene) >= self.length and gene.location.end <= self.end]
        for gene in self.coding:
            before = self._before(gene)
            if before and long:
                yield Example(self._read(before, gene), PROMOTER)
                other = generator.choice(long)
                yield Example(self._read(_inside(other, self.length, generator), other), CODING)

    def _before(self, gene: SeqFeature) -> Place | None:
        """The region before a gene, if enough of it is free and it lies within the stretch."""
        start, end = int(gene.location.start), int(gene.location.end)
        if gene.location.strand == -1:
            place, near = (end, end + self.length), self.free[end : end + FREE]
        else:
            place, near = (start - self.length, start), self.free[max(start - FREE, 0) : start]
        within = self.start <= place[0] and place[1] <= self.end
        return place if within and near.all() else None

    def _read(self, place: Place, gene: SeqFeature) -> str:
        bases = self.bases[slice(*place)]
        return reverse_complement(bases) if gene.location.strand == -1 else bases


def _inside(gene: SeqFeature, length: int, generator: random.Random) -> Place:
    start = generator.randint(int(gene.location.start), int(gene.location.end) - length)
    return start, start + length


def _dealt(of_stretches: list[list[Example]]) -> list[list[Example]]:
    """Test, validation and training rows: stretches in order until each split has its share."""
    total = sum(map(len, of_stretches))
    wanted = [TEST_SHARE * total, VALIDATION_SHARE * total, float("inf")]
    splits: list[list[Example]] = [[], [], []]
    for rows in of_stretches:
        place = next(place for place, split in enumerate(splits) if len(split) < wanted[place])
        splits[place] += rows
    return splits
