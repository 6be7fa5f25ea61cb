"""The approval dialog: all that is being approved, and the keys that settle it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
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
from cmbagent_tui.editing import editor_command, run_here
from cmbagent_tui.screens.confirm import ConfirmScreen, FeedbackScreen
from cmbagent_tui.widgets.keys import KeyLine
from cmbagent_tui.widgets.plan_text import Fitted, plan_content
from cmbagent_tui.widgets.shown_text import shown_content
from engine.model.errors import CockpitError
from engine.model.records import Approval, ApprovalState
from engine.model.resolutions import by_feedback, ways

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp
    from engine import Engine
    from engine.model.plan import Plan


class ApprovalScreen(ModalScreen[bool]):
    """Gives whether the approval was settled here. Closed without an answer, it stays pending."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "approve", "Approve", id="approval.approve", tooltip="Approve what is shown, and go on"),
        Binding("r", "reject", "Reject", id="approval.reject", tooltip="Say what is wrong, and have it planned again"),
        Binding("e", "edit", "Edit", id="approval.edit", tooltip="Change what is shown in your editor, as YAML"),
        Binding("t", "retry", "Retry", id="approval.retry", tooltip="Have it tried again, with what you say"),
        Binding("s", "skip", "Skip", id="approval.skip", tooltip="Go on without it"),
        Binding("f", "feedback", "Say", id="approval.feedback", tooltip="Say something to the agent, and go on"),
        Binding("x", "abort", "Abort", id="approval.abort", tooltip="End the run (asks first)"),
        Binding("q,escape", "later", "Later", id="approval.later", tooltip="Close; it stays pending, A brings it back"),
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
        approval: Approval,
        *,
        drafts: dict[str, str],
        state_dir: Path,
        guard: float,
        ascii_only: bool = False,
    ) -> None:
        """`guard` (seconds) is how long no key decides anything after the dialog came up, counted anew from each key
        that arrives in it: they were meant for what was there before. `drafts` keeps feedback that was not sent."""
        super().__init__()
        self._engine = engine
        self.approval = approval
        self._drafts = drafts
        self._edits = state_dir / "edits"
        self._guard = guard
        self._quiet_until = time.monotonic() + guard
        self._ascii = ascii_only
        self._busy = False
        self._own_plan: Plan | None = None  # what the person has made of it, and not approved yet
        self._own_values: dict[str, Any] | None = None  # the same of a step or a call

    def compose(self) -> ComposeResult:
        approval = self.approval
        with Vertical(id="approval", classes="dialog"):
            with VerticalScroll(id="approval-body", can_focus=False):
                yield Fitted(self._body)
            yield Static("", markup=False, id="approval-error")
            yield KeyLine(*_keys(approval), ("esc", "later"))

    def on_mount(self) -> None:
        self.query_one("#approval-error").display = False
        self._quiet_until = time.monotonic() + self._guard

    def _plan(self) -> Mapping[str, Any]:
        if self._own_plan is not None:
            return self._own_plan.model_dump(mode="json")
        shown = self.approval.shown
        return shown["plan"] if isinstance(shown.get("plan"), Mapping) else shown

    def _body(self, width: int) -> Content:
        if self.approval.kind != "plan":
            own = "This is your own version of it. It counts when you approve it.\n" if self._own_values else ""
            heading = Content.assemble((f"{self.approval.title}\n", "bold $text-primary"), (own, "$text-warning"), "\n")
            changed = {self._edited_part: self._own_values} if self._own_values else {}
            return heading + shown_content({**self.approval.shown, **changed})
        plan = self._plan()
        steps = plan.get("steps") or ()
        agents = dict.fromkeys(str(one.get("agent")) for one in steps if isinstance(one, Mapping))
        own = "This is your own version of it. It runs when you approve it.\n" if self._own_plan else ""
        heading = Content.assemble(
            (f"{plan.get('title') or self.approval.title}\n", "bold $text-primary"),
            (f"{words.plural(len(steps), 'step')} by {', '.join(agents)}. Shall this run?\n", "$foreground 70%"),
            (own, "$text-warning"),
            "\n",
        )
        text = heading + plan_content(plan, width, ascii_only=self._ascii)
        if plan is self.approval.shown or self._own_plan is not None:
            return text
        return text + shown_content({key: value for key, value in self.approval.shown.items() if key != "plan"})

    @property
    def _edited_part(self) -> str:
        if "turn" in self.approval.shown:
            return "next"
        return "arguments" if "arguments" in self.approval.shown else "step"

    def _can(self, state: ApprovalState) -> bool:
        """Whether a key may settle it so now; where it means nothing, that is said."""
        if not self._ready():
            return False
        if state in ways(self.approval):
            return True
        self._complain("That means nothing here. " + ", ".join(f"{key} {word}" for key, word in _keys(self.approval)))
        return False

    # Settling

    def settled_elsewhere(self, settled: Approval) -> None:
        """Someone else, or the run's end, has settled it: there is nothing to ask any more."""
        if self._busy or not self.is_active:
            return
        how = f"{settled.state.value} by {settled.resolved_by or 'the engine'}"
        self.app.notify(f"{settled.title} was settled elsewhere: {how}", markup=False)
        self.dismiss(True)

    def _ready(self) -> bool:
        """Whether a key may decide now; a key that comes too early starts the guard again."""
        now = time.monotonic()
        if now < self._quiet_until:
            self._quiet_until = now + self._guard
            return False
        return not self._busy

    def action_approve(self) -> None:
        """Approve what is shown: the plan as it was made, or as the person changed it."""
        own = self._own_plan is not None or self._own_values is not None
        if not own and self.approval.kind == "question" and not {"turn", "budget"} & self.approval.shown.keys():
            self.action_feedback()
        elif self._can(ApprovalState.MODIFIED if own else ApprovalState.APPROVED):
            state = ApprovalState.MODIFIED if own else ApprovalState.APPROVED
            self._settle(state, plan=self._own_plan, edit=self._own_values)

    @work(group="approval")
    async def action_reject(self) -> None:
        """Ask what is wrong, and reject with that."""
        if not self._can(ApprovalState.REJECTED):
            return
        if "budget" in self.approval.shown:
            self._settle(ApprovalState.REJECTED)
            return
        text = await self._said("What should be different?")
        if text == "" and self.approval.kind == "plan":
            self._complain("Say what should be different, so that the planner can do better.")
        elif text is not None:
            self._settle(ApprovalState.REJECTED, feedback=text or None)

    @work(group="approval")
    async def action_retry(self) -> None:
        """Ask for a hint, and have it tried again with that."""
        if self._can(ApprovalState.RETRY) and (text := await self._said("What should it do differently?")) is not None:
            self._settle(ApprovalState.RETRY, feedback=text or None)

    def action_skip(self) -> None:
        """Go on without it."""
        if self._can(ApprovalState.SKIP):
            self._settle(ApprovalState.SKIP)

    @work(group="approval")
    async def action_feedback(self) -> None:
        """Say something, and settle it as feedback alone does: the answer to a question, a word to a step's agent."""
        state = by_feedback(self.approval)
        title = "By how much is it raised?" if "budget" in self.approval.shown else "What shall the agent be told?"
        if self._can(state) and (text := await self._said(title)):
            self._settle(state, feedback=text)

    async def _said(self, title: str) -> str | None:
        """A text from the person, or None when it is not sent; then it is kept for the next time."""
        kept = self._drafts.get(self.approval.id, "")
        answer = await self.app.push_screen_wait(FeedbackScreen(title, kept))
        sent, text = answer if answer is not None else (False, kept)
        self._drafts[self.approval.id] = text
        return text.strip() if sent else None

    @work(group="approval")
    async def action_abort(self) -> None:
        """Ask once more, and end the run."""
        if self._ready() and await self.app.push_screen_wait(
            ConfirmScreen("End this run?", "It becomes cancelled; what it has written so far stays.")
        ):
            self._settle(ApprovalState.ABORT)

    @work(group="approval")
    async def action_edit(self) -> None:
        """Edit it as YAML until it is valid, or until the person leaves it unchanged; then show it."""
        if not self._can(ApprovalState.MODIFIED):
            return
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
            self._own_plan, self._own_values = plan, values
            self.query_one("#approval-error").display = False
            self.query_one(Fitted).make_anew()
            self.query_one("#approval-body").scroll_home(animate=False)

    def action_later(self) -> None:
        """Close; the approval stays pending."""
        if self._ready():
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
        self._drafts.pop(self.approval.id, None)
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
        original = await asyncio.to_thread(plan_yaml, self.approval.shown["plan"])
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


def _keys(approval: Approval) -> list[tuple[str, str]]:
    """The keys that settle an approval of this kind."""
    known = ways(approval)
    if "turn" in approval.shown:
        named = [("f", "say what is next", ApprovalState.MODIFIED), ("a", "end", ApprovalState.APPROVED)]
    elif "budget" in approval.shown:
        yes = ApprovalState.APPROVED
        named = [("a", "raise", yes), ("f", "by another amount", yes), ("r", "stop the run", ApprovalState.REJECTED)]
    elif approval.kind == "question":
        named = [("a", "answer", ApprovalState.APPROVED)]
    else:
        named = [("a", "approve", ApprovalState.APPROVED), ("r", "reject", ApprovalState.REJECTED)]
    named += [("e", "edit", ApprovalState.MODIFIED)]
    if approval.kind != "plan":  # to make another plan is to reject this one
        named += [("t", "retry", ApprovalState.RETRY), ("s", "skip", ApprovalState.SKIP)]
    named += [("x", "abort", ApprovalState.ABORT)]
    return [(key, word) for key, word, state in named if state in known]
