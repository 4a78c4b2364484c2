"""The page in a real browser: a text, a voice that is recorded, sound, words that light up, errors that are seen."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from f5_worker.voice.builtin import builtin_voice
from tests import PATIENCE, REPOSITORY, wait_until
from tests.support.browser import HAS_BROWSER, WHY_NOT, Browser
from tests.support.http_front import SMOKE, HttpFront
from tests.support.processes import clean_environment

pytestmark = pytest.mark.skipif(not HAS_BROWSER, reason=WHY_NOT)

KEY = {"X-API-Key": "s3cret"}
TEXT = "Hello there, how are you? This is the second sentence."
PAGE = REPOSITORY / "f5_worker" / "front" / "page"
NOTE_WHAT_IS_LIT = """
window.lit = [];
const note = ({target}) => target.classList.contains("now") && lit.push(target.textContent);
new MutationObserver(changes => changes.forEach(note)).observe(spoken, {subtree: true, attributeFilter: ["class"]});
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpFront]:
    folder = tmp_path_factory.mktemp("page")
    (folder / "volume").mkdir()
    environment = clean_environment(folder, **SMOKE, NETWORK_VOLUME=str(folder / "volume"), API_KEY="s3cret")
    with HttpFront(env=environment, cwd=folder) as front:
        yield front.ready()


@pytest.fixture
def browser(server: HttpFront, tmp_path: Path) -> Iterator[Browser]:
    """The page, with the key given and a microphone that hears a voice."""
    (tmp_path / "said.wav").write_bytes(builtin_voice().data)
    with Browser(tmp_path, tmp_path / "said.wav") as browser:
        browser.open(server.url)
        wait_until(lambda: browser.is_shown("#key-form"))  # it asks for the voices, and needs one
        browser.type("#key", "s3cret")
        browser.click("#key-form button")
        wait_until(lambda: not browser.is_shown("#key-form") and browser.text("#state") == "Ready")
        browser.choose("#steps", "7")
        browser.complaints()
        yield browser
        assert browser.complaints() == []


def test_a_text_is_heard_and_its_words_light_up(browser: Browser) -> None:
    browser.run(NOTE_WHAT_IS_LIT)
    browser.type("#text", TEXT)
    browser.click("#speak")
    wait_until(lambda: browser.is_shown("#player"))
    wait_until(lambda: browser.run("return lit.length"))  # as the parts play: sentences, until the words' times are there
    assert browser.text("#spoken") == TEXT
    assert "smoke" in browser.text("#warnings")

    browser.click("#spoken .word:nth-of-type(2)")  # the whole file, from there
    wait_until(lambda: len({*browser.run("return lit")} & {*TEXT.split()}) >= 3)
    for name, beginning in {"speech.mp3": b"\xff", "speech.srt": b"1\n00", "speech.vtt": b"WEBVTT"}.items():
        browser.click(f"#downloads a[download='{name}']")
        wait_until((browser.downloads / name).exists)
        assert (browser.downloads / name).read_bytes().startswith(beginning)


def test_a_voice_is_recorded_spoken_with_and_stored(browser: Browser, server: HttpFront) -> None:
    browser.click("#record")
    wait_until(lambda: "(2 s)" in browser.text("#record"))
    browser.click("#record")
    wait_until(lambda: browser.is_shown("#clip-player"))
    browser.type("#ref-text", "What the clip says.")
    browser.type("#text", "Hello.")
    browser.click("#speak")
    wait_until(lambda: browser.is_shown("#player"))
    assert not browser.is_shown("#error")

    browser.type("#voice-name", "mine")
    browser.click("#store-button")
    wait_until(lambda: browser.text("#progress") == "mine.webm is stored.")
    (stored,) = requests.get(f"{server.url}/voices", headers=KEY, timeout=PATIENCE).json()["voices"]
    assert (stored["name"], stored["ref_text"]) == ("mine.webm", "What the clip says.")
    assert browser.run("return document.getElementById('voice').value") == "voice:mine.webm"
    browser.click("#speak")
    wait_until(lambda: browser.is_shown("#player"))


def test_errors_are_seen_and_what_is_wrong_can_be_mended(browser: Browser) -> None:
    browser.type("#text", "?!")
    browser.click("#speak")
    wait_until(lambda: browser.is_shown("#error"))
    assert browser.text("#error").startswith("text has nothing that can be spoken")
    browser.complaints()  # Chromium notes each response that is an error
    browser.run("document.getElementById('text').value = 'word '.repeat(3_999)")
    browser.click("#speak")
    wait_until(lambda: "are made" in browser.text("#progress"))
    assert not browser.is_shown("#error")
    browser.click("#stop")
    assert browser.text("#progress") == ""
    assert browser.run("return ['speak', 'stop'].map(id => document.getElementById(id).disabled)") == [False, True]


def test_it_works_with_the_keyboard_alone_and_every_control_says_what_it_is(browser: Browser) -> None:
    browser.run("document.getElementById('text').focus()")
    controls = ["voice", "record", "file", "format", "speed", "steps", "seed", "words", "speak"]
    for control in controls:
        browser.press(["\ue004"])  # Tab
        assert browser.run("return document.activeElement.id") == control
    unnamed = """
    const named = control => control.ariaLabel || control.labels?.length || control.textContent.trim();
    return [...document.querySelectorAll("input, select, textarea, button, audio, a")].filter(each => !named(each)).length;
    """
    assert browser.run(unnamed) == 0
    browser.press(["\ue007"])  # Enter
    wait_until(lambda: browser.is_shown("#player"))


def test_it_fits_a_phone_in_both_lights(browser: Browser) -> None:
    browser.resize(360, 800)
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    grounds = set()
    for dark in (False, True):
        browser.dark(dark)
        grounds.add(browser.run("return getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == 2


def test_the_api_is_described_without_anything_from_elsewhere(browser: Browser, server: HttpFront) -> None:
    browser.open(f"{server.url}/docs")
    wait_until(lambda: "POST /v1/audio/speech" in browser.text("#routes"))
    shown = browser.text("#routes")
    for expected in (
        "POST /tts",
        "cross_fade_duration",
        "number, 0.25 to 4",
        "POST /voices",
        "multipart/form-data",
        "GET /ping",
    ):
        assert expected in shown
    browser.resize(360, 800)
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")


def test_nothing_of_it_comes_from_elsewhere() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in PAGE.iterdir())
    assert re.findall(r"(?:src|href)=\"[a-z]+:(?!,)|url\(|@import|import\(|from \"", text) == []
