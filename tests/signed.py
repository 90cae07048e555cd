"""Near-duplicates among sequences by the files of several tasks, and by the plain definition."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from omnina.corpus.dedup.clusters import UnionFind
from omnina.corpus.dedup.near_links import SignedPassages
from omnina.corpus.dedup.numbering import Numbering
from omnina.corpus.dedup.signature_files import SignatureWriter
from omnina.corpus.dedup.sketch import DEFAULT, band_keys, identity_of_jaccard, jaccard, signature


def clusters_on_disk(units: Sequence[Sequence[str | None]], folder: Path, tasks: int = 1) -> list[int]:
    """The first of each sequence's cluster, both by number; a unit is a list of sequences."""
    folders = [folder / f"{tasks}-{task}" for task in range(tasks)]
    for task, one in enumerate(folders):
        one.mkdir()
        with SignatureWriter(one, DEFAULT) as writer:
            for sequence in (sequence for unit in units[task::tasks] for sequence in unit):
                writer.add(sequence)
    numbering = Numbering(np.array(list(map(len, units)), dtype=np.int64), tasks)
    clusters = UnionFind(numbering.passages, folder)
    SignedPassages(folders, numbering, DEFAULT).join_near(range(DEFAULT.bands), clusters)
    return clusters.roots(np.arange(numbering.passages)).tolist()


def clusters_by_definition(sequences: Sequence[str | None]) -> list[int]:
    """The same in memory: each passage is compared with the one before it that has a band's key."""
    firsts, last_of, signatures = list(range(len(sequences))), {}, {}
    for number, sequence in enumerate(sequences):
        values = None if sequence is None else signature(sequence)
        if values is None:
            continue
        signatures[number] = values
        for key in band_keys(values[np.newaxis], range(DEFAULT.bands), DEFAULT)[:, 0].tolist():
            other = last_of.get(key)
            last_of[key] = number
            if other is None:
                continue
            share = jaccard(values, signatures[other])
            if identity_of_jaccard(share, DEFAULT.k) >= DEFAULT.min_identity:
                low, high = sorted((firsts[number], firsts[other]))
                firsts = [low if first == high else first for first in firsts]
    return firsts
