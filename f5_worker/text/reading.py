"""A text beside its reading: what the caller wrote, what is spoken in its place, and which part stands for which."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Edit:
    """``text[start:end]`` is spoken as ``spoken``; an empty span inserts, an empty ``spoken`` drops."""

    start: int
    end: int
    spoken: str


class Reading:
    """``text`` with edits, in order and without overlap; what no edit covers is spoken as it is written.

    A place inside an edit belongs to no single place of the reading: cut a text only where ``may_cut``.
    """

    def __init__(self, text: str, edits: Iterable[Edit] = ()) -> None:
        self.text = text
        self.edits = tuple(edits)
        self._starts: list[int] = []  # of the edits, in the reading
        parts, at, length = [], 0, 0
        for edit in self.edits:
            assert at <= edit.start <= edit.end <= len(text), "edits come in order and do not overlap"
            self._starts.append(length + edit.start - at)
            parts += [text[at : edit.start], edit.spoken]
            length = self._starts[-1] + len(edit.spoken)
            at = edit.end
        self.spoken = "".join([*parts, text[at:]])

    def spoken_of(self, start: int, end: int) -> str:
        """What is spoken of ``text[start:end]``; an edit counts where it begins."""
        return self.spoken[self._to_spoken(start) : self._to_spoken(end)]

    def may_cut(self, at: int) -> bool:
        """Whether no edit reaches over ``at``."""
        return not any(edit.start < at < edit.end for edit in self.edits[self._before(at) - 1 : self._before(at)])

    def then(self, edits: Iterable[Edit]) -> "Reading":
        """This reading with further edits, whose places are those of ``spoken``; edits that touch become one."""
        spans = [(start, start + len(edit.spoken)) for start, edit in zip(self._starts, self.edits, strict=True)]
        further = list(edits)
        joined: list[list[int]] = []
        for start, end in sorted([*spans, *((edit.start, edit.end) for edit in further)]):
            if joined and start <= joined[-1][1]:
                joined[-1][1] = max(end, joined[-1][1])
            else:
                joined.append([start, end])
        merged = []
        for low, high in joined:
            inside = [Edit(e.start - low, e.end - low, e.spoken) for e in further if low <= e.start and e.end <= high]
            spoken = Reading(self.spoken[low:high], inside).spoken
            merged.append(Edit(self._to_text(low, at_end=False), self._to_text(high, at_end=True), spoken))
        return Reading(self.text, merged)

    def _before(self, at: int) -> int:
        """How many edits start before ``at``."""
        return bisect_right(self.edits, at - 1, key=lambda edit: edit.start)

    def _to_spoken(self, at: int) -> int:
        count = self._before(at)
        if count == 0:
            return at
        edit, start = self.edits[count - 1], self._starts[count - 1]
        return start + len(edit.spoken) + max(0, at - edit.end)

    def _to_text(self, at: int, *, at_end: bool) -> int:
        """The place in ``text`` of one in ``spoken`` that lies inside no edit; before or behind edits that are empty there."""
        count = bisect_right(self._starts, at if at_end else at - 1)
        if count == 0:
            return at
        edit, start = self.edits[count - 1], self._starts[count - 1]
        return edit.end + at - start - len(edit.spoken)
