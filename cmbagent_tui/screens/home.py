"""The home screen: sessions and their runs in one list, what is looked for in it, and what to do when it is empty."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Input, Static

from cmbagent_tui.everywhere import NOT_OPEN
from cmbagent_tui.keymap.now import key_now
from cmbagent_tui.messages import RowHighlighted, RowOpened
from cmbagent_tui.screens import home_words
from cmbagent_tui.session_reading import look_up
from cmbagent_tui.state.costs import Scope, scopes
from cmbagent_tui.state.query import HINT, read_query
from cmbagent_tui.state.sessions import SessionTree, Spot
from cmbagent_tui.widgets.finder import Finder
from cmbagent_tui.widgets.session_rows import RowsMissing, SessionRows
from cmbagent_tui.widgets.welcome import Welcome
from cmbagent_tui.work import begin
from engine.model.browsing import EVERY_CURRENT, SessionFilter, SessionSort, Shelf
from engine.model.errors import CockpitError, UsageError

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp
    from cmbagent_tui.shelving import Deeds
    from cmbagent_tui.state.remembered import Remembered
    from engine import Engine
    from engine.model.records import Run, Session, SessionSummary

_PACE = 0.1  # seconds from one reading to the next
_MINUTE = 30.0  # seconds after which ages are told anew, and what nobody announces is found
_SHELVES = (Shelf.CURRENT, Shelf.ARCHIVED, Shelf.DELETED)


class HomeScreen(Screen[None]):
    """What the app opens on. It is painted before the engine is there, and says how far that is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "New", id="home.new", tooltip="Ask a question: start a new session"),
        Binding(
            "d", "demo", "Demo", id="home.demo", tooltip="Run the shipped demo session, without any key or network"
        ),
        Binding("slash", "find", "Find", id="home.find", tooltip="Find sessions by words, state, mode, tag, date"),
        Binding("escape", "leave", "All", show=False, id="home.leave", tooltip="Show all again, not what was found"),
        Binding("right,l", "fold(False)", "Runs", show=False, id="home.unfold", tooltip="Show the runs of a session"),
        Binding("left,h", "fold(True)", "Fold", show=False, id="home.fold", tooltip="Fold the runs of a session away"),
        Binding("R", "resume", "Resume", show=False, id="home.resume", tooltip="Go on with a run that stands still"),
        Binding(
            "e", "deed('rename')", "Rename", show=False, id="home.rename", tooltip="Give the session another title"
        ),
        Binding("t", "deed('tag')", "Tag", show=False, id="home.tag", tooltip="Set the session's tags"),
        Binding("a", "deed('archive')", "Archive", id="home.archive", tooltip="Archive the session, or bring it back"),
        Binding("x,delete", "deed('delete')", "Delete", id="home.delete", tooltip="Delete the session (asks first)"),
        Binding(
            "u", "undo", "Undo", show=False, id="home.undo", tooltip="Undo the last rename, tag, archive or delete"
        ),
        Binding("E", "deed('export')", "Export", show=False, id="home.export", tooltip="Export the session as a zip"),
        Binding("v", "shelf", "Archive", show=False, id="home.shelf", tooltip="Current, archived, deleted sessions"),
        Binding("1", "sort('updated')", "Work", show=False, id="home.by_update", tooltip="Order by last work"),
        Binding("2", "sort('created')", "Made", show=False, id="home.by_creation", tooltip="Order by creation"),
        Binding("3", "sort('title')", "Title", show=False, id="home.by_title", tooltip="Order by title"),
        Binding("4", "sort('cost')", "Cost", show=False, id="home.by_cost", tooltip="Order by cost"),
        Binding("5", "sort('state')", "State", show=False, id="home.by_state", tooltip="Order by state"),
        Binding("r", "reload", "Reload", show=False, id="home.reload", tooltip="Read the sessions again"),
    ]

    AUTO_FOCUS = ""

    app: CockpitApp

    def __init__(self, clock: Callable[[], datetime], remembered: Remembered, *, ascii_only: bool = False) -> None:
        super().__init__()
        self._clock = clock
        self._remembered = remembered
        self._tree = SessionTree()
        self._rows = SessionRows(self._tree, clock, ascii_only=ascii_only)
        self._note, self._welcome = Static("", id="home-note", markup=False), Welcome()
        self._finder = Finder(HINT, "words, state:, mode:, tag:, since:, before:, is:")
        self._engine: Engine | None = None
        self._deeds: Deeds | None = None
        self._filter = EVERY_CURRENT
        self._reading = self._stale = False
        self._unreadable = False  # whether that is the trouble that is shown

    def compose(self) -> ComposeResult:
        yield Static("", id="home-title", markup=False)
        yield Static("", id="home-trouble", markup=False)
        yield self._finder
        yield self._note
        yield self._welcome
        yield self._rows
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self._rows.display = self._finder.display = False
        self.query_one("#home-trouble").display = False
        self.query_one("#home-title", Static).update(
            Content.assemble(
                ("cmbagent", "bold $text-primary"), ("  a cockpit for autonomous research", "$foreground 58%")
            )
        )
        self.note("opening the database")
        self.set_interval(_MINUTE, self._refresh_ages)

    def on_screen_resume(self) -> None:
        self.app.set_title("cmbagent")
        self.stale()

    # What the app calls

    def _key(self, binding_id: str) -> str:
        return key_now(self, binding_id)

    def note(self, text: str | Content) -> None:
        """Say something above the list."""
        self._welcome.display, self._note.display = False, True
        self._note.update(text)

    def trouble(self, error: CockpitError | None) -> None:
        """Say, until it is taken back (None), what went wrong and what to do about it."""
        line = self.query_one("#home-trouble", Static)
        line.display = error is not None
        if error is not None:
            line.update(Content.assemble((f"{error.cause}\n", "bold $text-error"), (error.hint, "$text-warning")))

    def ready(self, engine: Engine) -> None:
        """The engine is open: show the sessions, as they were looked at last."""
        from cmbagent_tui.shelving import Deeds

        self._engine, self._deeds = engine, Deeds(self.app, engine)
        for session_id in self._remembered.home.unfolded:
            self._tree.unfold(session_id, [])
        self._finder.restore(self._remembered.home.query)
        self._ask(self._remembered.home.query)

    def stale(self) -> None:
        """Something changed: read what is shown again."""
        self._stale = True
        self._read_on()

    # Reading: one reading at a time, of what is on the screen by then

    def _read_on(self) -> None:
        if not self._reading and self._engine is not None:
            self._reading = True
            begin(self, self._keep_reading, "sessions")

    async def _keep_reading(self) -> None:
        assert self._engine is not None
        try:
            while self._stale:
                self._stale = False
                try:
                    await self._read(self._engine)
                except CockpitError as error:
                    self._unreadable = True
                    self.trouble(error)
                    self.note(home_words.unreadable(self._key))
                    return
                if self._unreadable:
                    self._unreadable = False
                    self.trouble(None)
                await asyncio.sleep(_PACE)
        finally:
            self._reading = False

    async def _read(self, engine: Engine) -> None:
        """Read the order of all that match, and what the screen shows of them."""
        place, asked = self._remembered.home, self._filter
        sort = SessionSort(place.sort)
        ids = await engine.browse(asked, sort, descending=sort.descends is not place.reverse)
        empty = not ids and not await engine.browse(SessionFilter(shelf=Shelf.ALL))
        spot = self._spot()
        top, bottom = self._rows.window
        middle = ids.index(spot.session_id) if spot and spot.session_id in ids else self._rows.cursor
        found = await look_up(engine, ids[max(0, middle - (bottom - top)) : middle + bottom - top], self._tree.runs)
        with self._keeping_the_cursor():
            self._tree.take(ids)
            self._tree.show(*found, afresh=True)
            self._rows.display = bool(ids)
            self._rows.words = asked.words
        if not ids:
            if empty:
                self._welcome.display, self._note.display = True, False
            else:
                self.note(home_words.nothing(place, asked.shelf, self._key))
            return
        self._remember_spot()
        finding = self._finder.display
        self.note(home_words.count(len(ids), place, asked.shelf, self.app.waiting, self._key, finding=finding))
        if self.focused is None:
            self._rows.focus()

    @contextmanager
    def _keeping_the_cursor(self) -> Iterator[None]:
        """Leave the cursor on what it is on, wherever that comes to stand."""
        spot = self._spot()
        yield
        row = self._tree.row_of(spot) if spot else None
        self._rows.resized()
        self._rows.go(self._rows.cursor if row is None else row)

    def _spot(self) -> Spot | None:
        """What the cursor is on, or was when there was something last."""
        if self._tree.count:
            return self._tree.at(self._rows.cursor)
        place = self._remembered.home
        return Spot(place.session, place.run) if place.session else None

    async def _fill_screen(self) -> None:
        assert self._engine is not None
        found = await look_up(self._engine, self._tree.between(*self._rows.window), self._tree.runs)
        with self._keeping_the_cursor():
            self._tree.show(*found, afresh=False)

    def on_rows_missing(self, _: RowsMissing) -> None:
        begin(self, self._fill_screen, "rows", exclusive=True)

    def _refresh_ages(self) -> None:
        if self.is_current:
            self.stale()

    # Finding

    def _ask(self, text: str) -> None:
        """Look for something else, if it makes sense."""
        try:
            asked = read_query(text, self._clock())
        except UsageError as error:
            self._finder.say(error)
            return
        self._finder.say(None)
        if asked.shelf is Shelf.CURRENT:
            asked = replace(asked, shelf=Shelf(self._remembered.home.shelf))
        self._filter = asked
        self._put(query=text)
        self.stale()

    def on_finder_changed(self, event: Finder.Changed) -> None:
        self._ask(event.text)

    def on_finder_left(self, event: Finder.Left) -> None:
        self._finder.display = False
        if not event.kept:
            self._finder.restore("")
            self._ask("")
        elif self._finder.wrong:
            self._finder.restore(self._remembered.home.query)
        if self._rows.display:
            self._rows.focus()
        else:
            self.set_focus(None)
        self.stale()
        self.app.bring_up()

    def _put(self, **values: object) -> None:
        self._remembered.home = replace(self._remembered.home, **values)  # type: ignore[arg-type]

    # Keys

    def on_row_highlighted(self, _: RowHighlighted) -> None:
        self._remember_spot()

    def _remember_spot(self) -> None:
        if self._tree.count:
            spot = self._tree.at(self._rows.cursor)
            self._put(session=spot.session_id, run=spot.run_id)

    def on_row_opened(self, message: RowOpened) -> None:
        self._on_run(self._open)

    async def _open(self, run: Run) -> None:
        self.app.open_run(run.id)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "leave":
            return bool(self._remembered.home.query)
        return super().check_action(action, parameters)

    def action_new(self) -> None:
        """Open the form of a new session."""
        self.app.new_session()

    def action_demo(self) -> None:
        """Start the shipped demo."""
        self.app.begin_demo()

    def action_reload(self) -> None:
        """Read the sessions again."""
        self.app.notify("Reading the sessions again.", timeout=2, markup=False)
        self.stale()

    def action_find(self) -> None:
        """Open the line in which one looks for sessions."""
        self._finder.display = True
        self._finder.query_one(Input).focus()
        self.stale()

    def action_leave(self) -> None:
        """Show all sessions again."""
        self._finder.restore("")
        self._ask("")

    def action_shelf(self) -> None:
        """Show the next shelf."""
        shown = Shelf(self._remembered.home.shelf)
        self._put(shelf=_SHELVES[(_SHELVES.index(shown) + 1) % len(_SHELVES)].value)
        self._ask(self._remembered.home.query)

    def action_sort(self, by: str) -> None:
        """Order by something; a second time, the other way round."""
        place = self._remembered.home
        if not self._tree.count:
            self.app.notify("There is nothing to order here.", markup=False)
        self._put(sort=by, reverse=place.sort == by and not place.reverse)
        self.stale()

    def action_fold(self, away: bool) -> None:
        """Show or hide the runs of the session that the cursor is on."""
        if self._at_session() is None:
            return
        spot = self._tree.at(self._rows.cursor)
        if away is (spot.session_id not in self._tree.runs):
            self.app.notify(f"Its runs are {'folded away' if away else 'shown'} already.", timeout=3, markup=False)
        elif away:
            self._tree.fold(spot.session_id)
            self._rows.resized()
            self._rows.go(self._tree.row_of(Spot(spot.session_id)) or 0)
        else:
            self._tree.unfold(spot.session_id, [])
        self._put(unfolded=tuple(self._tree.runs))
        self.stale()

    def action_resume(self) -> None:
        """Go on with a run, and open it."""
        self._on_run(self._resume)

    async def _resume(self, run: Run) -> None:
        assert self._engine is not None
        await self._engine.resume(run.id)
        self.app.open_run(run.id)

    def _on_run(self, do: Callable[[Run], Awaitable[None]]) -> None:
        """Do something with the run that the cursor is on, or its session's newest."""
        one = self._at_session()
        if one is None:
            return
        line = self._tree.run_at(self._tree.at(self._rows.cursor))
        run = line.run if line else one.last_run
        if run is None:
            self.app.notify("This session has no run yet.", markup=False)
        else:
            begin(self, lambda: do(run), "deeds")

    def _chosen(self) -> SessionSummary | None:
        if not self._tree.count:
            return None
        return self._tree.sessions.get(self._tree.at(self._rows.cursor).session_id)

    def _at_session(self) -> SessionSummary | None:
        """What a key is to act on; where there is nothing, that is said."""
        one = self._chosen()
        if one is None:
            self.app.notify("There is no session here." if self._engine else NOT_OPEN, markup=False)
        return one

    def at_hand(self) -> tuple[Session, str | None] | None:
        """The session that the cursor is on, and the run, if it is on one."""
        one = self._chosen()
        return (one.session, self._tree.at(self._rows.cursor).run_id) if one else None

    def scopes(self) -> tuple[Scope, ...]:
        """Whose costs are meant here: those of what the cursor is on, first."""
        one = self._chosen()
        return scopes(one.session, self._tree.at(self._rows.cursor).run_id) if one else scopes(None, None)

    def action_deed(self, deed: str) -> None:
        """Rename, tag, archive, delete or export the session that the cursor is on."""
        one, deeds = self._at_session(), self._deeds
        if one is not None and deeds is not None:
            begin(self, lambda: deeds.do(deed, one), "deeds", exclusive=True)

    def action_undo(self) -> None:
        """Take back what was done last."""
        if self._deeds is not None:
            begin(self, self._deeds.undo, "deeds")
        else:
            self.app.notify(NOT_OPEN, markup=False)
