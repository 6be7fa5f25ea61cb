"""The app: paints at once, opens the engine behind that, and holds the screens together.

The engine is a sibling and not a child: whoever made it closes it, after the app has gone.
"""

from __future__ import annotations

import asyncio
import gc
import os
import traceback
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.scrollbar import ScrollBar

from cmbagent_tui import elsewhere, hearing, watchdog
from cmbagent_tui.everywhere import NOT_OPEN, Everywhere
from cmbagent_tui.keymap.now import key_now
from cmbagent_tui.log import Log, log_file
from cmbagent_tui.opened import OpenRuns
from cmbagent_tui.screens.home import HomeScreen
from cmbagent_tui.settings import Settings, load
from cmbagent_tui.state.remembered import Remembered
from cmbagent_tui.themes import DARK, LIGHT
from cmbagent_tui.widgets.plain import PlainScrollBar, plain_key
from cmbagent_tui.work import begin
from engine.model.errors import CockpitError
from engine.model.text import one_line

if TYPE_CHECKING:
    from cmbagent_tui.approvals import ApprovalDesk
    from cmbagent_tui.state.form import NewSession
    from engine import Engine
    from engine.model.events import Event

GUARD = 0.3  # seconds in which a dialog that came up by itself takes no key
_LOOKS: list[str | PurePath] = [
    Path(__file__).parent.parent / "tcss" / name
    for name in ("app.tcss", "home.tcss", "run.tcss", "costs.tcss", "branches.tcss", "dialogs.tcss")
]

_WIDTHS = [(0, "-narrow"), (100, "-wide")]
_HEIGHTS = [(0, "-short"), (14, "-tall"), (32, "-high")]


def _now() -> datetime:
    return datetime.now(UTC)


class CockpitApp(Everywhere):
    """The terminal cockpit."""

    TITLE = "cmbagent"
    CSS_PATH = _LOOKS
    HORIZONTAL_BREAKPOINTS = _WIDTHS
    VERTICAL_BREAKPOINTS = _HEIGHTS
    ENABLE_COMMAND_PALETTE = True

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("A", "approvals", "Approvals", id="app.approvals", tooltip="Open what waits for your approval"),
        Binding("question_mark,f1", "help", "Help", id="app.help", tooltip="Show the keys of what has the focus"),
        Binding("comma", "settings", "Settings", show=False, id="app.settings", tooltip="Show and change the settings"),
        Binding("dollar_sign", "costs", "Costs", show=False, id="app.costs", tooltip="Show what was spent, on what"),
        Binding("T", "branches", "Branches", show=False, id="app.branches", tooltip="Show a session's tree of runs"),
        Binding("L", "log", "Log", show=False, id="app.log", tooltip="Show what went wrong beside the keys"),
        Binding("q", "quit", "Quit", id="app.quit", tooltip="Quit (asks when something is at work)"),
        Binding(
            "ctrl+z", "suspend_process", "Stop", show=False, id="app.stop", tooltip="Stop, as a job of the shell (fg)"
        ),
        Binding(
            "ctrl+p",
            "command_palette",
            "Palette",
            show=False,
            id="app.palette",
            tooltip="Find an action, a step or a session",
        ),
        Binding("ctrl+o", "jump", "Jump", show=False, id="app.jump", tooltip="Go to a pane or a tab by a letter"),
        Binding(
            "right_square_bracket", "beside(1)", "Next", show=False, id="app.next_run", tooltip="To the next open run"
        ),
        Binding(
            "left_square_bracket", "beside(-1)", "Last", show=False, id="app.last_run", tooltip="To the open run before"
        ),
    ]

    def __init__(
        self,
        open_engine: Callable[[], Awaitable[Engine]],
        *,
        state_dir: Path,
        first: Callable[[Engine], Awaitable[str | None]] | None = None,
        start_demo: Callable[[Engine], Awaitable[str]] | None = None,
        start_session: Callable[[Engine, NewSession], Awaitable[str]] | None = None,
        settings: Settings | None = None,
        missing: Callable[[Settings], Sequence[str]] | None = None,
        ascii_only: bool = False,
        clock: Callable[[], datetime] = _now,
        guard: float = GUARD,
    ) -> None:
        """`open_engine` gives the opened engine; it is awaited in a task of its own that outlives the app. `first`
        gives the run that is shown first, `start_demo` begins the shipped demo, and `start_session` a run as a form
        says (without it, over the settings); each gives the run's id. `missing` finds out in a thread what the
        installation lacks. `state_dir` keeps what belongs to the screens alone."""
        super().__init__()
        hearing.install()
        if ascii_only:
            ScrollBar.renderer = PlainScrollBar
        self.ascii_only = ascii_only
        self.state_dir = state_dir
        self.clock = clock
        self.settings = settings or load({**os.environ, "CMBAGENT_HOME": str(state_dir.parent)})
        self.records = Log(log_file(self.settings.home), os.environ)
        self.keymap: dict[str, str] = {}  # what of the person's own keys could be taken
        self.opening: asyncio.Task[Engine] | None = None
        self.engine: Engine | None = None
        self.leaves_running = False  # whether whoever quit wants what is at work to go on
        self._open_engine = open_engine
        self._first = first
        self._start_demo = start_demo
        self._start_session = start_session
        self._missing = missing
        self._guard = guard
        self.remembered = Remembered(state_dir)
        self.runs = OpenRuns(self)
        self._desk: ApprovalDesk | None = None
        self._watchdog: watchdog.Watchdog | None = None
        self._home = HomeScreen(clock, self.remembered, ascii_only=ascii_only)
        self._terminal_title = ""
        self._failed: CockpitError | None = None
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        # Now, before the style sheets are read: to change it later is to read them all again.
        self.set_reactive(App.theme, self._wanted_theme())
        self.stylesheet.set_variables(self.get_css_variables())

    def get_default_screen(self) -> Screen[None]:
        return self._home

    def on_mount(self) -> None:
        self.set_class(self.ascii_only, "-ascii")
        self.call_after_refresh(self._begin)
        self.set_interval(2.0, self._save_places)

    def on_unmount(self) -> None:
        self.remembered.save()
        if self._watchdog is not None:
            self._watchdog.close()
        self.records.close()

    def _save_places(self) -> None:
        if self.remembered.unsaved:
            begin(self, partial(asyncio.to_thread, self.remembered.save), "places", exclusive=True)

    # Opening

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._forgotten)
        if watchdog.wanted(os.environ):
            self._watchdog = watchdog.Watchdog(loop, self.records)
        self.opening = asyncio.ensure_future(self._open_engine())
        begin(self, self._wait_for_engine, "engine")
        if self.settings.keys:
            begin(self, self._take_keys, "keys")

    async def _take_keys(self) -> None:
        """Put the person's own keys in place, as far as they make sense."""
        from cmbagent_tui.keymap.check import checked

        self.keymap, faults = await asyncio.to_thread(checked, self.settings.keys)
        self.set_keymap(self.keymap)
        for fault in faults:
            self.records.write("info", str(fault))
            self.notify(str(fault), title="config.toml", severity="warning", timeout=15, markup=False)

    async def _wait_for_engine(self) -> None:
        assert self.opening is not None
        try:
            engine = await asyncio.shield(self.opening)
        except (CockpitError, OSError) as error:
            self._opening_failed(error)
            return
        from cmbagent_tui.approvals import ApprovalDesk

        self.engine = engine
        self._desk = ApprovalDesk(self, engine, self.state_dir, self._guard)
        begin(self, self._desk.listen, "approvals")
        self._home.ready(engine)
        gc.freeze()  # what lives as long as the app is left out of every later collection
        if self._first is not None:
            await self._begin_run(self._first(engine))

    def _opening_failed(self, error: Exception) -> None:
        failure = self._failed = _worded(error)
        self._home.trouble(failure)
        self._home.note(f"The cockpit could not be opened. Press {key_now(self._home, 'app.quit')} to leave.")

    # What screens call

    def open_run(self, run_id: str, node_id: str | None = None) -> None:
        """Show a run, and a node of it if one is named."""
        self.runs.show(run_id, node_id)

    def approvals_stale(self) -> None:
        """What waits for a person may have changed."""
        if self._desk is not None:
            begin(self, self._desk.refresh, "approvals-read")

    def offer_approvals(self, run_id: str) -> None:
        """A run is on the screen: bring up what waits in it."""
        if self._desk is not None:
            self._desk.offer(run_id)

    def complain(self, error: Exception) -> None:
        """Tell of an error: what, and what to do about it."""
        self.records.error(error)
        self.notify(str(_worded(error)), severity="error", timeout=10, markup=False)

    def defect(self, error: Exception) -> None:
        """Tell of an error that nobody expected, in a line: the rest is in the log."""
        self.records.error(error, kind="defect")
        said = f"A defect of the cockpit's own: {one_line(repr(error))}\nThe log has the rest of it: L"
        self.notify(said, severity="error", timeout=15, markup=False)

    def _forgotten(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The end of a task that nobody waits for."""
        error = context.get("exception")
        if isinstance(error, BaseException):
            self.records.error(error, kind="defect")
        else:
            self.records.write("defect", str(context.get("message")))

    def heard(self, events: Sequence[Event]) -> None:
        """States and approvals of any run changed."""
        elsewhere.hear(self, events)
        if events and self.screen is self._home:
            self._home.stale()

    def held_back(self, run_id: str) -> bool:
        """Whether an approval of this run could not be brought up yet."""
        return self._desk is not None and self._desk.held_back(run_id)

    async def missing(self) -> Sequence[str]:
        """What the installation lacks, a line each."""
        return await asyncio.to_thread(self._missing, self.settings) if self._missing is not None else ()

    @property
    def takes_mouse(self) -> bool:
        """Whether the mouse is the app's, and not the terminal's to select text with."""
        return bool(self.settings.values.get("mouse", True))

    def sessions_changed(self) -> None:
        """Something was done to a session as a whole."""
        self._home.stale()

    @property
    def waiting(self) -> int:
        """How many approvals wait, in all runs."""
        return len(self._desk.waiting) if self._desk else 0

    def bring_up(self) -> None:
        """Show what came in while someone was writing."""
        if self._desk is not None:
            self._desk.bring_up()

    def approvals_changed(self) -> None:
        """What waits for a person changed: mark the terminal's title."""
        self._write_title()
        if self.screen is self._home:
            self._home.stale()

    def set_title(self, title: str) -> None:
        """Name the terminal after what is shown."""
        self.title = one_line(title, 80)
        self._write_title()

    def _write_title(self) -> None:
        waiting = bool(self._desk and self._desk.waiting)
        text = f"{'(!) ' if waiting else ''}{self.title}"
        if text != self._terminal_title and self._driver is not None and not self.is_headless:
            self._terminal_title = text
            self._driver.write(f"\x1b]2;{text}\x07")

    def new_session(self) -> None:
        """Fill in the form of a new session, and show what it begins."""
        if self.engine is None:
            self.notify(NOT_OPEN, markup=False)
        else:
            self._new_session(self.engine, self.hold_keys())

    @work(group="new-session", exclusive=True)
    async def _new_session(self, engine: Engine, opened: Callable[[], None]) -> None:
        from cmbagent_tui.starting import ask_for_session

        try:
            run_id = await ask_for_session(self, engine, self.state_dir, self._start_session, opened)
        finally:
            opened()
        self.bring_up()
        if run_id is not None:
            self._home.trouble(None)
            self.open_run(run_id)

    @work(group="demo", exclusive=True)
    async def begin_demo(self) -> None:
        """Begin the shipped demo."""
        if self.engine is None:
            self.notify(NOT_OPEN, markup=False)
        elif self._start_demo is None:
            self.notify("There is no demo in this installation.", markup=False)
        else:
            await self._begin_run(self._start_demo(self.engine))

    async def _begin_run(self, beginning: Awaitable[str | None]) -> bool:
        """Show the run that is being begun; False when it could not be."""
        try:
            run_id = await beginning
        except (CockpitError, OSError) as error:
            self._home.trouble(_worded(error))
            if self.screen is not self._home:
                self.complain(error)
            return False
        self._home.trouble(None)
        if run_id is not None:
            self.open_run(run_id)
        return run_id is not None

    # Keys

    def action_approvals(self) -> None:
        """Open what waits, or the list of it."""
        run_id = getattr(self.screen, "run_id", None)
        if self._desk is None or not self._desk.open(run_id):
            self.notify("Nothing waits for your approval.", markup=False)

    def take_settings(self, settings: Settings) -> None:
        """Settings were changed: what can count at once does."""
        self.settings = settings
        self.theme = self._wanted_theme()

    def _wanted_theme(self) -> str:
        asked = str(self.settings.values.get("theme", DARK.name))
        return asked if asked in self.available_themes else DARK.name

    async def action_quit(self) -> None:
        """Quit; ask first when a run is at work."""
        self._quit()

    @work(group="quit", exclusive=True)
    async def _quit(self) -> None:
        from cmbagent_tui.screens.confirm import Quit, QuitScreen
        from engine.model.ids import short

        active = self.engine.active() if self.engine is not None else []
        if active:
            which = f"Run {short(active[0])} is" if len(active) == 1 else f"{len(active)} runs are"
            answer = await self.push_screen_wait(QuitScreen(which))
            if answer is None:
                return
            self.leaves_running = answer is Quit.LEAVE
        self.exit(return_code=self._failed.exit_code if self._failed else 0)

    def _fatal_error(self) -> None:
        """A defect ends the app: said in a few lines, with the details (and no variable's value) kept in a file."""
        from rich.text import Text

        report = self.state_dir / "defect.txt"
        if self._exception is not None:
            self.records.error(self._exception, kind="defect")
            self.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            report.write_text("".join(traceback.format_exception(self._exception)), encoding="utf-8")
        self.panic(
            Text(
                f"The cockpit met a defect of its own and has closed: {one_line(repr(self._exception))}\n"
                f"No recorded work is lost; starting it again goes on. Please report what is in {report}"
            )
        )

    def get_key_display(self, binding: Binding) -> str:
        return plain_key(binding) if self.ascii_only else super().get_key_display(binding)


def _worded(error: Exception) -> CockpitError:
    return error if isinstance(error, CockpitError) else CockpitError(one_line(str(error)))
