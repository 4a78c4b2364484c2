"""Ports for servers that open them by themselves, so that a test can only tell them a number.

A port that was free a moment ago may be somebody's by the time the server opens it. These lie below the range from which the
system takes ports for outgoing connections, and a lock keeps the test runs of one machine away from each other's.
"""

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def reserved_ports(count: int, *, companion: int = 0) -> Iterator[list[int]]:
    """Free TCP ports of 127.0.0.1, in no other test run's hands until the ``with`` block ends.

    ``companion`` is the distance to a second port that the server opens for each of them; it is free too.
    """
    with ExitStack() as locks:
        found: list[int] = []
        while len(found) < count:
            port = random.randrange(10_000, 22_000)
            # A name in the kernel's own namespace: it goes with its process, whatever ends that.
            lock = socket.socket(socket.AF_UNIX)
            try:
                lock.bind(f"\0f5-tts-worker-test-port-{port}")
            except OSError:
                lock.close()
                continue
            locks.callback(lock.close)
            if _is_free(port) and _is_free(port + companion):
                found.append(port)
        yield found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
