"""Subtitle files: srt, vtt, csv, json and ass, escaped so that every player shows the words as they were sent.

No format but vtt can escape; in the others a word joiner (U+2060, invisible) stands inside what would be mark-up.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence

from f5_worker.timing.captions import Caption, captions
from f5_worker.timing.place import TimedWord

_ASS_BREAK = r"\N"
_JOINER = "\u2060"
_ASS_HEAD = """[Script Info]
ScriptType: v4.00+
WrapStyle: 2
PlayResX: 1920
PlayResY: 1080

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,64,&H00FFFFFF,&H000000FF,&H00000000,&H80000000,0,0,0,0,100,100,0,0,1,3,1,2,60,60,60,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def subtitles(words: Sequence[TimedWord], timing_format: str, most_words: int = 1) -> str:
    """The file's text (UTF-8, lines end in LF, but CRLF in csv): captions, or in csv and json each word by itself."""
    return _WRITERS[timing_format](words, most_words)


def _srt(words: Sequence[TimedWord], most_words: int) -> str:
    def plain(line: str) -> str:
        line = re.sub(r"<(?=[A-Za-z/])", f"<{_JOINER}", line)
        return re.sub(r"\{(?=\\)", f"{{{_JOINER}", line).replace("\\", f"\\{_JOINER}").replace("-->", f"--{_JOINER}>")

    return "".join(
        f"{number}\n{_clock(each.start, ',')} --> {_clock(each.end, ',')}\n{_text(each, plain)}\n\n"
        for number, each in enumerate(captions(words, most_words), 1)
    )


def _vtt(words: Sequence[TimedWord], most_words: int) -> str:
    def plain(line: str) -> str:
        return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    cues = (
        f"{number}\n{_clock(each.start, '.')} --> {_clock(each.end, '.')}\n{_text(each, plain)}\n\n"
        for number, each in enumerate(captions(words, most_words), 1)
    )
    return "WEBVTT\n\n" + "".join(cues)


def _ass(words: Sequence[TimedWord], most_words: int) -> str:
    def plain(line: str) -> str:
        return line.replace("\\", f"\\{_JOINER}").replace("{", "｛").replace("}", "｝")  # noqa: RUF001 - no player takes them for mark-up

    lines, at = [], 0
    for each in captions(words, most_words):
        # Whole centiseconds, of which no two captions share one, as far as there are enough.
        start = max(at, round(each.start / 10))
        at = max(start + 1, round(each.end / 10))
        times, text = f"{_centiseconds(start)},{_centiseconds(at)}", _text(each, plain, _ASS_BREAK)
        lines.append(f"Dialogue: 0,{times},Default,,0,0,0,,{text}\n")
    return _ASS_HEAD + "".join(lines)


def _csv(words: Sequence[TimedWord], _most_words: int) -> str:
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["word", "start", "end", "confidence", "chunk", "estimated"])
    for word in words:
        times = (f"{word.start / 1000:.3f}", f"{word.end / 1000:.3f}")
        writer.writerow([word.word, *times, word.confidence, word.chunk, str(word.estimated).lower()])
    return table.getvalue()


def _json(words: Sequence[TimedWord], _most_words: int) -> str:
    return json.dumps({"words": [word.answer() for word in words]}, ensure_ascii=False, indent=1) + "\n"


_WRITERS: Mapping[str, Callable[[Sequence[TimedWord], int], str]] = {
    "srt": _srt,
    "vtt": _vtt,
    "csv": _csv,
    "json": _json,
    "ass": _ass,
}


def _text(caption: Caption, plain: Callable[[str], str], newline: str = "\n") -> str:
    return newline.join(map(plain, caption.lines))


def _clock(milliseconds: int, separator: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{separator}{rest:03}"


def _centiseconds(count: int) -> str:
    return f"{count // 360_000}:{count // 6000 % 60:02}:{count // 100 % 60:02}.{count % 100:02}"
