import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from omnina.attention import MOST_PADDING, Documents, Grid, attend_per_document, common_prefix, like_lengths

CPU = torch.device("cpu")
LENGTHS = st.lists(st.integers(0, 40), min_size=1, max_size=12).filter(any).map(np.array)


@given(LENGTHS)
def test_a_grid_brings_every_token_back(lengths):
    tokens = torch.arange(lengths.sum() * 6, dtype=torch.float32).reshape(-1, 3, 2)
    grid = Grid.of_documents(lengths, CPU)
    if len(tokens):
        assert torch.equal(grid.flat(list(grid.rectangles(tokens))), tokens)


@given(LENGTHS)
def test_documents_side_by_side_are_of_like_length_and_each_stands_once(lengths):
    groups = list(like_lengths(lengths))
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(lengths)))
    for group in groups:
        assert lengths[group[0]] >= (1 - MOST_PADDING) * lengths[group[-1]]
        assert lengths[group].max() == lengths[group[-1]]


def test_cells_hold_a_documents_own_tokens_and_its_last_one_again():
    grid = Grid.of_documents(np.array([5, 4, 2]), CPU)
    assert grid.shapes == [(1, 2), (2, 5)]
    assert grid.gather.tolist() == [9, 10, 5, 6, 7, 8, 8, 0, 1, 2, 3, 4]


@given(LENGTHS, st.integers(0, 2**32 - 1))
def test_few_queries_are_answered_as_among_all(lengths, seed):
    tokens = int(lengths.sum())
    generator = torch.Generator().manual_seed(seed)
    query, key, value = torch.randn(3, tokens, 2, 4, generator=generator)
    grid = Grid.of_documents(lengths, CPU)
    documents = Documents(None, None, None, None, attend_per_document, grid)
    wanted = torch.randperm(tokens, generator=generator)[: max(tokens // 2, 1)].sort().values
    asked = documents.asked(wanted)
    assert (asked.few is not None) == (tokens > 1)
    few = query[wanted] if asked.few else query
    all_of_them = attend_per_document(query, key, value, documents)
    expected = all_of_them[wanted] if asked.few else all_of_them
    torch.testing.assert_close(attend_per_document(few, key, value, asked), expected)


def test_shared_tokens_stand_in_the_cells_of_every_document():
    grid = Grid.of_documents(np.array([4, 1, 2]), CPU, shared=2)
    assert grid.shapes == [(1, 3), (2, 4)]
    assert grid.gather.tolist() == [0, 1, 4, 0, 1, 2, 3, 0, 1, 5, 6]


def test_common_prefix_ends_where_any_document_differs():
    documents = [np.array([1, 5, 6, 7]), np.array([1, 5, 6, 8]), np.array([1, 5, 9])]
    assert common_prefix(documents, 3) == 2
    assert common_prefix(documents[:2], 3) == 3
    assert common_prefix(documents, 0) == 0
