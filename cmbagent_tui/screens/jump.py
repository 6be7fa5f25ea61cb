"""Jumping: a letter over every place that can be gone to, and that letter goes there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import ClassVar, NamedTuple

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

LETTERS = "asdfghjklqwertyuiopzxcvbnm"


class Target(NamedTuple):
    """A place on the screen, and what goes there; with the name of what is not seen."""

    x: int
    y: int
    go: Callable[[], object]
    name: str = ""

    @property
    def seen(self) -> tuple[int, int, str]:
        """What of it is drawn."""
        return self.x, self.y, self.name


class JumpScreen(ModalScreen[None]):
    """The letters over the screen that is left as it is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+o", "close", "Close", id="jump.close", tooltip="Stay where you are"),
    ]

    def __init__(self, over: Screen[object]) -> None:
        """`over` is the screen whose places are lettered."""
        super().__init__()
        self._over = over
        self._targets: dict[str, Target] = {}

    def compose(self) -> ComposeResult:
        self._targets = dict(zip(LETTERS, targets(self._over), strict=False))
        for letter, target in self._targets.items():
            label = Static(f" {letter} {target.name}", classes="jump-letter", markup=False)
            label.styles.offset = (max(0, target.x), max(0, target.y))
            yield label

    def on_mount(self) -> None:
        # What is under the letters is laid out anew by a resize, and by what happens there meanwhile.
        self._over.screen_layout_refresh_signal.subscribe(self, self._follow)

    def _follow(self, _: Screen[object]) -> None:
        lettered = zip(LETTERS, targets(self._over), strict=False)
        if {letter: one.seen for letter, one in lettered} != {
            letter: one.seen for letter, one in self._targets.items()
        }:
            self.refresh(recompose=True)

    def on_key(self, event: events.Key) -> None:
        target = self._targets.get(event.character or "")
        if target is not None:
            event.stop()
            self.dismiss(None)
            self.app.call_later(target.go)

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)


def targets(screen: Screen[object]) -> list[Target]:
    """What can be gone to on a screen: the panes and tabs of a run, elsewhere what takes the focus."""
    from cmbagent_tui.screens.run import RunScreen

    found = list(_of_run(screen)) if isinstance(screen, RunScreen) else list(_focusable(screen))
    return sorted(found, key=lambda one: (one.y, one.x))


def _of_run(screen: Screen[object]) -> Iterator[Target]:
    from cmbagent_tui.screens.run import PANES, RunScreen
    from cmbagent_tui.widgets.detail.tabs import TabStrip

    assert isinstance(screen, RunScreen)
    right = screen.size.width
    for pane in PANES:
        found = screen.query_one(f"#{pane}")
        go = partial(screen.action_pane, pane)
        if found.region:
            yield Target(found.region.x + 1, found.region.y, go)
        else:  # a narrow terminal shows one pane at a time: the others stand in its corner by name
            right -= len(pane) + 5
            yield Target(right, 0, go, f"{pane} ")
    strip = screen.query_one(TabStrip)
    if strip.region:
        for column, tab in strip.starts():
            yield Target(strip.region.x + column - 1, strip.region.y, partial(screen.action_show_tab, tab))


def _focusable(screen: Screen[object]) -> Iterator[Target]:
    for widget in screen.focus_chain:
        if widget.region:
            yield Target(widget.region.x, widget.region.y, widget.focus)
