"""From a checked request to what each voice says: its text in the model's symbols, turn by turn, paragraph by paragraph."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from f5_worker.errors import InputError
from f5_worker.job.request import TtsRequest
from f5_worker.speech.plan import Passage
from f5_worker.text.clean import is_speakable
from f5_worker.text.language import language_of
from f5_worker.text.markup import markup_in
from f5_worker.text.normalise import normalise
from f5_worker.text.paragraphs import paragraphs
from f5_worker.text.reading import Reading
from f5_worker.text.tags import Script
from f5_worker.text.vocabulary import Vocabulary
from f5_worker.voice.reference import Reference


@dataclass(frozen=True, slots=True)
class Line:
    """What one voice says of a paragraph, in one piece.

    ``paragraph`` and ``turn`` say what begins with it. ``pause`` is the silence that a tag asks for before it, in seconds;
    ``silence_after`` that at the end of all.
    """

    voice: str
    reading: Reading
    paragraph: bool
    turn: bool
    pause: float | None = None
    silence_after: float = 0.0


def read_text(request: TtsRequest, vocabulary: Vocabulary) -> tuple[list[Line], list[str]]:
    """The lines of a request's text, and warnings about what is not spoken as it should be.

    Raises:
        InputError: the model lacks most of the letters, or nothing is left that can be spoken.
    """
    warnings = []
    if not request.plain_text and (markup := markup_in(request.text)):
        warnings.append(f"text looks like {markup}, which is spoken as it stands; plain_text=true strips it first.")
    lines = list(_lines(request.reading, request.script))
    if language := _language(request, " ".join(line.reading.spoken for line in lines)):
        lines = [replace(line, reading=line.reading.then(normalise(line.reading.spoken, language))) for line in lines]
    read, missing = vocabulary.check([line.reading for line in lines], "text")
    found = _speakable(replace(line, reading=reading) for line, reading in zip(lines, read, strict=True))
    if not found:
        raise InputError("text has nothing that can be spoken by the loaded model.", field="text")
    return found, [*warnings, *missing]


def _language(request: TtsRequest, text: str) -> str:
    """The one whose rules say how numbers are read; none, where they are left as they are."""
    if request.normalize_text is False:
        return ""
    return language_of(text) or ("en" if request.normalize_text is True else "")


def read_ref_text(reference: Reference, vocabulary: Vocabulary) -> Reference:
    """A reference whose transcript is in the model's symbols.

    Raises:
        InputError: the model lacks most of its letters.
    """
    assert reference.ref_text is not None
    (reading,), missing = vocabulary.check([Reading(reference.ref_text)], "ref_text")
    return replace(reference, ref_text=reading.spoken, warnings=(*reference.warnings, *missing))


def passages(lines: Sequence[Line], references: Mapping[str, Reference], request: TtsRequest) -> list[Passage]:
    """The lines with their voices, and the silences between them: what a tag asks for, else ``paragraph_pause``.

    Between turns nothing fades, as in f5-tts's CLI.
    """
    voices = request.voices or {}
    result: list[Passage] = []
    for line in lines:
        pause = line.pause
        if pause is None and result:
            pause = (request.paragraph_pause if line.paragraph else 0.0) or (0.0 if line.turn else None)
        own = voices.get(line.voice)
        result.append(
            Passage(
                line.reading,
                references[line.voice],
                line.voice if voices else None,
                line.paragraph,
                pause,
                own.speed if own else None,
                own.seed if own else None,
                line.silence_after,
            )
        )
    return result


def _lines(whole: Reading, script: Script) -> Iterator[Line]:
    end: int | None = None  # of the turn before
    for turn in script.turns:
        begins = end is None or "\n\n" in whole.spoken[end : turn.start]
        for number, reading in enumerate(paragraphs(whole.part(*_whole_edits(whole, turn.start, turn.end)))):
            first = number == 0
            silence_after = script.silence_after if turn is script.turns[-1] else 0.0
            yield Line(turn.voice, reading, begins or not first, first, turn.pause if first else None, silence_after)
        end = turn.end


def _whole_edits(whole: Reading, start: int, end: int) -> tuple[int, int]:
    """``start`` and ``end`` in what is spoken, moved outwards where they lie inside an edit."""
    while not whole.may_cut_spoken(start):
        start -= 1
    while not whole.may_cut_spoken(end):
        end += 1
    return start, end


def _speakable(lines: Iterable[Line]) -> list[Line]:
    """The lines that can be spoken; what begins with others, and the silence around them, passes to those beside them."""
    found: list[Line] = []
    pause: float | None = None
    paragraph = turn = False
    silence_after = 0.0
    for line in lines:
        if line.pause is not None:
            pause = line.pause + (pause or 0.0)
        paragraph, turn, silence_after = paragraph or line.paragraph, turn or line.turn, line.silence_after
        if is_speakable(line.reading.spoken):
            found.append(replace(line, paragraph=paragraph, turn=turn, pause=pause, silence_after=0.0))
            paragraph, turn, pause = False, False, None
    return [*found[:-1], *(replace(line, silence_after=silence_after + (pause or 0.0)) for line in found[-1:])]
