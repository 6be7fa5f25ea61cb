"""A dialog that asks for one line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static

from cmbagent_tui.widgets.keys import KeyLine
from engine.model.errors import CockpitError


class LineScreen(ModalScreen[None]):
    """Closes once what was written has been done; until then it says why not."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave", id="line.leave", tooltip="Leave everything as it is"),
    ]

    def __init__(self, title: str, text: str, hint: str, do: Callable[[str], Awaitable[None]]) -> None:
        """`do` is given what was written; it raises CockpitError when that will not do."""
        super().__init__()
        self._title, self._text, self._hint, self._do = title, text, hint, do

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(self._title, markup=False, classes="dialog-title")
            yield Input(self._text, id="line", compact=True, select_on_focus=False)
            yield Static(self._hint, id="line-said", markup=False)
            yield KeyLine(("enter", "do it"), ("esc", "leave it"))

    def on_mount(self) -> None:
        self.query_one(Input).cursor_position = len(self._text)

    def on_input_changed(self) -> None:
        self._say(self._hint, wrong=False)

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        try:
            await self._do(event.value)
        except CockpitError as error:
            self._say(str(error), wrong=True)
        else:
            self.dismiss(None)

    def _say(self, text: str, *, wrong: bool) -> None:
        line = self.query_one("#line-said", Static)
        line.update(text)
        line.set_class(wrong, "-wrong")

    def action_leave(self) -> None:
        """Close, and do nothing."""
        self.dismiss(None)
