"""The length of a text as speech: F5's bytes within a script, a natural rate between scripts."""

# ruff: noqa: RUF001 - the characters of other scripts are meant

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f5_worker.text.length import speech_units, spoken_bytes

SCRIPTS = ["abcdeéüß .,!?0-", "абвгдежз .,!?0-—", "你好世界，。！", "אבגד ,.?", "अआकखि ।,", "가나다라 .,"]


@given(st.sampled_from(SCRIPTS).flatmap(lambda letters: st.tuples(st.just(letters[0]), st.text(letters), st.text(letters))))
def test_within_a_script_it_is_the_bytes(case: tuple[str, str, str]) -> None:
    letter, first, second = case
    first, second = letter + first, letter + second
    assert speech_units(first) * spoken_bytes(second) / speech_units(second) == len(first.encode())


@given(st.text(), st.text())
def test_it_grows_with_the_text(text: str, more: str) -> None:
    assert speech_units(f"a{text}{more}") >= speech_units(f"a{text}")


def test_equal_tokens_are_equally_long() -> None:
    curly, straight = "“Don’t,” she said; “it’s ‘fine’ …”", "\"Don't,\" she said, \"it's 'fine' …\""
    assert (speech_units(curly), spoken_bytes(curly)) == (speech_units(straight), spoken_bytes(straight))


@pytest.mark.parametrize(
    "sentence",
    [
        "Сегодня хорошая погода, и мы пойдём гулять в парк.",
        "今天天气很好，我们要去公园散步。",
        "今日は天気がいいので、公園へ散歩に行きます。",
        "오늘은 날씨가 좋아서 공원으로 산책하러 갑니다.",
        "आज मौसम अच्छा है और हम पार्क में टहलने जाएँगे।",
        "วันนี้อากาศดี เราจะไปเดินเล่นที่สวนสาธารณะ",
        "الطقس جميل اليوم وسوف نذهب للتنزه في الحديقة.",
        "היום מזג האוויר נאה ונלך לטייל בפארק.",
        "Σήμερα ο καιρός είναι καλός και θα πάμε βόλτα στο πάρκο.",
    ],
)
def test_the_same_sentence_takes_about_as_long_in_any_script(sentence: str) -> None:
    english = speech_units("The weather is fine today, and we will go for a walk in the park.")
    assert 0.65 < speech_units(sentence) / english < 1.2
