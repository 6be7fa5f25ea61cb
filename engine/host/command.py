"""Starts workers cold, through a command: on this machine, in a container, on a cluster, on another machine."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from engine.host.handle import Worker
from engine.host.stray import Stray
from engine.host.sweep import kill_tagged
from engine.host.wire import Wire
from engine.model.environment import TAG, command_environment, worker_environment, worker_tag
from engine.model.errors import WorkerError
from engine.model.frames import WorkerSpec

_HANG_UP = 1.0  # seconds between closing the connection, which ends the other side, and killing what is on this one


class CommandLauncher:
    """Starts each worker as a program of its own, with the frames on its stdin and stdout.

    `prefix` is what reaches the place where it shall run: `[]` (here), `["srun", …]`, `["ssh", "host"]`,
    `["apptainer", "exec", …]`. `python` is the interpreter there, which must have this package and see the same
    files; no part of the command goes through a shell of ours, but ssh takes it apart at white space. `entry` is the
    `module:function` that a worker runs (by default the attempt).
    """

    def __init__(
        self,
        prefix: Sequence[str] = (),
        *,
        python: str = sys.executable,
        environ: Mapping[str, str] | None = None,
        entry: str | None = None,
    ) -> None:
        self._prefix, self._python = tuple(prefix), python
        environ = os.environ if environ is None else environ
        self._environ = command_environment(environ) if prefix else worker_environment(environ)
        self._arguments = [] if entry is None else ["--entry", entry]
        self._running: dict[Worker, asyncio.Task[None]] = {}

    async def open(self) -> None:
        """Nothing is warmed up: every worker starts by itself."""

    async def start(self, spec: WorkerSpec) -> Worker:
        """Start a worker and tell it what to do.

        Raises:
            WorkerError: the command cannot be run.
        """
        tag = worker_tag(spec.attempt_id)
        program = [self._python, "-P", "-m", "engine.worker", "--tag", tag, *self._arguments]
        wire, stray = Wire(), Stray()
        (errors,) = await stray.capture(1)
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._prefix,
                *program,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=errors,
                env={**self._environ, TAG: tag},
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            stray.close()
            what = (self._prefix or (self._python,))[0]
            raise WorkerError(
                f"no worker can be started: {what}: {error.strerror}", "Is it installed, and on the PATH?"
            ) from error
        finally:
            os.close(errors)
            theirs.close()
        await asyncio.get_running_loop().create_connection(lambda: wire, sock=ours)
        worker = Worker(tag, process.pid, wire, stray, _Reach(process, wire))
        self._running[worker] = asyncio.create_task(self._follow(worker, process))
        await worker.begin(spec)
        return worker

    async def sweep(self, attempt_ids: Sequence[str]) -> None:
        """End whatever is left of these attempts on this machine, whoever started it."""
        await asyncio.to_thread(kill_tagged, attempt_ids)

    async def close(self) -> None:
        """Stop all workers."""
        await asyncio.gather(*(worker.stop() for worker in tuple(self._running)))

    async def _follow(self, worker: Worker, process: asyncio.subprocess.Process) -> None:
        # The process that keeps watch may itself have been killed, so nothing is taken to be clean.
        worker.ended(await process.wait(), clean=False)
        del self._running[worker]


class _Reach:
    """Reaches a worker through the command that it was started with."""

    def __init__(self, process: asyncio.subprocess.Process, wire: Wire) -> None:
        self._process, self._wire = process, wire

    def signal(self, number: int) -> None:
        """Send a signal to the command's group. Before SIGKILL, which goes no further than this machine, the connection
        is closed, which ends the worker wherever it is."""
        if number == signal.SIGKILL:
            self._wire.close()
            asyncio.get_running_loop().call_later(_HANG_UP, self._send, number)
        else:
            self._send(number)

    def _send(self, number: int) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
