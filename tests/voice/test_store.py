"""The voice store on a real S3 server and on a network volume."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from f5_worker.errors import (
    BucketNotFoundError,
    InputError,
    NotFoundError,
    ReferenceClipError,
    StorageDeniedError,
    StorageError,
    StorageUnreachableError,
)
from f5_worker.formats import VOICE_CONTENT_TYPES
from f5_worker.s3_config import S3Config
from f5_worker.voice.reference import VoiceFile
from f5_worker.voice.shelves import BucketShelf, FolderShelf, Shelf
from f5_worker.voice.store import (
    StoredVoice,
    delete_voice,
    fetch_voice,
    list_page,
    list_voices,
    store_voice,
)
from tests.support.s3_server import S3Server, cutting_proxy, refused_endpoint

LIMIT = 1_000_000
UNICODE_TEXT = 'Schöne Grüße, 你好。\n\t«مرحبا» \u2028 👋🏽 \\ " \0'


@pytest.fixture(params=["bucket", "volume"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    """Each place where voices may lie, empty."""
    if request.param == "volume":
        return FolderShelf.on_volume(tmp_path)
    return BucketShelf(request.getfixturevalue("s3_config"))


def store(shelf: Shelf, name: str, data: bytes = b"RIFF", text: str | None = None, *, overwrite: bool = True) -> None:
    store_voice(shelf, name, data, duration=1.5, ref_text=text, overwrite=overwrite)


def keys(shelf: Shelf) -> list[str]:
    return [info.key for info in shelf.files()]


def put_earlier_voice(shelf: Shelf, name: str, data: bytes = b"old") -> None:
    """As the earlier system stored voices: the clip alone, under any name."""
    shelf.write(name, data)


# ------------------------------------------------------------------------------------------------------------ store and fetch


@pytest.mark.parametrize("name", ["anna", "../b.wav", "a b.wav", "anna.txt"])
def test_a_name_that_may_not_be_stored_is_refused_before_anything_is(shelf: Shelf, name: str) -> None:
    with pytest.raises(InputError, match="is not a voice name"):
        store(shelf, name)
    assert keys(shelf) == []


@pytest.mark.parametrize("text", [None, "Hello there.", UNICODE_TEXT, "x" * 20_000])
def test_a_voice_comes_back_as_stored(shelf: Shelf, text: str | None) -> None:
    store(shelf, "anna.mp3", b"\0ID3", text)
    assert fetch_voice(shelf, "anna.mp3", LIMIT) == VoiceFile("anna.mp3", b"\0ID3", text)
    (listed,) = list_voices(shelf)
    assert (listed.name, listed.size, listed.duration, listed.ref_text) == ("anna.mp3", 4, 1.5, text)
    assert listed.last_modified.tzinfo is not None
    assert keys(shelf) == ["anna.mp3", "anna.mp3.json"]


def test_a_voice_of_the_earlier_system_works(shelf: Shelf) -> None:
    names = ["My Voice (2).wav", "änna.WAV", "bob.flac", "Zoë's.mp3"]
    for name in names:
        put_earlier_voice(shelf, name)
    assert [(voice.name, voice.duration, voice.ref_text) for voice in list_voices(shelf)] == [
        (name, None, None) for name in sorted(names)
    ]
    for name in names:
        assert fetch_voice(shelf, name, LIMIT) == VoiceFile(name, b"old", None)
        delete_voice(shelf, name)
    assert keys(shelf) == []


def test_overwriting(shelf: Shelf) -> None:
    store(shelf, "anna.wav", b"first", "one", overwrite=False)
    with pytest.raises(InputError, match=r"voice_name='anna\.wav' is already stored; .* overwrite: true") as caught:
        store(shelf, "anna.wav", b"second", "two", overwrite=False)
    assert caught.value.details["field"] == "voice_name"
    assert fetch_voice(shelf, "anna.wav", LIMIT) == VoiceFile("anna.wav", b"first", "one")
    store(shelf, "anna.wav", b"second", "two")
    assert fetch_voice(shelf, "anna.wav", LIMIT) == VoiceFile("anna.wav", b"second", "two")
    store(shelf, "anna.wav", b"third", None)
    assert fetch_voice(shelf, "anna.wav", LIMIT) == VoiceFile("anna.wav", b"third", None)


def test_of_writers_that_may_not_overwrite_one_wins_whole(shelf: Shelf) -> None:
    def write(number: int) -> bool:
        try:
            store(shelf, "anna.wav", b"%d" % number, f"text {number}", overwrite=False)
        except InputError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(write, range(6)))
    assert won.count(True) == 1
    winner = won.index(True)
    assert fetch_voice(shelf, "anna.wav", LIMIT) == VoiceFile("anna.wav", b"%d" % winner, f"text {winner}")


def test_writers_and_readers_at_once_never_mix_clips_and_transcripts(shelf: Shelf) -> None:
    store(shelf, "anna.wav", b"0", "text 0")

    def write(number: int) -> None:
        store(shelf, "anna.wav", b"%d" % number, f"text {number}")

    def read(_: int) -> VoiceFile:
        return fetch_voice(shelf, "anna.wav", LIMIT)

    with ThreadPoolExecutor(8) as pool:
        writing, clips = [pool.submit(write, number) for number in range(40)], list(pool.map(read, range(80)))
        for future in writing:
            future.result()
    for clip in clips:
        assert clip.ref_text in (None, f"text {clip.data.decode()}")


@pytest.mark.parametrize("writes_done", [0, 1, 2])
def test_a_crash_between_the_writes_never_pairs_a_clip_with_another_transcript(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, writes_done: int
) -> None:
    """The crash is made by a write that gives up; what it leaves behind is really there."""
    store(shelf, "anna.wav", b"first", "one")
    left, real_write = [writes_done], type(shelf).write

    def write(shelf: Any, name: str, data: bytes, *, overwrite: bool = True) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        real_write(shelf, name, data, overwrite=overwrite)

    monkeypatch.setattr(type(shelf), "write", write)
    if writes_done < 2:
        with pytest.raises(KeyboardInterrupt):
            store(shelf, "anna.wav", b"other", "two")
    else:
        store(shelf, "anna.wav", b"other", "two")
    expected = {0: (b"first", "one"), 1: (b"other", None), 2: (b"other", "two")}[writes_done]
    assert fetch_voice(shelf, "anna.wav", LIMIT) == VoiceFile("anna.wav", *expected)


def test_a_clip_replaced_by_hand_loses_the_transcript(shelf: Shelf) -> None:
    store(shelf, "anna.wav", b"first", "one")
    put_earlier_voice(shelf, "anna.wav", b"longer than before")
    assert fetch_voice(shelf, "anna.wav", LIMIT) == VoiceFile("anna.wav", b"longer than before", None)
    assert [(voice.duration, voice.ref_text) for voice in list_voices(shelf)] == [(None, None)]
    put_earlier_voice(shelf, "anna.wav", b"same!")
    assert fetch_voice(shelf, "anna.wav", LIMIT).ref_text is None


@pytest.mark.parametrize(
    "sidecar",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'{"ref_text": "one"}',
        b'{"ref_text": 5, "duration": 1, "audio_sha256": "%b", "audio_size": 5}'
        % hashlib.sha256(b"first").hexdigest().encode(),
        b"x" * 300_000,
    ],
    ids=lambda data: repr(data[:20]),
)
def test_a_damaged_sidecar_costs_the_transcript_and_says_so(
    shelf: Shelf, sidecar: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    put_earlier_voice(shelf, "anna.wav", b"first")
    shelf.write("anna.wav.json", sidecar)
    assert fetch_voice(shelf, "anna.wav", LIMIT) == VoiceFile("anna.wav", b"first", None)
    assert [voice.name for voice in list_voices(shelf)] == ["anna.wav"]
    assert capsys.readouterr().out.count("the transcript of the voice 'anna.wav' is not used") == 2


def test_the_sidecar_names_its_clip(shelf: Shelf) -> None:
    store(shelf, "anna.wav", b"first", "one")
    assert json.loads(shelf.read("anna.wav.json", LIMIT)) == {
        "ref_text": "one",
        "duration": 1.5,
        "audio_sha256": hashlib.sha256(b"first").hexdigest(),
        "audio_size": 5,
    }


def test_a_clip_over_the_limit_is_refused(shelf: Shelf) -> None:
    put_earlier_voice(shelf, "anna.wav", b"12345")
    assert fetch_voice(shelf, "anna.wav", 5).data == b"12345"
    with pytest.raises(ReferenceClipError, match=r"'anna\.wav' has 5 bytes, more than the 4 allowed; .*MAX_REFERENCE_BYTES"):
        fetch_voice(shelf, "anna.wav", 4)


# ------------------------------------------------------------------------------------------------------------- finding by name


def test_a_name_without_extension_stands_for_the_only_voice_it_can_mean(shelf: Shelf) -> None:
    for name in ("anna.wav", "bob.mp3", "bob.flac", "dr.who.ogg", "annabel.wav"):
        store(shelf, name, name.encode(), f"I am {name}.")
    for stem, name in (("anna", "anna.wav"), ("dr.who", "dr.who.ogg"), ("annabel", "annabel.wav")):
        assert fetch_voice(shelf, stem, LIMIT) == VoiceFile(name, name.encode(), f"I am {name}.")
    with pytest.raises(InputError, match=r"local_voice='bob' could be bob\.flac or bob\.mp3; name one of them") as caught:
        fetch_voice(shelf, "bob", LIMIT)
    assert not isinstance(caught.value, NotFoundError)
    for stem in ("dr", "ann", "who", "anna.wav.json"):
        with pytest.raises(NotFoundError):
            fetch_voice(shelf, stem, LIMIT)


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("ana.wav", r"did you mean anna\.wav"),
        ("Anna.wav", r"did you mean anna\.wav"),
        ("anna.mp3", r"did you mean anna\.wav"),
        ("ana", r"did you mean anna\.wav"),
        ("narrator", r"did you mean narrator-deep-male-2\.wav"),
        ("zzz", r"\(2 others are stored, see list_voices\); upload it first"),
        ("../anna.wav", "is not a stored voice"),
        ("\0.wav", "is not a stored voice"),
        ("\ud800.wav", "is not a stored voice"),
        ("", "is not a stored voice"),
        ("x" * 5_000, "is not a stored voice"),
        ("x" * 5_000 + ".wav", "is not a stored voice"),
    ],
)
def test_a_missing_voice_is_told_with_the_near_names(shelf: Shelf, asked: str, hint: str) -> None:
    store(shelf, "anna.wav")
    store(shelf, "narrator-deep-male-2.wav")
    with pytest.raises(NotFoundError, match=rf"^local_voice='[^']*'.*{hint}") as caught:
        fetch_voice(shelf, asked, LIMIT)
    assert caught.value.details["field"] == "local_voice"
    assert len(caught.value.message) < 300
    with pytest.raises(NotFoundError, match=rf"^voice_name='[^']*'.*{hint}"):
        delete_voice(shelf, asked)
    assert len(list_voices(shelf)) == 2


def test_a_missing_voice_in_an_empty_store(shelf: Shelf) -> None:
    assert list_voices(shelf) == []
    with pytest.raises(NotFoundError, match=r"\(none is stored\); upload it first"):
        fetch_voice(shelf, "anna.wav", LIMIT)


def test_deleting_takes_the_sidecar_along(shelf: Shelf) -> None:
    store(shelf, "anna.wav", b"x", "one")
    store(shelf, "bob.wav", b"x", "two")
    delete_voice(shelf, "anna.wav")
    assert keys(shelf) == ["bob.wav", "bob.wav.json"]
    with pytest.raises(NotFoundError):
        delete_voice(shelf, "anna.wav")
    store(shelf, "anna.wav", b"x", None)
    assert fetch_voice(shelf, "anna.wav", LIMIT).ref_text is None


# --------------------------------------------------------------------------------------------------------------------- listing


def test_the_listing_has_every_voice_and_nothing_else(shelf: Shelf) -> None:
    """More than the 1,000 keys of one page, every extension, and what does not belong there."""
    plain = [f"voice{number:04}.{extension}" for number in range(60) for extension in VOICE_CONTENT_TYPES]
    others = ["readme.txt", ".hidden.wav", "orphan.wav.json", "noextension", "wav"]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: put_earlier_voice(shelf, name), [*plain, *others]))
        list(pool.map(lambda name: store(shelf, name, b"new", f"I am {name}."), plain[::50]))
    listed = list_voices(shelf)
    assert len(plain) > 1_000
    assert [voice.name for voice in listed] == sorted(plain)
    for voice in listed:
        told = voice.name in plain[::50]
        assert (voice.duration, voice.ref_text) == ((1.5, f"I am {voice.name}.") if told else (None, None))


@given(limit=st.integers(1, 40), max_bytes=st.integers(1, 4_000))
@settings(max_examples=30, suppress_health_check=list(HealthCheck))
def test_pages_hold_every_voice_once_and_never_too_much(tmp_path: Path, limit: int, max_bytes: int) -> None:
    shelf = FolderShelf.on_volume(tmp_path)
    if not keys(shelf):
        for number in range(30):
            store(shelf, f"voice{number:02}.wav", text="é" * number)
    pages: list[list[StoredVoice]] = []
    more = True
    while more:
        page, more = list_page(shelf, pages[-1][-1].name if pages else None, limit, max_bytes)
        assert 1 <= len(page) <= limit
        size = len(json.dumps([voice.answer() for voice in page], ensure_ascii=False).encode())
        assert len(page) == 1 or size <= max_bytes
        pages.append(page)
    assert [voice for page in pages for voice in page] == list_voices(shelf)
    assert list_page(shelf, pages[-1][-1].name) == ([], False)


@given(st.text(st.characters(codec="utf-8"), max_size=300))
@settings(max_examples=20, suppress_health_check=list(HealthCheck))
def test_any_transcript_comes_back(shelf: Shelf, text: str) -> None:
    store(shelf, "anna.wav", b"RIFF", text)
    assert fetch_voice(shelf, "anna.wav", LIMIT).ref_text == text


# ---------------------------------------------------------------------------------------------------------------------- faults


def test_a_store_that_cannot_be_reached_is_no_missing_voice(s3_server: S3Server, s3_config: S3Config) -> None:
    for config, error in (
        (replace(s3_config, endpoint_url=refused_endpoint()), StorageUnreachableError),
        (replace(s3_config, secret_access_key="wrong"), StorageDeniedError),
        (s3_server.config(bucket="no-such-bucket"), BucketNotFoundError),
    ):
        for call in (
            lambda c: fetch_voice(c, "anna.wav", LIMIT),
            lambda c: fetch_voice(c, "anna", LIMIT),
            lambda c: delete_voice(c, "anna.wav"),
            list_voices,
            lambda c: store(c, "anna.wav"),
            lambda c: store(c, "anna.wav", overwrite=False),
        ):
            with pytest.raises(error):
                call(BucketShelf(config))


def test_reading_is_enough_to_fetch_and_list(s3_server: S3Server, s3_config: S3Config) -> None:
    reader = BucketShelf(s3_server.reader(prefix=s3_config.prefix))
    store(BucketShelf(s3_config), "anna.wav", b"first", "one")
    put_earlier_voice(BucketShelf(s3_config), "bob.wav")
    assert fetch_voice(reader, "anna.wav", LIMIT).ref_text == "one"
    assert fetch_voice(reader, "bob.wav", LIMIT).ref_text is None
    assert len(list_voices(reader)) == 2
    with pytest.raises(StorageDeniedError):
        store(reader, "anna.wav", b"second", "two")
    with pytest.raises(StorageDeniedError):
        delete_voice(reader, "anna.wav")
    assert fetch_voice(reader, "anna.wav", LIMIT) == VoiceFile("anna.wav", b"first", "one")


def test_a_store_that_breaks_off_in_mid_upload_keeps_the_old_voice(s3_server: S3Server, s3_config: S3Config) -> None:
    store(BucketShelf(s3_config), "anna.wav", b"first", "one")
    with cutting_proxy(s3_server.port, sent=200_000) as endpoint, pytest.raises(StorageError):
        store(BucketShelf(replace(s3_config, endpoint_url=endpoint)), "anna.wav", b"x" * 1_000_000, "two")
    assert fetch_voice(BucketShelf(s3_config), "anna.wav", LIMIT) == VoiceFile("anna.wav", b"first", "one")
    assert len(list_voices(BucketShelf(s3_config))) == 1


def test_nothing_of_it_is_logged(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    store(shelf, "anna.wav", b"first", "a private transcript")
    fetch_voice(shelf, "anna.wav", LIMIT)
    list_voices(shelf)
    delete_voice(shelf, "anna.wav")
    assert "private" not in "".join(capsys.readouterr())
