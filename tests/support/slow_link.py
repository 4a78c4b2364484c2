"""A TCP proxy that delivers every byte a fixed time later: ``python slow_link.py LISTEN_HOST TARGET_HOST PORT SECONDS``."""

import asyncio
import sys
import time


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Carry one direction until its sender ends it."""
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if not data:
                writer.close()
                return
            writer.write(data)
            await writer.drain()

    delivery = asyncio.create_task(deliver())
    data = b"..."
    while data:
        try:
            data = await reader.read(1 << 18)
        except ConnectionError:
            data = b""
        under_way.put_nowait((time.monotonic() + delay, data))
    await delivery


async def main(listen: str, target: str, port: int, delay: float) -> None:
    """Serve until killed."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(target, port)
        await asyncio.gather(carry(reader, there[1], delay), carry(there[0], writer, delay), return_exceptions=True)

    async with await asyncio.start_server(connected, listen, port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
