"""The reference's transcript: whether it can belong to the clip, and the exact string that the model is given."""

import unicodedata

from f5_worker.errors import ReferenceClipError
from f5_worker.text.clean import clean_text, in_one_line, is_speakable

# Letters and digits a second, where a wide (Chinese, Japanese, Korean) character counts as three: about the bytes that F5-TTS
# counts, but the same for Latin and Cyrillic. Unhurried speech has 8 to 18, the fastest news readers 25, auctioneers 35. F5-TTS
# takes the rate of the reference for the new speech, so a wrong transcript makes garbage of the right text.
MOST_PER_SECOND = 40.0
FAST_PER_SECOND = 28.0
SLOW_PER_SECOND = 4.0
LEAST_PER_SECOND = 0.5


def check_ref_text(text: str, seconds: float) -> tuple[str, tuple[str, ...]]:
    """The transcript as the model gets it, and warnings, for a clip with ``seconds`` of sound.

    Refused is only what cannot be the clip's transcript: nothing to say, or a rate that no speaker reaches. Where doubt is left
    (very fast, very slow; digits are few letters for many sounds) there is a warning instead.

    Raises:
        ReferenceClipError: the text is blank, not valid Unicode, or much too long or short for the clip.
    """
    if any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise _refused("holds half a character (a lone surrogate); send valid Unicode")
    if not is_speakable(text):
        raise _refused("has nothing that can be spoken; leave it out, and the clip is transcribed")
    units = speech_units(text)
    rate = units / seconds
    counted = f"has {units} letters and digits (a Chinese, Japanese or Korean one counts as 3) for {seconds:.1f} s of sound"
    if rate > MOST_PER_SECOND:
        raise _refused(f"{counted}, more than anybody can say; send the transcript of this clip alone, or leave it out")
    if rate < LEAST_PER_SECOND:
        raise _refused(f"{counted}, less than any speech has; send the whole transcript of this clip, or leave it out")
    warnings = []
    if rate > FAST_PER_SECOND:
        warnings.append(
            f"ref_text {counted}, which is very fast; if it says more than the clip does, the speech will be rushed"
        )
    if rate < SLOW_PER_SECOND:
        warnings.append(f"ref_text {counted}, which is very slow; if it says less than the clip does, the speech will drag")
    return finish_ref_text(text), tuple(warnings)


def finish_ref_text(text: str) -> str:
    """``text`` cleaned like the text to speak, with the ending that F5-TTS gives it (``preprocess_ref_audio_text``).

    The model must see a finished sentence, or it goes on with it: ``". "`` is added, or what of it is missing; a text that ends
    with an ideographic full stop stays as it is.
    """
    text = in_one_line(clean_text(text))
    if text.endswith("。"):
        return text
    return text + (" " if text.endswith(".") else ". ")


def speech_units(text: str) -> int:
    """Letters and digits in ``text``; a wide character counts as three, as its UTF-8 bytes do."""
    return sum(3 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text if character.isalnum())


def _refused(what: str) -> ReferenceClipError:
    return ReferenceClipError(f"ref_text {what}.", field="ref_text")
