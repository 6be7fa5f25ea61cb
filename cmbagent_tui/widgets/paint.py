"""The common ground of the widgets that paint lines themselves: tones from the style sheet, pieces into strips."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.scroll_view import ScrollView
from textual.strip import Strip

from cmbagent_tui.look import Tone
from engine.model.text import clean


def safe(text: str) -> str:
    """Text without what a terminal would obey. Texts are made safe where they enter; this is the last gate, for a name
    that must be kept as it is to find its file by."""
    return text if text.isprintable() else clean(text)


class Piece(NamedTuple):
    """Text at a column, in a tone (or another of the widget's component classes `tone--NAME`); strong is bold."""

    column: int
    text: str
    tone: str = Tone.PLAIN
    strong: bool = False


class Painted(ScrollView, can_focus=True):
    """A ScrollView that composes its lines from pieces. Its colours are component classes, so that themes reach
    them."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"tone--{tone}" for tone in Tone),
        "tone--line",
        "tone--cursor",
        "tone--cursor-blurred",
    }

    def __init__(self, *, id: str | None = None, ascii_only: bool = False) -> None:
        super().__init__(id=id)
        self.ascii_only = ascii_only
        self._styles: dict[str, Style] = {}

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles.clear()

    def tone(self, name: str, *, strong: bool = False) -> Style:
        """The foreground of a component class `tone--NAME`. What the theme has translucent is blended here, since a
        strip's styles are opaque."""
        key = f"{name}+" if strong else name
        style = self._styles.get(key)
        if style is None:
            look = self.get_component_styles(f"tone--{name}")
            color = self.background_colors[1] + look.color
            style = self._styles[key] = Style(color=color.rich_color, bold=strong or None)
        return style

    def cursor_style(self) -> Style:
        """What lies over the row or cell under the cursor: stronger while the widget has the focus."""
        return self.ground("cursor" if self.has_focus else "cursor-blurred")

    def ground(self, name: str) -> Style:
        """The background of a component class `tone--NAME`."""
        style = self._styles.get(name)
        if style is None:
            look = self.get_component_styles(f"tone--{name}")
            under = self.background_colors[1] + look.background
            style = self._styles[name] = Style(bgcolor=under.rich_color, bold=look.text_style.bold)
        return style

    def over(self, strip: Strip, left: int, right: int, style: Style) -> Strip:
        """A strip with a style laid over columns `left` to `right`."""
        middle = Strip(Segment.apply_style(strip.crop(left, right), post_style=style), right - left)
        return Strip.join([strip.crop(0, left), middle, strip.crop(right, strip.cell_length)])

    def under_cursor(self, strip: Strip) -> Strip:
        """A strip as it looks under the cursor."""
        return Strip(Segment.apply_style(strip, post_style=self.cursor_style()), strip.cell_length)

    def strip(self, pieces: Iterable[Piece], start: int, width: int, under: Style, lines: str = "") -> Strip:
        """Compose what columns `start` to `start + width` show of the pieces, which come in order of column and do not
        overlap, with the characters of `lines` (already cut to those columns) between them."""
        segments: list[Segment] = []
        line_style = under + self.tone("line")
        at = start
        for piece in pieces:
            if piece.column > at:
                gap = piece.column - at
                filler = lines[at - start : at - start + gap].ljust(gap)
                segments.append(Segment(filler, line_style))
                at = piece.column
            segments.append(Segment(safe(piece.text), under + self.tone(piece.tone, strong=piece.strong)))
            at += segments[-1].cell_length
        if at < start + width:
            segments.append(Segment(lines[at - start :].ljust(start + width - at), line_style))
        return Strip(segments).adjust_cell_length(width, under)
