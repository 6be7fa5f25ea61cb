"""Small dialogs: a question with two answers, how to quit, and a text of several lines."""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Label, Static, TextArea

from cmbagent_tui.widgets.keys import KeyLine


class ConfirmScreen(ModalScreen[bool]):
    """Asks before something that cannot be taken back. Enter is no answer: it may be meant for something else."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes", id="confirm.yes", tooltip="Do it"),
        Binding("n,escape,q", "answer(False)", "No", id="confirm.no", tooltip="Leave everything as it is"),
    ]

    def __init__(self, question: str, explanation: str = "") -> None:
        super().__init__()
        self._question = question
        self._explanation = explanation

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(self._question, markup=False, classes="dialog-title")
            if self._explanation:
                yield Static(self._explanation, markup=False, classes="dialog-words")
            yield KeyLine(("y", "yes"), ("n", "no"))

    def action_answer(self, answer: bool) -> None:
        """Close with an answer."""
        self.dismiss(answer)


class Quit(Enum):
    """How to leave while something is at work."""

    STOP = "stop"
    LEAVE = "leave"


class QuitScreen(ModalScreen[Quit | None]):
    """Asks what becomes of what is at work; None: do not quit after all."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "answer('stop')", "Stop", id="quit.stop", tooltip="Quit; what is at work is paused"),
        Binding("l", "answer('leave')", "Leave", id="quit.leave", tooltip="Quit; what is at work goes on"),
        Binding("n,escape,q", "stay", "Stay", id="quit.stay", tooltip="Do not quit"),
    ]

    def __init__(self, which: str) -> None:
        """`which` is what is at work, as the beginning of a sentence."""
        super().__init__()
        self._which = which

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(f"Quit? {self._which} at work.", markup=False, classes="dialog-title")
            yield Static(
                "Stopped, it is paused: nothing that was recorded is lost, and p goes on with it later.\n"
                "Left running, it goes on in the background, and any terminal shows it: cmbagent-tui attach.",
                markup=False,
                classes="dialog-words",
            )
            yield KeyLine(("s", "stop"), ("l", "leave it running"), ("esc", "stay"))

    def action_answer(self, answer: str) -> None:
        """Close with an answer."""
        self.dismiss(Quit(answer))

    def action_stay(self) -> None:
        """Close, and go on."""
        self.dismiss(None)


class FeedbackScreen(ModalScreen[tuple[bool, str]]):
    """A text of several lines. Gives (sent, text): what was typed comes back when it was not sent, too."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r,f5", "send", "Send", id="feedback.send", tooltip="Send what is written", key_display="^r"),
        Binding("escape", "keep", "Not now", id="feedback.keep", tooltip="Go back; the text is kept"),
    ]

    def __init__(self, title: str, text: str = "") -> None:
        super().__init__()
        self._title = title
        self._text = text

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(self._title, markup=False, classes="dialog-title")
            yield TextArea(self._text, id="feedback", show_line_numbers=False)
            yield KeyLine(("ctrl+r", "send"), ("esc", "keep it for later"))

    def on_mount(self) -> None:
        area = self.query_one(TextArea)
        area.focus()
        area.move_cursor(area.document.end)

    def action_send(self) -> None:
        """Close and send."""
        self.dismiss((True, self.query_one(TextArea).text))

    def action_keep(self) -> None:
        """Close and send nothing."""
        self.dismiss((False, self.query_one(TextArea).text))
