"""From a checked request to what each voice says: its text in the model's symbols, paragraph by paragraph."""

from collections.abc import Sequence
from dataclasses import replace

from f5_worker.errors import InputError
from f5_worker.job.request import TtsRequest
from f5_worker.speech.plan import Passage
from f5_worker.text.clean import is_speakable
from f5_worker.text.language import language_of
from f5_worker.text.markup import markup_in, plain_text
from f5_worker.text.normalise import normalise
from f5_worker.text.paragraphs import paragraphs
from f5_worker.text.reading import Reading
from f5_worker.text.vocabulary import Vocabulary
from f5_worker.voice.reference import Reference


def read_text(request: TtsRequest, vocabulary: Vocabulary) -> tuple[list[Reading], list[str]]:
    """The paragraphs of a request's text, and warnings about what is not spoken as it should be.

    Raises:
        InputError: the model lacks most of the letters, or nothing is left that can be spoken.
    """
    warnings = []
    if request.plain_text:
        whole = plain_text(request.text)
    else:
        whole = Reading(request.text)
        if markup := markup_in(request.text):
            warnings.append(f"text looks like {markup}, which is spoken as it stands; plain_text=true strips it first.")
    found = paragraphs(whole)
    if language := _language(request, whole.spoken):
        found = [reading.then(normalise(reading.spoken, language)) for reading in found]
    read, missing = vocabulary.check(found, "text")
    found = [reading for reading in read if is_speakable(reading.spoken)]
    if not found:
        raise InputError("text has nothing that can be spoken, once its markup is stripped.", field="text")
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


def passages(readings: Sequence[Reading], reference: Reference, paragraph_pause: float) -> list[Passage]:
    """The readings in one voice, with a silence of ``paragraph_pause`` seconds between them."""
    pauses = [None, *[paragraph_pause or None] * (len(readings) - 1)]
    return [Passage(reading, reference, pause=pause) for reading, pause in zip(readings, pauses, strict=True)]
