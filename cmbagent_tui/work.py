"""Work beside the keys: begun by a widget, ended with it, its errors told to the person."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

from engine.model.errors import CockpitError

if TYPE_CHECKING:
    from textual.app import App
    from textual.dom import DOMNode
    from textual.screen import Screen

    from cmbagent_tui.app import CockpitApp


def begin(node: DOMNode, job: Callable[[], Awaitable[None]], group: str, *, exclusive: bool = False) -> None:
    """Run a job in the app's loop; with `exclusive`, it takes the place of the node's others in that group.

    What went wrong is shown, and is in the log; so is a defect, with where it was met.
    """
    app = cast("CockpitApp", cast("App[None]", node.app))

    async def guarded() -> None:
        try:
            await job()
        except (CockpitError, OSError) as error:
            app.complain(error)
        except Exception as error:
            app.defect(error)

    node.run_worker(guarded, group=group, exclusive=exclusive)


async def keep_reading(screen: Screen[Any], read: Callable[[], Awaitable[None]], every: float) -> None:
    """Read what a screen shows now, and every so many seconds while it is the one that is seen."""
    await read()
    while True:
        await asyncio.sleep(every)
        if screen.is_current:
            await read()
