"""Subtitle files are read back, by pysubs2 and by FFmpeg's own readers, as the words that were sent."""

import csv
import io
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pysubs2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from f5_worker.timing.captions import LINE_CHARS, captions, text_of
from f5_worker.timing.place import TimedWord
from f5_worker.timing.subtitles import subtitles

NASTY = r"""<i>it</i> a<b 1 < 2 C:\new \N {\p1} {x} & &amp; --> a-->b %d "quoted", \h 0:00 [x] {{}} \\ -- <"""


def timed(text: str, step: int = 400, gap: int = 0) -> list[TimedWord]:
    return [TimedWord(word, n * step, (n + 1) * step - gap, 1.0, 0) for n, word in enumerate(text.split())]


def plain(text: str) -> str:
    """Without what had to be added so that no player takes it for mark-up."""
    return text.replace("\u2060", "").translate(str.maketrans("｛｝", "{}"))  # noqa: RUF001 - what was put in


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


def test_characters_without_white_space_stay_together() -> None:
    words = [TimedWord(character, n, n + 1, 1.0, 0, joined=n > 0) for n, character in enumerate("你好。")]
    assert text_of(words) == "你好。"


def test_centiseconds_do_not_overlap() -> None:
    words = [TimedWord("a", n, n + 1, 1.0, 0) for n in range(50)]
    events = pysubs2.SSAFile.from_string(subtitles(words, "ass"), format_="ass")
    assert all(one.end <= other.start and one.start < one.end for one, other in pairwise(events))
