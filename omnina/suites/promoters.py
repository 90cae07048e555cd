"""Promoter regions against coding regions of an annotated genome; no contig is in two splits.

A promoter region is the ``LENGTH`` bases before a gene that codes for a protein, of which the last ``FREE``
lie in no gene; a coding region as many bases from inside such a gene, at a random phase, on the gene's
strand. Where promoters begin is not annotated, so this is a proxy: a free gap may be there by chance.
"""

import random
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import numpy as np
from Bio import SeqIO
from Bio.SeqFeature import SeqFeature
from Bio.SeqRecord import SeqRecord

from omnina.chunking import reverse_complement
from omnina.corpus.readers.streams import opened_bytes
from omnina.suites.task import Example, Task

LENGTH, FREE = 251, 100
GENES = {"CDS", "tRNA", "rRNA", "ncRNA", "tmRNA"}
TEST_SHARE, VALIDATION_SHARE = 0.2, 0.1
NAME, QUESTION = "promoters", "Is this a promoter region or a coding region?"
PROMOTER, CODING = "promoter", "coding"
Place = tuple[int, int]


def promoter_task(genome: Path, seed: int = 0) -> Task:
    """As many promoter regions as coding regions of a GenBank file (``.gbk``, ``.gbk.gz``)."""
    generator = random.Random(seed)
    with opened_bytes(genome) as stream:
        text = stream.read().decode()
    records = list(SeqIO.parse(StringIO(text), "genbank"))
    generator.shuffle(records)
    test, validation, train = _dealt([list(_examples(record, generator)) for record in records])
    return Task(NAME, QUESTION, train, validation, test)


def _dealt(of_contigs: list[list[Example]]) -> list[list[Example]]:
    """Test, validation and training rows: contigs in order until each split has its share."""
    total = sum(map(len, of_contigs))
    wanted = [TEST_SHARE * total, VALIDATION_SHARE * total, total]
    splits: list[list[Example]] = [[], [], []]
    for rows in of_contigs:
        place = next(place for place, split in enumerate(splits) if len(split) < wanted[place])
        splits[place] += rows
    return splits


def _examples(record: SeqRecord, generator: random.Random) -> Iterator[Example]:
    genome = str(record.seq).upper()
    genes = [feature for feature in record.features if feature.type in GENES]
    free = np.ones(len(genome), dtype=bool)
    for gene in genes:
        free[gene.location.start : gene.location.end] = False
    coding = [gene for gene in genes if gene.type == "CDS" and len(gene) > LENGTH]
    for gene in (gene for gene in genes if gene.type == "CDS"):
        before = _before(gene, free)
        if before and coding:
            yield Example(_read(genome, before, gene), PROMOTER)
            other = generator.choice(coding)
            yield Example(_read(genome, _inside(other, generator), other), CODING)


def _before(gene: SeqFeature, free: np.ndarray) -> Place | None:
    """The region before a gene, if enough of it is free and it lies within the contig."""
    start, end = int(gene.location.start), int(gene.location.end)
    if gene.location.strand == 1:
        place, near = (start - LENGTH, start), free[max(start - FREE, 0) : start]
    else:
        place, near = (end, end + LENGTH), free[end : end + FREE]
    within = place[0] >= 0 and place[1] <= len(free)
    return place if within and near.all() else None


def _inside(gene: SeqFeature, generator: random.Random) -> Place:
    start = generator.randrange(int(gene.location.start), int(gene.location.end) - LENGTH + 1)
    return start, start + LENGTH


def _read(genome: str, place: Place, gene: SeqFeature) -> str:
    bases = genome[slice(*place)]
    return bases if gene.location.strand == 1 else reverse_complement(bases)
