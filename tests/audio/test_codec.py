"""Every format decoded and encoded back; everything that is no usable recording refused by name."""

import errno
import io
import json
import resource
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from f5_worker.audio.codec import decode_audio, encode_audio, resample
from f5_worker.errors import DeliveryError, ReferenceClipError, SynthesisError
from f5_worker.formats import FORMATS, READABLE
from tests.support.sounds import (
    CONTAINERS,
    HTML_PAGE,
    SOUND_FILES,
    container_file,
    image_file,
    piped_file,
    read_raw,
    silence,
    sound_file,
    voice,
)

LOSSY = {"mp3", "ogg-opus", "ogg-vorbis", "wav-ulaw"}
WITH_HEADER = [name for name, form in FORMATS.items() if form.has_header]
BARE = [name for name, form in FORMATS.items() if not form.has_header]
_ROOT = Path(__file__).parents[2]


def _refused(data: bytes, max_seconds: float = 60.0) -> str:
    with pytest.raises(ReferenceClipError) as caught:
        decode_audio(data, max_seconds=max_seconds)
    return caught.value.message


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kind", SOUND_FILES)
def test_decodes_sound_files(kind: str, channels: int) -> None:
    rate = 48_000 if kind == "ogg-opus" else 44_100
    samples = voice(2.0, rate)
    decoded = decode_audio(sound_file(np.stack([samples] * channels, axis=1), rate, kind), max_seconds=60)
    assert decoded.sample_rate == rate
    assert decoded.samples.dtype == np.float32
    assert decoded.samples.shape == samples.shape
    assert not decoded.more
    # the codecs' last frames ring where the tone is cut off
    error = np.abs(decoded.samples - samples)[: -rate // 20]
    assert error.max() < (0.1 if kind in LOSSY else 2 / 2**15)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_decodes_any_usual_rate(rate: int) -> None:
    decoded = decode_audio(sound_file(voice(1.5, rate), rate), max_seconds=60)
    assert (decoded.sample_rate, decoded.duration) == (rate, 1.5)


@pytest.mark.parametrize("kind", CONTAINERS)
def test_decodes_containers(kind: str) -> None:
    rate = {"amr": 8_000, "webm": 48_000, "3gp": 16_000}.get(kind, 44_100)
    layout = "mono" if kind in ("amr", "3gp") else "stereo"
    samples = voice(3.0, rate)
    decoded = decode_audio(container_file(samples, rate, kind, layout), max_seconds=60)
    assert decoded.sample_rate == rate
    assert decoded.duration == pytest.approx(3.0, abs=0.1)  # frames are padded, and some start with priming samples
    assert np.sqrt(np.mean(decoded.samples**2)) == pytest.approx(np.sqrt(np.mean(samples**2)), rel=0.2)


@pytest.mark.parametrize("kind", ["mp3", "ogg-opus", "ogg-vorbis", "flac"])
def test_reading_in_blocks_changes_nothing(kind: str) -> None:
    data = sound_file(voice(8.0), kind=kind)
    whole, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    np.testing.assert_allclose(decode_audio(data, max_seconds=60).samples, whole, atol=1e-6)


def test_mix_is_the_mean_of_the_channels_unless_they_cancel_out() -> None:
    left, right = voice(1.0), silence(1.0)
    one_sided = decode_audio(sound_file(np.stack([left, right], axis=1), kind="wav-float"), max_seconds=60)
    np.testing.assert_allclose(one_sided.samples, left / 2, atol=1e-7)
    inverse = decode_audio(sound_file(np.stack([left, -left], axis=1), kind="wav-float"), max_seconds=60)
    np.testing.assert_allclose(inverse.samples, left, atol=1e-7)
    offset = decode_audio(sound_file(np.stack([left + 0.2, 0.2 - left], axis=1), kind="wav-float"), max_seconds=60)
    np.testing.assert_allclose(offset.samples, left + 0.2, atol=1e-7)


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "ogg-opus"])
def test_reads_no_more_than_asked(kind: str) -> None:
    decoded = decode_audio(sound_file(voice(5.0), kind=kind), max_seconds=2.0)
    assert decoded.more
    assert decoded.duration == 2.0


def test_a_file_that_unpacks_to_hours_costs_only_what_is_read() -> None:
    hours = sound_file(silence(2 * 3600, 8_000), 8_000, "flac")
    assert len(hours) < 2**20
    code = (
        "import sys, resource; from f5_worker.audio.codec import decode_audio; data = sys.stdin.buffer.read();"
        "decode_audio(data, max_seconds=0.1); before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "decoded = decode_audio(data, max_seconds=60); after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "print(decoded.duration, decoded.more, after - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=hours, capture_output=True, check=True, cwd=_ROOT)
    duration, more, kilobytes = done.stdout.split()
    assert (float(duration), more) == (60.0, b"True")
    assert int(kilobytes) < 50_000  # two hours would be 230 MB


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "empty (0 bytes)"),
        (HTML_PAGE, "an HTML page"),
        (b"\n  <html>" + b"x" * 5000, "an HTML page"),
        (b"<!-- saved --><head><meta charset=latin1><title>Gr\xfc\xdfe</title>", "an HTML page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an XML document"),
        (b'{"detail": "not found"}', "a JSON document"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n", "a Git LFS pointer"),
        ("Grüße, keine Aufnahme. ".encode() * 100, "a text"),
        (image_file(), "a PNG image"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(500), "a JPEG image"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 " + bytes(500), "a WebP image"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(500), "a HEIC image"),
        (b"PK\x03\x04" + bytes(500), "a ZIP archive"),
        (b"%PDF-1.7\n" + bytes(500), "a PDF document"),
        (bytes(5000), "cannot be decoded"),
        (np.random.default_rng(0).bytes(50_000), "cannot be decoded"),
        (b"\x00\x00\x00\x18ftypM4A " + bytes(500), "cannot be decoded"),
        (b"\x1aE\xdf\xa3" + bytes(500), "cannot be decoded"),
        (b"\xff\xf1" + bytes(500), "only a header"),
        (sound_file(silence(0)), "only a header"),
        (sound_file(voice(1.0))[:20], "cannot be decoded"),
        (sound_file(np.zeros((100, 40))), "40 channels"),
        (sound_file(voice(1.0), 100), "sample rate of 100 Hz"),
        (sound_file(voice(1.0), 1_000_000), "sample rate of 1,000,000 Hz"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_says_what_it_is_and_what_works(data: bytes, named: str) -> None:
    message = _refused(data)
    assert named in message
    assert READABLE in message
    assert " at 0x" not in message
    assert len(message) < 500


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_refuses_samples_that_are_no_numbers(bad: float) -> None:
    samples = voice(1.0)
    samples[500] = bad
    assert "NaN or infinite" in _refused(sound_file(samples, kind="wav-float"))


@pytest.mark.parametrize("kind", ["wav", "wav-int24", "aiff", "flac", "caf", "mp3", "m4a"])
def test_refuses_a_file_that_was_cut(kind: str) -> None:
    samples = voice(10.0, 44_100)
    whole = container_file(samples, 44_100, kind) if kind in CONTAINERS else sound_file(samples, 44_100, kind)
    assert "cut short" in _refused(whole[: len(whole) // 2])


def test_reads_a_file_whose_writer_did_not_know_its_length() -> None:
    whole = sound_file(voice(2.0))
    data_at = whole.index(b"data") + 4
    for unknown in (0xFFFFFFFF, 0x7FFFFFFF):
        piped = whole[:4] + struct.pack("<I", unknown) + whole[8:data_at] + struct.pack("<I", unknown) + whole[data_at + 4 :]
        assert decode_audio(piped, max_seconds=60).duration == 2.0
    flac = bytearray(sound_file(voice(2.0), kind="flac"))
    flac[21] &= 0xF0  # STREAMINFO: 36 bits of total samples, 0 for unknown
    flac[22:26] = bytes(4)
    assert decode_audio(bytes(flac), max_seconds=60).duration == pytest.approx(2.0)
    mp3 = sound_file(voice(2.0), kind="mp3")
    without_info = mp3[mp3.index(mp3[:2], 4) :]
    tag = b"ID3\x04\x00\x00\x00\x00\x02\x00" + bytes(256)
    for streamed in (without_info, tag + without_info):
        assert decode_audio(streamed, max_seconds=60).duration == pytest.approx(2.0, abs=0.1)
    assert decode_audio(tag + mp3, max_seconds=60).duration == 2.0


@pytest.mark.parametrize("riff_size", [0, 36, 0xFFFFFFFF])
@pytest.mark.parametrize("data_size", [0, 0x7FFFF000, 0xFFFFFFFF - 36, 0xFFFFFFFF])
def test_reads_a_wav_of_any_unknown_length(riff_size: int, data_size: int) -> None:
    whole = sound_file(voice(2.0))
    at = whole.index(b"data") + 4
    piped = whole[:4] + struct.pack("<I", riff_size) + whole[8:at] + struct.pack("<I", data_size) + whole[at + 4 :]
    decoded = decode_audio(piped, max_seconds=60)
    np.testing.assert_array_equal(decoded.samples, decode_audio(whole, max_seconds=60).samples)


PIPED = (
    *(("wav", "pcm_s16le"), ("wav", "pcm_f64le"), ("flac", "flac"), ("ogg", "flac"), ("ogg", "libopus"), ("webm", "libopus")),
    *(("matroska", "flac"), ("matroska", "ac3"), ("mp3", "libmp3lame"), ("adts", "aac"), ("latm", "aac"), ("mp4", "aac")),
    *(("mpegts", "aac"), ("aiff", "pcm_s16be"), ("au", "pcm_mulaw"), ("caf", "pcm_s16le"), ("ac3", "ac3"), ("wv", "wavpack")),
    *(("tta", "tta"), ("voc", "pcm_s16le")),
)
"""FFmpeg's format and codec of streams that know no length."""


@pytest.mark.parametrize(("form", "codec"), PIPED)
def test_streamed_files_are_read_to_the_end(form: str, codec: str) -> None:
    decoded = decode_audio(piped_file([voice(4.0, 48_000)], 48_000, form, codec), max_seconds=60)
    assert decoded.sample_rate == 48_000
    assert decoded.duration == pytest.approx(4.0, abs=0.1)
    assert np.abs(decoded.samples).max() == pytest.approx(0.3, rel=0.5)


def test_one_reader_is_asked_where_the_other_fails() -> None:
    flac_in_ogg = piped_file([voice(4.0, 48_000)], 48_000, "ogg", "flac")
    with pytest.raises(soundfile.SoundFileError):
        soundfile.read(io.BytesIO(flac_in_ogg))
    assert decode_audio(flac_in_ogg, max_seconds=60).duration == 4.0
    message = _refused(np.random.default_rng(0).bytes(50_000))
    assert "libsndfile: " in message
    assert "FFmpeg: " in message


@pytest.mark.parametrize(
    ("form", "codec", "video"),
    [
        ("mp4", "aac", "mpeg4"),
        ("matroska", "libopus", "mpeg4"),
        ("avi", "libmp3lame", "mpeg4"),
        ("mpegts", "aac", "mpeg2video"),
        ("mpeg", "mp2", "mpeg1video"),
        ("flv", "aac", "flv"),
    ],
)
def test_the_sound_of_a_video_is_a_clip(form: str, codec: str, video: str) -> None:
    rate = 44_100 if form == "flv" else 48_000
    decoded = decode_audio(piped_file([voice(4.0, rate)], rate, form, codec, video=video), max_seconds=60)
    assert decoded.duration == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize("default", [0, 1, 2])
@pytest.mark.parametrize(("form", "codec"), [("matroska", "flac"), ("webm", "libopus"), ("mp4", "aac")])
def test_of_several_tracks_the_default_one_is_read(form: str, codec: str, default: int) -> None:
    tracks = [voice(3.0, 48_000, level) for level in (0.4, 0.1, 0.025)]
    decoded = decode_audio(piped_file(tracks, 48_000, form, codec, default=default), max_seconds=60)
    level = np.sqrt(np.mean(np.square(decoded.samples)))
    assert level == pytest.approx(np.sqrt(np.mean(np.square(tracks[default]))), rel=0.2)


def test_what_is_silent_does_not_count_in_a_search() -> None:
    pause = silence(100, 8_000)
    samples = np.concatenate([pause, voice(4.0, 8_000), pause, voice(3.0, 8_000), pause])
    decoded = decode_audio(sound_file(samples, 8_000), max_seconds=60, scan_seconds=1_000)
    assert not decoded.more
    assert decoded.duration < 60
    assert np.square(decoded.samples).sum() == pytest.approx(np.square(samples).sum(), rel=1e-3)
    first = decoded.start + np.flatnonzero(decoded.samples)[0] / 8_000
    assert first == pytest.approx(100.0, abs=0.01)
    beyond = decode_audio(sound_file(samples, 8_000), max_seconds=60, scan_seconds=30)
    assert beyond.more
    assert not beyond.samples.any()


@settings(max_examples=150)
@given(
    st.sampled_from(["wav", "flac", "mp3", "ogg-opus", "aiff", "m4a", "webm", "wma", "aac"]),
    st.floats(0, 1),
    st.binary(min_size=1, max_size=64),
)
def test_damaged_files_are_read_or_refused(kind: str, where: float, noise: bytes) -> None:
    whole = _EXAMPLES[kind]
    at = int(where * len(whole))
    try:
        decoded = decode_audio(whole[:at] + noise + whole[at + len(noise) :], max_seconds=5)
    except ReferenceClipError:
        return
    assert np.isfinite(decoded.samples).all()
    assert 0 < decoded.duration <= 5


_EXAMPLES = {
    kind: container_file(voice(1.0, 48_000), 48_000, kind)
    if kind in CONTAINERS
    else sound_file(voice(1.0, 48_000), 48_000, kind)
    for kind in ("wav", "flac", "mp3", "ogg-opus", "aiff", "m4a", "webm", "wma", "aac")
}


@pytest.mark.parametrize("name", WITH_HEADER)
def test_encodes_what_is_decoded_back(name: str, tmp_path: Path) -> None:
    samples = np.concatenate([voice(7.3), silence(0.05)])  # more than one block, not a whole number of frames
    path = tmp_path / f"result.{FORMATS[name].extension}"
    encode_audio(samples, 24_000, name, path)
    info = soundfile.info(path)
    assert (info.samplerate, info.channels, info.format, info.subtype) == (
        24_000,
        1,
        FORMATS[name].container,
        FORMATS[name].subtype,
    )
    decoded = decode_audio(path.read_bytes(), max_seconds=60)
    assert len(decoded.samples) == len(samples)
    assert np.abs(decoded.samples - samples).max() < (1 / 2**15 if name in ("wav", "flac") else 0.1)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", WITH_HEADER)
@settings(max_examples=20)
@given(peak=st.floats(1.0, 50.0), rate=st.just(24_000))
def test_loud_sound_is_turned_down_never_clipped_or_wrapped(
    tmp_path_factory: pytest.TempPathFactory, name: str, peak: float, rate: int
) -> None:
    samples = voice(0.5, rate)
    samples = np.concatenate([samples * np.float32(peak / np.abs(samples).max()), silence(0.05)])
    path = tmp_path_factory.mktemp("loud") / "result"
    encode_audio(samples, rate, name, path)
    decoded = decode_audio(path.read_bytes(), max_seconds=60).samples
    assert np.corrcoef(decoded, samples)[0, 1] > 0.99
    if name in ("wav", "flac"):
        np.testing.assert_allclose(decoded, samples / np.abs(samples).max(), atol=2 / 2**15)


@pytest.mark.parametrize("name", BARE)
@pytest.mark.parametrize("level", [0.3, 1.0, 37.5])
def test_bare_samples_are_what_was_spoken_at_any_level(name: str, level: float, tmp_path: Path) -> None:
    samples = voice(1.3, 8_000)
    samples *= np.float32(level / np.abs(samples).max())
    encode_audio(samples, 8_000, name, tmp_path / "bare")
    data = (tmp_path / "bare").read_bytes()
    decoded, expected = read_raw(data, name), samples / max(1.0, np.abs(samples).max())
    assert len(data) == len(samples) * (2 if name == "pcm" else 1)
    worst = {"pcm": 1 / 2**15, "ulaw": 1 / 32, "alaw": 1 / 32}[name]  # G.711: half of the largest segment's steps
    assert np.abs(decoded - expected).max() <= worst
    # Quantisation noise of G.711 is 38 dB under speech; one wrapped sample would break this.
    assert np.mean((decoded - expected) ** 2) < 10**-3.5 * np.mean(expected**2)


@pytest.mark.parametrize("name", ["wav", "flac", "pcm"])
@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 48_000])
def test_a_file_has_the_rate_that_was_asked_for(name: str, rate: int, tmp_path: Path) -> None:
    encode_audio(voice(1.2), 24_000, name, tmp_path / "result", rate)
    data = (tmp_path / "result").read_bytes()
    decoded = read_raw(data, name) if name == "pcm" else decode_audio(data, max_seconds=60).samples
    assert name == "pcm" or soundfile.info(tmp_path / "result").samplerate == rate
    np.testing.assert_allclose(decoded[200:-200], voice(1.2, rate)[200:-200], atol=2 / 2**15)


@pytest.mark.parametrize("samples", [silence(0), np.array([0.1, np.nan], np.float32), np.array([np.inf], np.float32)])
def test_refuses_to_write_what_is_no_sound(samples: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(SynthesisError):
        encode_audio(samples, 24_000, "wav", tmp_path / "result.wav")
    assert not list(tmp_path.iterdir())


def test_a_rate_that_the_encoder_refuses_is_a_delivery_error(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match="output_format"):
        encode_audio(voice(0.5), 11_111, "ogg", tmp_path / "result.ogg")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: Path, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DeliveryError, match="disk is full"):
        encode_audio(voice(1.0), 24_000, "wav", tmp_path / "result.wav")


def test_a_write_that_the_system_stops_is_said_without_the_path(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys, numpy as np; from pathlib import Path; from f5_worker.audio.codec import encode_audio;"
        "from f5_worker.errors import DeliveryError;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "try: encode_audio(np.zeros(240000, np.float32), 24000, 'wav', Path(sys.argv[1]) / 'result.wav')\n"
        "except DeliveryError as error: print(error.message)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, cwd=_ROOT)
    assert "could not be written" in done.stdout
    assert str(tmp_path) not in done.stdout


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 44_101, 48_000, 47_999, 96_000, 352_800])
def test_resamples_any_rate_to_the_right_length(rate: int) -> None:
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    resampled = resample(voice(1.0, rate), rate, 24_000)
    assert len(resampled) == pytest.approx(24_000, rel=0.001)
    assert np.abs(resampled).max() == pytest.approx(np.abs(voice(1.0)).max(), rel=0.05)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 1_000_000  # kB; 44,101 Hz taken as it is needs 4 GB


def test_the_format_table_needs_no_audio_package() -> None:
    code = (
        "import sys\n"
        "class Blocker:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name.split('.')[0] in ('numpy', 'soundfile', 'av', 'torch'): raise ModuleNotFoundError(name=name)\n"
        "sys.meta_path.insert(0, Blocker())\n"
        "import json\n"
        "from f5_worker.audio.codec import decode_audio\n"
        "from f5_worker.formats import FORMATS\n"
        "import f5_worker.voice.download, f5_worker.voice.clip, f5_worker.voice.transcriber\n"
        "from f5_worker.errors import PackageMissingError\n"
        "try: decode_audio(b'RIFF' + bytes(100), max_seconds=1)\n"
        "except PackageMissingError as error: package = error.details['package']\n"
        "print(json.dumps([package, {name: form.content_type for name, form in FORMATS.items()}]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=_ROOT)
    types = {"wav": "audio/wav", "flac": "audio/flac", "mp3": "audio/mpeg", "ogg": "audio/ogg"}
    types |= {"pcm": "audio/pcm", "ulaw": "audio/basic", "alaw": "audio/PCMA"}
    assert json.loads(done.stdout) in (["soundfile", types], ["numpy", types])
