"""Pictures in pixels: what is asked of a terminal, what its answer is taken for, and what it is then sent."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmbagent_tui.slices import at_once
from cmbagent_tui.widgets.preview.asking import Abilities, _Listener  # pyright: ignore[reportPrivateUsage]
from cmbagent_tui.widgets.preview.kitty import KittyPicture, packed
from cmbagent_tui.widgets.preview.pictures import Picture, decode
from cmbagent_tui.widgets.preview.sixel import sixels
from tests.support.cockpit import Terminal
from tests.tui.detail_seed import png
from tests.tui.looking import PATIENCE

Image: Any = pytest.importorskip("PIL.Image")

KITTY = "\x1b_Gi=4207;OK\x1b\\"
CELL = "\x1b[6;20;10t"
WHO = "\x1b[?62;4;22c"


def picture(width: int = 64, height: int = 48) -> Picture:
    found = decode(png(width, height), lambda: 30, ascii_only=False)
    assert isinstance(found, Picture)
    return found


@given(cuts=st.lists(st.integers(0, 60), max_size=6))
def test_answers_are_taken_out_of_the_keys_however_they_come_in(cuts: list[int]) -> None:
    whole = f"a{KITTY}j{CELL}é{WHO}k"
    listener = _Listener()
    # Not right behind an escape: that one must not be kept back, it may be the key.
    places = sorted({0, *(cut for cut in cuts if 0 < cut < len(whole) and whole[cut - 1] != "\x1b"), len(whole)})
    heard = "".join(listener.keys(whole[start:stop]) for start, stop in pairwise(places))
    assert heard == "ajék"
    assert listener.abilities == Abilities(kitty=True, sixel=True, cell=(10, 20)) and listener.done


def test_a_terminal_that_can_neither_says_so() -> None:
    listener = _Listener()
    assert listener.keys("\x1b[?64;1;2c") == ""
    assert listener.abilities == Abilities() and listener.done
    assert _Listener().keys("\x1b[A\x1b") == "\x1b[A\x1b", "keys are not held back"


def test_kitty_is_given_a_png_in_pieces_and_cells_that_stand_for_it() -> None:
    one = KittyPicture(picture(640, 480))
    pieces = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", one.sent(packed(picture(640, 480)), 56))
    assert all(len(piece) <= 4096 for _, piece in pieces)
    assert re.fullmatch(rf"a=T,U=1,q=2,f=100,i={one.number},c=56,r=21,m=\d", pieces[0][0])
    assert [head[-1] for head, _ in pieces] == ["1"] * (len(pieces) - 1) + ["0"]
    shown = Image.open(io.BytesIO(base64.b64decode("".join(piece for _, piece in pieces))))
    assert shown.size == (640, 480) and shown.convert("RGB").getpixel((600, 10))[0] > 180
    assert at_once(one.lay_out(56)) == 22
    assert all(one.row(row)[0].text.count("\U0010eeee") == 56 for row in range(21))
    assert len({one.row(row)[0].text for row in range(21)}) == 21
    assert f"i={one.number}" in one.forgotten()


def test_sixels_draw_the_picture() -> None:
    one = picture()
    drawn = at_once(sixels(one, 10, 4, (6, 12)))
    assert drawn.startswith('\x1bP0;1;0q"1;1;60;48') and drawn.endswith("\x1b\\")
    pixels = decoded(drawn, 60, 48)
    assert pixels[2][2] == (100, 100, 100)
    red, blue = pixels[5][50], pixels[40][50]
    assert red[0] > 70 > 30 > red[2] and blue[2] > 70 > 30 > blue[0]


def decoded(sixel: str, width: int, height: int) -> list[list[tuple[int, int, int]]]:
    """The pixels (colours in percent) that a terminal would show."""
    pixels = [[(0, 0, 0)] * width for _ in range(height)]
    palette: dict[int, tuple[int, int, int]] = {}
    colour, x, top = 0, 0, 0
    body = sixel[sixel.index("#") : -2]
    for token in re.finditer(r"#(\d+)(?:;2;(\d+);(\d+);(\d+))?|!(\d+)(.)|([$-])|(.)", body):
        number, red, green, blue, count, repeated, move, single = token.groups()
        if number is not None:
            colour = int(number)
            if red is not None:
                palette[colour] = (int(red), int(green), int(blue))
        elif move is not None:
            x, top = 0, top + (6 if move == "-" else 0)
        else:
            bits, wide = ord(repeated or single) - 63, int(count or 1)
            for row in range(6):
                if bits >> row & 1:
                    pixels[top + row][x : x + wide] = [palette[colour]] * wide
            x += wide
    return pixels


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x89PNG\r\n\x1a\nrubbish", "could not be decoded"),
        (png(2, 2)[:40], "could not be decoded"),
        (b"not a picture", None),
    ],
)
def test_what_is_no_picture_is_not_shown_as_one(data: bytes, said: str | None) -> None:
    found = decode(data, lambda: 20, ascii_only=False)
    assert isinstance(found, str) and (said or "") in found and bool(said) == bool(found)


def test_a_bomb_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cmbagent_tui.widgets.preview.pictures._MOST_PIXELS", 1000)
    assert "too many to be shown" in str(decode(png(64, 48), lambda: 20, ascii_only=False))


PROGRAM = """
import json, pathlib, sys
from dataclasses import asdict
from textual.app import App
from textual.events import Key
from cmbagent_tui import hearing
from cmbagent_tui.widgets.preview.asking import ask

hearing.install()

class Asking(App[None]):
    pressed = []
    def on_mount(self):
        self.run_worker(self.go())
    def on_key(self, event: Key):
        self.pressed.append(event.key)
        if event.key == "q":
            pathlib.Path(sys.argv[1]).write_text(json.dumps([asdict(self.able), self.pressed]))
            self.exit()
    async def go(self):
        self.able = await ask(self)
        self._driver.write("\\x1b]2;answered\\x07")

Asking().run()
"""


def until_written(terminal: Terminal, what: bytes) -> None:
    deadline = time.monotonic() + PATIENCE
    while what not in terminal.raw:
        assert time.monotonic() < deadline, terminal.text
        terminal.screen_settles(0.05)


@pytest.mark.parametrize("tmux", [False, True])
def test_a_terminal_is_asked_and_keys_arrive_meanwhile(tmp_path: Path, tmux: bool) -> None:
    program, report = tmp_path / "asking.py", tmp_path / "report.json"
    program.write_text(PROGRAM)
    environ = {
        "PATH": os.environ["PATH"],
        "TERM": "xterm-256color",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "TMUX": "/tmp/tmux,1,0" if tmux else "",
    }
    terminal = Terminal([sys.executable, str(program), str(report)], environ, 80, 24)
    until_written(terminal, b"\x1b[c")
    assert (b"\x1b_Gi=4207" in terminal.raw) is not tmux
    terminal.keys("a", "" if tmux else KITTY, "b", CELL, WHO, "c")
    until_written(terminal, b"answered")
    terminal.keys("q")
    terminal.wait()
    terminal.end()
    assert json.loads(report.read_text()) == [
        {"kitty": not tmux, "sixel": True, "cell": [10, 20]},
        ["a", "b", "c", "q"],
    ]


SHOWING = """
import sys
from textual.app import App, ComposeResult
from cmbagent_tui import hearing
from cmbagent_tui.widgets.detail.blocks import line
from cmbagent_tui.widgets.detail.prose import Prose
from cmbagent_tui.widgets.preview.better import show_better
from cmbagent_tui.widgets.preview.pictures import decode
from tests.tui.detail_seed import png

hearing.install()

class Showing(App[None]):
    def compose(self) -> ComposeResult:
        yield Prose()
    def on_mount(self):
        self.call_after_refresh(lambda: self.run_worker(self.go()))
    async def go(self):
        prose, picture = self.query_one(Prose), decode(png(64, 48), lambda: 10, ascii_only=False)
        prose.show([line("above"), picture], anew=True)
        await show_better(prose, picture)

Showing().run()
"""


@pytest.mark.parametrize("kitty", [True, False])
def test_a_picture_is_shown_in_cells_at_once_and_better_when_the_terminal_has_answered(
    tmp_path: Path, kitty: bool
) -> None:
    program = tmp_path / "showing.py"
    program.write_text(SHOWING)
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TMUX": ""}
    terminal = Terminal([sys.executable, str(program)], environ, 80, 24)
    terminal.until("above", "▀▀▀", "64 x 48 pixels")
    until_written(terminal, b"\x1b[c")
    terminal.keys(KITTY + WHO if kitty else CELL + WHO)
    if kitty:
        until_written(terminal, b"\x1b_Ga=T,U=1")
        until_written(terminal, "\U0010eeee".encode())
        terminal.until_gone("▀▀▀")
    else:
        until_written(terminal, b'\x1b7\x1b[2;1H\x1bP0;1;0q"1;1;260;198')
        until_written(terminal, b"\x1b\\\x1b8")
        assert b"\x1b_Ga=T" not in terminal.raw
    terminal.end()
