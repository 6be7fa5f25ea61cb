"""A line in which one looks for something as one types, with a hint below it, or what is wrong with it."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input, Static

from engine.model.errors import UsageError


class Finder(Vertical):
    """The line. It tells what was typed, and when it is left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "leave(True)", "List", show=False, id="find.down", tooltip="To what was found"),
        Binding("escape", "leave(False)", "Leave", show=False, id="find.leave", tooltip="Look for nothing"),
    ]

    class Changed(Message):
        """Another text."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """The line was left; `kept` when what it says still holds."""

        def __init__(self, kept: bool) -> None:
            super().__init__()
            self.kept = kept

    def __init__(self, hint: str, placeholder: str) -> None:
        super().__init__()
        self._hint, self._placeholder = hint, placeholder
        self.wrong = False

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Static("/", markup=False)
            yield Input(placeholder=self._placeholder, compact=True, select_on_focus=False)
        yield Static(self._hint, id="finder-said", markup=False)

    def restore(self, text: str) -> None:
        """Let the line hold a text, without telling."""
        with self.prevent(Input.Changed):
            self.query_one(Input).value = text
        self.say(None)

    def say(self, error: UsageError | None) -> None:
        """Say what is wrong, or the hint again."""
        self.wrong = error is not None
        said = self.query_one("#finder-said", Static)
        said.update(" ".join(filter(None, (f"{error.cause}.", error.hint))) if error else self._hint)
        said.set_class(self.wrong, "-wrong")

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_leave(True)

    def action_leave(self, kept: bool) -> None:
        """Leave the line."""
        self.post_message(self.Left(kept))
