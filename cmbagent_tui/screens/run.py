"""The run screen: the DAG, the timeline and the details of what is selected, live."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.widgets import Footer, Static

from cmbagent_tui.messages import EventHighlighted, EventOpened, NodeHighlighted, NodeOpened, NodeWanted
from cmbagent_tui.state.board import Board
from cmbagent_tui.state.costs import Scope, scopes
from cmbagent_tui.state.fold import fold, wrote
from cmbagent_tui.state.remembered import Place, Remembered
from cmbagent_tui.state.telling import most_telling, newest_running
from cmbagent_tui.steering import Steering, redo_shown
from cmbagent_tui.widgets.banner import Banner
from cmbagent_tui.widgets.dag.pane import DagPane
from cmbagent_tui.widgets.dag.view import DagView
from cmbagent_tui.widgets.detail.outside import compare_shown, copy_shown, open_shown
from cmbagent_tui.widgets.detail.tabs import TABS
from cmbagent_tui.widgets.detail.view import NodeDetail
from cmbagent_tui.widgets.status import StatusLine
from cmbagent_tui.widgets.timeline.pane import TimelinePane
from cmbagent_tui.widgets.timeline.view import Timeline
from cmbagent_tui.work import begin
from engine.model.errors import CockpitError
from engine.model.events import Event, EventKind
from engine.model.ids import short
from engine.model.states import RunState

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp
    from engine import Engine, Subscription

DRAIN = 0.1  # seconds between two drains of the run's events
PANES = ("dag", "timeline", "detail")


class RunScreen(Screen[None]):
    """One run. Its events are drained ten times a second; keys never wait for that."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "pane('dag')", "Steps", show=False, id="run.dag", tooltip="Go to the steps"),
        Binding("2", "pane('timeline')", "Timeline", show=False, id="run.timeline", tooltip="Go to the timeline"),
        Binding("3", "pane('detail')", "Details", show=False, id="run.detail", tooltip="Go to the details"),
        Binding("tab", "next_pane(1)", "Next pane", show=False, id="run.next_pane", tooltip="To the next pane"),
        Binding("shift+tab", "next_pane(-1)", "Pane", show=False, id="run.last_pane", tooltip="To the pane before"),
        *(
            Binding(digit, f"show_tab('{name}')", title, show=False, id=f"run.tab_{name}", tooltip=f"Show: {title}")
            for name, digit, title in TABS
        ),
        Binding("f", "follow", "Follow", id="run.follow", tooltip="Follow what runs, and the newest event"),
        Binding("p", "pause", "Pause", id="run.pause", tooltip="Pause the run (again: stop it now), or resume it"),
        Binding("c", "cancel", "Cancel", id="run.cancel", tooltip="Cancel the run (asks first)"),
        Binding("o", "open", "Open", show=False, id="run.open", tooltip="Open what the details show in the pager"),
        Binding("E", "open('editor')", "Edit", show=False, id="run.editor", tooltip="Open a copy of it in the editor"),
        Binding("y", "copy", "Copy", show=False, id="run.copy", tooltip="Copy what the details show (and to a file)"),
        Binding(
            "R", "redo", "Redo", show=False, id="run.redo", tooltip="Do the selected step again, with a word or an edit"
        ),
        Binding("r", "rules", "Rules", show=False, id="run.rules", tooltip="Show and change what the run asks about"),
        Binding("D", "compare", "Compare", show=False, id="run.compare", tooltip="Compare two attempts of the step"),
        Binding("backspace", "to_event", "Event", show=False, id="run.to_event", tooltip="Back to the event"),
        Binding("escape", "back", "Back", id="run.back", tooltip="To the steps, then back to the sessions"),
    ]

    app: CockpitApp

    def __init__(
        self,
        engine: Engine,
        run_id: str,
        clock: Callable[[], datetime],
        remembered: Remembered,
        *,
        ascii_only: bool = False,
    ) -> None:
        super().__init__()
        self.run_id = run_id
        self.board: Board | None = None
        self._engine = engine
        self._clock = clock
        self._remembered = remembered
        self._ascii = ascii_only
        self._subscription: Subscription | None = None
        self._place = Place()
        self._result: str | None = None
        self._steering = Steering(engine)
        self._trouble: CockpitError | None = None  # why the engine cannot go on with a run that is not over
        self._came_from_event = False  # there is an event to go back to
        self._following = True  # the cursor goes with what runs, until a person moves it

    def compose(self) -> ComposeResult:
        yield Static("", id="run-title", markup=False)
        yield StatusLine(self._clock, self._engine.sandbox_tier, ascii_only=self._ascii, id="status")
        yield Banner(id="banner")
        with Container(id="panes"):
            yield DagPane(self._clock, ascii_only=self._ascii, id="dag")
            yield NodeDetail(self._engine, self._clock, ascii_only=self._ascii, id="detail")
            yield TimelinePane(
                partial(self._engine.timeline, self.run_id),
                partial(self._engine.seq_at, self.run_id),
                lambda: self.board.ordered() if self.board else (),
                step_of=self._step_of,
                runs=self._runs,
                ascii_only=self._ascii,
                id="timeline",
            )
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        for pane, title in zip(PANES, ("1 Steps", "2 Timeline", "3 Details"), strict=True):
            self.query_one(f"#{pane}").border_title = title
        begin(self, self._open, "open")

    async def _open(self) -> None:
        opened = self.app.hold_keys()
        try:
            view = await self._engine.view(self.run_id, files=False)
        except CockpitError as error:
            self.app.complain(error)
            self.dismiss(None)
            return
        finally:
            self.app.call_later(opened)
        self.board = board = Board.from_view(view)
        self._subscription = self._engine.subscribe(self.run_id, after=view.last_seq)
        self._place = place = self._remembered.get(self.run_id)
        self._following = place.node is None and not board.over()
        title = Content.assemble(
            (view.session.title, "bold $text-primary"),
            (f"  {view.session.mode.value}, run {short(self.run_id)}", "$foreground 58%"),
        )
        self.query_one("#run-title", Static).update(title)
        self.app.set_title(view.session.title)
        self.query_one(DagView).show(board, place.node or most_telling(board))
        self.query_one(TimelinePane).open(view.last_seq, view.run.started_at)
        self._show_node(self.query_one(DagView).selected, place.tab)
        self.action_pane(place.pane)
        self._tell()
        self.set_interval(DRAIN, self._drain)
        self.set_interval(1.0, self._tick)
        self.app.offer_approvals(self.run_id)
        begin(self, self._read_paths, "paths")

    async def _read_paths(self) -> None:
        """Learn which files there are: nothing on the first picture needs them."""
        found = await self._engine.paths(self.run_id)
        if self.board is not None:
            self.query_one(NodeDetail).update_from(wrote(self.board, found), ())
            self._tell()

    def on_unmount(self) -> None:
        if self._subscription is not None:
            self._subscription.close()

    def on_screen_resume(self) -> None:
        if self.board is not None:
            self.app.set_title(self.board.session.title)

    def select(self, node_id: str) -> None:
        """Put the cursor on a node, among the steps."""
        self.query_one(DagView).select(node_id, by_hand=True)
        self.action_pane("dag")

    def scopes(self) -> tuple[Scope, ...]:
        """Whose costs are meant here: this run's, first."""
        return scopes(self.board.session if self.board else None, self.run_id)

    # Events in

    def _drain(self) -> None:
        if self._subscription is None or self.board is None:
            return
        items = self._subscription.drain()
        if not items:
            return
        board = self.board
        changed = fold(board, items)
        new = [item for item in items if isinstance(item, Event)]
        dag = self.query_one(DagView)
        dag.update_from(changed)
        self.query_one(Timeline).add(new)
        reading = self._focused_pane() not in ("dag", None)  # what someone reads is not taken away
        if self._following and not reading and (running := newest_running(board, changed.nodes, dag.selected)):
            dag.select(running)
        self.query_one(NodeDetail).update_from(changed, new)
        if changed.run or changed.nodes or changed.structure or changed.approvals:
            self._tell()
        if changed.approvals:
            self.app.approvals_stale()

    def _tick(self) -> None:
        if self.board is not None and not self.board.over():
            self.query_one(DagView).tick()
            self.query_one(StatusLine).refresh()
            if self._engine.trouble(self.run_id) is not self._trouble:
                self._trouble = self._engine.trouble(self.run_id)
                self._tell()

    def _tell(self) -> None:
        """Bring the status line and the banner up to date."""
        if self.board is not None:
            self.query_one(StatusLine).show(self.board)
            self.query_one(Banner).show(self.board, self._result, self._trouble, self._steering.pausing(self.board))
            if self.board.run.state is RunState.COMPLETED and self._result is None:
                self._result = ""
                begin(self, self._read_result, "result")

    async def _read_result(self) -> None:
        """The last word of the step that closed the run."""
        closing = self.board.closing() if self.board else None
        if closing is None:
            return
        view = await self._engine.view(self.run_id, files=False)
        said = [one for one in view.attempts if one.node_id == closing.node.id and one.summary]
        self._result = max(said, key=lambda one: one.number).summary if said else ""
        self._tell()

    def _step_of(self, node_id: str | None) -> str:
        card = self.board.cards.get(node_id or "") if self.board else None
        return card.node.step if card else ""

    def _runs(self, node_id: str | None) -> bool:
        card = self.board.cards.get(node_id or "") if self.board else None
        return card is None or not card.node.state.terminal

    # What widgets say

    def on_node_highlighted(self, message: NodeHighlighted) -> None:
        if self.board is None:
            return
        if message.by_hand:
            self._following = False
        self._show_node(message.node_id)
        if message.by_hand:
            self._remember(node=message.node_id)

    def _show_node(self, node_id: str | None, tab: str | None = None) -> None:
        if self.board is not None:
            detail = self.query_one(NodeDetail)
            detail.show(self.board, node_id, tab)
            detail.border_title = f"3 {self._step_of(node_id) or 'Details'}"

    def on_node_opened(self, message: NodeOpened) -> None:
        self.action_pane("detail")

    def on_event_highlighted(self, message: EventHighlighted) -> None:
        if self.board is not None:
            self.query_one(NodeDetail).show_event(self.board, message.event)

    def on_event_opened(self, message: EventOpened) -> None:
        event, path = message.event, message.event.data.get("path")
        if self.board is not None:
            if event.kind is EventKind.FILE_GEN and event.node_id and event.data.get("sha256") and path:
                self.query_one(DagView).select(event.node_id)
                self.query_one(NodeDetail).show_file(self.board, event.node_id, path)
            else:
                self.query_one(NodeDetail).show_event(self.board, event)
            self.action_pane("detail")
            self._came_from_event = True

    def on_node_wanted(self, message: NodeWanted) -> None:
        self._came_from_event = True
        self.select(message.node_id)

    def on_node_detail_tab_shown(self, message: NodeDetail.TabShown) -> None:
        if message.tab != "event":
            self._remember(tab=message.tab)

    def on_descendant_focus(self) -> None:
        """The pane that has the focus is the one that a narrow terminal shows."""
        if (pane := self._focused_pane()) is not None:
            self._mark(pane)
            if self.board is not None:
                self._remember(pane=pane)

    def _focused_pane(self) -> str | None:
        at = self.focused
        while at is not None and at is not self:
            if at.id in PANES:
                return at.id
            at = at.parent if at.parent is not None and hasattr(at.parent, "id") else None  # type: ignore[assignment]
        return None

    def _mark(self, pane: str) -> None:
        for one in PANES:
            self.set_class(one == pane, f"on-{one}")

    def _remember(self, **what: str) -> None:
        values = {"node": self._place.node, "pane": self._place.pane, "tab": self._place.tab} | what
        self._place = Place(**values)  # type: ignore[arg-type]
        self._remembered.put(self.run_id, self._place)

    # Keys

    def action_pane(self, pane: str) -> None:
        """Focus a pane (and show it, where only one is shown)."""
        self._mark(pane)
        try:
            pane_of = {"detail": NodeDetail, "dag": DagPane, "timeline": TimelinePane}[pane]
            self.query_one(f"#{pane}", pane_of).focus_inside()  # at once: the next key belongs there already
        except NoMatches:
            return

    def action_next_pane(self, by: int) -> None:
        """Focus the pane after (or before) this one."""
        here = self._focused_pane() or "dag"
        self.action_pane(PANES[(PANES.index(here) + by) % len(PANES)])

    def action_show_tab(self, tab: str) -> None:
        """Show a tab of the details, and go there."""
        self.query_one(NodeDetail).show_tab(tab)
        self.action_pane("detail")

    def action_tab(self, by: int) -> None:
        """Show the tab beside the one that is shown."""
        self.query_one(NodeDetail).step_tab(by)

    def action_follow(self) -> None:
        """Let the cursor go with what runs again, and the timeline with the newest event."""
        self._following = True
        self._remember_nothing_chosen()
        self.query_one(Timeline).follow()
        dag = self.query_one(DagView)
        if self.board is not None and (running := newest_running(self.board, self.board.cards, dag.selected)):
            dag.select(running)
        else:
            self.app.notify("Nothing runs now. The cursor goes with whatever begins next.", timeout=3)

    def _remember_nothing_chosen(self) -> None:
        self._place = Place(None, self._place.pane, self._place.tab)
        self._remembered.put(self.run_id, self._place)

    @work(group="steer")
    async def action_pause(self) -> None:
        """Pause, or resume; a second time: stop now."""
        if self.board is not None:
            await self._steering.pause(self.app, self.board, self._trouble)
            self._tell()

    @work(group="steer")
    async def action_cancel(self) -> None:
        """Ask, and cancel."""
        if self.board is not None:
            await self._steering.cancel(self.app, self.board)

    async def action_open(self, program: str = "pager") -> None:
        """Open what the details show in the pager or the editor; a file that is no text with the desktop's program."""
        begin(self, partial(open_shown, self.query_one(NodeDetail), editor=program == "editor"), "outside")

    async def action_copy(self) -> None:
        """Copy what the details show."""
        begin(self, partial(copy_shown, self.query_one(NodeDetail)), "outside")

    async def action_compare(self) -> None:
        """Compare two attempts of the selected step."""
        begin(self, partial(compare_shown, self.query_one(NodeDetail)), "outside")

    async def action_redo(self) -> None:
        """Ask what is to be different, and do the selected step again."""
        begin(self, partial(redo_shown, self.app, self._engine, self.board, self.query_one(DagView).selected), "redo")

    def action_rules(self) -> None:
        """Show when the run asks, and by which rules."""
        from cmbagent_tui.screens.rules import RulesScreen

        self.app.push_screen(RulesScreen(self._engine, self.run_id, ascii_only=self._ascii))

    def action_to_event(self) -> None:
        """Go back to the event that one came from."""
        if self._came_from_event:
            self.action_pane("timeline")
        else:
            self.app.notify("Press enter or o on an event of the timeline first: this leads back to it.", markup=False)

    def action_back(self) -> None:
        """To the steps; from there to the sessions."""
        if self._focused_pane() not in ("dag", None):
            self.action_pane("dag")
        else:
            self.dismiss(None)
