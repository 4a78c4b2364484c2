"""A TCP proxy that delivers every byte a fixed time later: ``python slow_link.py LISTEN_HOST TARGET_HOST PORT SECONDS``."""

import contextlib
import queue
import socket
import sys
import threading
import time


def carry(source: socket.socket, target: socket.socket, delay: float) -> None:
    """Carry one direction until its sender ends it. Threads: an event loop sleeps whole milliseconds."""
    under_way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

    def deliver() -> None:
        data = b"..."
        while data:
            due, data = under_way.get()
            time.sleep(max(0.0, due - time.monotonic()))
            with contextlib.suppress(OSError):
                if data:
                    target.sendall(data)
                else:
                    target.shutdown(socket.SHUT_WR)

    threading.Thread(target=deliver, daemon=True).start()
    data = b"..."
    while data:
        try:
            data = source.recv(1 << 18)
        except ConnectionError:
            data = b""
        under_way.put((time.monotonic() + delay, data))


def main(listen: str, target: str, port: int, delay: float) -> None:
    """Serve until killed."""
    with socket.create_server((listen, port)) as server:
        while True:
            near = server.accept()[0]
            far = socket.create_connection((target, port))
            for source, sink in ((near, far), (far, near)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=carry, args=(source, sink, delay), daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
