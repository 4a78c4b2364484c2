"""A text beside its reading: what the caller wrote, what is spoken in its place, and which part stands for which."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Edit:
    """``text[start:end]`` is spoken as ``spoken``; an empty span inserts, an empty ``spoken`` drops.

    One that changes nothing still keeps what it covers together.
    """

    start: int
    end: int
    spoken: str


class Reading:
    """``text`` with edits, in order and without overlap; what no edit covers is spoken as it is written.

    A place inside an edit belongs to no single place of the reading: cut a text only where ``may_cut``, and what is spoken of
    it only where ``may_cut_spoken``.
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
        """Whether no edit reaches over ``text[at]``."""
        return not any(edit.start < at < edit.end for edit in self.edits[self._before(at) - 1 : self._before(at)])

    def may_cut_spoken(self, at: int) -> bool:
        """Whether no edit reaches over ``spoken[at]``."""
        count = bisect_left(self._starts, at)
        return count == 0 or at >= self._starts[count - 1] + len(self.edits[count - 1].spoken)

    def part(self, start: int, end: int) -> "Reading":
        """What stands for ``spoken[start:end]``, both of which ``may_cut_spoken``.

        What is dropped at an edge goes along, but after a part that has no white space behind it, it belongs to that one.
        """
        first, last = bisect_left(self._starts, start), bisect_right(self._starts, end)
        if start and not self.spoken[start - 1].isspace():
            while first < last and self._starts[first] == start and not self.edits[first].spoken:
                first += 1
        while last > first and self._starts[last - 1] + len(self.edits[last - 1].spoken) > end:
            last -= 1
        low, high = self._place(first, start), self._place(last, end)
        return Reading(self.text[low:high], (Edit(e.start - low, e.end - low, e.spoken) for e in self.edits[first:last]))

    def then(self, edits: Iterable[Edit]) -> "Reading":
        """This reading with further edits, whose places are those of ``spoken``; those that overlap become one."""
        further = list(edits)
        spans = [(start, start + len(edit.spoken), None) for start, edit in zip(self._starts, self.edits, strict=True)]
        merged: list[Edit] = []
        group: list[Edit] = []  # of the further edits in the span low to high
        low = high = first = last = 0  # the edits first to last lie in it, too

        def close() -> None:
            spoken = Reading(self.spoken[low:high], (Edit(e.start - low, e.end - low, e.spoken) for e in group)).spoken
            merged.append(Edit(self._place(first, low), self._place(last, high), spoken))

        ordered = sorted([*spans, *((edit.start, edit.end, edit) for edit in further)], key=lambda span: span[:2])
        for number, (start, end, edit) in enumerate(ordered):
            if number == 0 or start >= high:
                if number:
                    close()
                low, high, first, group = start, end, last, []
            high = max(high, end)
            if edit is None:
                last += 1
            else:
                group.append(edit)
        if ordered:
            close()
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

    def _place(self, count: int, at: int) -> int:
        """The place in ``text`` of ``spoken[at]``, which lies between the edits before and after the number ``count``."""
        if count == 0:
            return at
        edit, start = self.edits[count - 1], self._starts[count - 1]
        return edit.end + at - start - len(edit.spoken)
