"""The files of a step: a list, and below it what the chosen one holds."""

from __future__ import annotations

import csv
import io
import json
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from cmbagent_tui import words
from cmbagent_tui.look import Tone
from cmbagent_tui.messages import RowHighlighted, RowOpened
from cmbagent_tui.widgets.detail.source import read_head
from cmbagent_tui.widgets.paint import Piece
from cmbagent_tui.widgets.rows import Rows
from cmbagent_tui.work import begin
from engine.model.records import Artifact
from engine.model.text import one_line

if TYPE_CHECKING:
    from engine import Engine

_ROWS_SHOWN = 200  # of a table
_CELL = 24  # cells of a table's column at most


class FileRows(Rows):
    """The list: path, size, kind, hash, agent, as much as fits."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l", "screen.tab(1)", "Next tab", show=False, id="files.next_tab", tooltip="To the next tab"),
        Binding("left,h", "screen.tab(-1)", "Last tab", show=False, id="files.last_tab", tooltip="To the tab before"),
    ]

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(id=id, ascii_only=ascii_only)
        self.files: list[Artifact] = []

    @property
    def count(self) -> int:
        return len(self.files)

    def pieces(self, index: int, width: int) -> list[Piece]:
        one = self.files[index]
        facts = f"  {words.size(one.size):>8}  {one.kind:<7}"
        if width >= 60:
            facts += f"  {one.agent:<10.10}  {one.sha256[:8]}"
        room = max(8, width - cell_len(facts))
        return [
            Piece(0, words.fit(one_line(one.path), room, ascii_only=self.ascii_only)),
            Piece(room, words.fit(facts, width - room), Tone.MUTED),
        ]


class FilesSection(Widget):
    """The list and the preview."""

    def __init__(self, engine: Engine, *, ascii_only: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self._engine = engine
        self.rows = FileRows(ascii_only=ascii_only, id="file-rows")

    def compose(self) -> ComposeResult:
        yield self.rows
        with VerticalScroll(id="preview", can_focus=False):
            yield Static(id="preview-text", markup=False)

    def show(self, run_id: str, node_id: str | None) -> None:
        """Read the files of a node (of the run, without one) and list them."""
        begin(self, partial(self._load, run_id, node_id), "files", exclusive=True)

    def chosen(self) -> Artifact | None:
        """The file under the cursor."""
        return self.rows.files[self.rows.cursor] if self.rows.cursor < self.rows.count else None

    async def _load(self, run_id: str, node_id: str | None) -> None:
        found = await self._engine.artifacts(run_id, node_id=node_id)
        newest = {one.path: one for one in found}
        before = self.chosen()
        self.rows.files = sorted(newest.values(), key=lambda one: one.path)
        self.rows.styles.height = min(max(1, len(newest)), 12)
        self.rows.resized()
        paths = [one.path for one in self.rows.files]
        self.rows.go(paths.index(before.path) if before and before.path in paths else 0)
        await self._preview()

    async def on_row_highlighted(self, message: RowHighlighted) -> None:
        message.stop()
        begin(self, self._preview, "preview", exclusive=True)

    def on_row_opened(self, message: RowOpened) -> None:
        message.stop()
        begin(self, partial(self.screen.run_action, "open_file"), "open-file")

    async def _preview(self) -> None:
        one = self.chosen()
        text = Content("This step has written no files yet.") if one is None else await preview(self._engine, one)
        self.query_one("#preview-text", Static).update(text)
        self.query_one("#preview").scroll_home(animate=False)


async def preview(engine: Engine, one: Artifact) -> Content:
    """What a file holds: text, JSON set out, CSV as a table; of the rest, what it is and how to see it."""
    head, whole = await read_head(engine, one.sha256)
    if head is None:
        how = "a figure" if one.kind == "figure" else "not text"
        return Content.assemble(
            (f"{one_line(one.path)}\n", "bold"),
            f"{how}, {words.size(one.size)}. Press o to save a copy and open it.\n",
            (f"sha256 {one.sha256}", "$foreground 58%"),
        )
    cut = "" if whole else f"\n… only the beginning of {words.size(one.size)} is shown; press o for all of it"
    if one.path.endswith(".csv"):
        return Content(_table(head) + cut)
    from textual.highlight import highlight

    if one.path.endswith(".json") and whole:
        try:
            return highlight(json.dumps(json.loads(head), indent=2, ensure_ascii=False), language="json")
        except ValueError:
            return Content(head)
    shown = highlight(head, path=one.path) if one.kind == "code" else Content(head)
    return shown + Content(cut)


def _table(text: str) -> str:
    """CSV set out in columns, the head row underlined."""
    rows = [row[:24] for _, row in zip(range(_ROWS_SHOWN + 1), csv.reader(io.StringIO(text)), strict=False)]
    if not rows:
        return "(empty)"
    columns = max(map(len, rows))
    widths = [min(_CELL, max((cell_len(row[c]) for row in rows if c < len(row)), default=0)) for c in range(columns)]
    lines = ["  ".join(words.fit(cell, widths[c]) for c, cell in enumerate(row)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)
