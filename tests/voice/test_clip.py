"""From a file's bytes to what the model hears."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from f5_worker.errors import ReferenceClipError
from f5_worker.settings import Settings
from f5_worker.voice.clip import MAX_UPLOAD_SECONDS, check_reference, read_reference
from f5_worker.voice.reference import Reference, VoiceFile
from tests.support.sounds import HTML_PAGE, click, container_file, image_file, noise, silence, sound_file, voice

SETTINGS = Settings()
TEXT = "This is what the voice says in these seconds, more or less."
_ROOT = Path(__file__).parents[2]


def _read(data: bytes, ref_text: str | None = None) -> Reference:
    return read_reference(VoiceFile("anna.wav", data, ref_text), SETTINGS)


def _refused(
    data: bytes,
    ref_text: str | None = None,
    *,
    field: str = "local_voice",
    settings: Settings = SETTINGS,
    max_seconds: float | None = None,
) -> ReferenceClipError:
    with pytest.raises(ReferenceClipError) as caught:
        check_reference(VoiceFile("anna.wav", data, ref_text, field), settings, max_seconds)
    return caught.value


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kind", ["wav", "wav-int24", "wav-float"])
@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100, 48_000])
def test_any_recording_becomes_mono_at_24_khz(rate: int, kind: str, channels: int) -> None:
    samples = np.concatenate([silence(0.7, rate), voice(4.0, rate), silence(0.7, rate)])
    data = sound_file(np.stack([samples] * channels, axis=1), rate, kind)
    clip = _read(data, TEXT)
    assert clip.samples.dtype == np.float32
    assert clip.samples.ndim == 1
    assert clip.duration == pytest.approx(4.05, abs=0.03)
    assert np.abs(clip.samples).max() == pytest.approx(np.abs(samples).max(), rel=0.05)
    assert not np.abs(clip.samples[-1000:]).any()  # the silence at the end
    assert (clip.voice, clip.ref_text, clip.clipped, clip.warnings) == ("anna.wav", f"{TEXT} ", False, ())


@pytest.mark.parametrize("kind", ["flac", "mp3", "ogg-opus", "aiff"])
def test_formats_agree_on_the_clip(kind: str) -> None:
    samples = np.concatenate([silence(0.5), voice(3.0), silence(0.5)])
    wanted = _read(sound_file(samples))
    clip = _read(sound_file(samples, kind=kind))
    assert clip.duration == pytest.approx(wanted.duration, abs=0.05)
    assert clip.content_id != wanted.content_id


def test_a_phones_recording_works() -> None:
    clip = _read(container_file(voice(3.0, 44_100), 44_100, "m4a"), TEXT)
    assert clip.duration == pytest.approx(3.05, abs=0.1)


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
        "from f5_worker.voice.reference import VoiceFile\n"
        "from f5_worker.settings import Settings\n"
        "for data in (open(path, 'rb').read() for path in sys.argv[1:]):\n"
        "    try: read_reference(VoiceFile('a', data, None), Settings())\n"
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
    clip = _read(sound_file(voice(seconds)), ref_text)
    assert clip.duration == pytest.approx(used + 0.05, abs=0.02)
    assert clip.clipped is clipped
    assert clip.warnings == ()


@pytest.mark.parametrize("seconds", [12.1, 15.1, 30.0, 60.0, 90.0])
def test_a_long_clip_without_a_transcript_is_cut(seconds: float) -> None:
    samples = voice(seconds)
    samples[round(8.0 * 24_000) : round(8.4 * 24_000)] = 0
    clip = _read(sound_file(samples))
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


def test_of_a_long_clip_what_holds_speech_is_used() -> None:
    rng = np.random.default_rng(0)
    for before in (silence(70), rng.normal(0, 0.002, 70 * 24_000), np.append(click(0.02, 24_000), silence(70))):
        clip = _read(sound_file(np.append(before, voice(6.0))), TEXT)
        assert clip.duration == pytest.approx(6.05, abs=0.15)
        assert not clip.clipped
    clip = _read(sound_file(np.concatenate([voice(4.0), silence(70), voice(3.0)])), TEXT)
    assert clip.duration == pytest.approx(9.05, abs=0.05)  # a pause of 2 s stays
    clip = _read(sound_file(np.append(silence(70), voice(80.0))))
    assert clip.clipped
    assert "after 69 s without speech" in clip.warnings[0]


@pytest.mark.parametrize("offset", [0.3, -0.05, 0.001])
def test_a_constant_offset_is_taken_out(offset: float) -> None:
    samples = np.concatenate([silence(1), voice(4.0), silence(1)])
    clip, wanted = _read(sound_file(samples + np.float32(offset))), _read(sound_file(samples))
    np.testing.assert_allclose(clip.samples, wanted.samples, atol=2e-4)


def test_a_very_quiet_clip_is_used_with_a_warning() -> None:
    clip = _read(sound_file(voice(4.0, level=0.005), kind="wav-int24"), TEXT)
    assert clip.duration == pytest.approx(4.05, abs=0.02)
    assert "very quiet" in clip.warnings[0]


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (np.concatenate([silence(3.2), click(0.02, 24_000), silence(3)]), "sound from 3.2 s on"),
        (np.append(silence(70), click(0.02, 24_000)), "sound from 70.0 s on"),
        (0.05 * noise("white", 5 * 24_000, 24_000), "sound from 0.0 s on"),
        (0.05 * noise("hum", 5 * 24_000, 24_000), "steady noise"),
    ],
)
def test_what_is_not_silent_is_not_called_so(samples: np.ndarray, said: str) -> None:
    message = _refused(sound_file(samples)).message
    assert said in message
    assert "silent" not in message


def test_silence_does_not_count_towards_the_limits() -> None:
    samples = np.concatenate([silence(5), voice(6.0), silence(9), voice(6.0), silence(5)])
    clip = _read(sound_file(samples), TEXT * 2)
    assert clip.duration == pytest.approx(14.05, abs=0.05)  # a pause of 2 s stays


def test_uploads_may_be_longer_but_not_with_a_transcript() -> None:
    long = sound_file(voice(29.0))
    assert check_reference(VoiceFile("a", long, None), SETTINGS, MAX_UPLOAD_SECONDS).clipped
    assert "at most 15 s" in _refused(long, TEXT * 5, max_seconds=MAX_UPLOAD_SECONDS).message
    assert "1 to 30 s" in _refused(sound_file(voice(31.0)), max_seconds=MAX_UPLOAD_SECONDS).message


def test_samples_beyond_one_are_turned_down() -> None:
    clip = _read(sound_file(voice(3.0) * np.float32(1e5), kind="wav-float"))
    assert np.abs(clip.samples).max() == pytest.approx(1.0)


def test_an_odd_transcript_is_a_warning_of_the_clip() -> None:
    clip = _read(sound_file(voice(10.0)), "Hello there")
    assert len(clip.warnings) == 1
    assert "very slow" in clip.warnings[0]
