"""From a checked request to what each voice says: turns, the text's layout, and the pauses in it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from f5_worker.job.request import TtsRequest
from f5_worker.speech.plan import Passage
from f5_worker.text.paragraphs import paragraphs
from f5_worker.text.reading import Reading
from f5_worker.voice.reference import Reference


def read_request(request: TtsRequest, cast: Mapping[str, Reference]) -> list[Passage]:
    """The passages of a request's text, in order, each in the voice that the tags give it.

    Between paragraphs there is ``paragraph_pause``, and between turns no more than the text asks for; a pause tag counts alone.
    """
    passages = list(_passages(request, cast))
    return [*passages[:-1], replace(passages[-1], silence_after=request.script.silence_after)]


def _passages(request: TtsRequest, cast: Mapping[str, Reference]) -> Iterator[Passage]:
    between = request.paragraph_pause or None
    voices = request.voices or {}
    end: int | None = None  # of the turn before
    for turn in request.script.turns:
        begins = end is None or "\n\n" in request.text[end : turn.start]
        pause = turn.pause
        if pause is None and end is not None:
            pause = request.paragraph_pause if begins else 0.0  # no cross-fade between turns, as in f5-tts's CLI
        own = voices.get(turn.voice)
        speed, seed = (own.speed, own.seed) if own else (None, None)
        for reading in paragraphs(Reading(request.text[turn.start : turn.end])):
            name = turn.voice if voices else None
            yield Passage(reading, cast[turn.voice], name, begins, pause, speed, seed)
            begins, pause = True, between
        end = turn.end
