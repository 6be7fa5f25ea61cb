"""A running worker as the engine sees it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from engine.host.stray import Stray
from engine.host.sweep import kill_tagged, started
from engine.host.wire import Wire
from engine.model.errors import WorkerError
from engine.model.frames import HostFrame, Start, WorkerFrame, WorkerSpec

_REAPED = 5.0  # seconds within which a killed process is reported as ended, whatever it was doing
_LISTENING = 120.0  # seconds within which a worker that has just been started must have taken its task
_GUARDS = 0.5  # seconds that those who guard the code have, once the worker is gone, to end it and all that came of it
_LINGER = 5.0  # seconds that a worker may live after it has closed its side


@dataclass(frozen=True, slots=True)
class Exit:
    """How a worker ended: with an exit code, or by a signal (its name); with neither, nobody saw it end."""

    code: int | None
    signal: str | None
    stray: str


class Signals(Protocol):
    """Reaches a worker's processes."""

    def signal(self, number: int) -> None:
        """Send a signal to the worker's group; SIGKILL to everything that came of it."""
        ...


class Worker:
    """A running worker (see engine.ports.WorkerHandle)."""

    def __init__(self, tag: str, pid: int, wire: Wire, stray: Stray, signals: Signals) -> None:
        self.pid = pid
        self._started = started(pid)
        self.token = f"{socket.gethostname()}:{pid}:{self._started}:{tag}"
        self._tag = tag
        self._wire, self._stray, self._signals = wire, stray, signals
        self._over = asyncio.Event()
        self._exit: Exit | None = None
        self._concluding: asyncio.Task[None] | None = None

    async def begin(self, spec: WorkerSpec) -> None:
        """Tell it what to do; when that cannot be, it is killed.

        Raises:
            WorkerError: it does not listen.
        """
        try:
            async with asyncio.timeout(_LISTENING):
                await self._wire.send(Start(spec=spec))
        except BaseException as error:
            self._signals.signal(signal.SIGKILL)
            if isinstance(error, TimeoutError):
                raise WorkerError(
                    f"the worker took no task within {_LISTENING:.0f} s",
                    "The machine, or the disk, is very busy; try again.",
                ) from None
            raise

    async def send(self, frame: HostFrame) -> None:
        """Send a frame. One that a worker that is gone would not read is dropped: its frames end, and wait says why."""
        await self._wire.send(frame)

    def frames(self) -> AsyncIterator[WorkerFrame]:
        """Frames as they come; ends when the worker has closed its side, and then the worker ends too.

        Raises:
            WorkerError: it broke the protocol (garbage, an oversized frame); it has been stopped.
        """
        return _Frames(self, self._wire)

    async def wait(self) -> Exit:
        """How it ended, once it has and nothing that it started is left."""
        await self._over.wait()
        assert self._exit is not None
        return self._exit

    async def stop(self, grace: float = 2.0) -> None:
        """End the worker and everything that it started: TERM to the group, grace (seconds), KILL, and a sweep."""
        for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, _REAPED)):
            if self._over.is_set():
                return
            self._signals.signal(number)
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._over.wait()
        if not self._over.is_set():
            self.ended(None, clean=False)
            await self._over.wait()

    async def linger(self) -> None:
        """Let the worker end by itself, and stop it when it does not."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                await self._over.wait()
        await self.stop()

    def ended(self, code: int | None, *, clean: bool) -> None:
        """The launcher's word that the process is gone: its exit code, or minus the signal (None: unknown), and whether
        all that it started is known to be gone too."""
        if self._concluding is None:
            self._concluding = asyncio.create_task(self._conclude(code, clean))

    async def _conclude(self, code: int | None, clean: bool) -> None:
        if not clean:
            if self._started is not None and started(self.pid) == self._started:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)
            await asyncio.to_thread(kill_tagged, {self._tag}, grace=_GUARDS)
        stray = await self._stray.finish()
        self._exit = Exit(None, _signal_name(-code), stray) if code and code < 0 else Exit(code, None, stray)
        self._wire.finish()
        self._over.set()


class _Frames:
    """The frames of a worker, one by one. It may be left in the middle."""

    def __init__(self, worker: Worker, wire: Wire) -> None:
        self._worker, self._wire = worker, wire

    def __aiter__(self) -> _Frames:
        return self

    async def __anext__(self) -> WorkerFrame:
        try:
            frame = await self._wire.receive()
        except WorkerError:
            await self._worker.stop()
            raise
        if frame is None:
            await self._worker.linger()
            raise StopAsyncIteration
        return frame


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
