"""The approval dialog: all that is being approved, and the keys that settle it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from cmbagent_tui import words
from cmbagent_tui.answering import Answer, ask, ask_for_words, is_answered, keys_of, refusal
from cmbagent_tui.editing import editor_command, run_here
from cmbagent_tui.guard import Guard
from cmbagent_tui.look import STYLES
from cmbagent_tui.state.inbox import countdown, risk_of
from cmbagent_tui.state.kept import Kept
from cmbagent_tui.widgets.keys import KeyLine
from cmbagent_tui.widgets.plan_text import Fitted, plan_content
from cmbagent_tui.widgets.shown_text import shown_content
from cmbagent_tui.work import begin
from engine.model.errors import CockpitError
from engine.model.records import Approval, ApprovalState, Run
from engine.model.resolutions import by_feedback

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp
    from cmbagent_tui.approvals import ApprovalDesk
    from engine import Engine
    from engine.model.plan import Plan


class ApprovalScreen(ModalScreen[bool]):
    """Gives whether the approval was settled here. Closed without an answer, it stays pending."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "approve", "Approve", id="approval.approve", tooltip="Approve what is shown, and go on"),
        Binding("r", "reject", "Reject", id="approval.reject", tooltip="Say what is wrong, and have it planned again"),
        Binding("e", "edit", "Edit", id="approval.edit", tooltip="Change what is shown: a plan step by step"),
        Binding("E", "edit_outside", "Editor", show=False, id="approval.editor", tooltip="Change it in your editor"),
        Binding("t", "retry", "Retry", id="approval.retry", tooltip="Have it tried again, with what you say"),
        Binding("s", "skip", "Skip", id="approval.skip", tooltip="Go on without it"),
        Binding("f", "feedback", "Say", id="approval.feedback", tooltip="Say something to the agent, and go on"),
        Binding("x", "abort", "Abort", id="approval.abort", tooltip="End the run (asks first)"),
        Binding("q,escape", "later", "Later", id="approval.later", tooltip="Close; it stays pending, A brings it back"),
        Binding("A", "all", "All", id="approval.all", tooltip="Close, and list all that waits, in every run"),
        Binding("down,j", "scroll(1)", "Down", show=False, id="approval.down", tooltip="A line down"),
        Binding("up,k", "scroll(-1)", "Up", show=False, id="approval.up", tooltip="A line up"),
        Binding("pagedown,space", "page(1)", "Page", show=False, id="approval.page_down", tooltip="A page down"),
        Binding("pageup,b", "page(-1)", "Page", show=False, id="approval.page_up", tooltip="A page up"),
        Binding("home,g", "end(False)", "Top", show=False, id="approval.top", tooltip="To the top"),
        Binding("end,G", "end(True)", "Bottom", show=False, id="approval.bottom", tooltip="To the bottom"),
    ]

    app: CockpitApp

    def __init__(
        self,
        engine: Engine,
        desk: ApprovalDesk,
        approval: Approval,
        *,
        state_dir: Path,
        guard: float,
        edit: bool = False,
        ascii_only: bool = False,
    ) -> None:
        """`guard` (seconds) is how long no key decides anything after the dialog came up, counted anew from each key
        that arrives in it: they were meant for what was there before. With `edit` the editor is opened at once."""
        super().__init__()
        self._engine = engine
        self._desk = desk
        self.approval = approval
        self._run: Run | None = None
        self._edits = state_dir / "edits"
        self._draft = Kept(state_dir, "plan", approval.id)
        self._guard = Guard(guard)
        self._edit_first = edit
        self._ascii = ascii_only
        self._busy = False
        self._own_plan: Plan | None = None  # what the person has made of it, and not approved yet
        self._own_values: dict[str, Any] | None = None  # the same of a step or a call

    def compose(self) -> ComposeResult:
        approval = self.approval
        with Vertical(id="approval", classes="dialog"):
            yield Static("", markup=False, id="approval-clock")
            with VerticalScroll(id="approval-body", can_focus=False):
                yield Fitted(self._body)
            yield Static("", markup=False, id="approval-error")
            others = [("A", "all")] if len(self._desk.waiting) > 1 else []
            yield KeyLine(*keys_of(approval), *others, ("esc", "later"))

    def on_mount(self) -> None:
        self.query_one("#approval-error").display = False
        self._guard.begin()
        begin(self, self._read_run, "run")
        if self.approval.deadline_at is None:
            self.query_one("#approval-clock").display = False
        else:
            self._tick()
            self.set_interval(1.0, self._tick)
        if self._edit_first:
            self.call_after_refresh(self._edit)

    async def _read_run(self) -> None:
        """What the run may spend is at risk too."""
        self._run = await self._engine.reads(self.approval.session_id).run(self.approval.run_id)
        self.query_one(Fitted).make_anew()

    def _tick(self) -> None:
        """Say how long there is left to answer; nothing else is painted for that."""
        if left := countdown(self.approval, self.app.clock()):
            said = Content.assemble((left[0], STYLES[left[1]]), (" unless you answer", "$foreground 70%"))
            self.query_one("#approval-clock", Static).update(said, layout=False)

    def _shown(self) -> dict[str, Any]:
        """What is being approved: as it was asked, or as the person changed it."""
        own: dict[str, Any] = {self._edited_part: self._own_values} if self._own_values else {}
        if self._own_plan is not None:
            own = {"plan": self._own_plan.model_dump(mode="json")}
        return {**self.approval.shown, **own}

    def _body(self, width: int) -> Content:
        shown = self._shown()
        plan = shown.get("plan") if self.approval.kind == "plan" else None
        plan = plan if isinstance(plan, Mapping) else {}
        risk = risk_of(replace(self.approval, shown=shown), self._run)
        heading = Content.assemble(
            (f"risk {risk.word}: {risk.what}\n", STYLES[risk.tone]),
            (f"{plan.get('title') or self.approval.title}\n", "bold $text-primary"),
        )
        if not plan:
            own = "This is your own version of it. It counts when you approve it.\n" if self._own_values else ""
            return Content.assemble(heading, (own, "$text-warning"), "\n") + shown_content(shown)
        steps = plan.get("steps") or ()
        agents = dict.fromkeys(str(one.get("agent")) for one in steps if isinstance(one, Mapping))
        own = "This is your own version of it. It runs when you approve it.\n" if self._own_plan else ""
        heading = Content.assemble(
            heading,
            (f"{words.plural(len(steps), 'step')} by {', '.join(agents)}. Shall this run?\n", "$foreground 70%"),
            (own, "$text-warning"),
            "\n",
        )
        rest = {} if self._own_plan else {key: value for key, value in shown.items() if key != "plan"}
        return heading + plan_content(plan, width, ascii_only=self._ascii) + shown_content(rest)

    @property
    def _edited_part(self) -> str:
        if "turn" in self.approval.shown:
            return "next"
        return "arguments" if "arguments" in self.approval.shown else "step"

    def _can(self, state: ApprovalState) -> bool:
        """Whether a key may settle it so now; where it means nothing, that is said."""
        if not self._ready():
            return False
        refused = refusal(self.approval, state)
        if refused:
            self._complain(refused)
        return not refused

    # Settling

    def settled_elsewhere(self, settled: Approval) -> None:
        """Someone else, or the run's end, has settled it: there is nothing to ask any more."""
        if self._busy or not self.is_active:
            return
        how = f"{settled.state.value} by {settled.resolved_by or 'the engine'}"
        self.app.notify(f"{settled.title} was settled elsewhere: {how}", markup=False)
        self.dismiss(True)

    def _ready(self) -> bool:
        """Whether a key may decide now."""
        return self._guard.lets_pass() and not self._busy

    def action_approve(self) -> None:
        """Approve what is shown: the plan as it was made, or as the person changed it."""
        own = self._own_plan is not None or self._own_values is not None
        if not own and is_answered(self.approval):
            self.action_feedback()
        elif self._can(ApprovalState.MODIFIED if own else ApprovalState.APPROVED):
            state = ApprovalState.MODIFIED if own else ApprovalState.APPROVED
            self._settle(state, plan=self._own_plan, edit=self._own_values)

    @work(group="approval")
    async def action_reject(self) -> None:
        """Ask what is wrong, and reject with that."""
        await self._ask(ApprovalState.REJECTED)

    @work(group="approval")
    async def action_retry(self) -> None:
        """Ask for a hint, and have it tried again with that."""
        await self._ask(ApprovalState.RETRY)

    @work(group="approval")
    async def action_skip(self) -> None:
        """Go on without it."""
        await self._ask(ApprovalState.SKIP)

    @work(group="approval")
    async def action_feedback(self) -> None:
        """Say something, and settle it as feedback alone does: the answer to a question, a word to a step's agent."""
        if self._can(by_feedback(self.approval)):
            self._take(await ask_for_words(self.app, self._desk.drafts, self.approval))

    @work(group="approval")
    async def action_abort(self) -> None:
        """Ask once more, and end the run."""
        await self._ask(ApprovalState.ABORT)

    async def _ask(self, state: ApprovalState) -> None:
        if not self._can(state):
            return
        try:
            self._take(await ask(self.app, self._desk.drafts, self.approval, state))
        except CockpitError as error:
            self._complain(str(error))

    def _take(self, answer: Answer | None) -> None:
        if answer is not None:
            self._settle(answer.state, feedback=answer.feedback)

    def action_edit(self) -> None:
        """Edit it: a plan step by step, anything else in the person's editor."""
        if self._can(ApprovalState.MODIFIED):
            self._edit()

    def action_edit_outside(self) -> None:
        """Edit it as YAML until it is valid, or until the person leaves it unchanged; then show it."""
        if self._can(ApprovalState.MODIFIED):
            self._edit_outside()

    def _edit(self) -> None:
        if self.approval.kind == "plan":
            self._edit_plan()
        else:
            self._edit_outside()

    @work(group="approval")
    async def _edit_plan(self) -> None:
        from cmbagent_tui.screens.plan_editor import PlanEditorScreen
        from cmbagent_tui.state.plan_draft import PlanDraft

        original = self.approval.shown["plan"]
        begun = await asyncio.to_thread(self._draft.read) or self._shown()["plan"]
        draft = PlanDraft(begun, self._engine.agent_names())
        editor = PlanEditorScreen(draft, original, self._draft, ascii_only=self._ascii)
        approved, plan = await self.app.push_screen_wait(editor)
        if approved and plan is not None:
            changed = draft.data != PlanDraft(original, draft.agents).data
            self._settle(ApprovalState.MODIFIED if changed else ApprovalState.APPROVED, plan=plan if changed else None)
            return
        problems = draft.problems()
        if problems:
            self._complain(f"Your draft is kept, and cannot run yet: {problems.first(draft.steps)}")
        self._take_own(plan, None)

    def _take_own(self, plan: Plan | None, values: dict[str, Any] | None) -> None:
        """Show what the person has made of it."""
        self._own_plan, self._own_values = plan, values
        self.query_one(Fitted).make_anew()
        self.query_one("#approval-body").scroll_home(animate=False)

    @work(group="approval")
    async def _edit_outside(self) -> None:
        self._busy = True
        try:
            plan = await self._edited() if self.approval.kind == "plan" else None
            values = await self._edited_values() if self.approval.kind != "plan" else None
        except (CockpitError, OSError) as error:
            self._complain(str(error))
            return
        finally:
            self._busy = False
        if plan is not None or values is not None:
            self.query_one("#approval-error").display = False
            self._take_own(plan, values)
            await asyncio.to_thread(self._draft.discard)  # what was written in the editor is newer

    def action_later(self) -> None:
        """Close; the approval stays pending."""
        if self._ready():
            self.dismiss(False)

    def action_all(self) -> None:
        """Close, and list all that waits; this stays pending."""
        if self._ready():
            self._desk.list_all(self.approval.run_id)
            self.dismiss(False)

    @work(group="approval")
    async def _settle(
        self,
        state: ApprovalState,
        *,
        feedback: str | None = None,
        plan: Plan | None = None,
        edit: dict[str, Any] | None = None,
    ) -> None:
        self._busy = True
        try:
            await self._engine.resolve(self.approval.id, state, feedback=feedback, plan=plan, edit=edit)
        except CockpitError as error:
            self._busy = False
            self._complain(str(error))
            return
        self._desk.drafts.pop(self.approval.id, None)
        await asyncio.to_thread(self._draft.discard)
        await asyncio.to_thread(self._edit_path().unlink, missing_ok=True)
        self.dismiss(True)  # busy to the end: the news of this very settlement must not close what lies below

    def _complain(self, text: str) -> None:
        line = self.query_one("#approval-error", Static)
        line.update(Content(text))
        line.display = True

    # Editing

    def _edit_path(self) -> Path:
        return self._edits / f"{self.approval.id}.yaml"

    async def _edited(self) -> Plan | None:
        """Have the file edited; give the valid plan, or None when nothing was changed. What was typed stays in the file
        whatever is wrong with it, with the reasons written above."""
        from cmbagent_tui.plan_file import plan_yaml, read_edited, with_problems

        path = self._edit_path()
        original = await asyncio.to_thread(plan_yaml, self._shown()["plan"])
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_text(original, encoding="utf-8")
        command = editor_command()
        while True:
            before = path.read_text(encoding="utf-8", errors="replace")
            await run_here(self.app, command, path)
            after = path.read_text(encoding="utf-8", errors="replace")
            if after == before:
                if before == original:
                    path.unlink(missing_ok=True)
                elif self._own_plan is None:
                    self._complain(f"Nothing was changed this time. Your text is kept in {path}")
                return None
            plan, problems = await asyncio.to_thread(read_edited, after, self._engine.agent_names())
            if plan is not None:
                return plan
            path.write_text(with_problems(after, problems), encoding="utf-8")

    async def _edited_values(self) -> dict[str, Any] | None:
        """Have a step or a call edited; None when nothing was changed. Whether it can be, the engine says."""
        from cmbagent_tui.plan_file import read_values, values_yaml

        path = self._edit_path()
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_text(values_yaml(self.approval.shown[self._edited_part]), encoding="utf-8")
        before = path.read_text(encoding="utf-8", errors="replace")
        await run_here(self.app, editor_command(), path)
        after = path.read_text(encoding="utf-8", errors="replace")
        return read_values(after) if after != before else self._own_values

    # Scrolling

    def action_scroll(self, by: int) -> None:
        """Scroll by lines."""
        self.query_one("#approval-body").scroll_relative(y=by, animate=False)

    def action_page(self, by: int) -> None:
        """Scroll by pages."""
        area = self.query_one("#approval-body")
        area.scroll_relative(y=by * max(1, area.size.height - 1), animate=False)

    def action_end(self, bottom: bool) -> None:
        """Scroll to the top or the bottom."""
        area = self.query_one("#approval-body")
        if bottom:
            area.scroll_end(animate=False)
        else:
            area.scroll_home(animate=False)
