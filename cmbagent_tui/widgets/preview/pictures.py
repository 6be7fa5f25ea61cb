"""Pictures in cells: two pixels a cell, one above the other, or in ASCII a character for how bright it is."""

from __future__ import annotations

import io
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from rich.color import Color
from rich.style import Style

from cmbagent_tui.widgets.detail.blocks import Row, Span

if TYPE_CHECKING:
    from PIL.Image import Image

_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF")
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
_MOST_PIXELS = 50_000_000  # of a picture that is decoded: more is a bomb, or no figure
_KEPT = 1200  # pixels on the longer side that are kept
_LOWEST, _HIGHEST = 8, 60  # rows
_RAMP = " .:-=+*#%@"
_MISSING = "To see pictures here, install Pillow: pip install 'cmbagent-tui[images]'."


class Picture:
    """A decoded picture, as wide as the pane and in proportion."""

    def __init__(self, image: Image, size: tuple[int, int], room: Callable[[], int], *, ascii_only: bool) -> None:
        self.image = image
        self.size = size  # pixels of the original
        self._room = room  # rows that are seen at once
        self._ascii = ascii_only
        self._rows: list[Row] = []
        self._drawn = (0, 0)  # columns and rows of it that are drawn

    @property
    def text(self) -> str:
        return f"(a picture of {self.size[0]} x {self.size[1]} pixels)"

    def cells(self, width: int) -> tuple[int, int]:
        """Columns and rows that it takes in a pane of a width: a cell is about twice as high as wide."""
        across, down = self.image.size
        columns = max(1, min(width, across))
        rows = max(1, round(columns * down / across / 2))
        highest = max(_LOWEST, min(_HIGHEST, self._room()))
        if rows > highest:
            columns, rows = max(1, columns * highest // rows), highest
        return columns, rows

    def lay_out(self, width: int) -> Generator[None, None, int]:
        columns, rows = self.cells(width)
        if (columns, rows) != self._drawn:
            yield
            drawn: list[Row] = []
            if self._ascii:
                grey: Any = self.image.convert("L").resize((columns, rows)).tobytes()
                for y in range(rows):
                    line = grey[y * columns : (y + 1) * columns]
                    drawn.append([Span("".join(_RAMP[value * len(_RAMP) // 256] for value in line))])
            else:
                pixels: Any = self.image.resize((columns, 2 * rows)).tobytes()
                for y in range(rows):
                    drawn.append(_half_blocks(pixels, columns, y))
                    yield
            drawn.append([Span(f"{self.size[0]} x {self.size[1]} pixels", "$foreground 58%")])
            self._rows, self._drawn = drawn, (columns, rows)
        return len(self._rows)

    def row(self, number: int) -> Row:
        return self._rows[number]


def _half_blocks(pixels: bytes, columns: int, y: int) -> Row:
    """A row of cells, those of one look together."""
    stride = 3 * columns
    upper, lower = pixels[2 * y * stride : (2 * y + 1) * stride], pixels[(2 * y + 1) * stride : (2 * y + 2) * stride]
    spans: list[Span] = []
    start = 0
    for x in range(1, columns + 1):
        here, there = 3 * x, 3 * start
        if x < columns and (upper[here : here + 3], lower[here : here + 3]) == (
            upper[there : there + 3],
            lower[there : there + 3],
        ):
            continue
        above, below = tuple(upper[there : there + 3]), tuple(lower[there : there + 3])
        style = Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below))
        spans.append(Span("▀" * (x - start), style))
        start = x
    return spans


def decode(data: bytes, room: Callable[[], int], *, ascii_only: bool) -> Picture | str:
    """The picture in some bytes, or in words why it cannot be shown; empty: it is none. It takes no more rows than
    there is room for when it is laid out.

    Runs in a thread: Pillow lets go of the interpreter while it decodes.
    """
    if not data.startswith(_MAGIC):
        return ""
    try:
        from PIL import Image
    except ImportError:
        return _MISSING
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            size = opened.size
            if size[0] * size[1] > _MOST_PIXELS:
                return f"It has {size[0]} x {size[1]} pixels: too many to be shown here."
            opened.draft("RGB", (_KEPT, _KEPT))
            image = opened.convert("RGBA")
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        return f"It could not be decoded: {type(error).__name__}."
    image.thumbnail((_KEPT, _KEPT))
    ground = Image.new("RGBA", image.size, "white")
    ground.alpha_composite(image)
    return Picture(ground.convert("RGB"), size, room, ascii_only=ascii_only)
