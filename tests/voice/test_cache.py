"""References and transcripts of earlier jobs: found by content, bounded, shared by threads."""

import threading

import pytest

from f5_worker.errors import ReferenceClipError
from f5_worker.settings import Settings
from f5_worker.voice import cache as cache_module
from f5_worker.voice.cache import ReferenceCache
from f5_worker.voice.clip import read_reference
from f5_worker.voice.reference import Reference, VoiceFile
from tests import PATIENCE
from tests.support.sounds import Samples, sound_file, voice

SETTINGS = Settings()


def _cached(cache: ReferenceCache, number: int, ref_text: str | None = None, voice_name: str = "a") -> Reference:
    return cache.read(VoiceFile(voice_name, _CLIPS[number], ref_text), SETTINGS)


_CLIPS = [sound_file(voice(2.0 + number / 10)) for number in range(6)]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The content of every clip that was really decoded."""
    seen: list[str] = []

    def counted(file: VoiceFile, settings: Settings) -> Reference:
        reference = read_reference(file, settings)
        seen.append(reference.content_id)
        return reference

    monkeypatch.setattr(cache_module, "read_reference", counted)
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


def test_a_cache_of_nothing_works(reads: list[str]) -> None:
    cache = ReferenceCache(0)
    _cached(cache, 0)
    _cached(cache, 0)
    assert len(reads) == 2


def test_a_refused_clip_is_not_kept(reads: list[str]) -> None:
    cache = ReferenceCache(4)
    for _ in range(2):
        with pytest.raises(ReferenceClipError):
            cache.read(VoiceFile("a", b"", None), SETTINGS)
    assert not reads


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
