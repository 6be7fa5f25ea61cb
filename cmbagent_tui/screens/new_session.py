"""A new session: a task in as many lines as it takes, and a mode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Label, OptionList, Static, TextArea
from textual.widgets.option_list import Option

from cmbagent_tui.widgets.keys import KeyLine
from engine.model.records import Mode

# What each mode does, in a few words; the first is the one that is chosen.
MODES: tuple[tuple[Mode, str], ...] = (
    (Mode.PLANNING_CONTROL, "a plan that you approve, then its steps, in parallel where they can be"),
    (Mode.ONE_SHOT, "one agent, no plan: for a task of one step"),
)


@dataclass(frozen=True, slots=True)
class NewSession:
    """What the form gives; `start` is False when it was only put aside."""

    task: str
    mode: Mode
    start: bool


class NewSessionScreen(ModalScreen[NewSession]):
    """The form. What was typed is given back when it is put aside, so that it is there the next time."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r,f5", "start", "Start", id="new.start", tooltip="Start the session", key_display="^r"),
        Binding("escape", "aside", "Not now", id="new.aside", tooltip="Go back; the text is kept"),
    ]

    def __init__(self, task: str = "", mode: Mode = Mode.PLANNING_CONTROL) -> None:
        super().__init__()
        self._text = task
        self._chosen = mode

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="new-session"):
            yield Label("What is to be found out?", classes="dialog-title", markup=False)
            yield TextArea(self._text, id="task", show_line_numbers=False, tab_behavior="focus")
            yield OptionList(*(Option(f"{mode.value}: {text}", id=mode.value) for mode, text in MODES), id="mode")
            yield Static("", id="new-error", markup=False)
            yield KeyLine(("ctrl+r", "start"), ("tab", "choose a mode"), ("esc", "keep it for later"))

    def on_mount(self) -> None:
        self.query_one("#new-error").display = False
        options = self.query_one(OptionList)
        options.highlighted = [mode for mode, _ in MODES].index(self._chosen)
        area = self.query_one(TextArea)
        area.move_cursor(area.document.end)
        area.focus()

    def on_option_list_option_selected(self) -> None:
        self.query_one(TextArea).focus()

    def action_start(self) -> None:
        """Start, if there is a task."""
        given = self._given(start=True)
        if not given.task.strip():
            line = self.query_one("#new-error", Static)
            line.update("Write what is to be found out, in a sentence or more.")
            line.display = True
            return
        self.dismiss(given)

    def action_aside(self) -> None:
        """Close and keep the text."""
        self.dismiss(self._given(start=False))

    def _given(self, *, start: bool) -> NewSession:
        chosen = self.query_one(OptionList).highlighted or 0
        return NewSession(self.query_one(TextArea).text, MODES[chosen][0], start)
