"""Reading the screen as a person does, and waiting for what it will say."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

PATIENCE = 20.0  # seconds until a test gives up waiting; no test needs nearly as much
_STILL = 5  # looks, a tenth of a second apart, in which nothing moves
_BUSY = 0.04  # seconds of work in that time that are more than an app at rest does


def text_of(app: App[Any]) -> str:
    """What is on the screen, line by line."""
    strips = app.screen._compositor.render_strips()  # pyright: ignore[reportPrivateUsage]
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


async def until(pilot: Pilot[Any], condition: Callable[[], object], what: str = "") -> None:
    """Let the app go on until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"it never came: {what or condition}\n{text_of(pilot.app)}")
        await pilot.pause(0.02)


async def shows(pilot: Pilot[Any], *texts: str) -> None:
    """Wait until all of these are on the screen."""
    await until(pilot, lambda: all(text in text_of(pilot.app) for text in texts), f"{texts}")


async def hides(pilot: Pilot[Any], text: str) -> None:
    """Wait until this is no longer on the screen."""
    await until(pilot, lambda: text not in text_of(pilot.app), f"without {text!r}")


async def settles(pilot: Pilot[Any]) -> None:
    """Wait until the screen stands still and the app has nothing left to do: what a picture is taken of."""
    for field in (*pilot.app.screen.query(Input), *pilot.app.screen.query(TextArea)):
        field.cursor_blink = False
    seen, still = "", 0
    deadline = time.monotonic() + PATIENCE
    while still < _STILL:
        begun = time.process_time()
        await pilot.pause(0.1)
        busy = time.process_time() - begun > _BUSY
        shown = text_of(pilot.app)
        still = 0 if busy or shown != seen else still + 1
        seen = shown
        if time.monotonic() > deadline:
            raise AssertionError(f"it never stood still:\n{shown}")
    for widget in pilot.app.screen.walk_children():
        widget.refresh()  # a line painted before a scroll bar went has the same look, but is of other pieces
    await pilot.pause(0.1)
