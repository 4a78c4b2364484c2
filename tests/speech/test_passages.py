"""From a request to passages: who says what, and the silences in between."""

import string
from typing import Any

import numpy as np
import pytest

from f5_worker.job.request import TtsRequest, parse_job
from f5_worker.settings import Settings
from f5_worker.speech.passages import passages, read_text
from f5_worker.text.vocabulary import Vocabulary
from f5_worker.voice.reference import Reference

ENGLISH = Vocabulary(lambda texts: [list(text) for text in texts], dict.fromkeys(string.printable, 1))
REFERENCE = Reference(np.zeros(24_000, np.float32), "Hello there. ", "x", False, "x")
VOICES = {name: {"local_voice": "x.wav"} for name in ("Anna", "Bob")}


def read(text: str, **fields: Any) -> list[tuple[str, float | None, str | None, bool]]:
    """What is spoken, the silence before it, by whom, and whether a paragraph begins; last, the silence at the end."""
    request = parse_job({"input": {"text": text, **fields}}, Settings()).request
    assert isinstance(request, TtsRequest)
    lines, _ = read_text(request, ENGLISH)
    found = passages(lines, dict.fromkeys(("main", "Anna", "Bob"), REFERENCE), request)
    end = found[-1].silence_after
    assert not any(passage.silence_after for passage in found[:-1])
    told = [(passage.reading.spoken, passage.pause, passage.voice, passage.paragraph) for passage in found]
    return [*told, ("", end, None, False)] if end else told


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One.\n\nTwo.", [("One.", None, "main", True), ("Two.", 0.5, "main", True)]),
        ("One. [Anna] Two.", [("One.", None, "main", True), ("Two.", 0.0, "Anna", False)]),
        ("One.\n\n[Anna] Two.", [("One.", None, "main", True), ("Two.", 0.5, "Anna", True)]),
        ("One.\n[Anna]\n\nTwo.", [("One.", None, "main", True), ("Two.", 0.5, "Anna", True)]),
        ("One.\n\n[Anna][pause:2s]\n\nTwo.", [("One.", None, "main", True), ("Two.", 2.0, "Anna", True)]),
        ("[Anna] A heading\n\nTwo.", [("A heading.", None, "Anna", True), ("Two.", 0.5, "Anna", True)]),
        ("One. [Anna] हिंदी [Bob] Two.", [("One.", None, "main", True), ("Two.", 0.0, "Bob", False)]),
        ("One. [pause:1s] हिंदी [pause:0.5s] Two.", [("One.", None, "main", True), ("Two.", 1.5, "main", False)]),
        ("One.\n\nहिंदी\n\nTwo words.", [("One.", None, "main", True), ("Two words.", 0.5, "main", True)]),
        ("One one. [pause:1s] हिंदी [pause:0.5s]", [("One one.", None, "main", True), ("", 1.5, None, False)]),
    ],
)
def test_silence_is_what_the_text_asks_for(text: str, expected: list[Any]) -> None:
    assert read(text, voices=VOICES) == expected


def test_no_pause_at_paragraphs_fades_within_a_turn_alone() -> None:
    assert [pause for _, pause, _, _ in read("One.\n\nTwo. [Anna] Three.", voices=VOICES, paragraph_pause=0)] == [
        None,
        None,
        0.0,
    ]


def test_without_voices_nobody_is_named() -> None:
    assert read("One. [pause:1s] Two.") == [("One.", None, None, True), ("Two.", 1.0, None, False)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**One** [Anna][pause:1s] *two*", [("One", None, "main", True), ("two", 1.0, "Anna", False)]),
        ("# One\n\n[Anna] [the site](https://a.b) two.", [("One", None, "main", True), ("the site two.", 0.5, "Anna", True)]),
        ("[One](https://a.b/c). [Anna] *Two.*", [("One.", None, "main", True), ("Two.", 0.0, "Anna", False)]),
        ("<p>One.</p><p>[Anna] Two.</p>", [("One.", None, "main", True), ("Two.", 0.5, "Anna", True)]),
        ("**One [Anna] two** three.", [("One", None, "main", True), ("two three.", 0.0, "Anna", False)]),
        ("- [x] one\n\n[Anna] Two.", [("one", None, "main", True), ("Two.", 0.5, "Anna", True)]),
        ("[Anna]<li>One</li><li>Two</li>", [("One. Two", None, "Anna", True)]),
    ],
)
def test_tags_outlive_the_stripping_of_markup(text: str, expected: list[Any]) -> None:
    assert read(text, voices=VOICES, plain_text=True) == expected
