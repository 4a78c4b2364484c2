"""Batches: every chunk once, within the budget, little padding."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from f5_worker.speech.batching import MAX_BATCH_FRAMES, frames_that_fit, plan_batches, plan_stream_batches


@example([1, 3, 3, 3], 6)
@given(st.lists(st.integers(1, 3000), max_size=40), st.integers(0, 20_000))
def test_every_chunk_once_within_the_budget_and_the_earliest_first(frames: list[int], budget: int) -> None:
    batches = plan_batches(frames, budget)
    assert sorted(index for batch in batches for index in batch) == list(range(len(frames)))
    assert [min(batch) for batch in batches] == sorted(min(batch) for batch in batches)
    # Groups are runs of the chunks by length: of two that begin equally long, the one that ends longer came first.
    by_length = sorted(batches, key=lambda batch: (-frames[batch[0]], -frames[batch[-1]]))
    lengths = [frames[index] for batch in by_length for index in batch]
    assert lengths == sorted(lengths, reverse=True)
    for batch in batches:
        assert len(batch) == 1 or max(frames[index] for index in batch) * len(batch) <= budget


@pytest.mark.parametrize(
    ("free", "expected"), [(0, 0), (2**20, 5), (8 * 2**30, MAX_BATCH_FRAMES), (80 * 2**30, MAX_BATCH_FRAMES)]
)
def test_frames_follow_free_memory_up_to_a_limit(free: int, expected: int) -> None:
    assert frames_that_fit(free, width=1024, bytes_per_value=2) == expected


@example([1] * 9, 6)
@given(st.lists(st.integers(1, 3000), max_size=40), st.integers(0, 20_000))
def test_a_stream_goes_in_order_and_its_first_chunk_alone(frames: list[int], budget: int) -> None:
    batches = plan_stream_batches(frames, budget)
    assert [index for batch in batches for index in batch] == list(range(len(frames)))
    for batch in batches:
        assert len(batch) <= max(1, batch[0])
        assert len(batch) == 1 or max(frames[index] for index in batch) * len(batch) <= budget
