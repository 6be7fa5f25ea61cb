"""The app in a terminal, and the engine beside it: the app can go and the engine still ends its work in order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

from cmbagent_tui.commands.start import INTERRUPTED
from cmbagent_tui.settings import Settings
from engine.model.errors import CockpitError

if TYPE_CHECKING:
    from cmbagent_tui.front import Tether
    from engine.engine import Engine

_LOOK = 3.0  # seconds between two looks for runs whose process died


def run_app(
    settings: Settings,
    begin: Callable[[Engine], Awaitable[str | None]] | None,
    tether: Tether,
    *,
    ascii_only: bool | None,
) -> int:
    """Run the app until it is left, and what is to go on without it to its end; return the exit code.

    `begin` starts or finds the run to open first.
    """
    os.environ.setdefault("TEXTUAL_FPS", "120")  # read when textual is imported; halves the worst wait of a key
    return asyncio.run(_run(settings, begin, tether, bool(ascii_only or settings.values.get("ascii"))))


async def _run(
    settings: Settings,
    begin: Callable[[Engine], Awaitable[str | None]] | None,
    tether: Tether,
    ascii_only: bool,
) -> int:
    from cmbagent_tui.app import CockpitApp
    from cmbagent_tui.driver import CockpitDriver

    engines: list[Engine] = []
    watching: list[asyncio.Task[None]] = []

    async def open_engine() -> Engine:
        _resume_only_after_a_stop()
        engine = await asyncio.to_thread(_build, settings)
        engines.append(engine)
        await engine.open()
        await engine.take_over()
        watching.append(asyncio.create_task(_keep_taking_over(engine)))
        return engine

    async def start_demo(engine: Engine) -> str:
        from cmbagent_tui.commands.start import demo_beginner

        return await demo_beginner("oscillator")(engine)

    def what_is_missing(settings: Settings) -> list[str]:
        from cmbagent_tui.findings import missing

        return missing(settings)

    app = CockpitApp(
        open_engine,
        state_dir=settings.home / "state",
        settings=settings,
        first=begin,
        start_demo=start_demo,
        missing=what_is_missing,
        ascii_only=ascii_only,
    )
    app.driver_class = CockpitDriver

    def hang_up() -> None:
        app.leaves_running = True
        tether.let_go()
        app.exit()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, hang_up)
    loop.add_signal_handler(signal.SIGTERM, app.exit)
    loop.add_signal_handler(signal.SIGINT, partial(app.exit, return_code=INTERRUPTED))
    try:
        await app.run_async()
    finally:
        if app.opening is not None:
            with suppress(CockpitError, OSError):  # the app has shown it
                await app.opening
        for task in watching:
            task.cancel()
        for engine in engines:
            if app.leaves_running and engine.is_open:
                await _leave(engine, tether)
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


async def _keep_taking_over(engine: Engine) -> None:
    """While the app is open, go on with runs whose process dies."""
    while True:
        await asyncio.sleep(_LOOK)
        with suppress(CockpitError, OSError):  # the next look may find better times
            await engine.take_over()


async def _leave(engine: Engine, tether: Tether) -> None:
    """Go on without the terminal."""
    from cmbagent_tui.detach import drive_on
    from engine.model.ids import short

    names = [short(run_id) for run_id in engine.active()]
    tether.let_go(
        "\n".join(f"Run {one} goes on in the background: `cmbagent-tui attach {one}` shows it." for one in names)
    )
    with suppress(CockpitError):  # nobody is there to be told, and what cannot be written stands still
        await drive_on(engine)


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
