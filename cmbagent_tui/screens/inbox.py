"""The inbox: all that waits for a person, in every run, with the keys that settle it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from cmbagent_tui import words
from cmbagent_tui.answering import Answer, ask, ask_for_words, is_answered, keys_of, refusal
from cmbagent_tui.guard import Guard
from cmbagent_tui.look import STYLES
from cmbagent_tui.messages import RowHighlighted, RowOpened
from cmbagent_tui.screens.confirm import ConfirmScreen
from cmbagent_tui.state.inbox import Level, Waiting, asked_by, kind_of, listed, risk_of
from cmbagent_tui.widgets.inbox_rows import InboxRows
from cmbagent_tui.widgets.keys import KeyLine
from cmbagent_tui.work import begin
from engine.model.errors import CockpitError, NotFound
from engine.model.ids import short
from engine.model.records import Approval, ApprovalState, Run
from engine.model.resolutions import by_feedback
from engine.model.text import one_line

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp
    from cmbagent_tui.approvals import ApprovalDesk
    from engine import Engine


class InboxScreen(ModalScreen[None]):
    """Follows what waits until it is closed. Meanwhile nothing comes up by itself: it is all here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "approve", "Approve", id="inbox.approve", tooltip="Approve (asks first when much is at risk)"),
        Binding("r", "settle('rejected')", "Reject", id="inbox.reject", tooltip="Say what is wrong, and reject it"),
        Binding("e", "edit", "Edit", id="inbox.edit", tooltip="Open it, and change what is shown in your editor"),
        Binding("t", "settle('retry')", "Retry", id="inbox.retry", tooltip="Have it tried again, with your hint"),
        Binding("s", "settle('skip')", "Skip", id="inbox.skip", tooltip="Let its run go on without it"),
        Binding("f", "feedback", "Say", id="inbox.feedback", tooltip="Tell its agent something, and go on"),
        Binding("x", "settle('abort')", "Abort", id="inbox.abort", tooltip="End its run (asks first)"),
        Binding("escape,q,A", "close", "Close", id="inbox.close", tooltip="Close; all of it stays pending"),
    ]
    AUTO_FOCUS = "#inbox-list"

    app: CockpitApp

    def __init__(
        self, engine: Engine, desk: ApprovalDesk, *, run_id: str | None, guard: float, ascii_only: bool = False
    ) -> None:
        """The first of `run_id` comes under the cursor. `guard` (seconds) is how long no key decides anything after
        another approval came under the cursor by itself, counted anew from each key that arrives meanwhile."""
        super().__init__()
        self._engine = engine
        self._desk = desk
        self._first_of = run_id
        self._guard = Guard(guard)
        self._ascii = ascii_only
        self._known: dict[str, Waiting] = {}
        self._busy = False

    def compose(self) -> ComposeResult:
        with Vertical(id="inbox", classes="dialog"):
            yield Static("", id="inbox-title", classes="dialog-title", markup=False)
            yield InboxRows(self.app.clock, ascii_only=self._ascii)
            yield Static("", id="inbox-about", markup=False)
            yield Static("", id="inbox-said", markup=False)
            yield KeyLine()

    def on_mount(self) -> None:
        self._say("")
        begin(self, self._read, "read", exclusive=True)
        self.set_interval(1.0, self.query_one(InboxRows).tick)

    # What waits

    def renew(self) -> None:
        """What waits has changed."""
        if self.is_mounted:  # until then it is still to be read for the first time
            begin(self, self._read, "read", exclusive=True)

    async def _read(self) -> None:
        """Read what is new of what waits, and show it all."""
        runs: dict[str, Run] = {}
        titles: dict[str, str] = {}
        for one in list(self._desk.waiting.values()):
            if one.id in self._known:
                continue
            reads = self._engine.reads(one.session_id)
            try:
                if one.run_id not in runs:
                    runs[one.run_id] = await reads.run(one.run_id)
                if one.session_id not in titles:
                    titles[one.session_id] = one_line((await reads.session()).title)
                step = (await reads.node(one.node_id)).step if one.node_id else ""
            except NotFound:  # deleted meanwhile
                continue
            risk = risk_of(one, runs[one.run_id])
            self._known[one.id] = Waiting(one, titles[one.session_id], step, asked_by(one), risk)
        self._known = {id: one for id, one in self._known.items() if id in self._desk.waiting}
        self._show()

    def _show(self) -> None:
        rows = self.query_one(InboxRows)
        if rows.renew(listed(self._known.values())):
            self._guard.begin()
        if self._first_of is not None:
            mine = (place for place, one in enumerate(rows.waiting) if one.approval.run_id == self._first_of)
            rows.go(next(mine, rows.cursor))
            self._first_of = None
        self._tell()

    def on_row_highlighted(self, message: RowHighlighted) -> None:
        self._say("")
        self._tell()

    def _tell(self) -> None:
        """The whole of what is under the cursor, and its keys."""
        one = self.query_one(InboxRows).chosen
        title = f"{words.plural(len(self._known), 'approval')} waiting for you"
        self.query_one("#inbox-title", Static).update(title)
        about = self.query_one("#inbox-about", Static)
        about.update(_about(one, self._ascii) if one else "Nothing waits for you any more.")
        keys = [("enter", "open"), *keys_of(one.approval)] if one else []
        self.query_one(KeyLine).show(*keys, ("esc", "close"))

    def _say(self, text: str) -> None:
        line = self.query_one("#inbox-said", Static)
        line.update(Content(text))
        line.display = bool(text)

    # Keys

    def _at_hand(self) -> Waiting | None:
        """What a key may settle now."""
        return self.query_one(InboxRows).chosen if self._guard.lets_pass() and not self._busy else None

    def _settled_by(self, state: ApprovalState | None) -> Waiting | None:
        """What a key may settle so now (None: as feedback alone does); where it means nothing, that is said."""
        one = self._at_hand()
        if one is not None and (refused := refusal(one.approval, state or by_feedback(one.approval))):
            self._say(refused)
            return None
        return one

    def on_row_opened(self, message: RowOpened) -> None:
        if (one := self._at_hand()) is not None:
            self._desk.show(one.approval.id)

    def action_edit(self) -> None:
        """Open what the cursor is on, with the editor."""
        if (one := self._settled_by(ApprovalState.MODIFIED)) is not None:
            self._desk.show(one.approval.id, edit=True)

    @work(group="settle")
    async def action_approve(self) -> None:
        """Approve; what risks much, and what ends a person's turns, after a question."""
        one = self._settled_by(ApprovalState.APPROVED)
        if one is None:
            return
        if is_answered(one.approval):
            await self._take(one.approval, await ask_for_words(self.app, self._desk.drafts, one.approval))
        elif (asked := _unseen(one)) is None or await self.app.push_screen_wait(asked):
            await self._take(one.approval, Answer(ApprovalState.APPROVED))

    @work(group="settle")
    async def action_settle(self, state: str) -> None:
        """Settle what the cursor is on, with the words that it needs."""
        one = self._settled_by(ApprovalState(state))
        if one is None:
            return
        try:
            answer = await ask(self.app, self._desk.drafts, one.approval, ApprovalState(state))
        except CockpitError as error:
            self._say(str(error))
        else:
            await self._take(one.approval, answer)

    @work(group="settle")
    async def action_feedback(self) -> None:
        """Say something, and settle it as feedback alone does."""
        if (one := self._settled_by(None)) is not None:
            await self._take(one.approval, await ask_for_words(self.app, self._desk.drafts, one.approval))

    async def _take(self, approval: Approval, answer: Answer | None) -> None:
        if answer is None:
            return
        self._busy = True
        try:
            await self._engine.resolve(approval.id, answer.state, feedback=answer.feedback)
        except CockpitError as error:
            self._say(str(error))
        else:
            self._desk.drafts.pop(approval.id, None)
            self._say("")
        finally:
            self._busy = False
        begin(self.app, partial(self._desk.refresh, announce=False), "approvals-read")

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)


def _about(one: Waiting, ascii_only: bool) -> Content:
    approval, kind = one.approval, kind_of(one.approval)
    said = one_line(str(approval.shown.get("question") or approval.shown.get("message") or ""), 300)
    where = f"session {one.session}, run {short(approval.run_id)}" + (f", step {one.step}" if one.step else "")
    return Content.assemble(
        (f"risk {one.risk.word}: {one.risk.what}\n", STYLES[one.risk.tone]),
        (f"{kind.sign(ascii_only)} {approval.title}\n", "bold"),
        (f"{where}, asked by {one.asks}", "$foreground 70%"),
        (f"\n{said}" if said not in approval.title else ""),
    )


def _unseen(one: Waiting) -> ConfirmScreen | None:
    """What is asked before a yes to something that stands in one line here."""
    if "turn" in one.approval.shown:
        return ConfirmScreen("End the turns of this run?", "Its results are gathered, and it is completed.")
    if one.risk.level is Level.HIGH:
        return ConfirmScreen("Approve it unopened?", f"{one.approval.title}\nrisk {one.risk.word}: {one.risk.what}")
    return None
