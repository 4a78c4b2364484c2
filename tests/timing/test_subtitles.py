"""Subtitle files are read back, by pysubs2 and by FFmpeg's own readers, as the words that were sent."""

# ruff: noqa: RUF001 - punctuation of all scripts is meant

import csv
import io
import json
import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pysubs2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from f5_worker.text.reading import Reading
from f5_worker.timing.captions import LINE_CHARS, captions
from f5_worker.timing.place import TimedWord
from f5_worker.timing.subtitles import subtitles
from f5_worker.timing.words import words_of

NASTY = r"""<i>it</i> a<b 1 < 2 C:\new \N {\p1} {x} & &amp; --> a-->b %d "quoted", \h 0:00 [x] {{}} \\ -- <"""


def timed(text: str, step: int = 400, gap: int = 0) -> list[TimedWord]:
    return [TimedWord(word, n * step, (n + 1) * step - gap, 1.0, 0) for n, word in enumerate(text.split())]


def plain(text: str) -> str:
    """Without what had to be added so that no player takes it for mark-up."""
    return text.replace("\u2060", "").translate(str.maketrans("｛｝", "{}"))


def read_by_ffmpeg(content: str, name: str, folder: Path) -> list[str]:
    path = folder / f"subtitles.{name}"
    path.write_text(content, encoding="utf-8")
    texts = []
    with av.open(str(path)) as container:
        stream: Any = container.streams.subtitles[0]
        for packet in container.demux(stream):
            for subtitle in packet.decode():
                for part in getattr(subtitle, "rects", subtitle) if hasattr(subtitle, "rects") else [subtitle]:
                    dialogue = part.ass if isinstance(part.ass, str) else part.ass.decode()
                    texts.append(dialogue.split(",", 8)[-1].strip())
    return texts


@pytest.mark.parametrize("name", ["srt", "vtt", "ass"])
def test_ffmpeg_reads_every_word(name: str, tmp_path: Path) -> None:
    words = timed(NASTY)
    found = read_by_ffmpeg(subtitles(words, name), name, tmp_path)
    if name != "ass":  # as ASS FFmpeg escapes what it has read
        found = [text.replace("\\{{}", "{").replace("\\{", "{").replace("\\}", "}").replace("\\\u2060", "\\") for text in found]
    assert [plain(text) for text in found] == NASTY.split()


@pytest.mark.parametrize("name", ["srt", "vtt", "ass"])
def test_pysubs2_reads_the_times(name: str) -> None:
    words = timed("One two three. Four five six seven", gap=7)
    events = pysubs2.SSAFile.from_string(subtitles(words, name, 3), format_=name)
    assert [event.plaintext for event in events] == ["One two three.", "Four five six", "seven"]
    grid = 10 if name == "ass" else 1
    for event, (start, end) in zip(events, [(0, 1193), (1200, 2393), (2400, 2793)], strict=True):
        assert abs(event.start - start) < grid
        assert abs(event.end - end) < grid


def test_tables_hold_each_word_by_itself() -> None:
    words = [*timed(NASTY), TimedWord("lost", 99_000, 99_001, 0.0, 3)]
    rows = list(csv.DictReader(io.StringIO(subtitles(words, "csv", 5), newline="")))
    assert [row["word"] for row in rows] == [*NASTY.split(), "lost"]
    assert rows[-1] == {
        "word": "lost",
        "start": "99.000",
        "end": "99.001",
        "confidence": "0.0",
        "chunk": "3",
        "estimated": "true",
    }
    assert json.loads(subtitles(words, "json"))["words"] == [word.answer() for word in words]


@given(st.lists(st.text(alphabet="ab.!-\\{<& ", min_size=1, max_size=60).filter(str.strip)), st.integers(1, 20))
def test_captions_hold_all_words_in_short_lines(parts: list[str], most: int) -> None:
    words = timed(" ".join(parts))
    found = captions(words, most)
    assert "".join("".join(each.lines).replace(" ", "") for each in found) == "".join(word.word for word in words)
    assert all(len(line) <= LINE_CHARS for each in found for line in each.lines)
    assert all(one.end <= other.start for one, other in pairwise(found))


def test_captions_end_at_sentences_and_pauses() -> None:
    words = timed("Dr. No said: go! Then he went")
    words[6] = TimedWord("went", 9_000, 9_500, 1.0, 0)
    assert [" ".join(each.lines) for each in captions(words, 20)] == ["Dr. No said: go!", "Then he", "went"]


TEXTS = {
    "Chinese": "今天天气很好，我们去公园散步，然后在湖边喝茶，看着孩子们放风筝，直到太阳落到山后面去。你觉得怎么样？",
    "Japanese": "昨日は友達と晩ご飯を食べて、そのあと映画を見に行きましたが、とても楽しかったです。また行きたい。",
    "Thai": "วันนี้อากาศดีมากเราไปเดินเล่นในสวนสาธารณะแล้วนั่งดื่มชาริมทะเลสาบจนพระอาทิตย์ตกดิน",
    "Arabic": "في صباح يوم جميل خرجنا إلى الحديقة الكبيرة القريبة من المنزل لنلعب مع الأطفال. ماذا تريد؟ سنعود إلى هناك!",
    "Hebrew": "בבוקר יפה אחד יצאנו אל הגן הגדול שליד הבית כדי לשחק עם הילדים ולשתות קפה ביחד. מה תרצה לעשות מחר?",
    "Korean": "오늘은 날씨가 아주 좋아서 우리는 공원에 산책하러 갔습니다. 내일도 갈까요?",
    "mixed": "我们用OpenAI的GPT-4o模型来写代码，然后用https://example.com/translate翻译。很好，对吧？",
}


@pytest.mark.parametrize("most", [1, 4, 20])
@pytest.mark.parametrize("name", ["srt", "vtt", "ass"])
@pytest.mark.parametrize("language", TEXTS)
def test_every_script_is_read_back_in_short_lines_of_whole_words(language: str, name: str, most: int, tmp_path: Path) -> None:
    text = TEXTS[language]
    entries = words_of(Reading(text))
    words = [TimedWord(w.text, n * 100, n * 100 + 100, 1.0, 0, w.joined, w.sounds) for n, w in enumerate(entries)]
    content = subtitles(words, name, most)
    events = [event.plaintext for event in pysubs2.SSAFile.from_string(content, format_=name)]
    by_ffmpeg = [plain(each).replace("\\N", "\n") for each in read_by_ffmpeg(content, name, tmp_path)]
    assert by_ffmpeg == [plain(each) for each in events]
    lines = [line for event in events for line in event.split("\n")]
    assert max(map(len, lines)) <= LINE_CHARS
    assert "".join("".join(lines).split()) == "".join(text.split())
    # A line ends where a word does.
    ends, at = set(), 0
    for word in words:
        at += len(word.word)
        ends.add(at)
    at = 0
    for line in lines:
        at += len("".join(line.split()))
        assert at in ends


def test_captions_without_white_space_end_with_clauses() -> None:
    words = [TimedWord(w.text, n, n + 1, 1.0, 0, w.joined, w.sounds) for n, w in enumerate(words_of(Reading(TEXTS["Chinese"])))]
    assert [each.lines for each in captions(words, 20)] == [
        ("今天天气很好，我们去公园散步，",),
        ("然后在湖边喝茶，看着孩子们放风筝，",),
        ("直到太阳落到山后面去。",),
        ("你觉得怎么样？",),
    ]


def test_only_what_is_longer_than_a_line_is_cut_and_no_mark_leaves_its_letter() -> None:
    long = "é" * 41 + "e\u0301" * 30  # the 42nd character is an e, whose accent is the 43rd
    lines = captions([TimedWord("short", 0, 1, 1.0, 0), TimedWord(long, 1, 2, 1.0, 0)], 5)[0].lines
    assert lines[0] == "short"
    assert "".join(lines[1:]) == long
    assert all(len(line) <= LINE_CHARS and not unicodedata.combining(line[0]) for line in lines)


def test_centiseconds_do_not_overlap() -> None:
    words = [TimedWord("a", n, n + 1, 1.0, 0) for n in range(50)]
    events = pysubs2.SSAFile.from_string(subtitles(words, "ass"), format_="ass")
    assert all(one.end <= other.start and one.start < one.end for one, other in pairwise(events))
