"""What the detail pane shows, taken elsewhere: to the pager, to an editor, to the clipboard, into a comparison."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, cast

from cmbagent_tui import words
from cmbagent_tui.clipboard import MOST, in_tmux, keep_copy, sequences, to_terminal
from cmbagent_tui.editing import editor_command, pager_command
from cmbagent_tui.widgets.detail.about import About, Kept
from cmbagent_tui.widgets.detail.files import FilesSection
from cmbagent_tui.widgets.detail.source import read_head
from engine.model.text import one_line

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp
    from cmbagent_tui.widgets.detail.view import NodeDetail

_ALL = 1_000_000  # runs or messages: as many as there are


async def open_shown(detail: NodeDetail, *, editor: bool) -> None:
    """Open a copy of what is shown, all of it: text in the pager or the editor, anything else with the desktop.

    Raises:
        OSError, CockpitError: the copy could not be written or read, or the program not be started.
    """
    from cmbagent_tui.opening import open_copy, open_text

    app = cast("CockpitApp", detail.app)
    command = editor_command() if editor else pager_command()
    if isinstance(listing := detail.listing, FilesSection):
        chosen = listing.chosen()
        said = await open_copy(app, detail.engine, chosen, app.state_dir, command) if chosen else "There is no file."
        if said:
            app.notify(said, timeout=15, markup=False)
        return
    await open_text(app, f"{detail.tab}.txt", await whole_text(detail), app.state_dir, command)


async def copy_shown(detail: NodeDetail) -> None:
    """Copy what is shown, all of it; of a file, its text."""
    app = cast("CockpitApp", detail.app)
    text: str | None = await whole_text(detail)
    if isinstance(listing := detail.listing, FilesSection):
        chosen = listing.chosen()
        text = (await read_head(detail.engine, chosen.sha256))[0] if chosen else ""
    if text is None:
        app.notify("This file is no text. Press o to save a copy of it and open that.", markup=False)
        return
    file = await asyncio.to_thread(keep_copy, text, app.state_dir)
    size = len(text.encode())
    where = one_line(str(file), 500)
    if size > MOST:
        app.notify(f"{words.size(size)} are too much for the terminal's clipboard. They are in {where}", markup=False)
        return
    to_terminal(app, sequences(text, tmux=in_tmux()))
    app.notify(f"Copied {words.size(size)}; also in {where}", markup=False)


async def compare_shown(detail: NodeDetail) -> None:
    """Show what differs between two attempts of the node."""
    from cmbagent_tui.screens.attempts import AttemptsScreen

    about = detail.about()
    attempts = await about.attempts() if about else []
    if about is None or len(attempts) < 2:
        detail.app.notify("This step was not tried twice: there is nothing to compare.", markup=False)
        return
    detail.app.push_screen(AttemptsScreen(about, attempts, ascii_only=about.ascii_only))


async def whole_text(detail: NodeDetail) -> str:
    """The text of the tab that is shown, with what it leaves out for brevity."""
    from cmbagent_tui.widgets.detail import texts

    about = detail.about()
    if about is None or detail.tab not in ("output", "messages"):
        return detail.text
    fresh: About = dataclasses.replace(about, kept=Kept())
    blocks = await (texts.output(fresh, _ALL) if detail.tab == "output" else texts.messages(fresh, _ALL))
    return "\n".join(block.text for block in blocks)
