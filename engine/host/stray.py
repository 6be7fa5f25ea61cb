"""What a worker prints outside its frames: read as it comes, kept in bounds, shown as text that is safe."""

from __future__ import annotations

import asyncio
import os

from engine.model.bounded import HeadTail
from engine.model.text import clean

KEPT = 64 * 1024  # bytes of all streams of one worker together


class _Stream(asyncio.Protocol):
    """One stream."""

    def __init__(self, limit: int) -> None:
        self.kept = HeadTail(limit // 4, limit - limit // 4)
        self.closed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.kept.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()


class Stray:
    """The stray output of one process."""

    def __init__(self) -> None:
        self._streams: list[_Stream] = []
        self._transports: list[asyncio.ReadTransport] = []

    async def capture(self, streams: int = 2) -> list[int]:
        """Make pipes, read from them from now on, and return their writing ends, which the caller must close."""
        writing: list[int] = []
        loop = asyncio.get_running_loop()
        try:
            for _ in range(streams):
                reading, end = os.pipe()
                writing.append(end)
                transport, stream = await loop.connect_read_pipe(
                    lambda: _Stream(KEPT // streams), os.fdopen(reading, "rb", buffering=0)
                )
                self._transports.append(transport)
                self._streams.append(stream)
        except BaseException:
            for end in writing:
                os.close(end)
            raise
        return writing

    async def finish(self, patience: float = 0.5) -> str:
        """Wait for the streams to end, `patience` seconds at most; all that was kept, cleaned, stream by stream."""
        try:
            async with asyncio.timeout(patience):
                for stream in self._streams:
                    await stream.closed.wait()
        except TimeoutError:
            pass
        self.close()
        return "\n".join(text for stream in self._streams if (text := clean(stream.kept.text()).strip("\n")))

    def close(self) -> None:
        """Stop reading."""
        for transport in self._transports:
            transport.close()
