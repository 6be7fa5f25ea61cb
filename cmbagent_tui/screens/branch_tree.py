"""The branch tree: the runs of a session, each under the one that it branches off or replays."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Static

from cmbagent_tui import look, words
from cmbagent_tui.keymap.now import key_now
from cmbagent_tui.look import STYLES, Tone
from cmbagent_tui.messages import RowHighlighted, RowOpened
from cmbagent_tui.state.branches import comes_from, counted, origin
from cmbagent_tui.widgets.branch_rows import BranchRows
from cmbagent_tui.widgets.session_rows import AT_WORK
from cmbagent_tui.work import begin, keep_reading
from engine.model.errors import CockpitError
from engine.model.ids import short
from engine.model.lineage import Descendant
from engine.model.text import one_line

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp
    from engine import Engine
    from engine.model.records import Session

_PACE = 3.0  # seconds between two readings, while it is looked at
_SAID = 400  # characters of a task or a hypothesis


class BranchTreeScreen(Screen[None]):
    """Reads again every few seconds, since runs go on and branch behind it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "mark", "Mark", id="branches.mark", tooltip="Mark the run to compare others with, or unmark it"),
        Binding("D", "compare", "Compare", id="branches.compare", tooltip="Compare with the marked run, or its origin"),
        Binding("escape", "back", "Back", id="branches.back", tooltip="Back to where you were"),
    ]
    AUTO_FOCUS = "#branches"

    app: CockpitApp

    def __init__(self, engine: Engine, session: Session, run_id: str | None, *, ascii_only: bool = False) -> None:
        """`run_id` is the run that one comes from, if it is one; the cursor begins there, or at the newest."""
        super().__init__()
        self._engine = engine
        self._session = session
        self._run_id = run_id
        self._ascii = ascii_only

    def compose(self) -> ComposeResult:
        yield Static("", id="branches-title", markup=False)
        yield Static("reading", id="branches-count", markup=False)
        yield BranchRows(self.app.clock, self._run_id, ascii_only=self._ascii)
        yield Static("", id="branches-about", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        title = one_line(self._session.title)
        self.query_one("#branches-title", Static).update(
            Content.assemble(("Branches", "bold $text-primary"), (f"  of the session {title}", "$foreground 58%"))
        )
        begin(self, partial(keep_reading, self, self._read, _PACE), "read")

    def on_screen_resume(self) -> None:
        self.app.set_title("branches")

    # Reading

    async def _read(self) -> None:
        line = self.query_one("#branches-count", Static)
        try:
            runs = await self._engine.lineage(self._session.id)
            at_work = [one.summary.run for one in runs if one.summary.run.state in AT_WORK]
            driven = await self._engine.drivers(at_work) if at_work else {}
        except CockpitError as error:
            line.update(f"The runs cannot be read: {error.cause} {error.hint}")
            return
        newest = max((one.summary.run.id for one in runs), default=None)
        self.query_one(BranchRows).renew(runs, driven, self._run_id or newest)
        line.update(counted(runs))
        self._tell()

    def on_row_highlighted(self, _: RowHighlighted) -> None:
        self._tell()

    def _tell(self) -> None:
        """Say all of the run under the cursor."""
        one = self.query_one(BranchRows).chosen
        about = self.query_one("#branches-about", Static)
        about.update(self._about(one) if one else "")

    def _about(self, one: Descendant) -> Content:
        summary, run = one.summary, one.summary.run
        mark = look.of_run(run.state)
        facts = [f"{summary.steps_done}/{words.plural(summary.steps, 'step')}"] if summary.steps else []
        facts += [f"cost {words.cost(summary.cost)}", f"begun {words.age(run.created_at, self.app.clock())}"]
        facts[-1] += "" if facts[-1].endswith("now") else " ago"
        if summary.pending_approvals:
            facts.append(f"{words.plural(summary.pending_approvals, 'approval')} waiting for you")
        said = [one_line(run.hypothesis, _SAID)] if run.hypothesis else []
        if run.parent_run_id or run.replay_of:
            said.insert(0, f"{origin(one)}" + (f" of run {short(run.parent_run_id)}" if run.parent_run_id else ""))
        else:
            said.append(one_line(run.task, _SAID))
        return Content.assemble(
            (f"run {short(run.id)}  ", "bold"),
            (f"{mark.sign(self._ascii)} {mark.word}", f"bold {STYLES[mark.tone]}"),
            (", the one that you came from" if run.id == self._run_id else "", "bold"),
            (", marked" if run.id == self.query_one(BranchRows).marked else "", "bold"),
            (f"\n{', '.join(facts)}", STYLES[Tone.MUTED]),
            "\n",
            "\n".join(said),
        )

    # Keys

    def on_row_opened(self, _: RowOpened) -> None:
        one = self.query_one(BranchRows).chosen
        if one is not None:
            self.app.open_run(one.summary.run.id)

    def action_mark(self) -> None:
        """Mark the run that the cursor is on, or unmark it."""
        self.query_one(BranchRows).mark()
        self._tell()

    def action_compare(self) -> None:
        """Compare the run that the cursor is on with the marked one, or with the one that it comes from."""
        rows = self.query_one(BranchRows)
        if rows.chosen is None:
            self.notify("There is nothing to compare yet.", markup=False)
            return
        run = rows.chosen.summary.run
        other = rows.marked or comes_from(run)
        if other == run.id:
            self.notify("This is the marked run itself: go to the one to compare it with.", markup=False)
        elif other is None or not rows.has(other):
            key = key_now(self, "branches.mark")
            self.notify(f"Mark the run to compare it with first: {key} on that one.", markup=False)
        else:
            self.app.compare(other, run.id)

    def action_back(self) -> None:
        """Back to where one was."""
        self.dismiss(None)


def tree_at(screen: Screen[object]) -> tuple[Session, str | None] | None:
    """The session, and the run of it, whose tree is meant on a screen; None where there is none."""
    from cmbagent_tui.screens.home import HomeScreen
    from cmbagent_tui.screens.run import RunScreen

    if isinstance(screen, RunScreen):
        return (screen.board.session, screen.run_id) if screen.board else None
    return screen.at_hand() if isinstance(screen, HomeScreen) else None
