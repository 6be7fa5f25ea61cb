"""Other programs on this terminal: the editor and the pager, with the app out of the way and its loop still running."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from engine.model.errors import UsageError
from engine.model.text import clean

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp


def editor_command() -> list[str]:
    """The person's editor: $VISUAL, $EDITOR, or what is commonly there.

    Raises:
        UsageError: there is none.
    """
    for name in ("VISUAL", "EDITOR"):
        if command := os.environ.get(name, "").strip():
            return shlex.split(command)
    for program in ("nano", "vim", "vi"):
        if shutil.which(program):
            return [program]
    raise UsageError("no editor was found", "Set EDITOR to the editor of your choice, for example EDITOR=nano.")


def pager_command() -> list[str]:
    """The person's pager: $PAGER, less, or where there is neither the editor."""
    if command := os.environ.get("PAGER", "").strip():
        return shlex.split(command)
    return ["less"] if shutil.which("less") else editor_command()


async def run_here(app: CockpitApp, command: list[str], path: Path) -> None:
    """Run a program on this terminal and wait for it. Events go on being folded meanwhile; nothing is painted.

    Raises:
        UsageError: it cannot be started.
    """
    with _aside(app):
        try:
            await asyncio.to_thread(subprocess.run, [*command, str(path)], check=False)
        except OSError as error:
            raise UsageError(
                f"{command[0]} could not be started: {error.strerror}", "Set EDITOR to a program that is installed."
            ) from None


async def edited_here(app: CockpitApp, text: str, path: Path) -> str:
    """A text as a person leaves it in their editor, made safe. `path` is where it lies meanwhile.

    Raises:
        UsageError: the editor cannot be started.
        OSError: the disk refused it.
    """

    def put() -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(text, encoding="utf-8")

    await asyncio.to_thread(put)
    await run_here(app, editor_command(), path)
    after = await asyncio.to_thread(path.read_text, encoding="utf-8", errors="replace")
    await asyncio.to_thread(path.unlink, missing_ok=True)
    return clean(after.rstrip("\n")) if after.rstrip("\n") != text.rstrip("\n") else text


@contextlib.contextmanager
def _aside(app: CockpitApp) -> Iterator[None]:
    """The app off the terminal. A terminal that cannot be given up (a browser's, a test's) is simply kept."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(SuspendNotSupported):
            stack.enter_context(app.suspend())
        stack.enter_context(app.batch_update())
        # ctrl+c in the other program is meant for it, not for this one.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
