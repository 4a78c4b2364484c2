"""Clips, texts and disks that are no good: a clear error or speech, nothing left behind, and the worker takes the next job."""

import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import s3_utils
from f5_worker.delivery import workspace
from f5_worker.s3_config import S3Config
from f5_worker.text.clean import clean_text
from tests.support.bootstrap_packages import tmpfs
from tests.support.fresh_worker import QUICK, FreshWorker, base64_of, sound
from tests.support.s3_server import listener
from tests.support.sounds import HTML_PAGE, image_file, silence, sound_file, voice

__all__ = ["tmpfs"]  # a fixture that comes from the helpers

REF_TEXT = "Some call me nature, others call me mother."


# The reference clip


def not_a_number() -> bytes:
    samples = voice(4)
    samples[1000] = np.nan
    return sound_file(samples, kind="wav-float")


@dataclass(frozen=True)
class BadClip:
    """A clip that cannot be used, however it comes; ``fields`` join the job."""

    data: Callable[[], bytes]
    said: str
    fields: dict[str, Any] = field(default_factory=dict)


BAD_CLIPS = {
    "0.3 s": BadClip(lambda: sound_file(voice(0.3)), "holds only 0.30 s of sound; send 1 s of speech or more"),
    "silent": BadClip(lambda: sound_file(silence(4)), "is silent; send a recording of one clear voice"),
    "NaN": BadClip(not_a_number, "holds samples that are NaN or infinite"),
    "60 s with its text": BadClip(
        lambda: sound_file(voice(60)), "with ref_text it may hold at most 15 s", {"ref_text": REF_TEXT}
    ),
    "no audio": BadClip(lambda: bytes(range(256)) * 200, "cannot be decoded; it is damaged, cut short or of an unknown format"),
    "HTML": BadClip(lambda: HTML_PAGE, "is an HTML page, not audio; send wav, flac, mp3"),
    "image": BadClip(image_file, "is a PNG image, not audio; send wav, flac, mp3"),
    "cut short": BadClip(lambda: sound_file(voice(4))[:60_000], "is cut short: only 31% of the sound"),
    "other text": BadClip(lambda: sound_file(voice(2)), "more than anybody can say", {"ref_text": "word " * 60}),
}


@pytest.mark.parametrize("bad", BAD_CLIPS.values(), ids=BAD_CLIPS.keys())
def test_a_clip_that_cannot_be_used_is_refused_with_the_reason(fresh_worker: FreshWorker, bad: BadClip) -> None:
    answer = fresh_worker.ask({**QUICK, "ref_audio_base64": base64_of(bad.data()), **bad.fields})
    assert answer["error_type"] == "ReferenceClipError"
    assert answer["field"] in ("ref_audio_base64", "ref_text")
    assert bad.said in answer["error"]
    assert not fresh_worker.health()["model"]["loaded"]
    fresh_worker.speaks()


@pytest.mark.parametrize("name", ["image", "HTML", "silent"])
def test_a_stored_clip_or_one_behind_a_url_is_refused_in_the_same_words(
    fresh_worker: FreshWorker, s3_config: S3Config, name: str
) -> None:
    fresh_worker.use_s3(s3_config)
    fresh_worker.restart(RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS="true")
    bad = BAD_CLIPS[name]
    s3_utils.put_bytes(s3_config, "voices/photo.wav", bad.data(), "audio/wav")
    url = s3_utils.presign(s3_config, "voices/photo.wav")
    fresh_worker.private.add(url.partition("?")[2])
    for local_voice in ("photo.wav", "photo", url):
        answer = fresh_worker.ask({**QUICK, "local_voice": local_voice})
        assert answer["error_type"] == "ReferenceClipError"
        assert answer["field"] == "local_voice"
        assert bad.said in answer["error"]
    answer = fresh_worker.ask({"endpoint": "upload", "voice_name": "new.wav", "voice_file_url": url})
    assert bad.said in answer["error"]
    assert [voice["name"] for voice in fresh_worker.ask({"endpoint": "list_voices"})["voices"]] == ["photo.wav"]
    fresh_worker.speaks()


def test_an_empty_clip_is_refused_wherever_it_comes_from(fresh_worker: FreshWorker, s3_config: S3Config) -> None:
    fresh_worker.use_s3(s3_config)
    s3_utils.put_bytes(s3_config, "voices/empty.wav", b"", "audio/wav")
    for job_input in (
        {**QUICK, "ref_audio_base64": ""},
        {**QUICK, "ref_audio_base64": "data:audio/wav;base64,"},
        {**QUICK, "local_voice": "empty.wav"},
        {"endpoint": "upload", "voice_name": "new.wav", "voice_base64": "  "},
    ):
        answer = fresh_worker.ask(job_input)
        assert "empty" in answer["error"]
        assert answer["error_type"] in ("InputError", "ReferenceClipError")
    fresh_worker.speaks()


def test_200_mb_are_refused_before_they_are_read(fresh_worker: FreshWorker, s3_config: S3Config) -> None:
    answer = fresh_worker.ask({**QUICK, "ref_audio_base64": "QUJD" * (200 * 2**20 // 3)})
    assert (answer["error_type"], answer["field"]) == ("ReferenceClipError", "ref_audio_base64")
    assert "200 MB, more than the 20 MB allowed; send a shorter clip" in answer["error"]

    fresh_worker.use_s3(s3_config)
    fresh_worker.restart(MAX_REFERENCE_BYTES=100_000)
    s3_utils.put_bytes(s3_config, "voices/large.wav", bytes(200_000), "audio/wav")
    answer = fresh_worker.ask({**QUICK, "local_voice": "large.wav"})
    assert (answer["error_type"], answer["field"]) == ("ReferenceClipError", "local_voice")
    assert "200,000 bytes, more than the 100,000 allowed" in answer["error"]

    fresh_worker.restart(RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS="true")
    sent: list[int] = []

    def endless(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nConnection: close\r\n\r\n")
        with suppress(OSError):
            while sum(sent) < 200 * 2**20:
                sent.append(connection.send(bytes(65_536)))
        connection.close()

    with listener(endless) as port:
        answer = fresh_worker.ask({**QUICK, "local_voice": f"http://127.0.0.1:{port}/clip.wav"})
    assert (answer["error_type"], answer["field"]) == ("ReferenceClipError", "local_voice")
    assert "larger than 0.0954 MB" in answer["error"]
    assert sum(sent) < 20 * 2**20
    fresh_worker.speaks()


@pytest.mark.parametrize(
    ("local_voice", "said"),
    [
        ("http://127.0.0.1:9/clip.wav", "not public"),
        ("http://169.254.169.254/latest/meta-data?token=hunter2", "not public"),
        ("http://user:hunter2@localhost/clip.wav", "not public"),
        ("ftp://example.com/clip.wav?sig=hunter2", "is not an http(s) URL"),
        ("http://no-such-host.invalid/clip.wav?sig=hunter2", "does not resolve"),
        ("../../etc/passwd", "slash or a control character"),
    ],
)
def test_a_voice_that_cannot_be_fetched_is_refused_without_its_secrets(
    fresh_worker: FreshWorker, local_voice: str, said: str
) -> None:
    fresh_worker.private.add("hunter2")
    answer = fresh_worker.ask({**QUICK, "local_voice": local_voice})
    assert answer["field"] == "local_voice"
    assert said in answer["error"]
    fresh_worker.speaks()


def test_60_s_without_a_text_are_cut_and_transcribed(fresh_worker: FreshWorker, tiny_whisper: Path) -> None:
    fresh_worker.restart(ASR_MODEL=tiny_whisper)
    job_input = {**QUICK, "ref_audio_base64": base64_of(sound_file(voice(60), kind="mp3"))}
    answer = fresh_worker.ask(job_input)
    assert answer["status"] == "completed"
    assert 6 <= answer["reference"]["duration"] <= 12
    assert answer["reference"]["clipped"]
    assert len(answer["reference"]["ref_text"].split()) > 3
    assert [warning for warning in answer["warnings"] if "only the first" in warning] != []
    again = fresh_worker.ask({**job_input, "seed": answer["seed"]})
    assert sound(again).data == sound(answer).data
    assert fresh_worker.log.count("Whisper loaded") == 1


def test_whisper_that_does_not_load_names_the_way_out(fresh_worker: FreshWorker) -> None:
    fresh_worker.restart(ASR_MODEL=fresh_worker.folder / "no-whisper")
    job_input = {**QUICK, "ref_audio_base64": base64_of(sound_file(voice(4)))}
    answer = fresh_worker.ask(job_input)
    assert answer["error_type"] == "CheckpointNotFoundError"
    assert "no-whisper" in answer["error"]
    assert "Or send ref_text, the clip's transcript" in answer["error"]
    assert fresh_worker.ask({**job_input, "ref_text": REF_TEXT})["status"] == "completed"


# The text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "text is empty"),
        (" \t\r\n\u00a0\u2003 ", "text is empty"),
        ("\x00\x01\u200b\u202e\ufeff", "text is empty"),
        ("?!... \u2014 \u2026 \u3002\uff01", "text has nothing that can be spoken"),
        ("\U0001f600\U0001f389\U0001f468\u200d\U0001f469\u200d\U0001f467", "text has nothing that can be spoken"),
        ("a" * 20_001, "text has 20,001 characters, more than the 20,000 allowed"),
        ("half a character \ud83d", "a lone surrogate) is at position 18"),
        (7, "text=7 has the wrong type"),
        (["Hello."], "text"),
    ],
    ids=["empty", "blank", "invisible", "punctuation", "emoji", "too long", "surrogate", "number", "list"],
)
def test_a_text_that_cannot_be_spoken_is_refused(fresh_worker: FreshWorker, text: object, said: str) -> None:
    answer = fresh_worker.ask({"text": text})
    assert (answer["error_type"], answer["field"]) == ("InputError", "text")
    assert said in answer["error"]
    assert not fresh_worker.health()["model"]["loaded"]
    fresh_worker.speaks()


@pytest.mark.parametrize(
    "text",
    [
        "a" * 20_000,
        "\u05e9\u05dc\u05d5\u05dd, \u05de\u05d4 \u05e9\u05dc\u05d5\u05de\u05da? \u200f\u0645\u0631\u062d\u0628\u0627.",
        "Hello\x00 the\x07re,\x1b[31m red\x7f \u202eworld\u202c.\r\n\r\nNext\tline.",
        "Mixed \u4e2d\u6587\u548cEnglish\uff0c\u65e5\u672c\u8a9e\u3082\u3002 \ud55c\uad6d\uc5b4 too!",
        "Party \U0001f389 time \U0001f468\u200d\U0001f469\u200d\U0001f467!",
        "e\u0301" * 500,
        "7",
    ],
    ids=[
        "20,000 without a space",
        "right to left",
        "control characters",
        "mixed CJK",
        "emoji in it",
        "combining marks",
        "one digit",
    ],
)
def test_an_odd_text_is_spoken_and_nothing_of_it_is_lost(fresh_worker: FreshWorker, text: str) -> None:
    answer = fresh_worker.ask({"text": text, "nfe_step": 1, "speed": 4})
    assert answer["status"] == "completed", answer
    assert "".join("".join(chunk["text"] for chunk in answer["chunks"]).split()) == "".join(clean_text(text).split())
    spoken = sound(answer)
    assert np.isfinite(spoken.samples).all()
    assert spoken.duration == pytest.approx(answer["duration"], abs=1e-5)
    assert answer["chunks"][0]["start"] == 0
    assert answer["chunks"][-1]["end"] == pytest.approx(answer["duration"], abs=1e-5)
    fresh_worker.speaks()


# The disk


def test_a_full_disk_does_not_lose_the_speech(fresh_worker: FreshWorker, monkeypatch: pytest.MonkeyPatch, tmpfs: Path) -> None:
    fresh_worker.restart(OUTPUT_DIR=tmpfs)
    fresh_worker.private.add(str(tmpfs))
    fresh_worker.speaks()
    fresh_worker.use_as_temporary(tmpfs / "tmp")
    with suppress(OSError), (tmpfs / "filler").open("wb", buffering=0) as filler:
        while filler.write(bytes(4096)):
            pass
    answer = fresh_worker.speaks()
    assert "The file is written to memory instead" in fresh_worker.log
    assert "The disk of OUTPUT_DIR has no room" in answer["warnings"][-1]
    assert sound(answer).duration == pytest.approx(answer["duration"], abs=1e-6)

    monkeypatch.setattr(workspace, "MEMORY_FOLDER", fresh_worker.temporary)
    lost = fresh_worker.ask(QUICK)
    assert lost["error_type"] == "DeliveryError"
    assert "The disk is full" in lost["error"]
    (tmpfs / "filler").unlink()
    assert "audio_path" in fresh_worker.speaks()
