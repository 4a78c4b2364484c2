"""A reading maps slices of the text to what is spoken, whatever edits it is made of."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from f5_worker.text.reading import Edit, Reading

TEXT = st.text(alphabet="ab1 ", max_size=12)


@st.composite
def edits_of(draw: st.DrawFn, text: str) -> list[Edit]:
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pairs = zip(places[::2], places[1::2], strict=False)
    found: list[Edit] = []
    for start, end in pairs:
        if not found or start > found[-1].end:
            found.append(Edit(start, end, draw(st.text(alphabet="xyz", max_size=3))))
    return found


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    text = draw(TEXT)
    return Reading(text, draw(edits_of(text)))


@given(readings())
def test_slices_between_edits_make_up_the_whole(reading: Reading) -> None:
    cuts = [at for at in range(len(reading.text) + 1) if reading.may_cut(at)]
    parts = [reading.spoken_of(a, b) for a, b in pairwise(cuts)]
    head = "".join(edit.spoken for edit in reading.edits if edit.start == edit.end == len(reading.text))
    assert "".join(parts) + head == reading.spoken


@given(st.data())
def test_further_edits_change_what_is_spoken_and_nothing_else(data: st.DataObject) -> None:
    reading = data.draw(readings())
    further = data.draw(edits_of(reading.spoken))
    both = reading.then(further)
    assert both.spoken == Reading(reading.spoken, further).spoken
    assert both.text == reading.text


def test_an_edit_over_an_edit_keeps_both() -> None:
    reading = Reading("a №5 b", [Edit(2, 3, "No")]).then([Edit(2, 5, "number five")])
    assert reading.edits == (Edit(2, 4, "number five"),)
    assert (reading.spoken, reading.spoken_of(0, 2), reading.spoken_of(2, 4)) == ("a number five b", "a ", "number five")
    assert not reading.may_cut(3)


@given(readings(), st.data())
def test_parts_are_the_whole_in_text_and_in_speech(reading: Reading, data: st.DataObject) -> None:
    cuts = [at for at in range(len(reading.spoken) + 1) if reading.may_cut_spoken(at)]
    chosen = sorted({0, len(reading.spoken), *data.draw(st.lists(st.sampled_from(cuts), max_size=3))})
    parts = [reading.part(a, b) for a, b in pairwise(chosen)]
    assert "".join(part.spoken for part in parts) == reading.spoken
    if " " not in reading.spoken and parts:
        assert "".join(part.text for part in parts) == reading.text
