"""Near-duplicates that are left out, and groups of a split, are as defined; and what disk they take."""

import random
from collections import namedtuple

import numpy as np
import pytest
from corpus_passages import passage
from planted import copy_of, dna, reverse_complement
from signed import clusters_by_definition

from omnina.corpus import choice, clustering, passage_files
from omnina.corpus.candidate import Candidate
from omnina.corpus.choice import DUPLICATE, duplicates_of, key_runs, place_of
from omnina.corpus.clustering import (
    check_disk,
    join_equal,
    join_links,
    write_groups,
    write_near_duplicates,
)
from omnina.corpus.dedup.clusters import UnionFind
from omnina.corpus.dedup.exact import strand_free_key
from omnina.corpus.dedup.near_links import SignedPassages
from omnina.corpus.dedup.sketch import DEFAULT
from omnina.corpus.passage_files import accession_runs, numbering_of, places_of, write_passages
from omnina.corpus.split_config import unversioned
from omnina.errors import UserError

UNITS = 7


@pytest.fixture(scope="module")
def candidates() -> list[list[Candidate]]:
    """By unit: families, repeats on either strand under other accessions, one that a filter left out."""
    rng = random.Random(3)
    sequences = []
    for family in range(25):
        parent = dna(rng, 300)
        sequences += [parent, *(copy_of(rng, parent, 0.03) for _ in range(family % 4))]
        sequences += [reverse_complement(parent)] * (family % 3 == 0)
    sequences += ["ACGT" * 12, dna(rng, 40)]
    rng.shuffle(sequences)
    made: list[list[Candidate]] = [[] for _ in range(UNITS)]
    for sequence in sequences:
        unit = rng.choice((0, 1, 2, 4, 5, 6))  # the fourth has none
        accession = f"U{rng.randrange(300)}.{rng.randrange(3)}"
        made[unit].append(Candidate(unit, len(made[unit]), passage(sequence, accession=accession)))
    made[0][1].left_out = "short"
    return made


def by_definition(candidates: list[Candidate], duplicates: set[int]) -> tuple[list[int], dict[int, str]]:
    """Places of near-duplicates, and each passage's group by its place."""
    places = [place_of(one.unit, one.number) for one in candidates]
    sequences = [one.item.sequence for one in candidates]
    firsts = clusters_by_definition(
        [None if place in duplicates else one for place, one in zip(places, sequences, strict=True)]
    )
    near = [place for number, place in enumerate(places) if firsts[number] != number]
    names = [strand_free_key(sequence).hex() for sequence in sequences]
    accessions = [unversioned(one.item.accession) for one in candidates]
    groups = list(range(len(candidates)))
    for kinds in (firsts, names, accessions):
        met = {}
        for number, kind in enumerate(kinds):
            low, high = sorted((groups[number], groups[met.setdefault(kind, number)]))
            groups = [low if group == high else group for group in groups]
    smallest = {g: min(n for n, of in zip(names, groups, strict=True) if of == g) for g in set(groups)}
    return near, {place: smallest[group] for place, group in zip(places, groups, strict=True)}


def on_disk(candidates, folder, tasks: int, link_tasks: int) -> tuple[list[int], dict[int, str]]:
    """The same by the steps of the pipeline."""
    runs = [run for unit in candidates for run in key_runs(unit, lambda unit: "")]
    duplicates = set(duplicates_of(runs).tolist())
    folders = [folder / f"{task}" for task in range(tasks)]
    for task, one in enumerate(folders):
        one.mkdir()
        read = [one for unit in candidates[task::tasks] for one in unit]
        write_passages(one, marked(read, duplicates), range(task, UNITS, tasks))
    numbering = numbering_of(folders, UNITS)
    places = places_of(folders, numbering, folder)
    files = [folder / f"links{task}" for task in range(link_tasks)]
    for task, file in enumerate(files):
        found = UnionFind(numbering.passages, folder)
        SignedPassages(folders, numbering, DEFAULT).join_near(range(task, DEFAULT.bands, link_tasks), found)
        file.write_bytes(b"".join(links.tobytes() for links in found.links()))
    clusters = UnionFind(numbering.passages, folder)
    join_links(files, clusters)
    write_near_duplicates(folder / "near.npy", clusters, places)
    join_equal(accession_runs(folders), places, clusters)
    join_equal(runs, places, clusters)
    write_groups(folder / "groups.npy", runs, places, clusters)
    groups = np.load(folder / "groups.npy").tolist()
    return np.load(folder / "near.npy").tolist(), {
        place: f"{high:016x}{low:016x}" for high, low, place in groups
    }


def marked(candidates: list[Candidate], duplicates: set[int]):
    """Copies, as the blocks before mark them."""
    for one in candidates:
        again = one.kept and place_of(one.unit, one.number) in duplicates
        yield Candidate(one.unit, one.number, one.item, left_out=DUPLICATE if again else one.left_out)


@pytest.mark.parametrize("tasks, link_tasks, small", [(1, 1, False), (3, 2, False), (9, 5, True)])
def test_what_is_left_out_and_kept_together_is_as_defined(
    candidates, tmp_path, monkeypatch, tasks, link_tasks, small
):
    if small:
        for module, name, value in (
            *((choice, "RUN_KEYS", 7), (choice, "PART_KEYS", 9)),
            *((clustering, "BLOCK", 16), (passage_files, "BLOCK", 3)),
        ):
            monkeypatch.setattr(module, name, value)
    kept = [one for unit in candidates for one in unit if one.kept]
    runs = [run for unit in candidates for run in key_runs(unit, lambda unit: "")]
    expected = by_definition(kept, set(duplicates_of(runs).tolist()))
    assert len(expected[0]) > 10 and 10 < len(set(expected[1].values())) < len(kept) - 20
    assert on_disk(candidates, tmp_path, tasks, link_tasks) == expected


def test_what_does_not_fit_onto_the_disk_is_refused_with_the_sum(tmp_path, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(clustering.shutil, "disk_usage", lambda folder: usage(3_400_000))
    check_disk(1_000, tmp_path)
    with pytest.raises(UserError, match=r"among 2,000 passages takes about 0\.0 GB of disk, and 0\.0 GB are"):
        check_disk(2_000, tmp_path)
