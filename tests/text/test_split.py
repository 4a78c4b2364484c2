"""Splitting text: tables of cases, and properties that hold for any text."""

# ruff: noqa: RUF001 - the characters of other scripts are meant

import re
from collections.abc import Callable
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f5_worker.errors import InputError
from f5_worker.text.clean import clean_text, is_speakable
from f5_worker.text.reading import Reading
from f5_worker.text.split import split_off_start, split_reading

FAMILY = "👨\u200d👩\u200d👧"


def f5_seconds(bytes_per_second: float = 15.0, speed: float = 1.0) -> Callable[[str], float]:
    """The duration rule for a reference of that rate, in whole frames."""
    return lambda text: int(max(len(text.encode()), 10) / bytes_per_second / speed * 93.75) / 93.75


def split_text(text: str, seconds: Callable[[str], float], max_seconds: float) -> list[str]:
    """The chunks of a text that is spoken as it is written."""
    return [part.text for part in split_reading(Reading(text), seconds, max_seconds)]


def without_space(text: str) -> str:
    return re.sub(r"\s", "", text)


# Limits of 30 bytes: seconds are bytes.
@pytest.mark.parametrize(
    ("text", "chunks"),
    [
        ("It fits.  As it is.", ["It fits.  As it is."]),
        ("One sentence is here. And there is another.", ["One sentence is here.", "And there is another."]),
        ("It is a longer one, with a comma in it.", ["It is a longer one,", "with a comma in it."]),
        ("there is nothing to cut at but the spaces", ["there is nothing to", "cut at but the spaces"]),
        ("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", ["abcdefghijklmnopqrstuvwxyz"] * 2),
        ("Is it true? Yes! All of it, he said.", ["Is it true? Yes!", "All of it, he said."]),
        ("They had to meet Dr. Smith there again.", ["They had to meet", "Dr. Smith there again."]),
        ("It cost 3.50 dollars. Not 4.75 then.", ["It cost 3.50 dollars.", "Not 4.75 then."]),
        ("He said... nothing of it. Then he left.", ["He said... nothing of it.", "Then he left."]),
        ("Many fruits, e.g. Apples. He ate them.", ["Many fruits, e.g. Apples.", "He ate them."]),
        ("It is by J. R. Tolkien. He liked it all.", ["It is by J. R. Tolkien.", "He liked it all."]),
        ('She said "It is late." Then she left us.', ['She said "It is late."', "Then she left us."]),
        ("他说你好吗？今天天气很好。", ["他说你好吗？", "今天天气很好。"]),
        ("今天天气很好，我们去公园。", ["今天天气很好，", "我们去公园。"]),
        ("价格是3．5元整。他说不贵。", ["价格是3．5元整。", "他说不贵。"]),
        ("他说：“你好。”然后他走了。", ["他说：“你好。”", "然后他走了。"]),
        ("你好,我叫小明.很高兴啊", ["你好,我叫小明.", "很高兴啊"]),
        ("hello there שלום לכם, מה נשמע", ["hello there שלום לכם,", "מה נשמע"]),
        ("كيف حالك؟ أنا بخير شكرا", ["كيف حالك؟", "أنا بخير شكرا"]),
        ("मेरा नाम। तुम्हारा", ["मेरा नाम।", "तुम्हारा"]),
        ("A word ... and more – with a dash here", ["A word ... and more –", "with a dash here"]),
        ("See https://example.com/some/path/x.html", ["See https://example.com/", "some/path/x.html"]),
    ],
)
def test_split_text_gives(text: str, chunks: list[str]) -> None:
    assert split_text(text, lambda part: float(len(part.encode())), 30) == chunks


@pytest.mark.parametrize(
    "text",
    [
        "This is a long sentence without any clause marks that fills the whole of the chunk we have got here for it. Yes.",
        "No. This is a long sentence without any clause marks that fills the whole of the chunk we have got here for it.",
    ],
)
def test_a_tiny_chunk_is_evened_out_with_its_neighbour(text: str) -> None:
    seconds = f5_seconds()
    limit = seconds(text) - 0.2
    first, second = split_text(text, seconds, limit)
    assert min(seconds(first), seconds(second)) > 0.4 * limit


@pytest.mark.parametrize("text", ["", " ", "\n\u3000"])
def test_a_blank_text_has_no_chunks(text: str) -> None:
    assert split_text(text, f5_seconds(), 10) == []


@pytest.mark.parametrize(
    "text",
    ["a" * 20_000, "你" * 6_600, "a. " * 6_600, "ab, " * 5_000, "אבג דהו, " * 2_200, "👍🏽a" * 2_500, "e\u0301" * 10_000],
)
@pytest.mark.parametrize("limit", [1.5, 10.0, 300.0])
def test_long_monotonous_text_gives_few_even_chunks(text: str, limit: float) -> None:
    seconds = f5_seconds()
    text = clean_text(text)
    chunks = split_text(text, seconds, limit)
    assert without_space("".join(chunks)) == without_space(text)
    times = [seconds(chunk) for chunk in chunks]
    assert max(times) <= limit
    assert min(times) > 0.6 * limit
    assert len(chunks) <= 1.3 * seconds(text) / limit + 1


@pytest.mark.parametrize(
    "text", ["Hi" + "😀👍" * 100, "=-" * 200 + "a", "a" + "".join(map(chr, range(0x300, 0x300 + 100))) * 3]
)
def test_a_stretch_that_no_chunk_can_hold_is_refused_by_position(text: str) -> None:
    with pytest.raises(InputError, match=r"chunks of at most 10\.0 s: what starts at character \d+ does not fit") as caught:
        split_text(text, f5_seconds(), 10)
    assert caught.value.details["field"] == "text"
    assert 1 <= caught.value.details["position"] <= len(text)
    assert text not in caught.value.message


@pytest.mark.parametrize("limit", [0.0, -1.0, 0.01])
def test_a_limit_below_one_character_is_refused(limit: float) -> None:
    with pytest.raises(InputError, match="cannot be split"):
        split_text("Hello there.", f5_seconds(), limit)


def test_no_room_at_all_is_refused_even_for_what_takes_no_time() -> None:
    with pytest.raises(InputError, match="cannot be split"):
        split_text("Hello there.", lambda _: 0.0, -1.0)


WORDS = st.sampled_from(
    [
        "I",
        "is",
        "the",
        "cat",
        "Mr.",
        "e.g.",
        "3.14",
        "hello,",
        "world.",
        "yes!",
        "“so”",
        "-",
        "...",
        "it;",
        "(well)",
        "Étude",
        "日本語。",
        "中文，很好",
        "שלום,",
        "مرحبا؟",
        "नमस्ते।",
        "สวัสดี",
        "😀",
        FAMILY,
        "straightforwardly",
        "a/b-c_d",
        "!?",
        "—",
    ]
)
TEXTS = st.builds(
    lambda words, glue: clean_text("".join(word + space for word, space in zip(words, glue, strict=False))),
    st.lists(WORDS, max_size=120),
    st.lists(st.sampled_from([" ", " ", " ", ""]), min_size=120, max_size=120),
)
RATES = st.floats(4, 40)
SPEEDS = st.sampled_from([0.25, 0.5, 1.0, 2.0, 4.0])


@given(TEXTS | st.text(max_size=300).map(clean_text), RATES, SPEEDS, st.floats(3, 25))
def test_nothing_is_lost_over_the_limit_or_blank(text: str, rate: float, speed: float, limit: float) -> None:
    if not is_speakable(text):
        return
    seconds = f5_seconds(rate, speed)
    try:
        chunks = split_text(text, seconds, limit)
    except InputError:
        # only a stretch without letters and digits can be too long here, so half the limit must be full of it
        gaps = re.findall(r"(?:[^\w]|_)+", text)
        assert limit < 10 / rate / speed or max(seconds(gap) for gap in gaps) > limit / 2
        return
    assert without_space("".join(chunks)) == without_space(text)
    assert all(seconds(chunk) <= limit for chunk in chunks)
    assert all(is_speakable(chunk) and chunk == chunk.strip() for chunk in chunks)
    assert chunks == split_text(text, seconds, limit)
    if seconds(text) <= limit:
        assert chunks == [text]
    at = 0
    starts = []
    for chunk in chunks:
        at = text.index(chunk, at)
        starts.append(at)
        at += len(chunk)
    for index, (first, second) in enumerate(pairwise(starts)):
        both = text[first : second + len(chunks[index + 1])]
        assert seconds(both) > limit, "neighbours that fit together are one chunk"


@given(st.lists(st.text("abcdefghijklmnop", min_size=1, max_size=12), min_size=1, max_size=200), st.floats(8, 25))
def test_no_chunk_of_ordinary_words_is_tiny(words: list[str], limit: float) -> None:
    seconds = f5_seconds()
    chunks = split_text(" ".join(words), seconds, limit)
    assert len(chunks) == 1 or min(map(seconds, chunks)) > 0.15 * limit
    assert all(word in words for chunk in chunks for word in chunk.split())


CLUSTERS = st.sampled_from(
    [
        "a",
        "e\u0301\u0323",
        "한",
        "\u1112\u1161\u11ab",
        FAMILY,
        "👍🏽",
        "🇩🇪",
        "1\ufe0f\u20e3",
        "क्षि",
        "เก",
        "กำ",
        "ก็",
        "か\u3099",
        "ｶﾞ",
        "❤\ufe0f",
    ]
)


@given(st.lists(CLUSTERS, min_size=1, max_size=60), st.integers(1, 60))
def test_no_cut_falls_inside_a_grapheme_cluster(clusters: list[str], limit: int) -> None:
    clusters.insert(0, "x")
    text = "".join(clusters)
    edges = {0}
    for cluster in clusters:
        edges.add(max(edges) + len(cluster))
    try:
        chunks = split_text(text, lambda part: float(len(part.encode())), limit)
    except InputError:
        return
    at = 0
    for chunk in chunks:
        at += len(chunk)
        assert at in edges


def brute_force_splits(text: str, seconds: Callable[[str], float], limit: float) -> bool:
    """Whether any split of ``text`` (ASCII, no white space) obeys the rules."""
    places = range(1, len(text))
    for count in range(len(text)):
        for cuts in combinations(places, count):
            chunks = [text[start:end] for start, end in pairwise((0, *cuts, len(text)))]
            if all(is_speakable(chunk) and seconds(chunk) <= limit for chunk in chunks):
                return True
    return False


@given(
    st.text("ab.", min_size=1, max_size=13),
    st.lists(st.integers(1, 60), min_size=14, max_size=14).map(sorted),
    st.integers(1, 40),
)
def test_a_split_is_found_if_there_is_one(text: str, lengths: list[int], limit: int) -> None:
    def seconds(part: str) -> float:
        return lengths[len(part)]

    possible = is_speakable(text) and brute_force_splits(text, seconds, limit)
    try:
        chunks = split_text(text, seconds, limit)
    except InputError:
        assert not possible
    else:
        assert "".join(chunks) == text
        assert all(seconds(chunk) <= limit for chunk in chunks)
        assert possible or chunks == [text]  # a text without a letter that fits is the caller's to refuse


# At 15 bytes a second, 3 s are 45 bytes.
@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("One sentence that is short. " + "And then a very long one without an end " * 3, "One sentence that is short."),
        ("A clause comes first here, " + "and then it goes on and on " * 5, "A clause comes first here,"),
        ("Oh. " + "and then it goes on and on " * 5, "Oh. and then it goes on and on and then it goes"),
        ("word " * 30, "word word word word word word word word word"),
        ("这是一个很长的句子没有任何标点符号所以只能在字与字之间切开" * 3, "这是一个很长的句子没有任何标点"),
    ],
)
def test_the_start_of_a_stream_is_short(text: str, start: str) -> None:
    first, rest = split_off_start(Reading(text.strip()), f5_seconds(), 3.0)
    assert first.text == start
    assert without_space(first.text + rest.text) == without_space(text)


@given(st.text(alphabet="ab ,.\n这。1", min_size=1, max_size=400))
def test_the_start_and_the_rest_are_the_whole(text: str) -> None:
    cleaned = " ".join(clean_text(text).split())
    if not is_speakable(cleaned):
        return
    parts = split_off_start(Reading(cleaned), f5_seconds(), 3.0)
    assert without_space("".join(part.text for part in parts)) == without_space(cleaned)
    assert all(is_speakable(part.spoken) for part in parts)
    assert len(parts) == 1 or 1 <= f5_seconds()(parts[0].spoken) <= 6
