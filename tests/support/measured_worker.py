"""The worker with a gauge on its heap: ``handler.main()``, and a socket that says how many bytes are in use.

    python -m tests.support.measured_worker --rp_serve_api ...

``GAUGE`` names a variable with the socket's path, ``LEAK`` one with a leak in bytes a job, which a test of the heap must find.
"""

import ctypes
import gc
import os
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

GAUGE = "TEST_HEAP_GAUGE"
LEAK = "TEST_HEAP_LEAK"
COUNTED: Mapping[str, str] = {"PYTHONMALLOC": "malloc", "MALLOC_ARENA_MAX": "1"}
"""The environment in which the gauge sees every object: Python's own allocator takes its memory from the system, past glibc."""


class _Heap(ctypes.Structure):
    """glibc's ``struct mallinfo2``."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    ]


def used_bytes() -> int:
    """Bytes that this process has allocated and not freed, on the heap and in mappings of their own.

    The allocator's free lists do not count; resident memory mixes them in.
    """
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = _Heap
    for _ in range(2):  # what a finalizer lets go of is unreachable only after the first
        gc.collect()
    heap = mallinfo2()
    return int(heap.uordblks) + int(heap.hblkhd)


def read_gauge(path: Path) -> int:
    """``used_bytes()`` of the worker whose ``GAUGE`` is ``path``."""
    with socket.socket(socket.AF_UNIX) as gauge:
        gauge.connect(str(path))
        with gauge.makefile("r", encoding="ascii") as answer:
            return int(answer.read())


def _answer_readers(gauge: socket.socket) -> None:
    while True:
        with gauge.accept()[0] as reader:
            reader.sendall(str(used_bytes()).encode("ascii"))


def main() -> None:
    """Run the worker."""
    gauge = socket.socket(socket.AF_UNIX)
    gauge.bind(os.environ[GAUGE])
    gauge.listen()
    threading.Thread(target=_answer_readers, args=(gauge,), name="heap-gauge", daemon=True).start()

    import handler
    from f5_worker.sdk import runpod

    leak, kept, start = int(os.environ[LEAK]), [], runpod.serverless.start

    def start_leaking(config: dict[str, Any]) -> None:
        async def leaking(job: dict[str, Any]) -> Any:
            kept.append(bytearray(leak))
            return await config["handler"](job)

        start({**config, "handler": leaking})

    if leak:
        runpod.serverless.start = start_leaking
    handler.main()


if __name__ == "__main__":
    main()
