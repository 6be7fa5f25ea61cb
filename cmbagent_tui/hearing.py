"""What comes in from the terminal before it is taken for keys: the line on which a terminal also answers questions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from textual._xterm_parser import XTermParser

if TYPE_CHECKING:
    from textual.message import Message

_feed = XTermParser.feed
_heard: list[Callable[[str], str]] = []


def _listen(self: XTermParser, data: str) -> Iterable[Message]:
    if not data:  # the end of all input
        return _feed(self, data)
    for hear in _heard:
        data = hear(data)
    return _feed(self, data) if data else ()


def install() -> None:
    """Stand between the terminal and Textual's parser. To be done before an app runs."""
    XTermParser.feed = _listen


@contextmanager
def hearing(hear: Callable[[str], str]) -> Iterator[None]:
    """Meanwhile, give what comes in to `hear`, in Textual's input thread; what that returns goes on as keys."""
    _heard.append(hear)
    try:
        yield
    finally:
        _heard.remove(hear)
