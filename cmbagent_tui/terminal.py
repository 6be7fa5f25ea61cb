"""The app in a terminal, and the engine beside it: the app can go and the engine still ends its work in order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING

from cmbagent_tui.settings import Settings
from engine.model.errors import CockpitError

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.model.records import Mode


def run_app(
    settings: Settings, begin: Callable[[Engine], Awaitable[str | None]] | None, *, ascii_only: bool | None
) -> int:
    """Run the app until it is left; return the exit code.

    `begin` starts or finds the run to open first.
    """
    os.environ.setdefault("TEXTUAL_FPS", "120")  # read when textual is imported; halves the worst wait of a key
    return asyncio.run(_run(settings, begin, bool(ascii_only or settings.values.get("ascii"))))


async def _run(settings: Settings, begin: Callable[[Engine], Awaitable[str | None]] | None, ascii_only: bool) -> int:
    from cmbagent_tui.app import CockpitApp

    engines: list[Engine] = []

    async def open_engine() -> Engine:
        _resume_only_after_a_stop()
        engine = await asyncio.to_thread(_build, settings)
        engines.append(engine)
        await engine.open()
        await engine.take_over()
        return engine

    async def start_demo(engine: Engine) -> str:
        from cmbagent_tui.commands.start import demo_beginner

        return await demo_beginner("oscillator")(engine)

    async def start_session(engine: Engine, task: str, mode: Mode) -> str:
        from cmbagent_tui.options import run_options

        return (await engine.submit(task, mode=mode, options=run_options(settings))).id

    app = CockpitApp(
        open_engine,
        state_dir=settings.home / "state",
        first=begin,
        start_demo=start_demo,
        start_session=start_session,
        ascii_only=ascii_only,
    )
    hung_up = False

    def let_go() -> None:
        nonlocal hung_up
        hung_up = True
        _leave_terminal()
        app.exit()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, let_go)
    loop.add_signal_handler(signal.SIGTERM, app.exit)
    try:
        await app.run_async()
    finally:
        if app.opening is not None:
            with suppress(CockpitError, OSError):  # the app has shown it
                await app.opening
        for engine in engines:
            if hung_up and engine.is_open:
                await _drive_on(engine)
            await _close(engine)
    return app.return_code or 0


def _resume_only_after_a_stop() -> None:
    """Have Textual take the terminal again only when it had let go of it.

    A terminal that vanishes sends SIGHUP and SIGCONT together, and Textual's answer to the second is another input
    thread on a dead terminal, which nothing ends. Its handlers are in place once it has painted.
    """
    stop, resume = signal.getsignal(signal.SIGTSTP), signal.getsignal(signal.SIGCONT)
    stopped = False

    def stopping(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        if callable(stop):
            stop(number, frame)

    def resuming(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        if stopped and callable(resume):
            stopped = False
            resume(number, frame)

    signal.signal(signal.SIGTSTP, stopping)
    signal.signal(signal.SIGCONT, resuming)


def _leave_terminal() -> None:
    """The terminal is gone: from now on nothing is to be read, and what is said goes nowhere.

    The end of a vanished terminal is always ready to be read, and Textual's input thread would spin on it; a pipe into
    which nobody writes keeps it waiting until the app has gone.
    """
    nothing, kept_open = os.pipe()
    os.dup2(nothing, 0)
    os.write(kept_open, b"\0")  # for a read that had begun when the terminal was still there: no key is bound to it
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


async def _drive_on(engine: Engine) -> None:
    """Without a terminal: go on until nothing is left that can proceed without a person."""
    while active := engine.active():
        await asyncio.gather(*(engine.wait(run_id) for run_id in active), return_exceptions=True)


def _build(settings: Settings) -> Engine:
    """Make the engine, in a thread: the imports behind it take longer than a key may wait."""
    from cmbagent_tui.wiring import make_engine

    return make_engine(settings)


async def _close(engine: Engine) -> None:
    from engine.model.ids import short

    stopped = engine.active() if engine.is_open else []
    await engine.close()
    for run_id in stopped:
        print(  # noqa: T201
            f"Run {short(run_id)} is paused, nothing is lost: `cmbagent-tui resume {short(run_id)}` goes on.",
            file=sys.stderr,
        )
