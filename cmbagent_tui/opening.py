"""Opening an artifact outside the app: always from a copy, since what lies in the blob store must not change.

A text's copy is made safe: it goes through a pager to the terminal, and most pagers hand on what a terminal obeys.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from cmbagent_tui.editing import run_here
from cmbagent_tui.widgets.detail.source import is_binary
from engine.model.records import Artifact
from engine.model.text import clean, one_line

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp
    from engine import Engine


async def open_copy(app: CockpitApp, engine: Engine, one: Artifact, state_dir: Path, command: list[str]) -> str:
    """Write a copy and open it: text with a command here; return what to tell the person (empty: nothing).

    Raises:
        OSError, CockpitError: the copy could not be written, or the blob not be read.
    """
    target, binary = await asyncio.to_thread(_copy, engine, one, state_dir / "opened")
    if not binary:
        await run_here(app, command, target)
        return ""
    viewer = _desktop_viewer()
    if viewer is None:
        return f"There is no desktop to show it on. A copy is at {one_line(str(target), 1000)}"
    await asyncio.to_thread(_start, viewer, target)
    return f"Opened a copy: {one_line(str(target), 1000)}"


async def open_text(app: CockpitApp, name: str, text: str, state_dir: Path, command: list[str]) -> None:
    """Write a text into a file of that name and open it with a command here.

    Raises:
        OSError, CockpitError: it could not be written, or the command not be started.
    """

    def write() -> Path:
        folder = state_dir / "opened"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = folder / name
        target.write_text(text, encoding="utf-8")
        return target

    await run_here(app, command, await asyncio.to_thread(write))


def _copy(engine: Engine, one: Artifact, directory: Path) -> tuple[Path, bool]:
    folder = directory / one.sha256[:12]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Only the last part of the name: a path from a model leads nowhere else.
    target = folder / (PurePosixPath(one.path).name or "file")
    data = engine.blob(one.sha256)
    binary = is_binary(data[:8192])
    if not binary:
        data = clean(data.decode("utf-8", errors="replace")).encode()
    if not target.exists() or target.stat().st_size != len(data):
        target.write_bytes(data)
    return target, binary


def _start(viewer: str, target: Path) -> None:
    """Start a desktop program that outlives the app and writes nothing here."""
    nowhere = subprocess.DEVNULL
    subprocess.Popen([viewer, str(target)], stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True)


def _desktop_viewer() -> str | None:
    if sys.platform == "darwin":
        return shutil.which("open")
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return shutil.which("xdg-open")
    return None
