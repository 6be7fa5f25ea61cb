"""A picture in pixels instead of cells, where the terminal says that it can."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from textual.app import App

from cmbagent_tui.clipboard import to_terminal
from cmbagent_tui.slices import in_slices
from cmbagent_tui.widgets.detail.prose import Prose
from cmbagent_tui.widgets.preview.asking import Abilities, ask
from cmbagent_tui.widgets.preview.kitty import KittyPicture, packed
from cmbagent_tui.widgets.preview.pictures import Picture
from cmbagent_tui.widgets.preview.sixel import sixels

_asked: WeakKeyDictionary[App[None], asyncio.Task[Abilities]] = WeakKeyDictionary()


async def show_better(prose: Prose, picture: Picture) -> KittyPicture | None:
    """Show a picture that is shown in cells as the terminal does best; return what it was given to keep."""
    app = prose.app
    if app not in _asked:
        _asked[app] = asyncio.ensure_future(ask(app))
    able = await asyncio.shield(_asked[app])
    width = prose.room[0]
    if able.kitty and app.console.color_system == "truecolor":
        better = KittyPicture(picture)
        png = await asyncio.to_thread(packed, picture)
        if prose.shows(picture):
            to_terminal(app, better.sent(png, width))
            prose.replace(picture, better)
            return better
    elif able.sixel:
        columns, rows = picture.cells(width)
        drawn = await in_slices(sixels(picture, columns, rows, able.cell))
        if prose.shows(picture):
            prose.lay_over(picture, rows, drawn)
    return None
