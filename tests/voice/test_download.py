"""Downloads against a local server that misbehaves in every way, and base64."""

import base64
import socket
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runpod.serverless.utils import rp_ssrf

from f5_worker.errors import ReferenceClipError
from f5_worker.urls import host_of
from f5_worker.voice.download import decode_base64, fetch_url
from f5_worker.voice.share_links import direct_link
from tests.support.sounds import HTML_PAGE

CLIP = bytes(range(256)) * 400
CAP = 1_000_000
SECRET = "X-Amz-Signature=topsecret"


@dataclass
class Server:
    """What the handlers below share: where they listen, what they sent, and the end of the test."""

    port: int
    sent: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://user:topsecret@{host}:{self.port}/{path}?{SECRET}"


class _Handler(BaseHTTPRequestHandler):
    shared: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        name = self.path.lstrip("/").split("?")[0]
        try:
            getattr(self, f"serve_{name.split('-')[0]}")(*name.split("-")[1:])
        except OSError:  # the client has gone, as it should
            self.close_connection = True

    def serve_clip(self) -> None:
        self._head(200, {"Content-Length": str(len(CLIP))})
        self.wfile.write(CLIP)

    def serve_page(self) -> None:
        self._head(200, {"Content-Length": str(len(HTML_PAGE)), "Content-Type": "text/html"})
        self.wfile.write(HTML_PAGE)

    def serve_status(self, code: str) -> None:
        self._head(int(code), {"Content-Length": "0"})

    def serve_redirect(self, host: str, path: str) -> None:
        self._head(302, {"Location": f"http://{host}:{self.shared.port}/{path}?{SECRET}", "Content-Length": "0"})

    def serve_nowhere(self) -> None:
        self._head(302, {"Content-Length": "0"})

    def serve_loop(self) -> None:
        self._head(302, {"Location": "/loop", "Content-Length": "0"})

    def serve_announced(self) -> None:
        self._head(200, {"Content-Length": str(200 * 2**20)})
        self._send_200_mb()

    def serve_endless(self) -> None:
        self._head(200, {"Connection": "close"})
        self._send_200_mb()

    def serve_short(self) -> None:
        self._head(200, {"Content-Length": str(len(CLIP)), "Connection": "close"})
        self.wfile.write(CLIP[:1000])
        self.close_connection = True

    def serve_drip(self, length: str) -> None:
        self._head(200, {"Content-Length": length} if length != "none" else {"Connection": "close"})
        self._drip(b"x")

    def serve_chunkdrip(self) -> None:
        self._head(200, {"Transfer-Encoding": "chunked"})
        self._drip(b"1\r\nx\r\n")

    def serve_headerdrip(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        self._drip(b"x")

    def serve_mute(self) -> None:
        self.shared.ended.wait(30)

    def serve_garbage(self) -> None:
        self.wfile.write(b"\x00\x01 this is no HTTP\r\n\r\n")
        self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        pass

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_200_mb(self) -> None:
        block = bytes(64 * 1024)
        for _ in range(200 * 16):
            self.wfile.write(block)
            self.shared.sent += len(block)

    def _drip(self, piece: bytes) -> None:
        for _ in range(600):  # an end, so that a reader without a limit fails a test instead of hanging it
            if self.shared.ended.wait(0.05):
                return
            self.wfile.write(piece)
            self.wfile.flush()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS", "true")
    httpd = ThreadingHTTPServer(("0.0.0.0", 0), _Handler)
    shared = Server(httpd.server_address[1])
    httpd.RequestHandlerClass = type("Handler", (_Handler,), {"shared": shared})
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield shared
    shared.ended.set()
    httpd.shutdown()
    httpd.server_close()
    thread.join()
    for other in threading.enumerate():
        if other.name == "reference download":
            other.join(10)
            assert not other.is_alive(), "a download went on after its server had ended"


def _refused(url: str, *, max_bytes: int = CAP, timeout: float = 10.0, field: str = "local_voice") -> str:
    with pytest.raises(ReferenceClipError) as caught:
        fetch_url(url, max_bytes=max_bytes, timeout=timeout, field=field)
    message = caught.value.message
    assert message.startswith(f"{field}")
    assert caught.value.details["field"] == field
    assert "secret" not in str(caught.value.answer()).lower()
    assert "secret" not in "".join(traceback.format_exception(caught.value)).lower()
    assert "X-Amz" not in message
    return message


def test_fetches_what_is_there(server: Server) -> None:
    assert fetch_url(server.url("clip"), max_bytes=len(CLIP), timeout=10) == CLIP
    assert fetch_url(server.url("redirect-127.0.0.1-clip"), max_bytes=len(CLIP), timeout=10) == CLIP
    assert fetch_url(f"  {server.url('clip')}\n", max_bytes=CAP, timeout=10) == CLIP


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("status-401", "HTTP status 401; the URL needs a login"),
        ("status-403", "HTTP status 403; access is denied"),
        ("status-404", "HTTP status 404; there is no such file"),
        ("status-204", "HTTP status 204"),
        ("status-500", "HTTP status 500"),
        ("loop", "redirects too often"),
        ("nowhere", "redirects to nowhere"),
        ("short", "connection broke before the file was complete"),
        ("garbage", "no connection"),
    ],
)
def test_says_what_the_server_did(server: Server, path: str, said: str) -> None:
    message = _refused(server.url(path), field="voice_file_url")
    assert said in message
    assert "from 127.0.0.1 failed" in message


@pytest.mark.parametrize("path", ["page", "redirect-127.0.0.1-page"])
@pytest.mark.parametrize("field", ["local_voice", "voice_file_url"])
def test_a_page_is_no_file(server: Server, path: str, field: str) -> None:
    message = _refused(server.url(path), field=field)
    assert "leads to a web page on 127.0.0.1, not to a file; use the address of the file itself" in message


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("drive.google.com", "uc?export=download&id="),
        ("docs.google.com", "uc?export=download&id="),
        ("www.dropbox.com", "dl=1"),
        ("1drv.ms", "Download"),
        ("onedrive.live.com", "Download"),
        ("some-my.sharepoint.com", "&download=1"),
        ("www.youtube.com", "send the audio file itself"),
        ("youtu.be", "send the audio file itself"),
        ("github.com", "raw.githubusercontent.com"),
        ("huggingface.co", "/resolve/"),
        ("notdropbox.com", "the file itself"),
    ],
)
def test_a_share_links_page_is_left_by_its_direct_link(host: str, said: str) -> None:
    assert said in direct_link(host)


def test_stops_at_the_cap_without_reading_all(server: Server) -> None:
    assert "larger than 0.954 MB" in _refused(server.url("announced"))
    assert "larger than 0.954 MB" in _refused(server.url("endless"))
    server.ended.wait(0.3)
    assert server.sent < 30 * 2**20  # the cap and what lay in the sockets' buffers, of 400 MB


@pytest.mark.parametrize("path", ["drip-1000", "drip-none", "chunkdrip", "headerdrip", "mute"])
def test_the_time_limit_is_for_all_of_it(server: Server, path: str) -> None:
    message = _refused(server.url(path), timeout=0.6)
    assert "longer than 0.6 s" in message or "does not answer in time" in message


def test_a_slow_name_lookup_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def slow(*_arguments: object, **_options: object) -> list[object]:
        released.wait(10)
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    assert "longer than 0.3 s" in _refused("https://slow.example.com/a.wav", timeout=0.3)
    released.set()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1/a.wav", "not public"),
        ("http://169.254.169.254/latest/meta-data", "not public"),
        ("http://[::1]/a.wav", "not public"),
        ("http://10.0.0.1:8080/a.wav", "not public"),
        ("http://localhost/a.wav", "not public"),
        ("http://no-such-host.invalid/a.wav", "does not resolve"),
    ],
)
def test_private_addresses_are_refused(monkeypatch: pytest.MonkeyPatch, url: str, said: str) -> None:
    for name in ("RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert said in _refused(url)


def test_a_redirect_to_a_private_address_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS")
    monkeypatch.setenv("no_proxy", "*")
    checked = rp_ssrf.is_safe_address
    monkeypatch.setattr(rp_ssrf, "is_safe_address", lambda ip: ip == "127.0.0.1" or checked(ip))
    assert fetch_url(server.url("clip"), max_bytes=CAP, timeout=10) == CLIP
    assert "not public" in _refused(server.url("redirect-127.0.0.2-clip"))


def test_a_proxy_that_would_undo_the_guard_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("https_proxy", "http://topsecret@127.0.0.1:9")
    assert "proxy" in _refused("https://example.com/a.wav")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "anna.wav",
        "ftp://example.com/a.wav",
        "file:///etc/passwd",
        "http://",
        "https:///a.wav",
        "http://a:99999/",
        "http://[::1",
    ],
)
def test_what_is_no_url_is_refused_before_anything_is_done(url: str) -> None:
    assert host_of(url) is None
    assert "http:// or https://" in _refused(url)


@pytest.mark.parametrize("host", ["a" * 70 + ".com", "exa mple.com", "ex\u0000ample.com", "xn--", "-.-", "é" * 64])
def test_odd_host_names_are_an_error_of_ours(host: str) -> None:
    _refused(f"https://{host}/a.wav?{SECRET}", timeout=5)


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS", "true")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert "no connection" in _refused(f"http://127.0.0.1:{unused.getsockname()[1]}/a.wav?{SECRET}")


def test_host_of_shows_the_host_alone() -> None:
    assert host_of("HTTPS://user:topsecret@Example.com:8443/a/b.wav?key=1#x") == "example.com"


@given(st.binary(min_size=1, max_size=200), st.integers(1, 80), st.booleans())
def test_base64_comes_back(data: bytes, width: int, as_url: bool) -> None:
    text = base64.b64encode(data).decode()
    lines = "\r\n".join(text[start : start + width] for start in range(0, len(text), width))
    sent = f" data:audio/wav;base64,{lines}\n" if as_url else f"\n{lines}\t"
    assert decode_base64(sent, max_bytes=len(data)) == data
    with pytest.raises(ReferenceClipError, match="more than"):
        decode_base64(sent, max_bytes=len(data) - 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("data:audio/wav;base64,", "empty"),
        ("data:audio/wav,abcd", "without base64"),
        ("data:audio/wav;base64", "without base64"),
        ("not base64!", "not base64"),
        ("YWJj-_==", "not base64"),
        ("YWJ", "not base64"),
        ("YW=Jj", "not base64"),
        ("YWJjé===", "not base64"),
        ("https://example.com/a.wav", "not base64"),
        ("=" * 8, "not base64"),
    ],
)
def test_base64_is_strict(text: str, said: str) -> None:
    with pytest.raises(ReferenceClipError) as caught:
        decode_base64(text, max_bytes=CAP, field="voice_base64")
    assert said in caught.value.message
    assert caught.value.message.startswith("voice_base64 ")
    assert caught.value.details == {"field": "voice_base64"}


def test_base64_is_measured_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = count()
    monkeypatch.setattr(base64, "b64decode", lambda *_arguments, **_options: next(calls))
    with pytest.raises(ReferenceClipError, match=r"more than the 0\.954 MB allowed"):
        decode_base64("A" * 4 * CAP, max_bytes=CAP)
    assert next(calls) == 0
