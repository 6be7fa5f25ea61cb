"""What happens in a run, told on stderr while a command waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from cmbagent_tui.commands.common import note
from cmbagent_tui.commands.report import Progress
from engine.model.events import Event

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.hub import Subscription


@asynccontextmanager
async def telling(engine: Engine, run_id: str, *, after: int = 0) -> AsyncGenerator[None, None]:
    """Tell of a run's events behind `after` for as long as the body lasts."""
    subscription, progress = engine.subscribe(run_id, after=after), Progress()
    task = asyncio.create_task(_keep_telling(subscription, progress))
    try:
        yield
    finally:
        task.cancel()
        _say(subscription, progress)
        subscription.close()


async def _keep_telling(subscription: Subscription, progress: Progress) -> None:
    while True:
        await subscription.wait()
        _say(subscription, progress)


def _say(subscription: Subscription, progress: Progress) -> None:
    for item in subscription.drain():
        line = progress.line(item) if isinstance(item, Event) else None
        if line:
            note(line)
