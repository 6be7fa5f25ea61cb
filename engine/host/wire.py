"""The host's end of the frame protocol: lines become frames, and nothing that a hostile worker sends becomes more."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

from pydantic import ValidationError

from engine.model.errors import WorkerError
from engine.model.frames import MAX_FRAME, HostFrame, WorkerFrame, worker_frame
from engine.model.text import one_line

_AHEAD = 256 * 1024  # bytes of whole lines that may wait for whoever reads the frames


class Wire(asyncio.Protocol):
    """A connection to a worker. Reads ahead a little, never more than one frame and 256 KB."""

    def __init__(self) -> None:
        self._partial = bytearray()
        self._lines: deque[bytes] = deque()
        self._ahead = 0
        self._ended = False
        self._broken: str | None = None
        self._news = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._finishing = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._unyielding = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        first, *others = data.split(b"\n")
        self._partial += first
        for part in others:
            self._lines.append(bytes(self._partial))
            self._ahead += len(self._partial)
            self._partial = bytearray(part)
        if max((len(self._partial), *map(len, self._lines))) > MAX_FRAME:
            self._break(f"it sent a line of more than {MAX_FRAME // 1024 // 1024} MB")
        elif self._ahead > _AHEAD and not self._finishing and self._transport is not None:
            self._transport.pause_reading()
        self._news.set()

    def eof_received(self) -> bool:
        self._end()
        return not self._finishing  # a worker that has closed its side may still listen

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        self._transport = None
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def send(self, frame: HostFrame) -> None:
        """Send a frame. One that a worker that is gone would not read is dropped: the frames' end says so."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame.model_dump_json().encode() + b"\n")
            await self._writable.wait()

    async def receive(self) -> WorkerFrame | None:
        """The next frame, or None when the worker has closed its side.

        Raises:
            WorkerError: what came is no frame.
        """
        while not self._lines and not self._ended and not self._broken:
            self._unyielding = 0
            self._news.clear()
            await self._news.wait()
        if self._broken:
            raise WorkerError(f"the worker broke the protocol: {self._broken}", _HINT)
        if not self._lines:
            if self._partial:
                raise WorkerError("the worker broke the protocol: it stopped in the middle of a frame", _HINT)
            return None
        line = self._lines.popleft()
        self._ahead -= len(line)
        if self._ahead <= _AHEAD and self._transport is not None and not self._ended:
            self._transport.resume_reading()
        self._unyielding += 1
        if self._unyielding >= 64:  # a worker that never stops talking must not keep the loop
            self._unyielding = 0
            await asyncio.sleep(0)
        try:
            return worker_frame.validate_json(line)
        except ValidationError as error:
            self._break(_what_is_wrong(line, error))
            raise WorkerError(f"the worker broke the protocol: {self._broken}", _HINT) from None

    def finish(self) -> None:
        """The worker is gone: read what it still sent, which is no more than a socket holds, then close."""
        self._finishing = True
        if self._transport is not None:
            if self._ended or self._broken:
                self._transport.close()
            else:
                self._transport.resume_reading()

    def close(self) -> None:
        """Close both ways; the worker sees it."""
        if self._transport is not None:
            self._transport.close()
        self._end()

    def _break(self, what: str) -> None:
        self._broken = what
        self._lines.clear()
        self._partial.clear()
        self._ahead = 0
        if self._transport is not None:
            self._transport.pause_reading()

    def _end(self) -> None:
        self._ended = True
        self._news.set()


_HINT = "It was stopped. Redo the step; if this comes again, it is a defect of the program."


def _what_is_wrong(line: bytes, error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    shown = one_line(line[:120].decode("utf-8", errors="replace"), 80)
    return f"{shown!r} is no frame ({one_line(where + ': ' if where else '', 60)} {one_line(first['msg'], 120)})"
