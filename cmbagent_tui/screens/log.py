"""The log, followed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from cmbagent_tui import words
from cmbagent_tui.log import tail
from cmbagent_tui.look import Tone
from cmbagent_tui.messages import RowHighlighted
from cmbagent_tui.widgets.keys import KeyLine
from cmbagent_tui.widgets.paint import Piece
from cmbagent_tui.widgets.rows import Rows
from cmbagent_tui.work import begin
from engine.model.text import clean

_LOOK = 0.5  # seconds between two looks at the file
_TONES = {"error": Tone.FAILED, "defect": Tone.FAILED, "slow": Tone.WAITING}


class LogRows(Rows):
    """Lines, newest last."""

    def __init__(self, *, ascii_only: bool) -> None:
        super().__init__(id="log-lines", ascii_only=ascii_only)
        self.lines: list[str] = []

    @property
    def count(self) -> int:
        return len(self.lines)

    def pieces(self, index: int, width: int) -> list[Piece]:
        line = self.lines[index]
        parts = line.split(" ", 3)
        if line.startswith(" ") or len(parts) < 4:
            return [Piece(0, words.fit(line, width, ascii_only=self.ascii_only), Tone.MUTED)]
        when, pid, kind, text = parts
        head = f"{when[11:19]} {pid:>7} " if width >= 60 else f"{when[11:19]} "
        said = words.fit(f"{kind:<7}{text}", max(8, width - len(head)), ascii_only=self.ascii_only)
        return [Piece(0, head, Tone.MUTED), Piece(len(head), said, _TONES.get(kind, Tone.PLAIN))]


class LogScreen(ModalScreen[None]):
    """Follows the file until the cursor is moved up; the line under the cursor is shown whole below."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "errors", "Errors", id="log.errors", tooltip="Only what went wrong, or everything"),
        Binding("escape,q,L", "close", "Close", id="log.close", tooltip="Back to where you were"),
    ]
    AUTO_FOCUS = "#log-lines"

    def __init__(self, file: Path, *, ascii_only: bool = False) -> None:
        super().__init__()
        self._file = file
        self._ascii = ascii_only
        self._seen: tuple[int, int] | None = None  # inode and size
        self._all: list[str] = []
        self._only_errors = False

    def compose(self) -> ComposeResult:
        with Vertical(id="log", classes="dialog"):
            yield Static("Log", id="log-title", classes="dialog-title", markup=False)
            yield LogRows(ascii_only=self._ascii)
            yield Static("", id="log-whole", markup=False)
            yield KeyLine(("G", "follow"), ("e", "errors alone"), ("esc", "close"))

    def on_mount(self) -> None:
        self._look()
        self.set_interval(_LOOK, self._look)

    def _look(self) -> None:
        begin(self, self._read, "read", exclusive=True)

    async def _read(self) -> None:
        found = await asyncio.to_thread(self._changed)
        if found is not None:
            self._all = found
            self._show()

    def _changed(self) -> list[str] | None:
        """The lines, if the file is another than at the last look."""
        try:
            now = self._file.stat()
        except OSError:
            return []
        if self._seen == (now.st_ino, now.st_size):
            return None
        self._seen = (now.st_ino, now.st_size)
        return [clean(line).expandtabs(4) for line in tail(self._file)]

    def _show(self) -> None:
        rows = self.query_one(LogRows)
        follows = rows.cursor >= rows.count - 1
        rows.lines = list(_wrong(self._all)) if self._only_errors else self._all
        rows.resized()
        rows.go(rows.count - 1 if follows else rows.cursor)
        self._tell()

    def on_row_highlighted(self, message: RowHighlighted) -> None:
        self._tell()

    def _tell(self) -> None:
        rows = self.query_one(LogRows)
        whole = self.query_one("#log-whole", Static)
        whole.update(rows.lines[rows.cursor].strip() if rows.lines else f"Nothing is in {self._file.name} yet.")

    def action_errors(self) -> None:
        """Show errors alone, or everything."""
        self._only_errors = not self._only_errors
        self.query_one("#log-title", Static).update("Log: what went wrong" if self._only_errors else "Log")
        self.query_one(LogRows).lines = []
        self._show()

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)


def _wrong(lines: list[str]) -> list[str]:
    """The entries that tell of an error, with the lines that belong to them."""
    kept: list[str] = []
    wrong = False
    for line in lines:
        if not line.startswith(" "):
            wrong = line.split(" ", 3)[2:3] in (["error"], ["defect"])
        if wrong:
            kept.append(line)
    return kept
