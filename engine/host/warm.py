"""Starts workers from a warm parent: a process that has imported AG2 and forks (see engine.worker.zygote)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from engine.host.handle import Worker
from engine.host.stray import Stray
from engine.host.sweep import kill_tagged
from engine.host.wire import Wire
from engine.model.environment import worker_environment, worker_tag
from engine.model.errors import WorkerError
from engine.model.frames import WorkerSpec
from engine.model.text import one_line

_WARM_UP = 120.0  # seconds that the imports may take, from a cold disk on a network
_GOING = 5.0  # seconds that the warm parent may take to kill its workers and go


class _Gone(WorkerError):
    """The warm parent has ended."""


class ZygoteLauncher:
    """Starts workers on this machine by forking a warm parent, which is started again whenever it has died.

    `providers` are imported ahead; `entry` is the `module:function` that a worker runs (by default the attempt). The
    thread that opens it must live as long as the workers shall: its end ends them.
    """

    def __init__(
        self, providers: Sequence[str] = (), *, environ: Mapping[str, str] | None = None, entry: str | None = None
    ) -> None:
        self._environ = worker_environment(os.environ if environ is None else environ)
        self._arguments = [argument for name in providers for argument in ("--provider", name)]
        if entry is not None:
            self._arguments += ["--entry", entry]
        self._zygote: _Zygote | None = None
        self._starting = asyncio.Lock()

    async def open(self) -> None:
        """Start the warm parent, without waiting for its imports (idempotent)."""
        await self._living()

    async def start(self, spec: WorkerSpec) -> Worker:
        """Fork a worker and tell it what to do.

        Raises:
            WorkerError: the warm parent cannot be started, or cannot fork.
        """
        zygote = await self._living()
        try:
            worker = await zygote.fork(worker_tag(spec.attempt_id))
        except _Gone:
            # If it was well before, it died for reasons that were none of its own, and nobody had noticed yet.
            if not zygote.ready:
                raise
            worker = await (await self._living()).fork(worker_tag(spec.attempt_id))
        await worker.begin(spec)
        return worker

    async def sweep(self, attempt_ids: Sequence[str]) -> None:
        """End whatever is left of these attempts, whoever started it."""
        await asyncio.to_thread(kill_tagged, attempt_ids)

    async def close(self) -> None:
        """End the warm parent and all its workers."""
        zygote, self._zygote = self._zygote, None
        if zygote is not None:
            await zygote.close()

    async def _living(self) -> _Zygote:
        async with self._starting:
            if self._zygote is None or self._zygote.gone:
                zygote = _Zygote()
                await zygote.open(self._arguments, self._environ)
                self._zygote = zygote
            return self._zygote


@dataclass(slots=True)
class _Birth:
    """A worker that was asked for."""

    tag: str
    wire: Wire
    stray: Stray
    worker: asyncio.Future[Worker]


@dataclass(slots=True)
class _Order:
    """A line to the warm parent, with descriptors that are closed here once they are sent."""

    line: bytes
    descriptors: list[int]


class _Zygote:
    """One life of a warm parent."""

    def __init__(self) -> None:
        self.ready = False
        self.gone = False
        self._loop = asyncio.get_running_loop()
        self._control, self._theirs = socket.socketpair()
        self._control.setblocking(False)
        self._received = bytearray()
        self._orders: deque[_Order] = deque()
        self._births: dict[int, _Birth] = {}
        self._workers: dict[int, Worker] = {}
        self._last = 0
        self._said = Stray()
        self._process: subprocess.Popen[bytes] | None = None
        self._burial: asyncio.Task[None] | None = None
        self._silent = asyncio.Event()
        self._why = _Gone("the process that starts workers has ended")

    async def open(self, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
        """Start the process; its imports go on in the background."""
        errors = (await self._said.capture(1))[0]
        theirs = self._theirs.fileno()
        program = [sys.executable, "-P", "-m", "engine.worker.zygote", "--control", str(theirs)]
        try:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - by vfork: about a millisecond
                [*program, "--parent", str(os.getpid()), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                env=dict(environ),
                pass_fds=[theirs],
                start_new_session=True,
            )
        except OSError as error:
            self._control.close()
            self._said.close()
            raise WorkerError(
                f"no worker can be started: {error}", "Is the Python that runs this still there?"
            ) from error
        finally:
            os.close(errors)
            self._theirs.close()
        self._loop.add_reader(self._control, self._read)

    async def fork(self, tag: str) -> Worker:
        """A new worker.

        Raises:
            WorkerError: there is none; a _Gone when the reason is the warm parent's end.
        """
        wire, stray = Wire(), Stray()
        descriptors: list[int] = []
        try:
            ours, theirs = socket.socketpair()
            descriptors.append(theirs.detach())
            await self._loop.create_connection(lambda: wire, sock=ours)
            descriptors += await stray.capture()
            async with asyncio.timeout(_WARM_UP):
                return await self._born(tag, wire, stray, descriptors)
        except BaseException as error:
            wire.close()
            stray.close()
            for descriptor in descriptors:
                os.close(descriptor)
            if isinstance(error, TimeoutError):
                raise WorkerError(
                    f"no worker was ready within {_WARM_UP:.0f} s", "The machine, or the disk, is very busy; try again."
                ) from None
            if isinstance(error, OSError):
                raise WorkerError(
                    f"no worker can be started: {error.strerror}", "Is a limit on open files reached?"
                ) from None
            raise

    async def _born(self, tag: str, wire: Wire, stray: Stray, descriptors: list[int]) -> Worker:
        """Have a worker forked that uses these descriptors, which are taken out of the list."""
        if self._burial is not None:
            await self._burial
            raise self._why
        self._last += 1
        birth = self._births[self._last] = _Birth(tag, wire, stray, self._loop.create_future())
        self._order({"fork": self._last, "tag": tag}, [*descriptors])
        descriptors.clear()
        return await birth.worker

    def signal(self, worker: int, number: int) -> None:
        """Send a signal to a worker, by its number here."""
        self._order({"signal": worker, "number": number}, [])

    async def close(self) -> None:
        """Have it kill its workers and go."""
        if not self.gone:
            with suppress(OSError):
                self._control.shutdown(socket.SHUT_WR)
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOING):
                await self._silent.wait()
        self._end()
        if self._burial is not None:
            await self._burial
        for worker in tuple(self._workers.values()):
            await worker.wait()

    def _order(self, what: dict[str, Any], descriptors: list[int]) -> None:
        self._orders.append(_Order(json.dumps(what).encode() + b"\n", descriptors))
        self._flush()

    def _flush(self) -> None:
        while self._orders:
            order = self._orders[0]
            try:
                if not self.gone:
                    self._loop.remove_writer(self._control)
                    socket.send_fds(self._control, [order.line], order.descriptors)
            except BlockingIOError:
                self._loop.add_writer(self._control, self._flush)
                return
            except OSError:
                self._end()
            self._orders.popleft()
            for descriptor in order.descriptors:
                os.close(descriptor)

    def _read(self) -> None:
        try:
            data = self._control.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end()
            return
        self._received += data
        *lines, self._received = self._received.split(b"\n")
        for line in lines:
            self._hear(json.loads(line))

    def _hear(self, said: dict[str, Any]) -> None:
        if "ready" in said:
            self.ready = True
        elif "forked" in said:
            number = said["forked"]
            birth = self._births.pop(number)
            worker = Worker(birth.tag, said["pid"], birth.wire, birth.stray, _Reach(self, number))
            self._workers[number] = worker
            if birth.worker.done():  # nobody waits for it any more
                self.signal(number, signal.SIGKILL)
            else:
                birth.worker.set_result(worker)
        elif "failed" in said:
            birth = self._births.pop(said["failed"])
            if not birth.worker.done():
                birth.worker.set_exception(
                    WorkerError(
                        f"no worker can be started: {one_line(said['why'])}", "Is a limit on processes reached?"
                    )
                )
        elif "ended" in said:
            self._workers.pop(said["ended"]).ended(said["code"], clean=said["clean"])

    def _end(self) -> None:
        if not self.gone:
            self.gone = True
            self._silent.set()
            self._loop.remove_reader(self._control)
            self._loop.remove_writer(self._control)
            self._burial = asyncio.create_task(self._bury())

    async def _bury(self) -> None:
        """Its workers died with it, by their death signal; what they had started is found by its tag."""
        assert self._process is not None
        self._flush()
        self._control.close()
        try:
            code = await asyncio.to_thread(self._process.wait, _GOING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = await asyncio.to_thread(self._process.wait)
        for worker in self._workers.values():
            worker.ended(None, clean=False)
        last = (await self._said.finish()).strip().splitlines()[-1:] or ["It said nothing."]
        how = f"was ended by signal {-code}" if code < 0 else f"exited with code {code}"
        self._why = _Gone(f"the process that starts workers {how}", f"Its last words: {last[0]}")
        for birth in self._births.values():
            if not birth.worker.done():
                birth.worker.set_exception(self._why)


class _Reach:
    """Reaches one worker by way of its parent, who knows whether the process id is still its own."""

    def __init__(self, zygote: _Zygote, number: int) -> None:
        self._zygote, self._number = zygote, number

    def signal(self, number: int) -> None:
        """Send a signal to the worker's group; SIGKILL to everything that came of it."""
        self._zygote.signal(self._number, number)
