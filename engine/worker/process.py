"""What a worker process does with itself: becomes its own, reads its task, works, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NoReturn, cast

from engine.model.environment import TAG, worker_environment
from engine.model.frames import Failure, Limits, ResultFrame, WorkerSpec
from engine.model.text import one_line
from engine.worker.channel import Channel, Refused
from engine.worker.failures import redact
from engine.worker.guard import adopt_orphans, die_with, sweep

ENTRY = "engine.worker.attempt:run_attempt"
ENDED_BADLY = 70  # exit code: the attempt's own program failed
REFUSED = 71  # exit code: the host is gone, or took no more
_PATIENCE = 2.0  # seconds for the attempt to end when it has been told to

Entry = Callable[[WorkerSpec, Channel], Awaitable[None]]


def find_entry(name: str) -> Entry:
    """The coroutine function that a worker runs, by `module:function`."""
    module, _, function = name.partition(":")
    return cast(Entry, getattr(import_module(module), function))


def main(
    incoming: int,
    outgoing: int,
    *,
    parent: int,
    tag: str,
    entry: str = ENTRY,
    output: tuple[int, int] | None = None,
) -> NoReturn:
    """Be a worker, in a process that was just forked, and exit.

    Frames come and go over the two descriptors (which may be one socket); `output` is where stdout and stderr shall go,
    `parent` the process whose end is this one's too. The exit code is 0 when the attempt came to its end, whatever the
    result.
    """
    code = ENDED_BADLY
    try:
        _become_own(parent, tag, output)
        code = asyncio.run(_work(incoming, outgoing, entry))
    except BaseException:
        traceback.print_exc()
    finally:
        sweep(set())
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        if code < 0:
            signal.signal(-code, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
        os._exit(code)


def _become_own(parent: int, tag: str, output: tuple[int, int] | None) -> None:
    os.setsid()
    die_with(parent)
    adopt_orphans()
    # Only the forking thread goes on in the child: a lock that another held would stay locked for ever.
    assert threading.active_count() == 1
    for one in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(one, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if output is not None:
        for descriptor, standard in zip(output, (1, 2), strict=True):
            os.dup2(descriptor, standard)
            os.close(descriptor)
    for name in os.environ.keys() - worker_environment(os.environ).keys():
        del os.environ[name]
    os.environ[TAG] = tag
    random.seed()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()


async def _work(incoming: int, outgoing: int, entry: str) -> int:
    """Run the attempt; the exit code, or minus the signal that this process was told to end by."""
    loop = asyncio.get_running_loop()
    work = asyncio.current_task()
    ended = 0

    def end(code: int) -> None:
        nonlocal ended
        if not ended and work is not None:
            ended = code
            work.cancel()
            loop.call_later(_PATIENCE, _end_now, code)

    channel = Channel(incoming, outgoing, lambda: end(REFUSED))
    loop.add_signal_handler(signal.SIGTERM, end, -signal.SIGTERM)
    spec: WorkerSpec | None = None
    try:
        spec = await channel.start()
        _limit(spec.limits)
        await find_entry(entry)(spec, channel)
    except asyncio.CancelledError:
        return ended or ENDED_BADLY
    except Refused as error:
        sys.stderr.write(f"the worker stops: {one_line(str(error))}\n")
        return ended or REFUSED
    except Exception as error:
        if ended:
            return ended
        secrets = [model.api_key for model in spec.models.values()] if spec else []
        sys.stderr.write(redact(traceback.format_exc(), secrets))
        return await _report(channel, redact(f"{type(error).__name__}: {error}", secrets))
    else:
        await channel.close()
        return 0


def _end_now(code: int) -> NoReturn:
    sweep(set())
    os._exit(code if code >= 0 else 128 - code)


async def _report(channel: Channel, what: str) -> int:
    failure = Failure(
        category="internal",
        message=one_line(f"the worker's own program failed: {what}"),
        hint="This is a defect of the program, not of the plan. Redo the step, and report it if it comes again.",
    )
    try:
        await channel.commit(lambda n: ResultFrame(n=n, ok=False, failure=failure))
        await channel.close()
    except Refused:
        return REFUSED
    return ENDED_BADLY


def _limit(limits: Limits) -> None:
    """Set the ceilings of this process, which all that it starts inherits. Memory is for the code that it runs."""
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, limits.file_bytes)
    _lower(resource.RLIMIT_NPROC, limits.processes)
    if limits.memory_bytes is not None and sys.platform == "linux":
        own = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        _lower(resource.RLIMIT_AS, own + limits.memory_bytes)


def _lower(which: int, most: int) -> None:
    hard = resource.getrlimit(which)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(which, (most, most))
