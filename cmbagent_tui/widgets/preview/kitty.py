"""Pictures by the protocol of kitty: the terminal is given the picture once, and shows it where cells of text stand for
its parts. So it scrolls, is covered and goes away as text does."""

from __future__ import annotations

import base64
import io
import itertools
from collections.abc import Generator

from rich.color import Color
from rich.style import Style

from cmbagent_tui.widgets.detail.blocks import MUTED, Row, Span
from cmbagent_tui.widgets.preview.pictures import Picture

_PLACEHOLDER = "\U0010eeee"
_CHUNK = 4096  # bytes of one piece
_SENT = 640  # pixels on the longer side: more than the pane has, little enough for a slow line
# The marks that number rows and columns, by the protocol: combining characters that nothing is composed of.
_MARKS = "".join(
    chr(code)
    for first, last in (
        (0x305, 0x305), (0x30D, 0x30E), (0x310, 0x310), (0x312, 0x312), (0x33D, 0x33F), (0x346, 0x346),
        (0x34A, 0x34C), (0x350, 0x352), (0x357, 0x357), (0x35B, 0x35B), (0x363, 0x36F), (0x483, 0x487),
        (0x592, 0x595), (0x597, 0x599), (0x59C, 0x5A1), (0x5A8, 0x5A9), (0x5AB, 0x5AC), (0x5AF, 0x5AF),
        (0x5C4, 0x5C4), (0x610, 0x617),
    )
    for code in range(first, last + 1)
)  # fmt: skip
_numbers = itertools.count(1)


def packed(picture: Picture) -> bytes:
    """The picture as a small PNG. Takes tens of milliseconds: in a thread."""
    image = picture.image.copy()
    image.thumbnail((_SENT, _SENT))
    out = io.BytesIO()
    image.quantize(128).save(out, "PNG", optimize=True)
    return out.getvalue()


class KittyPicture:
    """The rows of cells that stand for a picture. Its number is their colour."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self.number = 0x2A0000 | (next(_numbers) & 0xFFFF)
        self._rows: list[Row] = []

    @property
    def text(self) -> str:
        return self._picture.text

    def lay_out(self, width: int) -> Generator[None, None, int]:
        yield
        columns, rows = self._picture.cells(width)
        red, green, blue = self.number >> 16, self.number >> 8 & 0xFF, self.number & 0xFF
        style = Style(color=Color.from_rgb(red, green, blue))
        self._rows = [
            [Span(_PLACEHOLDER + _MARKS[row] + _MARKS[0] + _PLACEHOLDER * (columns - 1), style)] for row in range(rows)
        ]
        across, down = self._picture.size
        self._rows.append([Span(f"{across} x {down} pixels", MUTED)])
        return len(self._rows)

    def row(self, number: int) -> Row:
        return self._rows[number]

    def sent(self, png: bytes, width: int) -> str:
        """What gives the picture to the terminal, to be shown in a pane of a width."""
        columns, rows = self._picture.cells(width)
        encoded = base64.b64encode(png).decode()
        pieces = [encoded[start : start + _CHUNK] for start in range(0, len(encoded), _CHUNK)]
        found: list[str] = []
        for place, piece in enumerate(pieces):
            more = int(place < len(pieces) - 1)
            head = f"a=T,U=1,q=2,f=100,i={self.number},c={columns},r={rows},m={more}" if place == 0 else f"q=2,m={more}"
            found.append(f"\x1b_G{head};{piece}\x1b\\")
        return "".join(found)

    def forgotten(self) -> str:
        """What has the terminal forget the picture."""
        return f"\x1b_Ga=d,d=I,q=2,i={self.number}\x1b\\"
