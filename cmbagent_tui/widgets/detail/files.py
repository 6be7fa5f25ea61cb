"""The files of a step: a list, and below it what the chosen one holds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from rich.cells import cell_len

from cmbagent_tui import words
from cmbagent_tui.clipboard import to_terminal
from cmbagent_tui.look import Tone
from cmbagent_tui.messages import RowOpened
from cmbagent_tui.widgets.detail.blocks import MUTED, Block, line
from cmbagent_tui.widgets.detail.listing import ListedRows, Listing
from cmbagent_tui.widgets.paint import Piece
from cmbagent_tui.widgets.preview.pictures import Picture
from cmbagent_tui.widgets.preview.preview import preview
from cmbagent_tui.work import begin
from engine.model.records import Artifact
from engine.model.text import one_line

if TYPE_CHECKING:
    from cmbagent_tui.widgets.preview.kitty import KittyPicture
    from engine import Engine


class FileRows(ListedRows):
    """Path, size, kind, and where there is room the agent and the hash."""

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(id=id, ascii_only=ascii_only)
        self.files: list[Artifact] = []

    @property
    def count(self) -> int:
        return len(self.files)

    def pieces(self, index: int, width: int) -> list[Piece]:
        one = self.files[index]
        facts = f"  {words.size(one.size):>8}  {one.kind:<7}"
        if width >= 50:
            facts += f"  {one.sha256[:8]}"
        if width >= 64:
            facts += f"  {one.agent:<10.10}"
        room = max(8, width - cell_len(facts))
        return [
            Piece(0, words.fit(one_line(one.path), room, ascii_only=self.ascii_only)),
            Piece(room, words.fit(facts, width - room), Tone.MUTED),
        ]


class FilesSection(Listing):
    """The newest version of every file that the step wrote."""

    rows: FileRows

    def __init__(self, engine: Engine, *, ascii_only: bool = False, id: str | None = None) -> None:
        super().__init__(FileRows(ascii_only=ascii_only, id="file-rows"), ascii_only=ascii_only, id=id)
        self._engine = engine
        self._ascii = ascii_only
        self.wanted: str | None = None  # the path that the cursor is put on next
        self._given: KittyPicture | None = None  # a picture that the terminal keeps

    async def show(self, run_id: str, node_id: str | None) -> None:
        """Read the files of a node (of the run, without one) and list them."""
        found = await self._engine.artifacts(run_id, node_id=node_id)
        newest = {one.path: one for one in found}
        before = self.chosen()
        self.rows.files = sorted(newest.values(), key=lambda one: one.path)
        paths = sorted(newest)
        path = self.wanted if self.wanted in newest else before.path if before else None
        self.wanted = None
        self.listed(paths.index(path) if path is not None and path in newest else 0)
        await self.fill_preview()

    def chosen(self) -> Artifact | None:
        """The file under the cursor."""
        return self.rows.files[self.rows.cursor] if self.rows.cursor < self.rows.count else None

    def chosen_key(self) -> object:
        one = self.chosen()
        return (one.sha256, one.path) if one else None

    async def blocks(self) -> Sequence[Block]:
        one = self.chosen()
        if one is None:
            return [line(("This step has written no files yet.", MUTED))]
        blocks = await preview(self._engine, one, lambda: self.preview.room, ascii_only=self._ascii)
        picture = next((block for block in blocks if isinstance(block, Picture)), None)
        if picture is not None and not self._ascii:
            begin(self, partial(self._show_better, picture), "picture", exclusive=True)
        return blocks

    async def _show_better(self, picture: Picture) -> None:
        from cmbagent_tui.widgets.preview.better import show_better

        given = await show_better(self.preview, picture)
        self._forget()
        self._given = given

    def _forget(self) -> None:
        """Have the terminal forget the picture that it was given before."""
        if self._given is not None:
            to_terminal(self.app, self._given.forgotten())
            self._given = None

    def on_resize(self) -> None:
        """A picture that the terminal keeps has the size that it was given with."""
        if self._given is not None:
            begin(self, self.fill_preview, "preview", exclusive=True)

    def on_unmount(self) -> None:
        self._forget()

    def on_row_opened(self, message: RowOpened) -> None:
        message.stop()
        begin(self, partial(self.screen.run_action, "open"), "open")
