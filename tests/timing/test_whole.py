"""The words of chunks put together: as the text has them, final as soon as they are given out."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from f5_worker.text.reading import Reading
from f5_worker.timing.place import TimedWord, place
from f5_worker.timing.whole import WholeText
from f5_worker.timing.words import words_of

MS = 1000  # of each chunk


def spoken(chunk: str, number: int) -> list[TimedWord]:
    """The words of a chunk that takes a second, each as long as the others."""
    words = words_of(Reading(chunk))
    spans = [(n / len(words), (n + 1) / len(words)) for n in range(len(words))]
    times = place(spans, number, (number, number + 1.0))
    return [TimedWord(w.text, *times[n], 1.0, number, w.joined, w.sounds) for n, w in enumerate(words)]


def put_together(text: str, chunks: list[str], spans: list[tuple[int, int]] | None = None) -> list[list[TimedWord]]:
    whole = WholeText(text, spans or [(0, len(text))], chunks)
    return [whole.add(spoken(chunk, number), (number + 1) * MS) for number, chunk in enumerate(chunks)]


def test_a_word_that_is_cut_comes_whole_with_its_end() -> None:
    first, second, third = put_together("one twothree four five", ["one two", "three four", "five"])
    assert [word.word for word in first] == ["one"]
    assert [(word.word, word.start, word.end, word.chunk) for word in second] == [
        ("twothree", 500, 1500, 0),
        ("four", 1500, 2000, 1),
    ]
    assert [word.word for word in third] == ["five"]


def test_a_word_of_three_chunks_comes_with_the_last() -> None:
    parts = put_together("xxxyyyzzz", ["xxx", "yyy", "zzz"])
    assert [[(word.word, word.start, word.end) for word in part] for part in parts] == [[], [], [("xxxyyyzzz", 0, 3000)]]


def test_characters_that_are_words_are_not_held_back() -> None:
    first, second = put_together("你好世界", ["你好", "世界"])
    assert [(word.word, word.joined) for word in first + second] == [("你", False), ("好", True), ("世", True), ("界", True)]
    assert len(first) == 2


def test_what_no_chunk_speaks_is_there_and_tags_are_not() -> None:
    text = "--- one [pause:1s] *** two ---"
    parts = put_together(text, ["one", "two"], [(0, 7), (19, len(text))])
    assert [[(word.word, word.sounds) for word in part] for part in parts] == [
        [("---", False), ("one", True)],
        [("***", False), ("two", True), ("---", False)],
    ]


@given(st.text(alphabet="ab \n-.你é", max_size=60), st.lists(st.integers(0, 60), max_size=5))
def test_all_words_are_there_once_in_order(text: str, cuts: list[int]) -> None:
    places = sorted({0, *(cut for cut in cuts if cut < len(text)), len(text)})
    chunks = [text[low:high].strip() for low, high in pairwise(places)]
    chunks = [chunk for chunk in chunks if any(map(str.isalnum, chunk))]
    if not chunks:
        return
    words = [word for part in put_together(text, chunks) for word in part]
    assert "".join(word.word for word in words) == "".join(text.split())
    at = 0
    for word in words:
        assert at <= word.start < word.end <= len(chunks) * MS
        at = word.end
