"""From a checked request to what each voice says: the text's layout, and the pauses in it."""

from f5_worker.job.request import TtsRequest
from f5_worker.speech.plan import Passage
from f5_worker.text.paragraphs import paragraphs
from f5_worker.text.reading import Reading
from f5_worker.voice.reference import Reference


def read_request(request: TtsRequest, reference: Reference) -> list[Passage]:
    """The passages of a request's text, in order; with ``paragraph_pause`` between paragraphs."""
    found = paragraphs(Reading(request.text))
    pause = request.paragraph_pause or None
    return [Passage(reading, reference, pause=pause if number else None) for number, reading in enumerate(found)]
