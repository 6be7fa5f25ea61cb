"""What Textual draws with more than ASCII, drawn without."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding
from textual.keys import format_key
from textual.scrollbar import ScrollBarRender


class PlainScrollBar(ScrollBarRender):
    """A scroll bar of whole cells."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * len(ScrollBarRender.VERTICAL_BARS)
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * len(ScrollBarRender.HORIZONTAL_BARS)


def plain_key(binding: Binding) -> str:
    """A key's name in ASCII: `up`, `enter`, `?`."""
    shown = binding.key_display or format_key(binding.key)
    return shown if shown.isascii() else binding.key
