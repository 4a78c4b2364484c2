"""Which chunks go through the DiT together: sorted by length so that little is padded, and within a budget of frames."""

from collections.abc import Sequence

# Beyond this a GPU is busy with each chunk's frames alone, and more of them at once only need more memory.
MAX_BATCH_FRAMES = 16_384
# Activations of one DiT block in units of its width, for each frame: queries, keys, values, feed-forward, and their copies.
_WIDTHS_PER_FRAME = 24
_SHARE_OF_FREE_MEMORY = 0.5


def frames_that_fit(free_bytes: int, width: int, bytes_per_value: int) -> int:
    """How many frames of mel a batch may hold, padding included, for a DiT of ``width`` with guidance (everything twice)."""
    per_frame = 2 * width * bytes_per_value * _WIDTHS_PER_FRAME
    return min(MAX_BATCH_FRAMES, int(free_bytes * _SHARE_OF_FREE_MEMORY) // per_frame)


def plan_stream_batches(frames: Sequence[int], budget: int, done: int = 0) -> list[list[int]]:
    """The indices of ``frames`` in order: the first alone, then as many at once as there were before, within ``budget``.

    So the first is heard as early as can be, and each batch is made while the speech of those before it plays. The first
    ``done`` of them are made already.
    """
    batches: list[list[int]] = []
    while done < len(frames):
        count = max(1, done)
        while count > 1 and max(frames[done : done + count]) * count > budget:
            count -= 1
        batches.append(list(range(done, min(done + count, len(frames)))))
        done += count
    return batches


def plan_batches(frames: Sequence[int], budget: int) -> list[list[int]]:
    """Group the indices of ``frames`` so that each group's longest times its size stays within ``budget``.

    A chunk that is over the budget alone is a group of its own. The group with the earliest chunk comes first, so that the
    start of a text can be heard while the rest is being made.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(frames)), key=lambda index: (-frames[index], index)):
        batch = batches[-1] if batches else []
        if batch and frames[batch[0]] * (len(batch) + 1) <= budget:
            batch.append(index)
        else:
            batches.append([index])
    return sorted(batches, key=min)


def share_batch(offers: Sequence[Sequence[int]], budget: int) -> list[int]:
    """How many chunks of each job's offer, in frames, share one batch: of each job one in turn, while they fit ``budget``.

    The first job's first chunk always has a part; an offer that fits alone is taken whole where it is the only one.
    """
    counts, longest = [0] * len(offers), 0
    for nth in range(max(map(len, offers), default=0)):
        for job, offer in enumerate(offers):
            if counts[job] == nth < len(offer):  # it has had a part in every round
                frames = max(longest, offer[nth])
                if not longest or frames * (sum(counts) + 1) <= budget:
                    counts[job], longest = nth + 1, frames
    return counts
