import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaForCausalLM

from omnina.inference import scoring
from omnina.inference.label_tree import PROMPT_NODE, LabelTree
from omnina.inference.scoring import ScoredRow, by_tokens, label_log_probabilities, normalised

END = 2
LABELS = [[5, END], [5, 6, END], [5, 6, 7, END], [8, END], [9, 6, END], [5, 9, 9, 9, END]]
CPU = torch.device("cpu")


@pytest.fixture
def llama(small_model, small_config) -> LlamaForCausalLM:
    twin = LlamaForCausalLM(small_config)
    twin.load_state_dict(small_model.state_dict())
    return twin.eval()


@pytest.fixture
def sure_model(small_model):
    """The same with sharp probabilities, so that some labels hardly count."""
    small_model.lm_head.weight.data *= 30
    return small_model.eval()


def brute_force(llama, prompt, labels) -> np.ndarray:
    """Each full string scored on its own by transformers' Llama."""
    scores = []
    for label in labels:
        ids = torch.tensor([[*prompt, *label]])
        with torch.no_grad():
            log_probabilities = llama(input_ids=ids, use_cache=False).logits[0].double().log_softmax(-1)
        places = range(len(prompt) - 1, ids.shape[1] - 1)
        scores.append(sum(log_probabilities[place, ids[0, place + 1]].item() for place in places))
    return np.array(scores)


def prompts(*lengths: int) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [np.array([1, *generator.integers(3, 95, length - 1)]) for length in lengths]


def test_shared_beginnings_are_one_node():
    tree = LabelTree.of([[5, 6, END], [5, 7, END], [5, END]])
    assert tree.tokens.tolist() == [5, 6, 7]
    assert tree.depths.tolist() == [0, 1, 1]
    (part,) = tree.parts(np.ones(1, dtype=bool), 3)
    assert part.sees.tolist() == [[True, False, False], [True, True, False], [True, False, True]]
    assert tree.edge_parents.tolist() == [PROMPT_NODE, 0, 1, 0, 2, 0]
    assert tree.edge_tokens.tolist() == [5, 6, END, 7, END, END]
    assert tree.label_edges == ((0, 1, 2), (0, 3, 4), (0, 5))


@given(
    st.lists(st.lists(st.integers(3, 6), min_size=1, max_size=5), min_size=1, max_size=12, unique_by=tuple)
)
def test_every_label_is_the_tokens_on_its_way(labels):
    tree = LabelTree.of([[*label, END] for label in labels])
    for label, edges in zip(labels, tree.label_edges, strict=True):
        assert tree.edge_tokens[list(edges)].tolist() == [*label, END]
        assert tree.edge_parents[edges[0]] == PROMPT_NODE
        for before, after in pairwise(edges):
            assert tree.tokens[tree.edge_parents[after]] == tree.edge_tokens[before]
    assert len(tree) == len({tuple(label[:n]) for label in labels for n in range(1, len(label) + 1)})


@given(
    st.lists(st.lists(st.integers(3, 5), min_size=1, max_size=6), min_size=1, max_size=25, unique_by=tuple),
    st.integers(1, 9),
)
def test_parts_hold_every_edge_once_and_each_node_sees_its_own_way(labels, most_nodes):
    tree = LabelTree.of([[*label, END] for label in labels])
    parts = list(tree.parts(np.ones(len(tree.first_edges), dtype=bool), most_nodes))
    edges = [*tree.first_edges, *(edge for part in parts for edge in part.edges)]
    assert sorted(edges) == list(range(len(tree.edge_tokens)))
    for part in parts:
        assert len(part.nodes) <= max(most_nodes, 1 + tree.depths[part.nodes].max())
        ways = {tuple(label[:n]) for label in labels for n in range(1, len(label) + 1)}
        seen = [tuple(tree.tokens[part.nodes[row]].tolist()) for row in part.sees]
        assert set(seen) <= ways
        assert [len(way) - 1 for way in seen] == tree.depths[part.nodes].tolist()
        assert (part.nodes[part.edge_parents] == tree.edge_parents[part.edges]).all()


def test_a_tree_read_in_parts_scores_as_llama_does(small_model, llama, monkeypatch):
    monkeypatch.setattr(scoring, "NODES", 3)
    rows = [
        ScoredRow(prompt, LabelTree.of(labels))
        for prompt, labels in zip(prompts(3, 17, 9), (LABELS, LABELS[:2], LABELS[2:]), strict=True)
    ]
    found = label_log_probabilities(small_model.eval(), rows, CPU)
    for row, labels, scores in zip(rows, (LABELS, LABELS[:2], LABELS[2:]), found, strict=True):
        np.testing.assert_allclose(scores, brute_force(llama, row.prompt, labels), atol=1e-5)


def test_thousands_of_labels_that_begin_alike_take_bounded_memory(small_model, llama):
    generator = np.random.default_rng(0)
    labels = [[7, *map(int, ids), END] for ids in np.unique(generator.integers(3, 95, (5000, 5)), axis=0)]
    tree, prompt = LabelTree.of(labels), prompts(9)[0]
    assert len(tree) > 15_000
    tracemalloc.start()
    (scores,) = label_log_probabilities(small_model.eval(), [ScoredRow(prompt, tree)], CPU)
    peak = tracemalloc.get_traced_memory()[1]  # of numpy: masks among it
    tracemalloc.stop()
    assert peak < 60e6 < len(tree) ** 2 / 4  # a quarter of one mask of all nodes
    some = generator.choice(len(labels), 20, replace=False)
    expected = brute_force(llama, prompt, [labels[place] for place in some])
    np.testing.assert_allclose(scores[some], expected, atol=1e-5)


@pytest.mark.parametrize("labels", [[], [[]], [[5, END], [5, END]]])
def test_labels_must_be_there_and_differ(labels):
    with pytest.raises(ValueError, match="labels must have tokens"):
        LabelTree.of(labels)


def test_labels_score_as_llama_scores_each_full_string(small_model, llama):
    tree = LabelTree.of(LABELS)
    rows = [ScoredRow(prompt, tree) for prompt in prompts(3, 17, 1, 60)]
    found = label_log_probabilities(small_model.eval(), rows, CPU)
    for row, scores in zip(rows, found, strict=True):
        np.testing.assert_allclose(scores, brute_force(llama, row.prompt, LABELS), atol=1e-5)


def test_a_prior_is_taken_off_the_scores(small_model):
    prior = np.log(np.arange(1.0, len(LABELS) + 1))
    rows = [ScoredRow(prompt, LabelTree.of(LABELS)) for prompt in prompts(3, 17)]
    without = [ScoredRow(row.prompt, LabelTree.of(LABELS, prior)) for row in rows]
    as_trained = label_log_probabilities(small_model.eval(), rows, CPU)
    for scores, less in zip(as_trained, label_log_probabilities(small_model, without, CPU), strict=True):
        np.testing.assert_allclose(less, scores - prior, atol=1e-5)


@pytest.mark.parametrize("prior", [0.0, 3.0])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("negligible", [1e-6, 1e-3, 0.3])
def test_labels_left_out_could_not_have_mattered(sure_model, negligible, temperature, prior):
    tree = LabelTree.of(LABELS, prior * np.arange(-len(LABELS), 0.0))
    rows = [ScoredRow(prompt, tree, temperature) for prompt in prompts(3, 17, 1, 60)]
    every = label_log_probabilities(sure_model, rows, CPU)
    likely = label_log_probabilities(sure_model, rows, CPU, negligible)
    for all_scores, scores in zip(every, likely, strict=True):
        difference = normalised(scores, temperature) - normalised(all_scores, temperature)
        assert np.abs(difference).max() <= negligible + 1e-6
        assert not np.isneginf(all_scores).any()
        assert scores.argmax() == all_scores.argmax()


def test_unlikely_branches_are_not_read(sure_model):
    (scores,) = label_log_probabilities(
        sure_model, [ScoredRow(prompts(9)[0], LabelTree.of(LABELS))], CPU, 0.1
    )
    assert 0 < np.isneginf(scores).sum() < len(LABELS)


def test_probabilities_sum_to_one_and_keep_their_order_at_any_temperature():
    scores = np.array([-700.0, -701.0, -3000.0])
    for temperature in (0.1, 1.0, 30.0):
        found = normalised(scores, temperature)
        assert found.sum() == pytest.approx(1)
        assert found.argmax() == 0
    assert normalised(scores, 1.0)[1] / normalised(scores, 1.0)[0] == pytest.approx(np.exp(-1))


def test_a_rows_neighbours_do_not_matter(small_model):
    trees = [LabelTree.of(LABELS), LabelTree.of(LABELS[:2]), LabelTree.of([[9, 9, END]])]
    rows = [ScoredRow(prompt, tree) for prompt, tree in zip(prompts(20, 5, 40), trees, strict=True)]
    together = label_log_probabilities(small_model.eval(), rows, CPU)
    for row, scores in zip(rows, together, strict=True):
        (alone,) = label_log_probabilities(small_model, [row], CPU)
        np.testing.assert_allclose(scores, alone, atol=1e-5)


def test_batches_hold_every_row_once_within_the_budget():
    rows = [ScoredRow(prompt, LabelTree.of([[5, END]])) for prompt in prompts(5, 9, 40, 3, 3, 3)]
    batches = list(by_tokens(rows, 16))
    assert [place for batch in batches for place in batch] == list(range(6))
    assert all(len(batch) == 1 or sum(len(rows[place]) for place in batch) <= 16 for batch in batches)
