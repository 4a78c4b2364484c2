"""The words of a text, what is spoken for each, and how English speakers may say it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f5_worker.text.reading import Edit, Reading
from f5_worker.timing.numbers import cardinal, ordinal
from f5_worker.timing.pronounce import pronunciations, spelling_sounds
from f5_worker.timing.readings import readings
from f5_worker.timing.words import words_of

DICTIONARY = {
    "at": "AE T",
    "and": "AE N D",
    "us": "AH S",
    "march": "M AA R CH",
    "the": "DH AH",
    "the(2)": "DH IY",
    "fire": "F AY ER",
}
LATIN = st.text(alphabet=st.characters(codec="latin-1", exclude_categories=["Cc", "Cf"]), max_size=40)


def ways(word: str) -> set[str]:
    return {" ".join(reading) for reading in readings(word, DICTIONARY.__contains__)}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("1984,", "nineteen eighty four | one thousand nine hundred and eighty four | one nine eight four"),
        ("1905", "nineteen oh five | nineteen hundred and five"),
        ("2000s", "two thousands"),
        ("'90s", "nineties"),
        ("$250", "two hundred and fifty dollars | dollar two hundred fifty"),
        ("£310,000.", "three hundred ten thousand pounds"),
        ("$3.50", "three dollars and fifty cents | three fifty | three point five dollars | three dollars fifty"),
        ("$5M", "five million dollars"),
        ("0.4", "zero point four | point four"),
        ("10:30", "ten thirty"),
        ("3:05", "three oh five"),
        ("12:00", "twelve o'clock | twelve"),
        ("2nd,", "second"),
        ("21st", "twenty first"),
        ("15%", "fifteen percent"),
        ("72°F", "seventy two degrees fahrenheit"),
        ("1/2", "one half | a half"),
        ("10-12", "ten to twelve"),
        ("U.S.", "u. s."),
        ("US", "us | u. s."),
        ("NASA", "n. a. s. a. | nasa"),
        ("AT&T", "a. t. and t | at ampersand t"),
        ("Dr.", "doctor"),
        ("II", "two | the second"),
        ("5km", "five kilometers"),
        ("www.example.com", "w. w. w. dot example dot com"),
        ("fire-fighter.", "fire fighter"),
        ("café", "cafe"),
    ],
)
def test_all_usual_readings_are_known(word: str, said: str) -> None:
    assert set(said.split(" | ")) <= ways(word)


@pytest.mark.parametrize("word", ["---", "😀", "…", "“", "東京"])
def test_what_nobody_says_in_english_has_no_pronunciation(word: str) -> None:
    assert pronunciations(word, DICTIONARY.get) == []


@given(LATIN)
def test_any_latin_letters_can_be_pronounced(text: str) -> None:
    sounds = pronunciations(text, DICTIONARY.get)
    assert len(sounds) <= 40
    assert sounds or not any(character.isascii() and character.isalnum() for character in text)


def test_pronunciations_come_from_the_dictionary_else_from_the_spelling() -> None:
    assert pronunciations("The", DICTIONARY.get) == ["DH AH", "DH IY"]
    assert pronunciations("fire's", DICTIONARY.get)[0] == "F AY ER Z"
    assert pronunciations("and", DICTIONARY.get) == ["AE N D", "AH N D", "AH N"]  # and how it sounds between others
    assert spelling_sounds("wuppertal") == "W AH P ER T AE L"


@given(st.integers(1, 10**12))
def test_numbers_as_words_are_those_of_their_parts(number: int) -> None:
    words = cardinal(number)
    assert words == [word for word in cardinal(number, with_and=True) if word != "and"]
    assert ordinal(words)[:-1] == words[:-1]
    assert not any(character.isdigit() for word in ordinal(words) for character in word)


@given(st.text(max_size=60))
def test_words_make_up_the_text(text: str) -> None:
    words = words_of(Reading(text))
    assert "".join(word.text for word in words) == "".join(text.split())
    assert [word.start for word in words] == sorted(word.start for word in words)
    assert all(text[word.start :].startswith(word.text) for word in words)


@given(st.text(alphabet=st.characters(max_codepoint=0x24F), max_size=60))
def test_of_scripts_with_white_space_words_are_what_it_separates(text: str) -> None:
    assert [word.text for word in words_of(Reading(text))] == text.split()


def test_scripts_without_white_space_count_by_character_with_its_marks() -> None:
    assert [word.text for word in words_of(Reading("“你好”，他说。 สวัสดี OK"))] == [
        "“你",
        "好”，",
        "他",
        "说。",
        "ส",
        "วั",
        "ส",
        "ดี",
        "OK",
    ]


def test_what_was_spoken_goes_to_its_words() -> None:
    text = "on May 5, 2024 at 10:30 am we go"
    reading = Reading(text, [Edit(3, 14, "May fifth, twenty twenty four"), Edit(18, 26, "ten thirty AM")])
    assert [word.spoken for word in words_of(reading)] == [
        *("on", "May", "fifth,", "twenty twenty four", "at", "ten thirty", "AM", "we", "go"),
    ]
