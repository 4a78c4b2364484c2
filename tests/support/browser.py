"""A real, headless Chromium, driven through the WebDriver protocol (W3C).

    with Browser(folder) as browser:
        browser.open(url)

chromedriver is asked over HTTP; Debian has both (``apt-get install chromium chromium-driver``).
"""

import base64
import json
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from tests import PATIENCE, wait_until
from tests.support.ports import reserved_ports

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
HAS_BROWSER = CHROMIUM is not None and DRIVER is not None
WHY_NOT = "needs Debian's packages chromium and chromium-driver"

_ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
)
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the specification's name for a reference to one


class Browser:
    """One window. ``recording`` is a WAV file that its microphone hears."""

    def __init__(self, folder: Path, recording: Path | None = None) -> None:
        self.downloads = folder / "downloads"
        self._arguments = [*_ARGUMENTS, f"--user-data-dir={folder / 'profile'}"]
        if recording is not None:
            self._arguments.append(f"--use-file-for-fake-audio-capture={recording}")

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            (port,) = undo.enter_context(reserved_ports(1))
            driver = subprocess.Popen([str(DRIVER), f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            undo.callback(driver.wait)
            undo.callback(driver.terminate)
            self._url = f"http://127.0.0.1:{port}"
            wait_until(self._is_up)
            options = {"binary": CHROMIUM, "args": self._arguments}
            asked = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}}
            self._url += f"/session/{self._call('POST', '/session', asked)['sessionId']}"
            undo.callback(lambda: self._call("DELETE", ""))
            self._devtools("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))
            self._undo = undo.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._undo.__exit__(kind, error, trace)

    def open(self, url: str) -> None:
        """Load a page."""
        self._call("POST", "/url", {"url": url})

    def run(self, script: str, *arguments: object) -> Any:
        """The value that a function's body returns; a promise is waited for."""
        return self._call("POST", "/execute/sync", {"script": script, "args": arguments})

    def click(self, selector: str) -> None:
        """As with a mouse: what is hidden or covered cannot be clicked."""
        self._call("POST", f"/element/{self._find(selector)}/click", {})

    def type(self, selector: str, text: str) -> None:
        """Type into a field, in place of what is there; the path of a file into a file field."""
        element = self._find(selector)
        if self.run("return document.querySelector(arguments[0]).type", selector) != "file":
            self._call("POST", f"/element/{element}/clear", {})
        self._call("POST", f"/element/{element}/value", {"text": text})

    def press(self, keys: Sequence[str]) -> None:
        """Press and release keys, one after the other, wherever the focus is."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def choose(self, selector: str, value: str) -> None:
        """Choose an option by its value."""
        self.click(f"{selector} option[value='{value}']")

    def text(self, selector: str) -> str:
        """What is seen of an element."""
        return str(self._call("GET", f"/element/{self._find(selector)}/text"))

    def is_shown(self, selector: str) -> bool:
        """Whether an element is seen."""
        return bool(self._call("GET", f"/element/{self._find(selector)}/displayed"))

    def resize(self, width: int, height: int) -> None:
        """Of the window, in pixels."""
        self._call("POST", "/window/rect", {"width": width, "height": height})

    def screenshot(self, path: Path) -> None:
        """A PNG of the window."""
        path.write_bytes(base64.b64decode(self._call("GET", "/screenshot")))

    def complaints(self) -> list[str]:
        """What the console has to complain about, since the last time."""
        entries = self._call("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]

    def dark(self, dark: bool) -> None:
        """Prefer dark colours."""
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._devtools("Emulation.setEmulatedMedia", features=features)

    def _devtools(self, command: str, **parameters: object) -> None:
        """What WebDriver lacks: a command of Chromium's own protocol."""
        self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _find(self, selector: str) -> str:
        return str(self._call("POST", "/element", {"using": "css selector", "value": selector})[_ELEMENT])

    def _is_up(self) -> bool:
        try:
            return bool(self._call("GET", "/status")["ready"])
        except requests.ConnectionError:
            return False

    def _call(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body)
        response = requests.request(method, self._url + path, data=data, timeout=PATIENCE)
        value = response.json()["value"]
        if response.status_code != 200:
            raise AssertionError(f"{value['error']}: {value['message'].splitlines()[0]}")
        return value
