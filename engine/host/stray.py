"""What a worker prints outside its frames: read as it comes, kept in bounds, shown as text that is safe."""

from __future__ import annotations

import asyncio
import os
from collections import deque

from engine.model.text import clean

KEPT = 64 * 1024  # bytes of all streams of one worker together


class _Stream(asyncio.Protocol):
    """One stream: its beginning and its end are kept, what lies between is counted."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._dropped = 0
        self.closed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        room = self._limit // 4 - len(self._head)
        self._head += data[:room] if room > 0 else b""
        rest = data[max(room, 0) :]
        if not rest:
            return
        self._tail.append(rest)
        self._tail_size += len(rest)
        most = self._limit - self._limit // 4
        while self._tail_size - len(self._tail[0]) >= most:
            gone = len(self._tail.popleft())
            self._tail_size -= gone
            self._dropped += gone

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()

    @property
    def text(self) -> str:
        """What was kept."""
        most = self._limit - self._limit // 4
        tail = b"".join(self._tail)
        dropped = self._dropped + max(0, len(tail) - most)
        tail = tail[-most:]
        between = f"\n… [{dropped} bytes more] …\n".encode() if dropped else b""
        return clean((bytes(self._head) + between + tail).decode("utf-8", errors="replace"))


class Stray:
    """The stray output of one process."""

    def __init__(self) -> None:
        self._streams: list[_Stream] = []
        self._transports: list[asyncio.ReadTransport] = []

    async def capture(self, streams: int = 2) -> list[int]:
        """Make pipes, read from them from now on, and return their writing ends, which the caller must close."""
        writing: list[int] = []
        loop = asyncio.get_running_loop()
        for _ in range(streams):
            reading, end = os.pipe()
            writing.append(end)
            transport, stream = await loop.connect_read_pipe(
                lambda: _Stream(KEPT // streams), os.fdopen(reading, "rb", buffering=0)
            )
            self._transports.append(transport)
            self._streams.append(stream)
        return writing

    async def finish(self, patience: float = 0.5) -> str:
        """Wait until the streams have ended, `patience` seconds at most; all that was kept."""
        try:
            async with asyncio.timeout(patience):
                for stream in self._streams:
                    await stream.closed.wait()
        except TimeoutError:
            pass
        self.close()
        return self.text

    def close(self) -> None:
        """Stop reading."""
        for transport in self._transports:
            transport.close()

    @property
    def text(self) -> str:
        """What was kept so far, stream by stream, cleaned."""
        return "\n".join(text for stream in self._streams if (text := stream.text.strip("\n")))
