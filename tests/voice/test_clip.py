"""From a file's bytes to what the model hears."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from f5_worker.errors import PackageMissingError, ReferenceClipError
from f5_worker.settings import Settings
from f5_worker.voice import clip as reference
from f5_worker.voice.clip import (
    BUILTIN_VOICE,
    MAX_UPLOAD_SECONDS,
    ReferenceCache,
    ReferenceClip,
    builtin_voice,
    check_reference,
    read_reference,
)
from tests import PATIENCE
from tests.support.sounds import HTML_PAGE, Samples, container_file, image_file, silence, sound_file, voice

SETTINGS = Settings()
TEXT = "This is what the voice says in these seconds, more or less."
_ROOT = Path(__file__).parents[2]


def _refused(data: bytes, ref_text: str | None = None, **options: Any) -> ReferenceClipError:
    with pytest.raises(ReferenceClipError) as caught:
        check_reference(data, ref_text=ref_text, settings=options.pop("settings", SETTINGS), **options)
    return caught.value


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kind", ["wav", "wav-int24", "wav-float"])
@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100, 48_000])
def test_any_recording_becomes_mono_at_24_khz(rate: int, kind: str, channels: int) -> None:
    samples = np.concatenate([silence(0.7, rate), voice(4.0, rate), silence(0.7, rate)])
    data = sound_file(np.stack([samples] * channels, axis=1), rate, kind)
    clip = read_reference(data, voice="anna.wav", ref_text=TEXT, settings=SETTINGS)
    assert clip.samples.dtype == np.float32
    assert clip.samples.ndim == 1
    assert clip.duration == pytest.approx(4.05, abs=0.03)
    assert np.abs(clip.samples).max() == pytest.approx(np.abs(samples).max(), rel=0.05)
    assert not np.abs(clip.samples[-1000:]).any()  # the silence at the end
    assert (clip.voice, clip.ref_text, clip.clipped, clip.warnings) == ("anna.wav", f"{TEXT} ", False, ())


@pytest.mark.parametrize("kind", ["flac", "mp3", "ogg-opus", "aiff"])
def test_formats_agree_on_the_clip(kind: str) -> None:
    samples = np.concatenate([silence(0.5), voice(3.0), silence(0.5)])
    wanted = read_reference(sound_file(samples), voice="a", ref_text=None, settings=SETTINGS)
    clip = read_reference(sound_file(samples, kind=kind), voice="a", ref_text=None, settings=SETTINGS)
    assert clip.duration == pytest.approx(wanted.duration, abs=0.05)
    assert clip.content_id != wanted.content_id


def test_a_phones_recording_works() -> None:
    clip = read_reference(container_file(voice(3.0, 44_100), 44_100, "m4a"), voice="a", ref_text=TEXT, settings=SETTINGS)
    assert clip.duration == pytest.approx(3.05, abs=0.1)


def test_the_builtin_voice_needs_no_torch_and_no_f5_tts_import() -> None:
    code = (
        "import sys\n"
        "class Blocker:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name in ('torch', 'torchaudio') or name.startswith('f5_tts.'): raise ModuleNotFoundError(name=name)\n"
        "sys.meta_path.insert(0, Blocker())\n"
        "from f5_worker.voice.clip import builtin_voice, read_reference\n"
        "from f5_worker.settings import Settings\n"
        "voice = builtin_voice()\n"
        "clip = read_reference(voice.data, voice='built-in', ref_text=voice.ref_text, settings=Settings())\n"
        "assert 'f5_tts' not in sys.modules\n"
        "print(clip.duration, len(clip.warnings), repr(clip.ref_text))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=_ROOT)
    duration, warnings, ref_text = done.stdout.strip().split(" ", 2)
    assert 4.5 < float(duration) < 5.4
    assert warnings == "0"
    assert ref_text == "'Some call me nature, others call me mother nature. '"


def test_the_builtin_voice_is_missed_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(reference, "package_folder", lambda _name: tmp_path)
    with pytest.raises(PackageMissingError, match="built-in voice"):
        builtin_voice()
    assert BUILTIN_VOICE


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty (0 bytes)"),
        (HTML_PAGE, "an HTML page"),
        (image_file(), "a PNG image"),
        (sound_file(voice(0.3)), "only 0.30 s of sound"),
        (sound_file(np.concatenate([silence(3), voice(0.5), silence(3)])), "only 0.50 s of sound"),
        (sound_file(silence(5)), "silent"),
        (sound_file(np.random.default_rng(0).normal(0, 1e-4, 48_000)), "silent"),
        (sound_file(np.full(48_000, np.nan, np.float32), kind="wav-float"), "NaN"),
        (sound_file(voice(5.0))[:100_000], "cut short"),
        (sound_file(silence(70)), "silent"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("ref_text", [None, TEXT])
def test_bad_clips_are_refused_with_the_field(data: bytes, said: str, ref_text: str | None) -> None:
    error = _refused(data, ref_text, field="ref_audio_base64")
    assert said in error.message
    assert error.details["field"] == "ref_audio_base64"


def test_a_bad_transcript_is_the_transcripts_field() -> None:
    assert _refused(sound_file(voice(3.0)), " ", field="local_voice").details["field"] == "ref_text"
    assert _refused(sound_file(voice(3.0)), TEXT * 10).details["field"] == "ref_text"


def test_too_many_bytes_are_refused_unread() -> None:
    error = _refused(b"x" * 2001, settings=Settings(max_reference_bytes=2000))
    assert "more than the allowed" in error.message


def test_a_bad_clip_is_refused_without_torch(tmp_path: Path) -> None:
    silent, good = tmp_path / "silent.wav", tmp_path / "good.wav"
    silent.write_bytes(sound_file(silence(3, 44_100), 44_100))
    good.write_bytes(sound_file(voice(3.0, 44_100), 44_100))
    code = (
        "import sys\n"
        "class Blocker:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name.split('.')[0] in ('torch', 'torchaudio', 'av', 'transformers'): raise ModuleNotFoundError(name=name)\n"
        "sys.meta_path.insert(0, Blocker())\n"
        "from f5_worker.errors import PackageMissingError, ReferenceClipError\n"
        "from f5_worker.voice.clip import read_reference\n"
        "from f5_worker.settings import Settings\n"
        "for data in (open(path, 'rb').read() for path in sys.argv[1:]):\n"
        "    try: read_reference(data, voice='a', ref_text=None, settings=Settings())\n"
        "    except (ReferenceClipError, PackageMissingError) as error: print(type(error).__name__, error.details)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(silent), str(good)],
        capture_output=True,
        text=True,
        check=True,
        cwd=_ROOT,
    )
    assert done.stdout.splitlines() == [
        "ReferenceClipError {'field': 'local_voice'}",
        "PackageMissingError {'package': 'torch'}",
    ]


@pytest.mark.parametrize(
    ("seconds", "ref_text", "used", "clipped"),
    [
        (11.9, None, 11.9, False),
        (12.0, None, 12.0, False),
        (14.9, TEXT * 2, 14.9, False),
        (15.0, TEXT * 2, 15.0, False),
    ],
)
def test_clips_up_to_the_limits_are_used_whole(seconds: float, ref_text: str | None, used: float, clipped: bool) -> None:
    clip = read_reference(sound_file(voice(seconds)), voice="a", ref_text=ref_text, settings=SETTINGS)
    assert clip.duration == pytest.approx(used + 0.05, abs=0.02)
    assert clip.clipped is clipped
    assert clip.warnings == ()


@pytest.mark.parametrize("seconds", [12.1, 15.1, 30.0, 60.0, 90.0])
def test_a_long_clip_without_a_transcript_is_cut(seconds: float) -> None:
    samples = voice(seconds)
    samples[round(8.0 * 24_000) : round(8.4 * 24_000)] = 0
    clip = read_reference(sound_file(samples), voice="a", ref_text=None, settings=SETTINGS)
    assert clip.clipped
    assert clip.ref_text is None
    assert clip.duration == pytest.approx(8.05, abs=0.05)
    assert len(clip.warnings) == 1
    assert "only the first 8.0 s" in clip.warnings[0]


@pytest.mark.parametrize(("seconds", "length"), [(15.2, "15.2 s"), (60.0, "60.0 s"), (90.0, "more than 60 s")])
def test_a_long_clip_with_a_transcript_is_refused_with_the_reason(seconds: float, length: str) -> None:
    message = _refused(sound_file(voice(seconds)), TEXT * 8).message
    assert length in message
    assert "at most 15 s" in message
    assert "leave ref_text out" in message


def test_a_short_phrase_before_a_very_long_silence_is_enough() -> None:
    clip = read_reference(
        sound_file(np.concatenate([voice(4.0), silence(70), voice(3.0)])), voice="a", ref_text=None, settings=SETTINGS
    )
    assert clip.clipped
    assert clip.duration == pytest.approx(4.05, abs=0.05)


def test_silence_does_not_count_towards_the_limits() -> None:
    samples = np.concatenate([silence(5), voice(6.0), silence(9), voice(6.0), silence(5)])
    clip = read_reference(sound_file(samples), voice="a", ref_text=TEXT * 2, settings=SETTINGS)
    assert clip.duration == pytest.approx(14.05, abs=0.05)  # a pause of 2 s stays


def test_uploads_may_be_longer_but_not_with_a_transcript() -> None:
    long = sound_file(voice(29.0))
    assert check_reference(long, ref_text=None, settings=SETTINGS, max_seconds=MAX_UPLOAD_SECONDS).clipped
    assert "at most 15 s" in _refused(long, TEXT * 5, max_seconds=MAX_UPLOAD_SECONDS).message
    assert "1 to 30 s" in _refused(sound_file(voice(31.0)), max_seconds=MAX_UPLOAD_SECONDS).message


def test_samples_beyond_one_are_turned_down() -> None:
    clip = read_reference(
        sound_file(voice(3.0) * np.float32(1e5), kind="wav-float"), voice="a", ref_text=None, settings=SETTINGS
    )
    assert np.abs(clip.samples).max() == pytest.approx(1.0)


def test_an_odd_transcript_is_a_warning_of_the_clip() -> None:
    clip = read_reference(sound_file(voice(10.0)), voice="a", ref_text="Hello there", settings=SETTINGS)
    assert len(clip.warnings) == 1
    assert "very slow" in clip.warnings[0]


# --- the cache


def _cached(cache: ReferenceCache, number: int, ref_text: str | None = None, voice_name: str = "a") -> ReferenceClip:
    return cache.read(_CLIPS[number], voice=voice_name, ref_text=ref_text, settings=SETTINGS)


_CLIPS = [sound_file(voice(2.0 + number / 10)) for number in range(6)]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The content of every clip that was really decoded."""
    seen: list[str] = []

    def counted(data: bytes, **options: Any) -> ReferenceClip:
        clip = read_reference(data, **options)
        seen.append(clip.content_id)
        return clip

    monkeypatch.setattr(reference, "read_reference", counted)
    return seen


def test_the_same_content_is_read_once_under_any_name(reads: list[str]) -> None:
    cache = ReferenceCache(4)
    first, second = _cached(cache, 0, voice_name="a"), _cached(cache, 0, voice_name="b")
    assert len(reads) == 1
    assert (first.voice, second.voice) == ("a", "b")
    assert second.samples is first.samples
    with_text = _cached(cache, 0, ref_text="Hello there, this is it.")
    assert len(reads) == 2
    assert with_text.ref_text == "Hello there, this is it. "


def test_the_cache_is_bounded_and_keeps_what_is_used(reads: list[str]) -> None:
    cache = ReferenceCache(3)
    for number in range(3):
        _cached(cache, number)
    _cached(cache, 0)
    _cached(cache, 3)  # 1 is what was used longest ago
    assert len(reads) == 4
    _cached(cache, 0)
    _cached(cache, 2)
    assert len(reads) == 4
    _cached(cache, 1)
    assert len(reads) == 5
    assert len(cache) <= 6


def test_a_cache_of_nothing_works(reads: list[str]) -> None:
    cache = ReferenceCache(0)
    _cached(cache, 0)
    _cached(cache, 0)
    assert len(reads) == 2
    assert len(cache) == 0


def test_a_refused_clip_is_not_kept(reads: list[str]) -> None:
    cache = ReferenceCache(4)
    for _ in range(2):
        with pytest.raises(ReferenceClipError):
            cache.read(b"", voice="a", ref_text=None, settings=SETTINGS)
    assert len(cache) == len(reads) == 0


def test_a_transcript_is_made_once_and_finished() -> None:
    cache, heard = ReferenceCache(4), list[int]()

    def transcribe(samples: Samples) -> str:
        heard.append(len(samples))
        return "what was heard"

    clips = [cache.with_transcript(_cached(cache, 0, voice_name=name), transcribe) for name in "ab"]
    assert [clip.ref_text for clip in clips] == ["what was heard. "] * 2
    assert [clip.voice for clip in clips] == ["a", "b"]
    assert heard == [len(clips[0].samples)]
    given = _cached(cache, 0, ref_text="Hello there, this is it.")
    assert cache.with_transcript(given, transcribe) is given
    assert len(heard) == 1


def test_a_failed_transcript_is_tried_again() -> None:
    cache = ReferenceCache(4)

    def fail(_samples: Samples) -> str:
        raise ReferenceClipError("no words")

    with pytest.raises(ReferenceClipError):
        cache.with_transcript(_cached(cache, 0), fail)
    assert cache.with_transcript(_cached(cache, 0), lambda _samples: "now").ref_text == "now. "


def test_many_threads_share_a_cache() -> None:
    cache = ReferenceCache(2)
    failures: list[BaseException] = []
    barrier = threading.Barrier(8)

    def work(start: int) -> None:
        try:
            barrier.wait(PATIENCE)
            for step in range(12):
                number = (start + step) % len(_CLIPS)
                clip = cache.with_transcript(_cached(cache, number), lambda samples: f"heard {len(samples)}")
                assert clip.ref_text == f"heard {len(clip.samples)}. "
                assert clip.duration == pytest.approx(2.05 + number / 10, abs=0.02)
        except (AssertionError, ReferenceClipError, KeyError, RuntimeError) as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not failures
    assert len(cache) <= 4
