"""Asking the terminal what it can show: it answers on the keyboard's line, so its answer is taken out of the keys."""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmbagent_tui.clipboard import in_tmux, to_terminal
from cmbagent_tui.hearing import hearing

if TYPE_CHECKING:
    from textual.app import App

_PATIENCE = 1.5  # seconds until a terminal that says nothing is taken to know nothing
_NUMBER = 4207  # of the image that is asked about; nothing is shown
_GRAPHICS = f"\x1b_Gi={_NUMBER},s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"  # kitty: could you show this?
_CELL = "\x1b[16t"  # how many pixels has a cell?
_WHO = "\x1b[c"  # what are you? Every terminal answers this, and so ends the asking
_ANSWER = re.compile(rf"\x1b_Gi={_NUMBER};([^\x1b]*)\x1b\\|\x1b\[6;(\d+);(\d+)t|\x1b\[\?([\d;]+)c")
_BEGUN = re.compile(r"\x1b(_(G[^\x1b]*\x1b?)?|\[[?\d;]*)$")  # an answer whose end is still to come
_SIXEL = "4"  # among the attributes of a terminal
_MUTE = ("dumb", "linux", "vt100", "vt220")  # of these some print what they do not know


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the terminal says that it can do. `cell` is (width, height) in pixels."""

    kitty: bool = False
    sixel: bool = False
    cell: tuple[int, int] = (8, 16)


class _Listener:
    """Reads answers out of what comes in."""

    def __init__(self) -> None:
        self.abilities = Abilities()
        self.done = False
        self._held = ""

    def keys(self, data: str) -> str:
        """What of the input is not an answer."""
        rest = _ANSWER.sub(self._take, self._held + data)
        self._held = ""
        if not self.done and (begun := _BEGUN.search(rest)):
            self._held = rest[begun.start() :]
            rest = rest[: begun.start()]
        return rest

    def _take(self, answer: re.Match[str]) -> str:
        graphics, height, width, attributes = answer.groups()
        able = self.abilities
        if graphics is not None:
            self.abilities = Abilities(graphics == "OK", able.sixel, able.cell)
        elif height is not None:
            self.abilities = Abilities(able.kitty, able.sixel, (int(width), int(height)))
        else:
            self.abilities = Abilities(able.kitty, _SIXEL in attributes.split(";")[1:], able.cell)
            self.done = True
        return ""


async def ask(app: App[None]) -> Abilities:
    """Ask the terminal, and wait for its answer. Keys that are pressed meanwhile arrive as ever."""
    if app.is_headless or app.is_web or os.environ.get("TERM", "dumb") in _MUTE:
        return Abilities()
    listener, loop, answered = _Listener(), asyncio.get_running_loop(), asyncio.Event()

    def hear(data: str) -> str:
        keys = listener.keys(data)
        if listener.done:
            loop.call_soon_threadsafe(answered.set)
        return keys

    with hearing(hear), suppress(TimeoutError):
        # tmux would keep the first answer to itself.
        to_terminal(app, f"{'' if in_tmux() else _GRAPHICS}{_CELL}{_WHO}")
        await asyncio.wait_for(answered.wait(), _PATIENCE)
    return listener.abilities
