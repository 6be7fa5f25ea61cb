"""Copying, over SSH too: the terminal is asked to take the text (OSC 52), and it is always left in a file as well."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.app import App

MOST = 74_000  # bytes that terminals take this way; with more they take nothing, or a part without saying so


def sequences(text: str, *, tmux: bool) -> str:
    """What makes a terminal copy a text. tmux is asked itself, and to hand the request on to the terminal around it:
    which of the two it does is a matter of its settings."""
    request = f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\x07"
    if not tmux:
        return request
    return f"{request}\x1bPtmux;{request.replace(chr(27), chr(27) * 2)}\x1b\\"


def to_terminal(app: App[None], text: str) -> None:
    """Write to the terminal itself, between two of the app's frames."""
    driver = app._driver
    if driver is not None:
        driver.write(text)
        driver.flush()


def in_tmux() -> bool:
    """Whether this terminal is one of tmux's."""
    return bool(os.environ.get("TMUX"))


def keep_copy(text: str, state_dir: Path) -> Path:
    """Write the text where it can be fetched when the terminal does not take it; return where.

    Raises:
        OSError: it cannot be written.
    """
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = state_dir / "copied.txt"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    return file
