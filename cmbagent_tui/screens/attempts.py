"""Two attempts of a step beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from cmbagent_tui.widgets.detail.about import About
from cmbagent_tui.widgets.detail.prose import Prose
from cmbagent_tui.widgets.keys import KeyLine
from cmbagent_tui.work import begin
from engine.model.records import Attempt


class AttemptsScreen(ModalScreen[None]):
    """What differs between an attempt and the one before it; other pairs by key."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l", "tab(1)", "Later", id="attempts.later", tooltip="Compare the next two attempts"),
        Binding("left,h", "tab(-1)", "Earlier", id="attempts.earlier", tooltip="Compare the two attempts before"),
        Binding("escape,q,D", "dismiss", "Back", id="attempts.back", tooltip="Back to the run"),
    ]

    def __init__(self, about: About, attempts: Sequence[Attempt], *, ascii_only: bool = False) -> None:
        super().__init__()
        self._about = about
        self._attempts = attempts
        self._place = len(attempts) - 1  # the later one of the pair
        self._ascii = ascii_only

    def compose(self) -> ComposeResult:
        with Vertical(id="attempts", classes="dialog"):
            yield Static("", id="attempts-title", classes="dialog-title", markup=False)
            yield Prose(ascii_only=self._ascii, id="attempts-text")
            yield KeyLine(("left/right", "other attempts"), ("j/k", "scroll"), ("esc", "back"))

    def on_mount(self) -> None:
        self.query_one(Prose).focus()
        begin(self, self._fill, "compare", exclusive=True)

    async def _fill(self) -> None:
        from cmbagent_tui.widgets.detail.comparing import compared

        first, second = self._attempts[self._place - 1], self._attempts[self._place]
        title = f"{self._about.card.node.step}: attempt {first.number} and attempt {second.number}"
        self.query_one("#attempts-title", Static).update(title)
        self.query_one(Prose).show(await compared(self._about, first, second), anew=True)

    def action_tab(self, by: int) -> None:
        """Show another pair."""
        place = max(1, min(len(self._attempts) - 1, self._place + by))
        if place == self._place:
            self.notify("There is no other attempt in that direction.", markup=False)
            return
        self._place = place
        begin(self, self._fill, "compare", exclusive=True)
