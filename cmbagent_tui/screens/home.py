"""The home screen: sessions, newest first, and what to do when there are none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Static

from cmbagent_tui import look, words
from cmbagent_tui.look import Tone
from cmbagent_tui.messages import RowHighlighted, RowOpened
from cmbagent_tui.widgets.paint import Piece
from cmbagent_tui.widgets.rows import Rows
from cmbagent_tui.work import begin
from engine.model.browsing import SessionSort
from engine.model.errors import CockpitError
from engine.model.states import RunState

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp
    from engine import Engine
    from engine.model.records import SessionSummary

PAGE = 50
_STATE = 20  # cells of the state column

GUIDANCE = (
    "To ask a question of your own, a model is needed. Set one of",
    "    OPENAI_API_KEY       (and OPENAI_BASE_URL for any compatible server)",
    "    ANTHROPIC_API_KEY    GEMINI_API_KEY    or a local Ollama",
    "and, if you like, CMBAGENT_MODEL=provider:model. Then press n.",
)


class SessionRows(Rows):
    """The list: state, title, mode, runs, cost, age, as much as fits."""

    def __init__(self, clock: Callable[[], datetime], *, ascii_only: bool) -> None:
        super().__init__(id="sessions", ascii_only=ascii_only)
        self._clock = clock
        self.sessions: list[SessionSummary] = []

    @property
    def count(self) -> int:
        return len(self.sessions)

    def pieces(self, index: int, width: int) -> list[Piece]:
        one = self.sessions[index]
        run = one.last_run
        mark = look.of_run(run.state if run else RunState.DRAFT)
        sign = mark.sign(self.ascii_only)
        age = words.age(one.session.updated_at, self._clock())
        facts: list[str] = [f"{age:>10}" if width >= 100 else f"{age.removeprefix('20'):>8}"]
        if width >= 60:
            facts.insert(0, f"{words.cost(one.cost):>7}")
        if width >= 76:
            facts.insert(0, f"{one.session.mode.value:<16}")
        if width >= 100:
            facts.insert(1, f"{words.plural(one.runs, 'run'):>8}")
        tail = f"  {' '.join(facts)} " if width >= 100 else f" {' '.join(facts)}"
        state = f" {sign} " + words.fit(mark.word if width >= 50 else "", _STATE - 3 if width >= 50 else 0)
        room = max(8, width - cell_len(state) - cell_len(tail))
        return [
            Piece(0, state, mark.tone, strong=mark.tone in (Tone.RUNNING, Tone.WAITING)),
            Piece(cell_len(state), words.fit(one.session.title, room, ascii_only=self.ascii_only), strong=True),
            Piece(cell_len(state) + room, tail, Tone.MUTED),
        ]


class HomeScreen(Screen[None]):
    """What the app opens on. It is painted before the engine is there, and says how far that is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "New session", id="home.new", tooltip="Ask a question: start a new session"),
        Binding(
            "d", "demo", "Demo", id="home.demo", tooltip="Run the shipped demo session, without any key or network"
        ),
        Binding("r", "reload", "Reload", show=False, id="home.reload", tooltip="Read the sessions again"),
    ]

    AUTO_FOCUS = ""

    app: CockpitApp

    def __init__(self, clock: Callable[[], datetime], *, ascii_only: bool = False) -> None:
        super().__init__()
        self._rows = SessionRows(clock, ascii_only=ascii_only)
        self._engine: Engine | None = None
        self._complete = False  # no more pages behind the last
        self._unreadable = False  # whether that is the trouble that is shown

    def compose(self) -> ComposeResult:
        yield Static("", id="home-title", markup=False)
        yield Static("", id="home-trouble", markup=False)
        yield Static("", id="home-note", markup=False)
        yield self._rows
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self._rows.display = False
        self.query_one("#home-trouble").display = False
        self.query_one("#home-title", Static).update(
            Content.assemble(
                ("cmbagent", "bold $text-primary"), ("  a cockpit for autonomous research", "$foreground 58%")
            )
        )
        self.note("opening the database")

    def on_screen_resume(self) -> None:
        self.app.set_title("cmbagent")
        if self._engine is not None:
            self.stale()

    # What the app calls

    def note(self, text: str | Content) -> None:
        """Say something above the list."""
        self.query_one("#home-note", Static).update(text)

    def trouble(self, error: CockpitError | None) -> None:
        """Say, until it is taken back (None), what went wrong and what to do about it."""
        line = self.query_one("#home-trouble", Static)
        line.display = error is not None
        if error is not None:
            line.update(Content.assemble((f"{error.cause}\n", "bold $text-error"), (error.hint, "$text-warning")))

    def ready(self, engine: Engine) -> None:
        """The engine is open: show the sessions."""
        self._engine = engine
        self.stale()

    def stale(self) -> None:
        """Something changed: read what is listed again."""
        if self._engine is not None:
            begin(self, self._load, "sessions", exclusive=True)

    # Reading

    async def _load(self) -> None:
        """Read as many sessions again as are listed."""
        assert self._engine is not None
        wanted = max(PAGE, len(self._rows.sessions))
        try:
            found = await self._engine.summaries((await self._ids())[:wanted])
        except CockpitError as error:
            self._unreadable = True
            self.trouble(error)
            self.note("The sessions cannot be read. Press r to try again, or q to leave.")
            return
        if self._unreadable:
            self._unreadable = False
            self.trouble(None)
        self._complete = len(found) < wanted
        self._show(found)

    async def _ids(self) -> list[str]:
        assert self._engine is not None
        return await self._engine.browse(sort=SessionSort.CREATED)

    async def _load_more(self) -> None:
        assert self._engine is not None
        ids = await self._ids()
        last = self._rows.sessions[-1].session.id
        start = ids.index(last) + 1 if last in ids else len(ids)
        page = await self._engine.summaries(ids[start : start + PAGE])
        self._complete = len(page) < PAGE
        self._show([*self._rows.sessions, *page])

    def _show(self, sessions: list[SessionSummary]) -> None:
        chosen = self._rows.sessions[self._rows.cursor].session.id if self._rows.sessions else None
        self._rows.sessions = sessions
        ids = [one.session.id for one in sessions]
        self._rows.display = bool(sessions)
        self._rows.resized()
        if chosen in ids:
            self._rows.go(ids.index(chosen))
        if sessions:
            waiting = sum(one.pending_approvals for one in sessions)
            note = f"{len(sessions)}{'' if self._complete else '+'} {'session' if len(sessions) == 1 else 'sessions'}"
            self.note(
                Content.assemble(
                    (note, "$foreground 58%"),
                    (f"   {words.plural(waiting, 'approval')} waiting for you: A", "bold $text-warning")
                    if waiting
                    else "",
                )
            )
            if self.focused is None:
                self._rows.focus()
        else:
            self.note(self._welcome())

    def _welcome(self) -> Content:
        lines = [
            Content.assemble(("Nothing here yet.\n\n", "bold")),
            Content.assemble(
                ("Press ", ""),
                ("d", "bold $text-accent"),
                (" to see a whole research session now: a plan to approve, ", ""),
            ),
            Content("two rival fits in parallel,\na figure and a report. It needs no key and no network.\n\n"),
            Content("\n".join(GUIDANCE)),
        ]
        return Content("").join(lines)

    # Keys

    def on_row_opened(self, message: RowOpened) -> None:
        run = self._rows.sessions[message.index].last_run
        if run is None:
            self.app.notify("This session has no run yet.", markup=False)
        else:
            self.app.open_run(run.id)

    def on_row_highlighted(self, message: RowHighlighted) -> None:
        near_end = message.index >= self._rows.count - 10
        if near_end and not self._complete and self._engine is not None and self._rows.count >= PAGE:
            begin(self, self._load_more, "sessions", exclusive=True)

    def action_new(self) -> None:
        """Open the form of a new session."""
        self.app.new_session()

    def action_demo(self) -> None:
        """Start the shipped demo."""
        self.app.begin_demo()

    def action_reload(self) -> None:
        """Read the sessions again."""
        self.stale()
