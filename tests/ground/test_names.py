"""Names of voices: what may be stored is clean, what may be looked up is no path."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from f5_worker.errors import InputError
from f5_worker.formats import VOICE_CONTENT_TYPES
from f5_worker.names import MAX_NAME_CHARS, check_voice_name, is_key_part, is_stored_name


@pytest.mark.parametrize("extension", VOICE_CONTENT_TYPES)
def test_every_audio_extension_is_a_name(extension: str) -> None:
    for name in (f"anna.{extension}", f"Anna-2_x.v3.{extension.upper()}", f"-.{extension}"):
        assert check_voice_name(name) == name


PLAIN_WRONG = "|.|.wav|..wav|wav|anna|anna.|anna.txt|anna.json|anna.wav.json|a/b.wav|../b.wav|/b.wav|https://x/a.wav"
ODD_WRONG = ["a\\b.wav", "ann a.wav", "anna.wav\n", "änna.wav", "anna\0.wav", "a%2Fb.wav", "a" * MAX_NAME_CHARS + ".wav"]


@pytest.mark.parametrize("name", [*PLAIN_WRONG.split("|"), *ODD_WRONG])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"voice_name='.*' is not a voice name; use letters, digits.*wav, flac") as caught:
        check_voice_name(name)
    assert caught.value.details["field"] == "voice_name"


@given(st.text(max_size=30).map(lambda stem: stem + ".wav") | st.text(max_size=30))
@settings(max_examples=300)
def test_an_accepted_name_stays_one_plain_part_of_a_key(name: str) -> None:
    try:
        check_voice_name(name)
    except InputError:
        return
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert not name.startswith(".")
    assert is_stored_name(name)


@pytest.mark.parametrize("name", ["Żaneta (1).wav", "a%2Fb.MP3", "ann a.opus"])
def test_what_the_earlier_system_stored_can_be_looked_up(name: str) -> None:
    assert is_stored_name(name)


@pytest.mark.parametrize("name", ["a/b.wav", "a\\b.wav", ".hidden.wav", "a\0.wav", "a\n.wav", "x" * MAX_NAME_CHARS + ".wav"])
def test_no_path_and_nothing_hidden_is_looked_up(name: str) -> None:
    assert not is_key_part(name)
    assert not is_stored_name(name)


@pytest.mark.parametrize("name", ["anna", "anna.txt", "anna.wav.json"])
def test_what_is_no_audio_is_no_voice(name: str) -> None:
    assert is_key_part(name)
    assert not is_stored_name(name)
