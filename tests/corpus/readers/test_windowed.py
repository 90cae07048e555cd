import re
import tracemalloc
from itertools import repeat

from hypothesis import given
from hypothesis import strategies as st

from omnina.chunking import window_spans
from omnina.corpus.passage import Passage
from omnina.corpus.readers.annotated_fasta import read_plain_fasta
from omnina.corpus.readers.fasta import BLOCK_BYTES, read_fasta
from omnina.corpus.readers.windowed import Cutting, RecordCutter, record_passages
from omnina.corpus.reject import N_RUN, NOT_NUCLEOTIDE, TOO_SHORT, Reject

blocks_of_bases = st.lists(
    st.text(st.sampled_from("ACGTNNN"), min_size=1, max_size=9), min_size=1, max_size=12
)
window_and_overlap = st.integers(1, 14).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1)))


def cut(blocks: list[str], cutting: Cutting) -> tuple[list[Passage], dict]:
    cutter = RecordCutter("r.fa", "a", {"accession": "a"}, cutting)
    items = list(cutter.cut(block.encode() for block in blocks))
    passages = [item for item in items if isinstance(item, Passage)]
    return passages, {item.kind: item for item in items if not isinstance(item, Passage)}


def spans_of(passages: list[Passage]) -> list[tuple[int, int]]:
    return [(passage.start, passage.end) for passage in passages]


@given(blocks_of_bases, window_and_overlap)
def test_streamed_windows_are_the_windows_of_the_whole(blocks, sizes):
    sequence = "".join(blocks)
    passages, rejects = cut(blocks, Cutting(*sizes))
    assert spans_of(passages) == window_spans(len(sequence), *sizes)
    assert all(passage.sequence == sequence[passage.start : passage.end] for passage in passages)
    assert not rejects


@given(blocks_of_bases, window_and_overlap, st.integers(0, 4))
def test_windows_between_runs_of_n_cover_each_base_that_is_not_counted(blocks, sizes, min_bases):
    sequence = "".join(blocks)
    cutting = Cutting(*sizes, min_bases=min(min_bases, sizes[0]), split_at_n=True)
    passages, rejects = cut(blocks, cutting)
    assert not any("NN" in passage.sequence for passage in passages)
    assert all(passage.sequence == sequence[passage.start : passage.end] for passage in passages)
    covered = {base for start, end in spans_of(passages) for base in range(start, end)}
    assert len(covered) + sum(reject.bases for reject in rejects.values()) == len(sequence)
    in_runs = sum(map(len, re.findall("NN+", sequence)))
    assert (rejects[N_RUN].bases if N_RUN in rejects else 0) == in_runs


@given(blocks_of_bases, window_and_overlap)
def test_each_stretch_between_runs_is_cut_on_its_own(blocks, sizes):
    sequence = "".join(blocks)
    expected = [
        (stretch.start() + start, stretch.start() + end)
        for stretch in re.finditer("(?:[ACGT]|(?<!N)N(?!N))+", sequence)
        for start, end in window_spans(len(stretch.group()), *sizes)
    ]
    assert spans_of(cut(blocks, Cutting(*sizes, split_at_n=True))[0]) == expected


def test_without_window_the_record_or_stretch_is_one_piece():
    assert spans_of(cut(["AC", "GT"], Cutting())[0]) == [(0, 4)]
    assert spans_of(cut(["ACN", "NGNT"], Cutting(split_at_n=True))[0]) == [(0, 2), (4, 7)]


def test_short_record_and_short_stretches_are_counted():
    passages, rejects = cut(["ACG"], Cutting(min_bases=4))
    assert not passages
    assert rejects[TOO_SHORT].reason == "1 record is shorter than 4 bases"
    _, rejects = cut(["ANNCCNNAAAA"], Cutting(min_bases=4, split_at_n=True))
    assert rejects[TOO_SHORT].bases == 3
    assert rejects[N_RUN].reason == "2 runs of two or more N were left out"


def test_memory_stays_at_a_block_and_a_few_windows():
    block, times = (b"ACGT" * 24 + b"NNNN") * 100, 60
    for cutting in (Cutting(window=100, overlap=10), Cutting(window=50, split_at_n=True)):
        cutter = RecordCutter("r.fa", "a", {}, cutting)
        tracemalloc.start()
        assert sum(1 for _ in cutter.cut(repeat(block, times))) > times
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 5 * len(block)


@given(
    blocks=blocks_of_bases,
    after=st.text(st.sampled_from("ACGTN!"), max_size=9),
    sizes=window_and_overlap,
    split=st.booleans(),
    block_bytes=st.integers(1, 40),
)
def test_wrong_letter_ends_its_record_at_the_same_base_whatever_the_blocks(
    tmp_path_factory, blocks, after, sizes, split, block_bytes
):
    path, sequence = tmp_path_factory.mktemp("fasta") / "r.fa", "".join(blocks)
    path.write_text(f">a\n{sequence}!{after}\n>b\nGGGG\n")
    cutting = Cutting(*sizes, split_at_n=split)

    def items(block_bytes: int) -> list:
        records = (record for record in read_fasta(path, block_bytes) if not isinstance(record, Reject))
        return [item for record in records for item in record_passages(record, "r.fa", {}, cutting)]

    found = items(BLOCK_BYTES)
    assert items(block_bytes) == found
    of_a = [item for item in found if isinstance(item, Passage) and item.accession == "a"]
    assert all(item.sequence == sequence[item.start : item.end] for item in of_a)
    covered = {base for item in of_a for base in range(item.start, item.end)}
    rejects = [item for item in found if isinstance(item, Reject)]
    assert len(covered) + sum(one.bases for one in rejects) == len(sequence) + 1 + len(after)
    assert rejects[-1].kind == NOT_NUCLEOTIDE
    assert found[-1].accession == "b"


def test_passage_carries_what_the_header_says(record_file):
    (passage,) = read_plain_fasta(record_file(">a.1 E. coli, plasmid\nACGU\n", "r.fa.gz"))
    assert passage == Passage(
        "r.fa.gz", "a.1", 0, 4, ".", "ACGT", {"accession": "a.1", "description": "E. coli, plasmid"}
    )
