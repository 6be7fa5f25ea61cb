"""Runs the agents' code: under limits, without secrets, watched, and ended with all that it started."""

from __future__ import annotations

import asyncio
import codecs
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.model.bounded import HeadTail
from engine.model.environment import TAG, code_environment, private_directory
from engine.model.frames import Limits
from engine.worker import guard

_LEFTOVER = 2.0  # seconds that the output may stay open after the program and all its children are gone
_PIECE = 64 * 1024  # bytes for one read
# The guard is found beside this file and imports nothing of ours: it starts in five milliseconds.
_GUARD = (
    *(sys.executable, "-I", "-S", "-c"),
    f"import sys; sys.path.append({str(Path(__file__).parent)!r}); import guard; guard.main()",
)
_runs = itertools.count(1)


@dataclass(frozen=True, slots=True)
class CodeRun:
    """How a program ended and what it printed.

    Either `exit` or `signal` (its name) is set. Texts are decoded, bytes that are no UTF-8 replaced, nothing else is
    cleaned; of a long output the beginning and the end are kept (`truncated`), while the byte counts are of all of it.
    """

    exit: int | None
    signal: str | None
    seconds: float
    stdout: str
    stderr: str
    stdout_bytes: int
    stderr_bytes: int
    truncated: bool
    timed_out: bool


async def execute(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    limits: Limits,
    timeout: float,  # noqa: ASYNC109 - it ends the program and is part of the result, not an exception
    on_output: Callable[[str, str], None] | None,
) -> CodeRun:
    """Run a program in `cwd` (which is made again when the code before has deleted it) until it ends.

    `env` is laid over an environment that holds nothing secret, with a home and a place for temporary files beside
    `cwd`. `on_output` is called in the event loop with "stdout" or "stderr" and text as it comes, as far as it belongs
    to the part that is kept from the beginning. After `timeout` (seconds), and on cancellation, the program gets TERM
    and, after the grace of the limits, KILL. When this returns or raises, neither it nor anything that it started is
    alive.

    Raises:
        OSError: the program cannot be started: it is missing, or not executable.
        ValueError: an argument holds a null character.
    """
    private = _prepare(cwd)
    tag = f"{os.environ.get(TAG, os.getpid())}/{next(_runs)}"
    run = _Run(limits, on_output)
    run.start(argv, cwd, {**_environment(private), **env, TAG: tag})
    timed_out = False
    try:
        try:
            async with asyncio.timeout(timeout):
                await run.ended.wait()
        except TimeoutError:
            timed_out = True
            await run.stop()
    except asyncio.CancelledError:
        await _to_the_end(run.stop())
        raise
    finally:
        run.close(tag)
        if not private.is_symlink():
            shutil.rmtree(private / "tmp", ignore_errors=True)
    return run.result(timed_out)


def _prepare(cwd: Path) -> Path:
    """Make the directories that a program expects; the private one."""
    private = private_directory(cwd)
    for directory in (cwd, private / "home", private / "tmp"):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return private


def _environment(private: Path) -> dict[str, str]:
    threads = str(max(1, len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1))
    return {
        "LANG": "C.UTF-8",
        **code_environment(os.environ),
        "HOME": str(private / "home"),
        "TMPDIR": str(private / "tmp"),
        "MPLBACKEND": "Agg",
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        "OMP_NUM_THREADS": threads,
    }


async def _to_the_end(work: Coroutine[None, None, None]) -> None:
    """Wait for something although this task is being cancelled, however often."""
    task = asyncio.create_task(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(task)


class _Output:
    """One stream of a program."""

    def __init__(self, name: str, limit: int, on_output: Callable[[str, str], None] | None) -> None:
        self.kept = HeadTail(limit // 2, limit - limit // 2)
        self._name, self._on_output = name, on_output
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, data: bytes) -> None:
        """Take what came; no data: it has ended."""
        first = self.kept.feed(data)
        if self._on_output is not None and (first or not data):
            text = self._decoder.decode(first, final=not data)
            if text:
                self._on_output(self._name, text)


class _Run:
    """One program under a guard of its own."""

    def __init__(self, limits: Limits, on_output: Callable[[str, str], None] | None) -> None:
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._outputs = [_Output(name, limits.output_bytes, on_output) for name in ("stdout", "stderr")]
        self._open: set[int] = set()  # descriptors that are being read
        self._told = bytearray()
        self._began = time.monotonic()
        self._seconds = 0.0
        self._control: socket.socket | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self.ended = asyncio.Event()

    def start(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        """Start the guard, which starts the program."""
        control, theirs = socket.socketpair()
        try:
            self._guard = subprocess.Popen(
                [*_GUARD, str(theirs.fileno()), str(self._limits.grace), self._ceilings(), *argv],
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                bufsize=0,
            )
        except BaseException:
            control.close()
            raise
        finally:
            theirs.close()
        self._control = control
        control.setblocking(False)
        for pipe, output in zip((self._guard.stdout, self._guard.stderr), self._outputs, strict=True):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
            self._listen(pipe.fileno(), output.feed)
        self._listen(control.fileno(), self._hear)

    async def stop(self) -> None:
        """End the program: TERM, the grace, KILL; returns when it has ended."""
        if self._control is not None:
            with suppress(OSError):
                self._control.shutdown(socket.SHUT_WR)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.grace + _LEFTOVER):
                await self.ended.wait()

    def close(self, tag: str) -> None:
        """Let go of everything; what the guard has left behind, because it was killed itself, is killed."""
        for descriptor in tuple(self._open):
            self._ignore(descriptor)
        if self._control is not None:
            self._control.close()  # which has a guard that still lives kill everything
        if self._guard is not None:
            try:
                self._guard.wait(_LEFTOVER)
            except subprocess.TimeoutExpired:
                self._guard.kill()
                self._guard.wait()
            for pipe in (self._guard.stdout, self._guard.stderr):
                if pipe is not None:
                    pipe.close()
            if self._guard.returncode:
                _sweep_tagged(tag)

    def result(self, timed_out: bool) -> CodeRun:
        """How it ended.

        Raises:
            OSError: it could not be started.
        """
        told = self._told.decode(errors="replace").partition("\n")[0]  # of a failed start, the first line is the cause
        word, _, rest = told.partition(" ")
        if word == "error":
            number, _, name = rest.partition(" ")
            raise OSError(int(number), os.strerror(int(number)), name)
        number = int(rest) if rest.isdigit() else int(signal.SIGKILL)
        out, err = (output.kept for output in self._outputs)
        return CodeRun(
            exit=number if word == "exit" else None,
            signal=None if word == "exit" else _signal_name(number),
            seconds=self._seconds,
            stdout=out.text(),
            stderr=err.text(),
            stdout_bytes=out.total,
            stderr_bytes=err.total,
            truncated=bool(out.dropped or err.dropped),
            timed_out=timed_out,
        )

    def _ceilings(self) -> str:
        limits = self._limits
        ceilings = {"CORE": 0, "FSIZE": limits.file_bytes, "NPROC": limits.processes, "AS": limits.memory_bytes}
        return ",".join(f"{name}={value}" for name, value in ceilings.items() if value is not None)

    def _listen(self, descriptor: int, heard: Callable[[bytes], None]) -> None:
        def read() -> None:
            try:
                data = os.read(descriptor, _PIECE)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            heard(data)
            if not data:
                self._ignore(descriptor)
                if not self._open:
                    self.ended.set()

        self._open.add(descriptor)
        self._loop.add_reader(descriptor, read)

    def _ignore(self, descriptor: int) -> None:
        self._open.discard(descriptor)
        self._loop.remove_reader(descriptor)

    def _hear(self, data: bytes) -> None:
        """The guard's word on how it ended, or the guard's own end. Then the output has only to be read, unless
        something escaped that holds it open."""
        self._told += data
        if not data:
            self._seconds = time.monotonic() - self._began
            self._loop.call_later(_LEFTOVER, self.ended.set)


def _sweep_tagged(tag: str) -> None:
    """Kill what carries a run's tag and fell to this process."""
    variable = f"{TAG}={tag}".encode()
    deadline = time.monotonic() + _LEFTOVER
    while time.monotonic() < deadline:
        strays: list[int] = []
        for child in guard.children(os.getpid()):
            with suppress(OSError):
                if variable in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
                    strays.append(child)
        if not strays:
            return
        for stray in strays:
            for pid in reversed(guard.family(stray)):
                guard.kill(pid, guard.KILL)
            with suppress(ChildProcessError):
                os.waitpid(stray, 0)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
