"""However a variant is written, and on whichever strand, its windows are the same."""

import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from omnina.chunking import reverse_complement
from omnina.inference.variants.haplotypes import Change, TextContig, canonical, other_strand, windows


def joined(found) -> set[str]:
    return {"".join(window) for window in found}


def applied(bases: str, start: int, ref: str, alt: str) -> str:
    assert bases[start : start + len(ref)] == ref
    return bases[:start] + alt + bases[start + len(ref) :]


def test_an_indel_in_a_repeat_is_widened_to_the_repeat():
    contig = TextContig("GGCACACATT")
    assert canonical(contig, 2, "CA", "") == Change(2, "CACACA", "CACA")
    assert canonical(contig, 1, "GCA", "G") == canonical(contig, 5, "ACA", "A")
    assert canonical(contig, 8, "", "CA") == Change(2, "CACACA", "CACACACA")


@pytest.mark.parametrize(
    ("ref", "alt", "expected"),
    [
        ("A", "G", Change(3, "A", "G")),
        ("ACG", "ATG", Change(4, "C", "T")),
        ("AC", "GT", Change(3, "AC", "GT")),
        ("AC", "AC", Change(3, "AC", "AC")),
    ],
)
def test_shared_ends_are_no_part_of_a_change(ref, alt, expected):
    assert canonical(TextContig("TTTACGTTT"), 3, ref, alt) == expected


@pytest.mark.parametrize("size", [10, 11, 12, 13])
def test_both_windows_have_the_size(size):
    contig = TextContig("".join(random.Random(0).choices("ACGT", k=60)))
    for ref, alt in (("A", "C"), ("", "ACGTT"), (contig.fetch(30, 33), "")):
        found = windows(contig, Change(30, ref, alt), size)
        assert {len(text) for text in joined(found.ref) | joined(found.alt)} == {size}


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_every_way_of_writing_an_indel_gives_the_same_windows(data):
    bases = data.draw(st.text("AC", min_size=12, max_size=40))
    contig = TextContig(bases)
    start = data.draw(st.integers(0, len(bases)))
    if data.draw(st.booleans()):
        start = min(start, len(bases) - 1)
        ref, alt = bases[start : start + data.draw(st.integers(1, 4))], ""
    else:
        ref, alt = "", data.draw(st.text("AC", min_size=1, max_size=4))
    changed = applied(bases, start, ref, alt)
    change = canonical(contig, start, ref, alt)
    assume(max(len(change.ref), len(change.alt)) <= 16)  # a run of one base may be longer than a window
    expected = windows(contig, change, 16)
    for place in range(len(bases) + 1):
        for other_ref, other_alt in _same_kind(bases, changed, place, ref, alt):
            found = windows(contig, canonical(contig, place, other_ref, other_alt), 16)
            assert found == expected


def _same_kind(bases: str, changed: str, place: int, ref: str, alt: str):
    """The same indel written at this place, if it can be, with and without a base before it."""
    candidate = (bases[place : place + len(ref)], "") if ref else ("", changed[place : place + len(alt)])
    if len(candidate[0]) == len(ref) and bases[:place] + candidate[1] + bases[place + len(ref) :] == changed:
        yield candidate


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_the_other_strand_and_the_other_way_round(data):
    bases = data.draw(st.text("ACGT", min_size=6, max_size=40))
    start = data.draw(st.integers(0, len(bases)))
    ref = bases[start : start + data.draw(st.integers(0, 5))]
    alt = data.draw(st.text("ACGT", max_size=5))
    contig = TextContig(bases)
    change = canonical(contig, start, ref, alt)
    longest = max(len(change.ref), len(change.alt))
    size = data.draw(st.integers(max(longest, 4), longest + 20))
    found = windows(contig, change, size)

    turned = TextContig(reverse_complement(bases))
    place = len(bases) - start - len(ref)
    theirs = windows(turned, canonical(turned, place, reverse_complement(ref), reverse_complement(alt)), size)
    assert set(map(other_strand, theirs.ref)) == set(found.ref)
    assert set(map(other_strand, theirs.alt)) == set(found.alt)

    changed = TextContig(applied(bases, start, ref, alt))
    back = windows(changed, canonical(changed, start, alt, ref), size)
    assert (set(back.ref), set(back.alt)) == (set(found.alt), set(found.ref))


def test_at_a_contigs_end_the_other_side_gets_more():
    contig = TextContig("ACGTTGCAAC")
    [[left, region, right]] = windows(contig, Change(0, "A", "G"), 7).alt
    assert (left, region, right) == ("", "G", "CGTTGC")
    [whole] = windows(contig, Change(4, "T", "C"), 100).ref
    assert "".join(whole) == "ACGTTGCAAC"
