"""The transcript's ending, and whether it can belong to its clip."""

import ast
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f5_worker.errors import ReferenceClipError
from f5_worker.voice.transcript import check_ref_text, finish_ref_text, speech_units

SENTENCE = "Some call me nature, others call me mother nature."


def _upstream_ending(text: str) -> str:
    """The last step of ``preprocess_ref_audio_text``, cut out of the installed f5-tts and run."""
    spec = find_spec("f5_tts")
    assert spec is not None
    assert spec.submodule_search_locations
    source = (Path(spec.submodule_search_locations[0]) / "infer" / "utils_infer.py").read_text()
    function = next(
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name == "preprocess_ref_audio_text"
    )
    rule = next(node for node in function.body if isinstance(node, ast.If) and "endswith" in ast.dump(node.test))
    scope = {"ref_text": text}
    exec(compile(ast.Module([rule], []), "utils_infer.py", "exec"), scope)
    return scope["ref_text"]


@pytest.mark.parametrize(
    ("text", "finished"),
    [
        ("Hello", "Hello. "),
        ("Hello.", "Hello. "),
        ("Hello. ", "Hello. "),
        ("  Hello\n there \t", "Hello there. "),
        ("Really?", "Really?. "),
        ("你好。", "你好。"),
        ("你好", "你好. "),
        ("soft\u00adhyphen", "softhyphen. "),
    ],
)
def test_the_ending_is_upstreams(text: str, finished: str) -> None:
    assert finish_ref_text(text) == finished


@given(st.text(st.sampled_from("aZ9 é你.。!?,"), min_size=1, max_size=20).map(str.strip).filter(bool))
def test_the_ending_is_what_upstream_makes_of_it(text: str) -> None:
    assert finish_ref_text(text).rstrip() == _upstream_ending(finish_ref_text(text)).rstrip()
    assert finish_ref_text(finish_ref_text(text)) == finish_ref_text(text)
    if finish_ref_text(text).startswith(text):  # nothing inside had to be cleaned
        assert finish_ref_text(text) == _upstream_ending(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (SENTENCE, 5.3),
        (SENTENCE, 2.0),  # 20 letters a second
        ("Das ist ein ganz gewöhnlicher Satz.", 3.0),
        ("Съешь же ещё этих мягких французских булок", 3.0),
        ("对。这就是我。万人敬仰的太乙真人。", 3.0),
        ("これは日本語の文章です", 2.0),
        ("안녕하세요 반갑습니다", 2.0),
        ("नमस्ते आप कैसे हैं", 1.5),
        ("1984", 1.0),
    ],
)
def test_usual_transcripts_pass_without_a_word(text: str, seconds: float) -> None:
    assert check_ref_text(text, seconds) == (finish_ref_text(text), ())


@pytest.mark.parametrize(
    ("text", "seconds", "said"),
    [("a" * 60, 2.0, "very fast"), ("太" * 20, 2.0, "very fast"), ("Hello there", 10.0, "very slow"), ("42", 1.5, "very slow")],
)
def test_odd_transcripts_pass_with_a_warning(text: str, seconds: float, said: str) -> None:
    finished, warnings = check_ref_text(text, seconds)
    assert finished == finish_ref_text(text)
    assert len(warnings) == 1
    assert said in warnings[0]
    assert text not in warnings[0]


@pytest.mark.parametrize(
    ("text", "seconds", "said"),
    [
        ("", 5.0, "nothing that can be spoken"),
        (" \n\t", 5.0, "nothing that can be spoken"),
        ("?! ... 🙂", 5.0, "nothing that can be spoken"),
        ("half \ud83d", 5.0, "lone surrogate"),
        (SENTENCE * 20, 5.0, "more than anybody can say"),
        ("太" * 100, 5.0, "more than anybody can say"),
        ("Hi", 10.0, "less than any speech has"),
    ],
)
def test_impossible_transcripts_are_refused(text: str, seconds: float, said: str) -> None:
    with pytest.raises(ReferenceClipError) as caught:
        check_ref_text(text, seconds)
    assert said in caught.value.message
    assert caught.value.message.startswith("ref_text ")
    assert caught.value.details == {"field": "ref_text"}
    assert len(caught.value.message) < 300


@given(st.text(max_size=50))
def test_wide_characters_count_as_three(text: str) -> None:
    letters = [character for character in text if character.isalnum()]
    assert len(letters) <= speech_units(text) <= 3 * len(letters)
