"""The app in a terminal, and the engine beside it: the app can go and the engine still ends its work in order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from cmbagent_tui.settings import Settings
from engine.model.errors import CockpitError
from engine.model.records import Mode

if TYPE_CHECKING:
    from engine.engine import Engine


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
        engine = await asyncio.to_thread(_build, settings)
        engines.append(engine)
        await engine.open()
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
    loop = asyncio.get_running_loop()
    for number in (signal.SIGHUP, signal.SIGTERM):
        loop.add_signal_handler(number, app.exit)
    try:
        await app.run_async()
    finally:
        if app.opening is not None:
            with suppress(CockpitError, OSError):  # the app has shown it
                await app.opening
        for engine in engines:
            await _close(engine)
    return app.return_code or 0


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
