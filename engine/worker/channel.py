"""The worker's end of the frame protocol: JSON lines over a pair of descriptors, in order, never blocking the loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from pydantic import BaseModel, ValidationError

from engine.model.frames import MAX_FRAME, Ack, Permit, Start, WorkerFrame, WorkerSpec, host_frame
from engine.model.text import one_line

_FULL = 1024 * 1024  # bytes that wait for the host, from which on `drain` waits
_PIECE = 256 * 1024  # bytes for one write, and for one read


class Refused(Exception):
    """The host did not take a frame, or is gone: nothing more that this worker does counts."""


class Channel:
    """Frames to and from the host. `lost` is called once, in the event loop, when the host's end has closed."""

    def __init__(self, incoming: int, outgoing: int, lost: Callable[[], None]) -> None:
        self._incoming, self._outgoing, self._lost = incoming, outgoing, lost
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._waiting = bytearray()
        self._blocked = False
        self._room, self._idle = asyncio.Event(), asyncio.Event()
        self._room.set()
        self._idle.set()
        self._last = 0
        self._pending: dict[int, asyncio.Future[Permit | None]] = {}
        self._spec: asyncio.Future[WorkerSpec] = self._loop.create_future()
        self._gone: str | None = None
        for descriptor in (incoming, outgoing):
            os.set_blocking(descriptor, False)
        self._loop.add_reader(incoming, self._read)

    async def start(self) -> WorkerSpec:
        """What the host wants done.

        Raises:
            Refused: the host is gone, or said something else.
        """
        return await self._spec

    def emit(self, frame: WorkerFrame) -> None:
        """Send a frame, behind all frames before it. What a host that is gone would not read is dropped.

        Raises:
            ValueError: the frame is larger than MAX_FRAME.
        """
        self._send(frame)

    async def commit(self, make: Callable[[int], WorkerFrame]) -> Permit | None:
        """Send the frame that `make` returns for its number, and wait until what it carries is durable; return how what
        it announces is to be done, where the host says so.

        Raises:
            Refused: the host refused it or is gone; with the reason.
            ValueError: the frame is larger than MAX_FRAME.
        """
        if self._gone is not None:
            raise Refused(self._gone)
        self._last += 1
        number = self._last
        acknowledged: asyncio.Future[Permit | None] = self._loop.create_future()
        self._pending[number] = acknowledged
        try:
            self._send(make(number))
            return await acknowledged
        finally:
            del self._pending[number]

    async def drain(self) -> None:
        """Wait while more than 1 MB waits for the host to read it."""
        await self._room.wait()

    async def close(self) -> None:
        """Send what still waits, then end this side; the host sees the end of the frames."""
        await self._idle.wait()
        self._gone = self._gone or "the worker has closed its side"
        self._stop_listening()
        for descriptor in {self._incoming, self._outgoing}:
            os.close(descriptor)

    def _send(self, frame: BaseModel) -> None:
        if self._gone is not None:
            return
        line = frame.model_dump_json().encode() + b"\n"
        if len(line) > MAX_FRAME:
            raise ValueError(f"a frame of {len(line):,} bytes is too large; at most {MAX_FRAME:,} can be sent")
        self._waiting += line
        self._idle.clear()
        if len(self._waiting) > _FULL:
            self._room.clear()
        if not self._blocked:
            self._flush()  # at once: the last words before a crash are the ones that matter

    def _flush(self) -> None:
        if self._gone is not None:
            return
        try:
            while self._waiting:
                with memoryview(self._waiting) as waiting, waiting[:_PIECE] as piece:
                    sent = os.write(self._outgoing, piece)
                del self._waiting[:sent]
        except BlockingIOError:
            if not self._blocked:
                self._blocked = True
                self._loop.add_writer(self._outgoing, self._flush)
        except OSError:
            self._end("the host no longer listens")
        else:
            if self._blocked:
                self._blocked = False
                self._loop.remove_writer(self._outgoing)
        if len(self._waiting) <= _FULL:
            self._room.set()
        if not self._waiting:
            self._idle.set()

    def _read(self) -> None:
        try:
            data = os.read(self._incoming, _PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end("the host is gone")
            return
        self._received += data
        *lines, rest = self._received.split(b"\n")
        self._received = rest
        for line in lines:
            try:
                self._take(bytes(line))
            except ValidationError as error:
                self._end(f"the host sent what is no frame: {one_line(str(error.errors()[0]['msg']))}")
                return

    def _take(self, line: bytes) -> None:
        frame = host_frame.validate_json(line)
        match frame:
            case Start():
                if not self._spec.done():
                    self._spec.set_result(frame.spec)
            case Ack():
                waiting = self._pending.get(frame.n)
                if waiting is None or waiting.done():
                    return
                if frame.error is None:
                    waiting.set_result(frame.permit)
                else:
                    waiting.set_exception(Refused(frame.error))

    def _end(self, why: str) -> None:
        if self._gone is not None:
            return
        self._gone = why
        self._stop_listening()
        self._waiting.clear()
        self._room.set()
        self._idle.set()
        for future in (self._spec, *self._pending.values()):
            if not future.done():
                future.set_exception(Refused(why))
                future.exception()  # nobody may be waiting for it, and that is no defect
        self._lost()

    def _stop_listening(self) -> None:
        self._loop.remove_reader(self._incoming)
        if self._blocked:
            self._blocked = False
            self._loop.remove_writer(self._outgoing)
