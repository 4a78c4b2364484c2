"""What a model lacks: folded, left out, named or refused, against the vocabularies of two real models."""

# ruff: noqa: RUF001 - the characters of other scripts are meant

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from f5_worker.errors import InputError
from f5_worker.model.engine import load_engine
from f5_worker.model.files import DEMO_FOLDER, official_vocab
from f5_worker.text.clean import clean_text
from f5_worker.text.reading import Reading
from f5_worker.text.vocabulary import Vocabulary


def vocabulary_of(file: Path) -> tuple[Vocabulary, set[str]]:
    engine = load_engine()
    symbols, _ = engine.get_tokenizer(str(file), "custom")
    return Vocabulary(engine.convert_char_to_pinyin, symbols), set(symbols)


@pytest.fixture(scope="module")
def official() -> tuple[Vocabulary, set[str]]:
    """The vocabulary of F5TTS_v1_Base."""
    return vocabulary_of(official_vocab())


@pytest.fixture(scope="module")
def ascii_only() -> tuple[Vocabulary, set[str]]:
    """That of the demo model, which is printable ASCII."""
    return vocabulary_of(DEMO_FOLDER / "vocab.txt")


CASES = [
    ("Plain — “text”, naïve café, 你好，世界。", "Plain — “text”, naïve café, 你好，世界。", None),
    ("𝗛𝗲𝗹𝗹𝗼 𝘄𝗼𝗿𝗹𝗱", "Hello world", "Hello world"),
    (
        "The ﬁrst ofﬁcial report was eﬃcient.",
        "The first official report was efficient.",
        "The first official report was efficient.",
    ),
    ("ＡＢＣ １２：３０", "ABC 12:30", "ABC 12:30"),
    ("ʜᴇʟʟᴏ Ⓗⓘ 🅷🅸 Ⅳ ⱥ ẵ", "hello Hi HI IV a ă", "hello Hi HI IV a a"),
    ("①②, 10² and 5½", "1 2, 10² and 5½", "1 2, 10 2 and 5 1/2"),
    ("word—word – ‚so‘ …", "word—word – 'so‘ …", "word - word - 'so‘ ..."),
    ("Great job 🎉👍🏽 see you ❤️", "Great job see you", "Great job see you"),
    ("🎉 Yes 🎉! a🎉b 👨‍👩‍👧 1️⃣ ▷ \ue000", "Yes! a b 1", "Yes! a b 1"),
    ("功夫 弟弟", "功夫 弟弟", None),  # fu and di without a tone are no symbols, fu1 and di4 are
]


@pytest.mark.parametrize(("text", "spoken", "spoken_in_ascii"), CASES)
def test_known_forms_are_folded_and_symbols_left_out(
    text: str,
    spoken: str,
    spoken_in_ascii: str | None,
    official: tuple[Vocabulary, set[str]],
    ascii_only: tuple[Vocabulary, set[str]],
) -> None:
    for (vocabulary, symbols), expected in ((official, spoken), (ascii_only, spoken_in_ascii)):
        if expected is not None:
            (read,), warnings = vocabulary.check([Reading(clean_text(text))], "text")
            assert (read.spoken, read.text, warnings) == (expected, clean_text(text), [])
            assert set(vocabulary.tokens(read.spoken)) <= symbols


def test_the_rest_is_left_out_and_named(official: tuple[Vocabulary, set[str]]) -> None:
    readings, warnings = official[0].check([Reading("It is नमन, or 3 ÷ 2."), Reading("And न.")], "text")
    assert [reading.spoken for reading in readings] == ["It is, or 3 2.", "And."]
    assert warnings == ['Left out of text, because the model has no symbols for them: 3 "न", 1 "म", 1 "÷".']


@pytest.mark.parametrize(
    ("text", "script"), [("आप कैसे हैं", "Devanagari"), ("მე გითხარი hi", "Georgian"), ("အမေ 1 2 3", "Myanmar")]
)
@pytest.mark.parametrize("field", ["text", "ref_text"])
def test_most_letters_unknown_is_refused(text: str, script: str, field: str, official: tuple[Vocabulary, set[str]]) -> None:
    with pytest.raises(InputError, match=rf"cannot read {field}: .*{script}.*F5TTS_MODEL") as caught:
        official[0].check([Reading(text)], field)
    assert caught.value.details["field"] == field
    assert text not in caught.value.message


def test_a_model_of_ascii_refuses_what_the_official_one_knows(ascii_only: tuple[Vocabulary, set[str]]) -> None:
    with pytest.raises(InputError, match=r"9 of 9 letters \(Cyrillic"):
        ascii_only[0].check([Reading("Привет мир")], "text")


@given(st.text(max_size=40))
@example("\r\x850")
def test_what_is_read_has_symbols_only(official: tuple[Vocabulary, set[str]], raw: str) -> None:
    vocabulary, symbols = official
    try:
        (read,), _ = vocabulary.check([Reading(" ".join(clean_text(f"word {raw}").split("\n\n")).replace("\n", " "))], "text")
    except InputError:
        return
    assert set(vocabulary.tokens(read.spoken)) <= symbols
    assert "  " not in read.spoken
