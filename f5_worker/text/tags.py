"""Tags in a text: ``[NAME]`` gives the word to another voice, ``[pause:0.5s]`` is silence; other brackets are text."""

import difflib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from f5_worker.text.clean import is_speakable
from f5_worker.text.markup import plain_text
from f5_worker.text.reading import Edit, Reading

MAIN = "main"
"""The tag of the job's own voice, which also speaks what comes before the first tag."""
MAX_NAME_CHARS = 40
MAX_PAUSE_SECONDS = 10.0
MAX_SILENCE_SECONDS = 600.0

_PAUSE_ALLOWED = f"[pause:0.5s] or [pause:500ms], from 0 to {MAX_PAUSE_SECONDS:g} s"
_BRACKETS = re.compile(r"\[([^\[\]]{1,80})\]")
_COLON = re.compile("[^\\S\n]?[:\uff1a]")  # scripts have it behind a name
_NAME = re.compile(r"\w(?:[\w .'-]*[\w.])?")
_PAUSE = re.compile(r"pause\s*[:\uff1a=\s]\s*(\d+(?:\.\d*)?|\.\d+)\s*(ms|s)", re.IGNORECASE)
_LIKE_A_PAUSE = re.compile(r"pause\b.*|([a-z]+)\s*[:\uff1a=\s]\s*[-+]?[\d.,]+\s*[a-z]*", re.IGNORECASE)
_HIDDEN = ("\ue000", "\ue001")  # in place of a tag's brackets
_WORDS_FOR_PAUSE = ("pause", "break", "silence", "wait", "delay")


class TagError(ValueError):
    """A tag that cannot be what was meant: what is ``wrong`` with it, to follow the field's name, and what is ``allowed``."""

    def __init__(self, wrong: str, allowed: str) -> None:
        super().__init__(wrong)
        self.wrong, self.allowed = wrong, allowed


@dataclass(frozen=True, slots=True)
class Turn:
    """``text[start:end]``, with something to speak in it, in the voice of that name.

    ``pause``: the seconds of silence that are asked for before it; ``None`` where no tag says so.
    """

    voice: str
    start: int
    end: int
    pause: float | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """The turns of a text in their order, and the silence at its end in seconds."""

    turns: tuple[Turn, ...]
    silence_after: float = 0.0

    @property
    def speakers(self) -> frozenset[str]:
        """The voices that have a turn."""
        return frozenset(turn.voice for turn in self.turns)


def is_voice_name(name: str) -> bool:
    """Whether ``[name]`` can stand for a voice of its own: a few words, no number, and neither ``main`` nor like a pause."""
    fits = len(name) <= MAX_NAME_CHARS and _may_be_name(name)
    return fits and name.lower() != MAIN and not _looks_like_pause(name)


def read_script(text: str, voices: Collection[str] | None) -> Script:
    """The turns of ``text``. Pauses beside each other add up; stretches without a letter or a digit are left out.

    Args:
        voices: the names of the voices beside ``main``; ``None``: the job brings none. Then ``[word]`` is text.

    Raises:
        TagError: a tag that nobody knows, where ``voices`` are given or it looks like one that is known; or too long a silence.
    """
    turns: list[Turn] = []
    voice, pause, silence = MAIN, None, 0.0
    for start, end, tag in _pieces(text, voices):
        if isinstance(tag, float):
            silence += tag
            pause = tag + (pause or 0.0)
        elif tag is not None:
            voice = tag
        elif is_speakable(text[start:end]):
            stretch = text[start:end]
            start += len(stretch) - len(stretch.lstrip())
            turns.append(Turn(voice, start, start + len(stretch.strip()), pause))
            pause = None
    if silence > MAX_SILENCE_SECONDS:
        raise TagError(
            f"has {silence:g} s of pauses in all, more than the {MAX_SILENCE_SECONDS:g} s allowed", "fewer or shorter pauses"
        )
    return Script(tuple(turns), pause or 0.0)


def without_markup(text: str, voices: Collection[str] | None) -> Reading:
    """``plain_text``, to which tags beside each other are no link."""
    hidden = list(text)
    for found in _BRACKETS.finditer(text):
        if _known_tag(found[1].strip(), voices) is not None:
            hidden[found.start()], hidden[found.end() - 1] = _HIDDEN
    shown = str.maketrans(dict(zip(_HIDDEN, "[]", strict=True)))
    stripped = plain_text("".join(hidden))
    return Reading(text, (Edit(edit.start, edit.end, edit.spoken.translate(shown)) for edit in stripped.edits))


def _pieces(text: str, voices: Collection[str] | None) -> Iterator[tuple[int, int, str | float | None]]:
    """The stretches of ``text`` and the tags between them: ``(start, end, voice, seconds of a pause, or None for text)``."""
    at = 0
    for found in _BRACKETS.finditer(text):
        tag = _tag(found[1].strip(), voices)
        if tag is not None:
            yield at, found.start(), None
            at = found.end()
            if isinstance(tag, str) and (colon := _COLON.match(text, at)):
                at = colon.end()
            yield found.start(), at, tag
    yield at, len(text), None


def _known_tag(inside: str, voices: Collection[str] | None) -> str | float | None:
    """A voice's name, a pause in seconds, or ``None``."""
    if inside == MAIN or inside in (voices or ()):
        return inside
    if pause := _PAUSE.fullmatch(inside):
        seconds = float(pause[1]) / (1000 if pause[2].lower() == "ms" else 1)
        return seconds if seconds <= MAX_PAUSE_SECONDS else None
    return None


def _tag(inside: str, voices: Collection[str] | None) -> str | float | None:
    """The same, where ``None`` stands for text alone."""
    if (known := _known_tag(inside, voices)) is not None:
        return known
    if _looks_like_pause(inside):
        raise TagError(f"has [{inside}], which is not a pause", _PAUSE_ALLOWED)
    if inside.lower() == MAIN or (voices is not None and _may_be_name(inside)):
        names = {name.lower(): f"[{name}]" for name in (MAIN, *(voices or ()))}
        near = difflib.get_close_matches(inside.lower(), names, n=1)
        meant = f" (did you mean {names[near[0]]}?)" if near else ""
        allowed = f"{', '.join(names.values())}, {_PAUSE_ALLOWED}, and round brackets for what is text"
        raise TagError(f"has [{inside}], which is not a voice of this job{meant}", allowed)
    return None


def _may_be_name(inside: str) -> bool:
    return bool(_NAME.fullmatch(inside)) and any(character.isalpha() for character in inside)


def _looks_like_pause(inside: str) -> bool:
    like = _LIKE_A_PAUSE.fullmatch(inside)
    return bool(like and (like[1] is None or difflib.get_close_matches(like[1].lower(), _WORDS_FOR_PAUSE, n=1, cutoff=0.75)))
