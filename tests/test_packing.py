import csv
import tracemalloc
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DataCollatorWithFlattening

from omnina.collation import FixedShape, FlatCollator, longest_bound
from omnina.packing import StepPlan, StepSampler, accumulation_steps, partition

ROOT = Path(__file__).parents[1]
LENGTHS = np.random.default_rng(1).integers(20, 400, 5000)


def plan(lengths=LENGTHS, tokens_per_step=4096, seed=7, data_hash="data", block_rows=512) -> StepPlan:
    return StepPlan(
        lengths, tokens_per_step=tokens_per_step, seed=seed, data_hash=data_hash, block_rows=block_rows
    )


@settings(deadline=None, max_examples=60)
@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=80),
    budget=st.integers(100, 400),
    block_rows=st.integers(1, 100),
)
def test_every_row_comes_once_an_epoch_and_no_step_exceeds_its_budget(lengths, budget, block_rows):
    steps = plan(np.array(lengths), budget, block_rows=block_rows)
    seen: list[int] = []
    step = 0
    while len(seen) < 3 * len(lengths):
        rows = steps.rows(step)
        assert steps.lengths[rows].sum() <= budget
        seen += rows.tolist()
        step += 1
    for epoch in range(3):
        assert sorted(seen[epoch * len(lengths) : (epoch + 1) * len(lengths)]) == list(range(len(lengths)))


def test_step_is_found_by_arithmetic_and_depends_on_all_that_it_should():
    direct = plan().rows(150_000)
    fresh = plan()
    for step in range(5):
        fresh.rows(step)
    assert np.array_equal(fresh.rows(150_000), direct)
    for other in (plan(seed=8), plan(data_hash="other"), plan(tokens_per_step=8192)):
        assert not np.array_equal(other.rows(150_000), direct)


@pytest.mark.parametrize(
    "copies", [None, np.repeat(np.arange(5000, dtype=np.int32), 3)], ids=["once", "copies"]
)
def test_lengths_on_disk_give_the_steps_of_lengths_in_memory(tmp_path, copies):
    np.save(tmp_path / "lengths.npy", LENGTHS.astype(np.int32))
    mapped = np.load(tmp_path / "lengths.npy", mmap_mode="r")
    options = {"tokens_per_step": 4096, "seed": 7, "data_hash": "x", "copies": copies, "block_rows": 512}
    on_disk, in_memory = (StepPlan(lengths, **options) for lengths in (mapped, LENGTHS))
    assert on_disk.steps_per_epoch == in_memory.steps_per_epoch
    for step in (0, 1, 5_000):
        assert np.array_equal(on_disk.rows(step), in_memory.rows(step))


def test_memory_of_a_plan_is_that_of_a_few_blocks(tmp_path):
    rows, bytes_of_a_block = 5_000_000, 65_536 * 8
    lengths = np.lib.format.open_memmap(tmp_path / "lengths.npy", "w+", np.int32, (rows,))
    lengths[:] = 300
    tracemalloc.start()
    try:
        StepPlan(lengths, tokens_per_step=2**19, seed=1, data_hash="x").rows(70_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * bytes_of_a_block < lengths.nbytes


def test_epochs_differ_in_order():
    steps = plan(block_rows=65_536)
    first, second = steps.rows(0), steps.rows(int(np.ceil(steps.steps_per_epoch)))
    assert len(np.intersect1d(first, second)) < len(first) / 2


@pytest.mark.parametrize(("processes", "accumulation"), [(1, 8), (8, 1), (2, 4)])
def test_processes_only_share_out_the_rows_of_a_step(processes, accumulation):
    steps = plan()
    samplers = [StepSampler(steps, processes, rank, accumulation) for rank in range(processes)]
    micro = [batch for sampler in samplers for batch in sampler.micro_batches(3)]
    assert sorted(chain.from_iterable(micro)) == sorted(steps.rows(3).tolist())
    sets = {frozenset(batch) for batch in micro}
    one = {frozenset(batch) for batch in StepSampler(steps, 1, 0, 8).micro_batches(3)}
    assert sets == one


def test_sampler_starts_anywhere():
    whole = iter(StepSampler(plan(), 2, 1, 3))
    batches = [next(whole) for _ in range(12)]
    later = iter(StepSampler(plan(), 2, 1, 3, first_step=2))
    assert [next(later) for _ in range(6)] == batches[6:]


def test_partition_balances_tokens():
    lengths = LENGTHS[:300]
    bins = partition(lengths, 8)
    loads = [lengths[places].sum() for places in bins]
    assert sorted(np.concatenate(bins)) == list(range(300))
    assert max(loads) - min(loads) <= 0.01 * np.mean(loads)


def test_partition_with_fewer_rows_than_bins_leaves_bins_empty():
    assert sorted(len(places) for places in partition(np.array([5, 6]), 4)) == [0, 0, 1, 1]


def test_accumulation_follows_from_budget_and_processes():
    assert accumulation_steps(524_288, 16_384, 8) == 4
    assert accumulation_steps(524_288, 16_384, 7) == 5
    assert accumulation_steps(4096, 8192, 1) == 1


def published_like() -> np.ndarray:
    """Lengths like those of the published sample: 45 % real where 8 rows are padded to the longest."""
    lengths = np.random.default_rng(0).lognormal(np.log(170), 0.9, 20_000)
    return np.clip(lengths, 40, 620).astype(np.int64)


def example_like() -> np.ndarray:
    """Lengths of the committed table's windows at two bases a token, as with its own tokenizer."""
    with (ROOT / "data" / "pretrain_train_example.csv").open(newline="") as table:
        return np.array([len(row["sequence"]) // 2 + 40 for row in csv.DictReader(table)])


@pytest.mark.parametrize("lengths", [published_like(), example_like()], ids=["published", "example"])
@pytest.mark.parametrize("bins", [16, 32])  # 32,768 and 16,384 tokens, as the shipped configurations
def test_fixed_shape_costs_two_percent_at_most_at_the_published_step(lengths, bins):
    steps = StepPlan(lengths, tokens_per_step=524_288, seed=1, data_hash="x")
    shape = FixedShape.for_plan(steps, bins)
    collator = FlatCollator(longest_bound(lengths), False, 2, shape)
    computed, real = 0, 0
    for step in range(8):
        rows = steps.rows(step)
        for places in partition(lengths[rows], bins):
            own = [int(length) for length in lengths[rows][places]]
            batch = collator([{"input_ids": np.ones(length), "answer_start": 1} for length in own])
            assert batch["input_ids"].shape == (1, shape.tokens)
            assert batch["cu_seq_lens_q"].shape == (shape.documents + 1,)
            assert batch["max_length_q"] == batch["max_length_k"] == longest_bound(lengths)
            computed, real = computed + shape.tokens, real + sum(own)
    assert 1 - real / computed <= 0.02


def test_the_kernels_bound_is_the_longest_row_of_all_data_in_whole_tiles():
    train, validation = np.array([40, 620, 90]), np.array([641])
    assert longest_bound(train) == 640
    assert longest_bound(train, validation) == longest_bound(validation, train) == 768


def test_a_row_that_fills_half_a_step_is_refused():
    with pytest.raises(ValueError, match="at least twice the longest row, 399"):
        plan(tokens_per_step=700)


def test_flat_batch_equals_transformers_layout(rows, collator):
    ours = collator(rows)
    theirs = DataCollatorWithFlattening(return_flash_attn_kwargs=True, return_tensors="pt")(
        [{"input_ids": row["input_ids"].tolist()} for row in rows]
    )
    for name in ("input_ids", "labels", "position_ids", "cu_seq_lens_q", "cu_seq_lens_k"):
        assert torch.equal(ours[name], theirs[name]), name
        assert ours[name].dtype == theirs[name].dtype, name
    assert ours["max_length_q"] >= theirs["max_length_q"]


def test_labels_of_answers_only_mask_exactly_the_prompt():
    rows = [
        {"input_ids": [1, 10, 11, 12, 2], "answer_start": 3},
        {"input_ids": [1, 20, 2], "answer_start": 1},
    ]
    batch = FlatCollator(8, answers_only=True, filler_id=2)(rows)
    assert batch["input_ids"].tolist() == [[1, 10, 11, 12, 2, 1, 20, 2]]
    assert batch["labels"].tolist() == [[-100, -100, -100, 12, 2, -100, 20, 2]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3, 4, 0, 1, 2]]
    assert batch["cu_seq_lens_q"].tolist() == [0, 5, 8]


def test_a_shared_prefix_stands_once_and_ends_before_the_first_answer():
    rows = [
        {"input_ids": [1, 7, 8, 11, 12, 2], "answer_start": 4},
        {"input_ids": [1, 7, 8, 20, 2], "answer_start": 3},
        {"input_ids": [1, 7, 8, 9, 21, 2], "answer_start": 4},
    ]
    batch = FlatCollator(8, answers_only=True, filler_id=2, share_prefix=True)(rows)
    assert batch["shared_prefix"] == 2  # three are the same, but the third predicts an answer
    assert batch["input_ids"].tolist() == [[1, 7, 8, 11, 12, 2, 8, 20, 2, 8, 9, 21, 2]]
    assert batch["labels"].tolist() == [[-100] * 4 + [12, 2, -100, 20, 2, -100, -100, 21, 2]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3, 4, 5, 2, 3, 4, 2, 3, 4, 5]]
    assert batch["cu_seq_lens_q"].tolist() == [0, 6, 9, 13]


@pytest.mark.parametrize(
    "rows", [[], [{"input_ids": [1, 7, 9, 2], "answer_start": 2}]], ids=["none", "one row"]
)
def test_nothing_is_shared_where_there_is_no_second_row(rows):
    batch = FlatCollator(8, answers_only=True, filler_id=2, share_prefix=True)(rows)
    assert batch["shared_prefix"] == 0


def test_filler_documents_are_unsupervised_and_within_the_positions():
    batch = FlatCollator(64, False, filler_id=2, fixed_shape=FixedShape(256, 128))(
        [{"input_ids": [1, 5, 2], "answer_start": 1}]
    )
    assert (batch["labels"][0, 3:] == -100).all()
    assert batch["position_ids"].max() < 64
    assert batch["cu_seq_lens_q"][-1] == 256
