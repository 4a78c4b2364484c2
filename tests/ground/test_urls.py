"""Which URLs are usable, and that nothing secret of them is shown."""

import pytest

from f5_worker.urls import host_of, service_url

NO_URLS = ["", "h", "ftp://h/a", "file:///etc/passwd", "http://", "https:///a", "http://h:99999", "http://[::1"]


@pytest.mark.parametrize("url", NO_URLS)
def test_what_is_no_url(url: str) -> None:
    assert host_of(url) is None
    assert service_url(url) is None


@pytest.mark.parametrize("url", ["https://h", "HTTPS://H/", " http://u:secret@H:8443/a?key=secret#secret "])
def test_the_host_alone_is_shown(url: str) -> None:
    assert host_of(url) == "h"


@pytest.mark.parametrize(
    ("url", "service"),
    [
        ("https://h/", "https://h"),
        ("http://h:9000/path/", "http://h:9000/path"),
        ("https://u:p@h", None),
        ("https://h?a=1", None),
        ("https://h#a", None),
    ],
)
def test_a_service_has_neither_login_nor_query(url: str, service: str | None) -> None:
    assert service_url(url) == service
