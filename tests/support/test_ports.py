"""A reserved port is in nobody else's hands."""

import random
import socket

import pytest

from tests.support.ports import reserved_ports


@pytest.fixture
def draws(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ports that are drawn next."""
    with reserved_ports(3) as free:
        pass
    draws = list(free)
    monkeypatch.setattr(random, "randrange", lambda *_: draws.pop(0))
    return draws


def test_a_port_is_reserved_until_the_block_ends(draws: list[int]) -> None:
    first, second, _ = draws
    draws[:] = [first, first, second, first]
    with reserved_ports(1) as held, reserved_ports(1) as others:
        assert (held, others) == ([first], [second])
    with reserved_ports(1) as again:
        assert again == [first]


def test_a_port_that_is_open_or_whose_companion_is_gets_passed_over(draws: list[int]) -> None:
    first, second, third = draws
    with socket.create_server(("127.0.0.1", first)):
        draws[:] = [first, third]
        with reserved_ports(1) as found:
            assert found == [third]
        draws[:] = [first - 7, second]
        with reserved_ports(1, companion=7) as found:
            assert found == [second]
