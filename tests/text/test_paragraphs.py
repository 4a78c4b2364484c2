"""Layout: what of line breaks, lists and rulers is heard; tables of cases, and properties that hold for any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f5_worker.text.clean import clean_text, is_speakable
from f5_worker.text.paragraphs import paragraphs
from f5_worker.text.reading import Reading
from f5_worker.text.split import split_reading


def spoken(text: str) -> list[str]:
    """What is spoken of each paragraph."""
    return [paragraph.spoken for paragraph in paragraphs(Reading(clean_text(text)))]


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("One line without a mark", ["One line without a mark"]),
        ("One.\n\n\n \nTwo!\n\nThree", ["One.", "Two!", "Three"]),
        (
            "Chapter One\n\nThe Storm\n\nIt was late when the riders came down from the pass\n\nNobody spoke",
            ["Chapter One.", "The Storm.", "It was late when the riders came down from the pass.", "Nobody spoke"],
        ),
        ("Chapter One\nIt was late, and nobody spoke.", ["Chapter One. It was late, and nobody spoke."]),
        ("「第一章」\n\n天黑了", ["「第一章」。", "天黑了"]),
        (
            "It was late when they came\ndown from the pass. Nobody\nin the Village had seen\nThem before",
            ["It was late when they came down from the pass. Nobody in the Village had seen Them before"],
        ),
        (
            "The long road led over the hills and through the old\nForest to the town where the market was held every week\n"
            "of the year.",
            [
                "The long road led over the hills and through the old Forest to the town where the market was held every week "
                "of the year."
            ],
        ),
        ("今天给你\n们一个福利，\n推荐一款“版型超正的”\n牛仔裤。", ["今天给你们一个福利，推荐一款“版型超正的”牛仔裤。"]),
        ("日本語の\nテキスト and\nmore", ["日本語のテキスト and more"]),
        (
            "한국어로 쓴 글은 낱말 사이를 띄어 쓰므로 줄을 바꾸면\n빈칸이 된다",
            ["한국어로 쓴 글은 낱말 사이를 띄어 쓰므로 줄을 바꾸면 빈칸이 된다"],
        ),
        ("The infor-\nmation of the co\u00ad\noperation", ["The infor-mation of the cooperation"]),
        ("Roses are red,\nViolets are blue,\nSugar is sweet", ["Roses are red, Violets are blue, Sugar is sweet"]),
        # lists
        ("To do\n1. Call the bank\n2. Buy milk\n3. Pay", ["To do. 1. Call the bank. 2. Buy milk. 3. Pay"]),
        ("- milk\n- bread and\nbutter\n\n• eggs", ["milk. bread and butter.", "eggs"]),
        ("•\nMilk\n•\nBread", ["Milk. Bread"]),
        ("1.\nCall\n2.\nBuy", ["1. Call. 2. Buy"]),
        ("a) one\nb) two", ["a) one. b) two"]),
        ("1、苹果\n2、香蕉", ["1、苹果。 2、香蕉"]),
        (
            "He came over the mountains to the town in the year\n1984. It was cold",
            ["He came over the mountains to the town in the year 1984. It was cold"],
        ),
        # rulers
        ("One.\n\n* * *\n\nTwo.", ["One.", "Two."]),
        ("One\n-----\nTwo\n=-=-=-=-=\nThree\n─────\nFour\n⁂\nFive", ["One.", "Two.", "Three.", "Four.", "Five"]),
        ("Hello there. - - - - - Goodbye.", ["Hello there.", "Goodbye."]),
        ("INTRODUCTION ========== It began.", ["INTRODUCTION.", "It began."]),
        ("*** Note *** It rains.", ["Note.", "It rains."]),
        ("He came --- and left - as I said", ["He came --- and left - as I said"]),
        ("Hello 😀\n\n…\n\n😀\n\nBye", ["Hello 😀.", "Bye"]),
    ],
)
def test_what_is_heard_of_lines(text: str, heard: list[str]) -> None:
    assert spoken(text) == heard


@pytest.mark.parametrize(
    "text",
    [
        "To do today\n1. Call the bank about it\n2. Buy milk\n3. Send the parcel\n4. Water the plants\n5. Book the train",
        "To do today: 1. Call the bank about it 2. Buy milk 3. Send the parcel 4. Water the plants 5. Book the train",
    ],
)
def test_no_chunk_ends_with_the_number_of_the_next_item(text: str) -> None:
    (paragraph,) = paragraphs(Reading(text))
    for limit in range(25, 80):
        for chunk in split_reading(paragraph, len, limit):
            assert not chunk.spoken[:-1].endswith(tuple("12345")), (limit, chunk.spoken)


PARTS = st.sampled_from(
    [
        "a",
        "Word ",
        "\n",
        "\n\n",
        " ",
        "* ",
        "- ",
        "***",
        "1. ",
        "2) ",
        "。",
        "你",
        "😀",
        "é",
        "---",
        "===",
        "\\",
        "-\n",
        "“",
        "…",
        ".",
    ]
)


@given(st.lists(PARTS, max_size=40).map("".join) | st.text(max_size=60))
def test_no_letter_is_lost_and_every_paragraph_is_one_line(raw: str) -> None:
    text = clean_text(raw)
    found = paragraphs(Reading(text))
    assert [c for p in found for c in p.text if c.isalnum()] == [c for c in text if c.isalnum()] or not is_speakable(text)
    for paragraph in found:
        assert paragraph.spoken == " ".join(paragraph.spoken.split())
        assert is_speakable(paragraph.spoken)
    assert bool(found) == is_speakable(text)
