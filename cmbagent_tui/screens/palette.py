"""The palette: everything that can be done or opened from here, found by its name."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, Static

from cmbagent_tui import look, words
from cmbagent_tui.look import Tone
from cmbagent_tui.messages import RowOpened
from cmbagent_tui.state.entries import Entry, fitting
from cmbagent_tui.widgets.paint import Piece
from cmbagent_tui.widgets.rows import Rows
from cmbagent_tui.work import begin
from engine.model.errors import CockpitError
from engine.model.states import RunState

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp
    from engine.model.records import SessionSummary

_MOVES = {"up", "down", "left", "right", "home", "end", "pageup", "pagedown"}
PAGE = 200  # sessions that are read at once
_KIND = 9  # cells


class Offers(Rows):
    """The list of what fits."""

    def __init__(self, *, ascii_only: bool) -> None:
        super().__init__(id="palette-list", ascii_only=ascii_only)
        self.entries: list[Entry] = []
        self.can_focus = False

    @property
    def count(self) -> int:
        return len(self.entries)

    def pieces(self, index: int, width: int) -> list[Piece]:
        one = self.entries[index]
        note = f" {words.fit(one.note, min(cell_len(one.note), max(0, width // 2)), ascii_only=self.ascii_only)} "
        room = max(4, width - _KIND - cell_len(note))
        return [
            Piece(0, f" {one.kind:<{_KIND - 1}}", Tone.MUTED),
            Piece(_KIND, words.fit(one.title, room, ascii_only=self.ascii_only), strong=index == self.cursor),
            Piece(_KIND + room, note, one.tone),
        ]


class PaletteScreen(ModalScreen[None]):
    """A line to type into, and what fits: actions with their keys, the steps of open runs, sessions."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,ctrl+n", "move(1)", "Down", show=False, id="palette.down", tooltip="To the next row"),
        Binding("up", "move(-1)", "Up", show=False, id="palette.up", tooltip="To the row above"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="palette.page_down", tooltip="A page down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="palette.page_up", tooltip="A page up"),
        Binding("escape,ctrl+p", "close", "Close", id="palette.close", tooltip="Back to where you were"),
    ]
    AUTO_FOCUS = "Input"

    app: CockpitApp

    def __init__(self, screen: Screen[object], *, ascii_only: bool = False) -> None:
        """`screen` is what the palette is opened over: its keys and steps are offered."""
        super().__init__()
        self._over = screen
        self._ascii = ascii_only
        self._actions: list[Entry] = []
        self._entries: list[Entry] = []
        self._reading = True

    def compose(self) -> ComposeResult:
        with Vertical(id="palette", classes="dialog"):
            yield Input(placeholder="an action, a step, a session", id="palette-input", compact=True)
            yield Offers(ascii_only=self._ascii)
            yield Static("", id="palette-note", markup=False)

    def on_mount(self) -> None:
        self._entries = [*self._bound(), *self._commands(), *self._steps()]
        self._find()
        begin(self, self._read, "sessions")

    # What is offered

    def _bound(self) -> Iterator[Entry]:
        """What is bound where one is, each action once with all its keys."""
        keys: dict[str, list[str]] = {}
        active = dict[str, ActiveBinding]()
        for one in self._over.active_bindings.values():
            name = one.binding.id
            if name and one.enabled and name != "app.palette":
                keys.setdefault(name, []).append(self.app.get_key_display(one.binding))
                active.setdefault(name, one)
        for name, one in sorted(active.items(), key=lambda item: _rank(item[1].binding)):
            what = one.binding.tooltip or one.binding.description
            run = partial(self.app.run_action, one.binding.action, one.node)
            yield Entry("action", what, run, " ".join(keys[name]), f"{one.binding.description} {name}")

    def _commands(self) -> Iterator[Entry]:
        """What the app can do wherever one is."""
        bound = {one.tooltip for one in self._over.active_bindings.values()}
        for one in self.app.get_system_commands(self._over):
            if one.help not in bound:
                yield Entry("action", one.help, one.callback, "", one.title)

    def _steps(self) -> Iterator[Entry]:
        opened = sorted(self.app.runs.all(), key=lambda one: one is not self._over)  # those of this run first
        for screen in opened:
            for card in screen.board.ordered() if screen.board else ():
                node, mark = card.node, look.of_node(card.node, card.checked)
                show = partial(self.app.open_run, screen.run_id, node.id)
                note = f"{mark.sign(self._ascii)} {mark.word}"
                title = f"{node.step}  {node.title}" if node.title != node.step else node.step
                of = "" if screen is self._over or screen.board is None else screen.board.session.title
                yield Entry("step", f"{title}  {of}".rstrip(), show, note, node.agent or "", mark.tone)

    async def _read(self) -> None:
        """Read the sessions page by page, showing those that fit as they come."""
        engine = self.app.engine
        if engine is None:
            return
        try:
            ids = await engine.browse()
            for start in range(0, len(ids), PAGE):
                page = await engine.summaries(ids[start : start + PAGE])
                self._entries += [self._session(one) for one in page]
                self._find(keep=True)
        except CockpitError as error:
            self.app.complain(error)
        self._reading = False
        self._find(keep=True)

    def _session(self, one: SessionSummary) -> Entry:
        mark = look.of_run(one.last_run.state if one.last_run else RunState.DRAFT)
        run = one.last_run
        show = partial(self.app.open_run, run.id) if run else partial(self.app.notify, "This session has no run yet.")
        age = words.age(one.session.updated_at, self.app.clock())
        note = f"{mark.sign(self._ascii)} {mark.word}  {age:>8}"
        return Entry("session", one.session.title, show, note, f"{one.session.mode.value} {mark.word}", mark.tone)

    # Finding

    def _find(self, *, keep: bool = False) -> None:
        offers, wanted = self.query_one(Offers), self.query_one(Input).value
        chosen = offers.entries[offers.cursor] if keep and offers.cursor and offers.entries else None
        offers.entries = [self._entries[place] for place in fitting(self._entries, wanted)]
        offers.resized()
        offers.go(offers.entries.index(chosen) if chosen in offers.entries else 0)
        count = f"{len(offers.entries)} found" if offers.entries else "nothing fits"
        more = ", reading sessions" if self._reading else ""
        self.query_one("#palette-note", Static).update(f"{count}{more}   enter: do or open   esc: back")

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._find()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._choose()

    def on_row_opened(self, message: RowOpened) -> None:
        self._choose()

    def _choose(self) -> None:
        offers = self.query_one(Offers)
        if offers.entries:
            entry = offers.entries[offers.cursor]
            self.dismiss(None)
            self.app.call_later(entry.choose)

    # Keys

    def action_move(self, by: int) -> None:
        """Move the cursor by rows."""
        self.query_one(Offers).action_move(by)

    def action_page(self, by: int) -> None:
        """Move the cursor by pages."""
        self.query_one(Offers).action_page(by)

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)


def _rank(binding: Binding) -> int:
    """What the footer shows comes first, and what only moves a cursor last."""
    return 0 if binding.show else 2 if binding.key in _MOVES else 1
