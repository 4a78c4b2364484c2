"""Numbers, abbreviations and capitals as they are read aloud: tables of what a native speaker says, and properties of any text."""

# ruff: noqa: RUF001 - the characters of other scripts are meant

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f5_worker.text.clean import clean_text
from f5_worker.text.language import language_of
from f5_worker.text.normalise import normalise
from f5_worker.text.reading import Reading
from tests import REPOSITORY

TABLES = Path(__file__).parent / "spoken"


def spoken(text: str, language: str = "en") -> str:
    return Reading(text, normalise(text, language)).spoken


def cases(language: str) -> list[tuple[str, str]]:
    """Lines of ``written => spoken`` under headings; a line without an arrow is spoken as it is written."""
    lines = (TABLES / f"{language}.txt").read_text(encoding="utf-8").splitlines()
    parts = [line.partition(" => ") for line in lines if line and not line.startswith("## ")]
    return [(written, expected or written) for written, _, expected in parts]


@pytest.mark.parametrize(("written", "expected"), cases("en"))
def test_english(written: str, expected: str) -> None:
    assert spoken(written) == expected


@pytest.mark.parametrize(("written", "expected"), cases("zh"))
def test_chinese(written: str, expected: str) -> None:
    assert spoken(written, "zh") == expected


@pytest.mark.parametrize(("written", "expected"), cases("ja"))
def test_japanese(written: str, expected: str) -> None:
    assert spoken(written, "ja") == expected


def test_each_edit_is_one_amount_and_the_rest_is_left_alone() -> None:
    text = "Dr. Lee paid $3.50 on Jan. 5th, 1999, didn't she?"
    assert [(text[e.start : e.end], e.spoken) for e in normalise(text, "en")] == [
        ("Dr.", "Doctor"),
        ("$3.50", "three dollars and fifty cents"),
        ("Jan. 5th, 1999", "January fifth, nineteen ninety nine"),
    ]
    text = "他在2024年3月5日买了2个苹果。"
    assert [(text[e.start : e.end], e.spoken) for e in normalise(text, "zh")] == [
        ("2024年3月5", "二零二四年三月五"),
        ("2", "两"),
    ]


def test_a_line_break_is_a_blank() -> None:
    assert spoken("It weighs 5\nkg, and cost\n$5.") == "It weighs five kilograms, and cost\nfive dollars."


@pytest.mark.parametrize("language", ["", "de", "fr"])
def test_other_languages_are_left_alone(language: str) -> None:
    assert normalise("Am 5. Mai kostet es 3,50 €.", language) == ()


def test_what_is_spoken_needs_no_second_reading() -> None:
    for written, _ in cases("en"):
        said = spoken(written)
        assert not re.search("[0-9$€£%&@#+=<>]", said), said
        assert spoken(said) == said


LETTERS = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), min_size=1, max_size=9).filter(
    lambda word: word not in ("aka", "vs", "approx")
)
ANY = st.text(
    st.one_of(
        st.sampled_from("0123456789.,:;/-–+%$€#@&'\"()[] \nsthAPMpmkgXIVé²½°年月日个円点。，"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=40,
)


@given(st.lists(LETTERS, min_size=1).map(" ".join), st.sampled_from("en zh ja".split()))
def test_plain_words_are_left_alone(text: str, language: str) -> None:
    assert normalise(text + ".", language) == ()
    assert normalise(text.capitalize() + ', "they" don\'t (all)?', language) == ()


@given(ANY, st.sampled_from("en zh ja".split()))
def test_any_text_has_edits_in_order_that_keep_all_words_without_digits(text: str, language: str) -> None:
    text = clean_text(text)
    edits = normalise(text, language)
    said = Reading(text, edits).spoken  # asserts order
    assert all(edit.spoken != text[edit.start : edit.end] for edit in edits)
    assert not re.search("[0-9]", said)
    for edit in edits:
        assert not re.search(r"[0-9\\]", edit.spoken)


@given(st.integers(0, 10**15 - 1))
def test_every_number_is_read_back(number: int) -> None:
    assert _value(spoken(f"We have {number:,} here.").removeprefix("We have ").removesuffix(" here.")) == number


_SMALL = {
    name: value
    for value, name in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
    )
}
_SMALL |= {name: 10 * value for value, name in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
_LARGE = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}


def _value(words: str) -> int:
    total = group = 0
    for word in words.replace(" and ", " ").split():
        if word in _SMALL:
            group += _SMALL[word]
        elif word == "hundred":
            group *= 100
        else:
            total, group = total + group * _LARGE[word], 0
    return total + group


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The bill was $5, and he paid it.", "en"),
        ("555-1234", "en"),
        ("Hello world", "en"),
        ("Dr. Smith, 5 kg", "en"),
        ("Don't stop me now!", "en"),
        ("A café in Zürich serves naïve people.", "en"),
        ("See https://example.de/das-ist-gut for more.", "en"),
        ("The German word 'und' means 'and', and 'der' is 'the'.", "en"),
        ("Es kostet 5 Euro und ist nicht teuer.", ""),
        ("Guten Morgen!", ""),
        ("Die Sitzung beginnt um 10 Uhr.", ""),
        ("Il est 10 heures et je suis en retard.", ""),
        ("Bonjour, ça va ?", ""),
        ("El precio es de 5 euros por persona.", ""),
        ("¿Cuánto cuesta? Son 20 dólares.", ""),
        ("Il prezzo è di 5 euro.", ""),
        ("O preço é de 5 reais.", ""),
        ("De trein vertrekt om 10 uur van het station.", ""),
        ("Priset är 5 kronor och det är bra.", ""),
        ("Cena to 5 złotych i nie jest wysoka.", ""),
        ("Цена 5 рублей", ""),
        ("가격은 5달러입니다", ""),
        ("आप कैसे हैं 5", ""),
        ("السعر 5 دولارات", ""),
        ("今天是2024年3月5日。", "zh"),
        ("我爱NASA和iPhone 15 Pro Max。", "zh"),
        ("價格是100元。", "zh"),
        ("今日は2024年3月5日です。", "ja"),
        ("カタカナ", "ja"),
        ("東京タワーは333mです。", "ja"),
        ("The word 你好 means hello in Chinese, as everybody knows.", "en"),
    ],
)
def test_language(text: str, language: str) -> None:
    assert language_of(text) == language


def test_wetext_is_loaded_only_for_a_text_that_needs_it() -> None:
    code = (
        "import sys; from f5_worker.text.normalise import normalise as n; n('A $5 bill.', 'en'); n('你好，世界。', 'zh');"
        "assert 'wetext' not in sys.modules; n('我有3个。', 'zh'); assert 'wetext' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)
