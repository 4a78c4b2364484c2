"""Tags in a text: voices, pauses, and what is neither."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f5_worker.text.tags import TagError, is_voice_name, read_script

VOICES = ("Anna", "Old Man", "b-2")


def said(text: str, voices: tuple[str, ...] | None = VOICES) -> list[tuple[str, str, float | None]]:
    """Who says what, after which pause; at the end, the silence there."""
    script = read_script(text, voices)
    turns = [(turn.voice, text[turn.start : turn.end], turn.pause) for turn in script.turns]
    return [*turns, ("", "", script.silence_after)] if script.silence_after else turns


@pytest.mark.parametrize(
    ("text", "turns"),
    [
        ("Hello.", [("main", "Hello.", None)]),
        ("Hi. [Anna] Yes? [main] No.", [("main", "Hi.", None), ("Anna", "Yes?", None), ("main", "No.", None)]),
        ("[Anna]Yes. [ Old Man ] No.", [("Anna", "Yes.", None), ("Old Man", "No.", None)]),
        ("[Anna] One.[b-2] [Anna] ... [main] Two.", [("Anna", "One.", None), ("main", "Two.", None)]),
        ("[Anna] One. [pause:0.5s] Two.", [("Anna", "One.", None), ("Anna", "Two.", 0.5)]),
        ("One [pause:1s] [Anna] [pause:1.5s] two", [("main", "One", None), ("Anna", "two", 2.5)]),
        ("[main]: One.\n[Anna] :Two. [b-2]:", [("main", "One.", None), ("Anna", "Two.", None)]),
        ("[pause:1s]: Hello.", [("main", ": Hello.", 1.0)]),
        ("[pause:1s] Hello. [pause:250ms]", [("main", "Hello.", 1.0), ("", "", 0.25)]),
        ("A note [1] and [2, 3]. [it is so!] [", [("main", "A note [1] and [2, 3]. [it is so!] [", None)]),
    ],
)
def test_turns_and_pauses(text: str, turns: list[tuple[str, str, float | None]]) -> None:
    assert said(text) == turns


@pytest.mark.parametrize("inside", ["pause:0.5s", "pause: 500ms", "PAUSE 0.5s", " Pause = .5 s ", "pause:500.0MS"])
def test_a_pause_may_be_written_in_many_ways(inside: str) -> None:
    assert said(f"One [{inside}] two") == [("main", "One", None), ("main", "two", 0.5)]


@pytest.mark.parametrize(("tag", "seconds"), [("[pause:0s]", 0.0), ("[pause:10s]", 10.0), ("[pause:10000ms]", 10.0)])
def test_the_limits_of_a_pause(tag: str, seconds: float) -> None:
    assert said(f"One {tag} two")[1] == ("main", "two", seconds)


LIKE_PAUSES = (
    "pause | pause:20s | pause:10.001s | pause:1 | pause: | pause:-1s | pause:0,5s | pause for effect | "
    "paus:1s | pasue 500ms | break:1s | wait: 2"
)


@pytest.mark.parametrize("inside", LIKE_PAUSES.split(" | "))
@pytest.mark.parametrize("voices", [None, VOICES])
def test_what_looks_like_a_pause_is_no_text(inside: str, voices: tuple[str, ...] | None) -> None:
    tag = f"[{inside}]"
    with pytest.raises(TagError, match=re.escape(f"has {tag}, which is not a pause")) as caught:
        said(f"One {tag} two", voices)
    assert caught.value.allowed == "[pause:0.5s] or [pause:500ms], from 0 to 10 s"


@pytest.mark.parametrize(
    ("tag", "meant"),
    [("[Ana]", "[Anna]"), ("[anna]", "[Anna]"), ("[old man]", "[Old Man]"), ("[Main]", "[main]"), ("[sic]", None)],
)
def test_a_tag_that_nobody_has_is_told_with_those_there_are(tag: str, meant: str | None) -> None:
    with pytest.raises(TagError) as caught:
        said(f"One {tag} two")
    assert caught.value.wrong == f"has {tag}, which is not a voice of this job" + (f" (did you mean {meant}?)" if meant else "")
    assert caught.value.allowed.startswith("[main], [Anna], [Old Man], [b-2], [pause:0.5s]")


@pytest.mark.parametrize("tag", ["[1]", "[sic]", "[laughs]", "[Anna]", "[rain]", "[pauses]", "[time: 5s]", "[]", "[x](u)"])
def test_without_voices_other_brackets_are_text(tag: str) -> None:
    assert said(f"One {tag} two", None) == [("main", f"One {tag} two", None)]


def test_main_may_be_named_without_voices_but_not_misspelt() -> None:
    assert said("[main] One.", None) == [("main", "One.", None)]
    with pytest.raises(TagError, match=r"\[MAIN\], which is not a voice of this job \(did you mean \[main\]\?\)"):
        said("[MAIN] One.", None)


def test_silence_is_bounded() -> None:
    with pytest.raises(TagError, match="has 610 s of pauses in all, more than the 600 s"):
        said("One. " + "[pause:10s]" * 61)
    assert said("One. " + "[pause:10s]" * 60)[-1] == ("", "", 600.0)


@pytest.mark.parametrize("name", ["Anna", "Speaker 1", "O'Brien", "Dr. Who", "J.", "Zoë", "\u5f20\u4e09", "x" * 40])
def test_names(name: str) -> None:
    assert is_voice_name(name)
    assert said(f"[{name}] Hi.", (name,)) == [(name, "Hi.", None)]


@pytest.mark.parametrize("name", ["", "1", "a]", "a[", "a:b", " a", "a ", "a\n", "main", "Main", "pause", "x" * 41, "a/b"])
def test_what_is_no_name(name: str) -> None:
    assert not is_voice_name(name)


@given(st.lists(st.sampled_from(["one.", "[Anna]", "[main]", "[b-2]", "[pause:1s]", "...", " ", "\n\n", "[1]"]), max_size=20))
def test_nothing_that_is_spoken_is_lost_and_every_pause_is_heard(parts: list[str]) -> None:
    text = " ".join(parts)
    turns = said(text)
    words = [word for _, spoken, _ in turns for word in spoken.split() if word in ("one.", "[1]")]
    assert words == [part for part in parts if part in ("one.", "[1]")]
    assert sum(pause or 0 for *_, pause in turns) == parts.count("[pause:1s]")
