"""Cleaning text, and what can be spoken: tables of cases, and properties that hold for any text."""

# ruff: noqa: RUF001 - the characters of other scripts are meant

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from f5_worker.text.clean import clean_text, is_speakable

FAMILY = "👨\u200d👩\u200d👧"


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Hello.", "Hello."),
        ("  a \t\r\n b\u00a0c\u3000d\u2028e\x85f\x1fg ", "a\nb c d\ne\nf g"),
        ("a\r\n\r\n \t\n\n b\u2029c\rd", "a\n\nb\n\nc\nd"),
        ("infor\u00ad\nmation", "information"),
        ("", ""),
        (" \n\u200b\ufeff\x00 ", ""),
        ("e\u0301", "é"),
        ("e\u200b\u0301", "é"),
        ("\ufb01n", "\ufb01n"),  # NFC, not NFKC
        ("你好，世界！", "你好，世界！"),
        ("a\x00b\x07c\x1bd\x7f", "abcd"),
        ("co\u00adop\u200bera\u2060tion\ufeff", "cooperation"),
        ("\u202eabc\u202c \u200fשלום\u200e \u2066x\u2069", "abc שלום x"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("ක්\u200dෂ", "ක්\u200dෂ"),
        ("a\u200db \u200cc é\u200cd", "ab c éd"),
        ("م\u200c\u200c\u200cن", "م\u200cن"),
        ("Ω\u200da", "Ωa"),
        ("\u3000\u200dx", "x"),
        (FAMILY, FAMILY),
        ("❤\ufe0f", "❤\ufe0f"),
        ("=" * 80, "==="),
        ("Wow!!!!! Really.... ____ no", "Wow!!! Really... ___ no"),
        ("1000000 aaaa", "1000000 aaaa"),
        ("a" + "\u0301" * 500, "á" + "\u0301" * 3),
    ],
)
def test_clean_text_gives(raw: str, clean: str) -> None:
    assert clean_text(raw) == clean


@given(st.text())
@example("\u2126\u200d\u0301")
@example("\u1680\u200d \u200c")
@example("a\u0301\u0301\u0301\u0301\u0301\u0301")
@example("====\u0338")
def test_clean_text_is_idempotent_and_tidy(raw: str) -> None:
    clean = clean_text(raw)
    assert clean_text(clean) == clean
    assert clean == "\n".join(" ".join(line.split()) for line in clean.split("\n")).strip()
    assert "\n\n\n" not in clean
    assert unicodedata.is_normalized("NFC", clean)
    assert not {c for c in clean if unicodedata.category(c) in ("Cc", "Cf")} - {"\n", "\u200c", "\u200d"}
    assert is_speakable(clean) == is_speakable(raw)


@pytest.mark.parametrize("text", ["a", "7", "½", "...x", "你", "ア", "שלום", "ไทย", "क", "Ω", "٣", "한"])
def test_letters_and_digits_of_any_script_are_speakable(text: str) -> None:
    assert is_speakable(text)


@pytest.mark.parametrize("text", ["", " ", "...", "?!", "😀👍🏽", FAMILY, "—", "$%&", "\u0301", "\u3164\u115f", "♪", "\u200d"])
def test_symbols_alone_are_not_speakable(text: str) -> None:
    assert not is_speakable(text)
