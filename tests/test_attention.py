import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from omnina.attention import MOST_PADDING, Grid, like_lengths

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
