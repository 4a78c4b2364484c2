"""Numbers, money, dates, times, units, addresses, abbreviations and shouted words as they are spoken, as edits of a text.

``wetext`` reads Chinese and Japanese, with rules around it for what it gets wrong; of English it gets too much wrong (a comma
after a date, telephone numbers, "1990s" as seconds, "10 m" as minutes, "$0.99"), so rules of our own go first there.
"""

import re

from f5_worker.text.reading import Edit

_MAY_NEED_ENGLISH = re.compile(r"[^A-Za-z\s,;:'\"“”‘’!?()-]|[A-Z]{2}")
_MAY_NEED_CJK = re.compile(r"[0-9０-９@%％$€£¥￥℃°&+=/~～〜#]|[A-Za-z]\.[A-Za-z]")


def normalise(text: str, language: str) -> tuple[Edit, ...]:
    """What is spoken otherwise than it is written in ``text``, one sentence or paragraph of ``language``.

    The edits come in order and do not overlap; each is one number, date, amount or word. Languages other than ``"en"``,
    ``"zh"`` and ``"ja"`` are left as they are. Takes milliseconds per sentence; the first text that needs wetext loads it (0.2 s).
    """
    if language == "en" and _MAY_NEED_ENGLISH.search(text):
        from f5_worker.text.english import edits_of

        return edits_of(text)
    if language in ("zh", "ja") and _MAY_NEED_CJK.search(text):
        from f5_worker.text.cjk import edits_of as cjk_edits_of

        return cjk_edits_of(text, language)
    return ()
