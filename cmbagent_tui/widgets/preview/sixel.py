"""Pictures as sixels: six rows of pixels a character, colour after colour."""

from __future__ import annotations

from collections.abc import Generator
from itertools import groupby
from typing import Any

from cmbagent_tui.widgets.preview.pictures import Picture

_COLOURS = 96


def sixels(picture: Picture, columns: int, rows: int, cell: tuple[int, int]) -> Generator[None, None, str]:
    """What draws a picture over so many cells, from where the cursor stands; made in slices."""
    width, height = columns * cell[0], rows * cell[1] // 6 * 6
    image: Any = picture.image.resize((width, height)).quantize(_COLOURS)
    palette: list[int] = image.getpalette()
    yield
    parts = [f'\x1bP0;1;0q"1;1;{width};{height}']
    for number in range(len(palette) // 3):
        red, green, blue = (value * 100 // 255 for value in palette[3 * number : 3 * number + 3])
        parts.append(f"#{number};2;{red};{green};{blue}")
    pixels: bytes = image.tobytes()
    for top in range(0, height, 6):
        parts.append(_band([pixels[(top + y) * width : (top + y + 1) * width] for y in range(6)], width) + "-")
        yield
    return "".join(parts) + "\x1b\\"


def _band(lines: list[bytes], width: int) -> str:
    """Six rows of pixels."""
    drawn: dict[int, bytearray] = {}
    for place, line in enumerate(lines):
        bit = 1 << place
        for x, colour in enumerate(line):
            if colour not in drawn:
                drawn[colour] = bytearray(width)
            drawn[colour][x] |= bit
    return "$".join(f"#{colour}{_packed(bits)}" for colour, bits in drawn.items())


def _packed(bits: bytearray) -> str:
    """Characters, with a count before those that repeat."""
    parts: list[str] = []
    for value, run in groupby(bits):
        count = sum(1 for _ in run)
        character = chr(63 + value)
        parts.append(f"!{count}{character}" if count > 3 else character * count)
    return "".join(parts)
