"""Voices and pauses in a text, through the handler."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import handler
from tests.support.fresh_worker import FreshWorker, base64_of, sound
from tests.support.sounds import sound_file, voice

RATE = 24_000
ANNA = {"ref_audio_base64": base64_of(sound_file(voice(3))), "ref_text": "Nine words of hers that nobody else may hear."}
BOB = {"ref_audio_base64": base64_of(sound_file(voice(2))), "ref_text": "He has fewer words, all slow."}
JOB: dict[str, Any] = {"nfe_step": 1, "seed": 3}


def parts(answer: dict[str, Any]) -> list[NDArray[np.float32]]:
    """The samples of each chunk, after checks of what always holds: times are whole samples, and between is nothing."""
    samples, at, found = sound(answer).samples, 0, []
    for chunk in answer["chunks"]:
        start, end = (chunk[edge] * RATE for edge in ("start", "end"))
        assert [start, end] == pytest.approx([round(start), round(end)], abs=0.02)
        assert not samples[at : round(start)].any()
        at = round(end)
        found.append(samples[round(start) : at])
        assert found[-1].any()
    assert not samples[at:].any()
    assert len(samples) == round(answer["duration"] * RATE)
    return found


def silences(answer: dict[str, Any]) -> list[float]:
    """Seconds before each chunk, and at the end."""
    edges = [0.0, *(chunk[edge] for chunk in answer["chunks"] for edge in ("start", "end")), answer["duration"]]
    return [round(after - before, 4) for before, after in zip(edges[::2], edges[1::2], strict=True)]


def test_each_turn_is_what_its_voice_says_alone(fresh_worker: FreshWorker) -> None:
    text = "Once upon a time. [Anna] I am Anna. [Bob] And I am Bob. [pause:0.75s] [main] They talked."
    voices = {"Anna": {**ANNA, "seed": 5}, "Bob": {**BOB, "seed": 6, "speed": 0.5}}
    answer = fresh_worker.ask({**JOB, "text": text, "voices": voices})
    assert [(chunk["voice"], chunk["text"]) for chunk in answer["chunks"]] == [
        ("main", "Once upon a time."),
        ("Anna", "I am Anna."),
        ("Bob", "And I am Bob."),
        ("main", "They talked."),
    ]
    assert silences(answer) == [0.0, 0.0, 0.0, 0.75, 0.0]
    assert [chunk.get("paragraph", False) for chunk in answer["chunks"]] == [True, False, False, False]
    assert {name: reference["ref_text"] for name, reference in answer["references"].items()} == {
        "main": answer["reference"]["ref_text"],
        "Anna": ANNA["ref_text"],
        "Bob": BOB["ref_text"],
    }
    spoken = parts(answer)
    alone = (
        {**JOB, "text": "Once upon a time."},
        {**JOB, **ANNA, "text": "I am Anna.", "seed": 5},
        {**JOB, **BOB, "text": "And I am Bob.", "seed": 6, "speed": 0.5},
    )
    for part, job in zip(spoken[:3], alone, strict=True):
        np.testing.assert_array_equal(part, sound(fresh_worker.ask(job)).samples)
    again = fresh_worker.ask({**JOB, "text": text, "voices": voices})
    assert sound(again).data == sound(answer).data


def test_a_voices_own_seed_and_speed_are_its_own_alone(fresh_worker: FreshWorker) -> None:
    text = "Hello there. [Anna] I am Anna. [main] Well, well. [Anna] Goodbye now."
    plain, slow, other = (
        parts(fresh_worker.ask({**JOB, "text": text, "voices": {"Anna": {**ANNA, **own}}}))
        for own in ({"seed": 5}, {"seed": 5, "speed": 0.5}, {"seed": 6})
    )
    for index in (0, 2):
        np.testing.assert_array_equal(plain[index], slow[index])
        np.testing.assert_array_equal(plain[index], other[index])
    for index in (1, 3):
        assert len(slow[index]) == pytest.approx(2 * len(plain[index]), abs=512)  # two frames
        assert not np.array_equal(plain[index], other[index])
    late = parts(fresh_worker.ask({**JOB, "text": f"Wait for it. {text}", "voices": {"Anna": {**ANNA, "seed": 5}}}))
    np.testing.assert_array_equal(late[-1], plain[-1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[pause:0.25s] Hello there. [pause:1s]", [0.25, 1.0]),
        ("Hello there. [pause:1234ms] And you.", [0.0, 1.234, 0.0]),
        ("Hello there.\n\nAnd you.", [0.0, 0.8, 0.0]),
        ("Hello there.\n\n[pause:0.1s]\n\nAnd you.", [0.0, 0.1, 0.0]),
        ("Hello there. [pause:2s]\n\nAnd you.", [0.0, 2.0, 0.0]),
        ("Hello there.\n\n[pause:0s] And you.", [0.0, 0.0, 0.0]),
        ("Hello there. [main]\n\nAnd you.", [0.0, 0.8, 0.0]),
        ("Hello there. [main] And you.\n\nAnd me.", [0.0, 0.0, 0.8, 0.0]),
        ("[pause:1s] [pause:0.5s] Hello there.", [1.5, 0.0]),
    ],
)
@pytest.mark.parametrize("remove_silence", [False, True])
def test_pauses_are_exact(fresh_worker: FreshWorker, text: str, expected: list[float], remove_silence: bool) -> None:
    answer = fresh_worker.ask({**JOB, "text": text, "paragraph_pause": 0.8, "remove_silence": remove_silence})
    parts(answer)
    assert silences(answer) == expected
    assert answer["text"] == text


def test_a_long_turn_is_many_chunks_of_one_voice(fresh_worker: FreshWorker) -> None:
    turn = " ".join(f"Sentence number {n} is spoken by one voice from its start to its end." for n in range(8))
    answer = fresh_worker.ask({**JOB, "text": f"Listen. [Anna] {turn} [Bob] Done.", "voices": {"Anna": ANNA, "Bob": BOB}})
    voices = [chunk["voice"] for chunk in answer["chunks"]]
    assert voices == ["main", *["Anna"] * (len(voices) - 2), "Bob"]
    assert len(voices) > 3
    assert " ".join(chunk["text"] for chunk in answer["chunks"]) == f"Listen. {turn} Done."


@pytest.mark.parametrize(
    ("wrong", "kind", "field", "sentence"),
    [
        (
            {"ref_audio_base64": "AAAA"},
            "ReferenceClipError",
            "ref_audio_base64",
            "voices.Bob: The reference clip cannot be",
        ),
        ({"ref_audio_base64": "A"}, "ReferenceClipError", "ref_audio_base64", "voices.Bob.ref_audio_base64 is not base64"),
        ({**BOB, "ref_text": "x" * 900}, "ReferenceClipError", "ref_text", "voices.Bob.ref_text has 900 letters"),
        ({"local_voice": "bob"}, "NotFoundError", "local_voice", "voices.Bob.local_voice='bob' is not a stored voice"),
        ({"local_voice": "http://127.0.0.1/a"}, "ReferenceClipError", "local_voice", "voices.Bob.local_voice: the download"),
        ({**BOB, "speed": 9}, "InputError", "speed", "voices.Bob.speed=9 is out of range"),
    ],
)
def test_a_voice_that_cannot_be_used_is_named_before_any_model_work(
    fresh_worker: FreshWorker, tmp_path: Path, wrong: dict[str, Any], kind: str, field: str, sentence: str
) -> None:
    fresh_worker.restart(NETWORK_VOLUME=tmp_path)
    answer = fresh_worker.ask({**JOB, "text": "Hi. [Anna] Hi.", "voices": {"Anna": ANNA, "Bob": wrong}})
    assert (answer["error_type"], answer["field"]) == (kind, f"voices.Bob.{field}")
    assert answer["error"].startswith(sentence)
    assert not fresh_worker.health()["model"]["loaded"]


def test_a_stored_voice_speaks_and_one_without_words_is_transcribed(
    fresh_worker: FreshWorker, tmp_path: Path, tiny_whisper: Path
) -> None:
    fresh_worker.restart(NETWORK_VOLUME=tmp_path, ASR_MODEL=tiny_whisper)
    upload = {"endpoint": "upload", "voice_base64": ANNA["ref_audio_base64"], "ref_text": ANNA["ref_text"]}
    assert fresh_worker.ask({**upload, "voice_name": "anna.wav"})["status"] == "success"
    voices = {
        "Anna": {"local_voice": "anna"},
        "Bob": {"ref_audio_base64": BOB["ref_audio_base64"]},
        "Idle": {"local_voice": "anna"},
    }
    answer = fresh_worker.ask({**JOB, "text": "[Anna] Hello. [Bob] Hello.", "voices": voices})
    assert answer["references"].keys() == {"Anna", "Bob"}  # what was used: neither the job's own voice nor the idle one
    assert answer["reference"] == answer["references"]["Anna"]
    assert answer["reference"]["voice"] == "anna.wav"
    assert answer["references"]["Bob"]["ref_text"]
    assert "voices.Idle says nothing: text has no turn marked [Idle]." in answer["warnings"]


def test_a_voices_warning_names_it(fresh_worker: FreshWorker) -> None:
    slow = {**ANNA, "ref_text": "Two words."}
    answer = fresh_worker.ask({**JOB, "text": "[Anna] Hello.", "voices": {"Anna": slow}})
    assert any(warning.startswith("voices.Anna: ref_text has 8 letters") for warning in answer["warnings"])


def test_one_length_for_a_conversation_is_refused(fresh_worker: FreshWorker) -> None:
    answer = fresh_worker.ask({**JOB, "text": "Hello. [Anna] Hello.", "voices": {"Anna": ANNA}, "fix_duration": 9})
    assert (answer["error_type"], answer["field"]) == ("InputError", "fix_duration")


def test_generate_tts_audio_takes_them_too(fresh_worker: FreshWorker, tmp_path: Path) -> None:
    clip = tmp_path / "clip.wav"
    clip.write_bytes(sound_file(voice(2)))
    text = "Hello there. [Anna] Hello. [pause:2s] Again."
    options: dict[str, Any] = {"voices": {"Anna": ANNA}, "nfe_step": 1}
    path, duration, error = handler.generate_tts_audio(text, str(clip), 1.0, 3, ref_text=BOB["ref_text"], **options)
    assert (error, path is None) == (None, False)
    samples, rate = soundfile.read(str(path))
    assert len(samples) / rate == pytest.approx(duration)
    shutil.rmtree(Path(str(path)).parent)
    same = fresh_worker.ask({**JOB, **BOB, "text": text, "voices": {"Anna": ANNA}})
    np.testing.assert_array_equal(samples.astype(np.float32), sound(same).samples)
