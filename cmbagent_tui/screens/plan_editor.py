"""The plan editor: the steps of a plan that waits for approval, to add, drop, move, re-wire and edit."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from cmbagent_tui import words
from cmbagent_tui.look import STYLES, Tone
from cmbagent_tui.messages import RowHighlighted, RowOpened
from cmbagent_tui.screens.plan_step import StepScreen, WireScreen
from cmbagent_tui.state.kept import Kept
from cmbagent_tui.state.plan_draft import PlanDraft
from cmbagent_tui.widgets.keys import KeyLine
from cmbagent_tui.widgets.plan_text import Fitted, step_content
from cmbagent_tui.widgets.step_rows import StepRows
from cmbagent_tui.work import begin
from engine.model.errors import PlanInvalid
from engine.model.plan import Plan

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp


class PlanEditorScreen(ModalScreen[tuple[bool, Plan | None]]):
    """Closes with (approved, the plan as it was left): None where that cannot run yet. Every change is in the draft's
    file before the next key."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "approve", "Approve", id="plan.approve", tooltip="Approve the plan as it is now, if it can run"),
        Binding("e", "edit", "Edit", id="plan.edit", tooltip="Edit the step: title, agent, instructions, checks"),
        Binding("w", "wire", "Wire", id="plan.wire", tooltip="Choose what the step waits for"),
        Binding("n", "add", "New", id="plan.add", tooltip="Add a step behind this one"),
        Binding("x,delete", "drop", "Drop", id="plan.drop", tooltip="Take the step out (u brings it back)"),
        Binding("J,shift+down", "shift(1)", "Down", id="plan.down", tooltip="Move the step down"),
        Binding("K,shift+up", "shift(-1)", "Up", id="plan.up", tooltip="Move the step up"),
        Binding("u", "undo", "Undo", id="plan.undo", tooltip="Take the last change back"),
        Binding("escape,q", "leave", "Leave", id="plan.leave", tooltip="Go back; the draft is kept"),
    ]
    AUTO_FOCUS = "#plan-steps"

    app: CockpitApp

    def __init__(self, draft: PlanDraft, original: Mapping[str, Any], kept: Kept, *, ascii_only: bool = False) -> None:
        """`original` is what the planner made: a draft that says the same is none."""
        super().__init__()
        self._draft, self._kept, self._ascii = draft, kept, ascii_only
        self._original = PlanDraft(original, draft.agents).data

    def compose(self) -> ComposeResult:
        with Vertical(id="plan-editor", classes="dialog"):
            yield Static(Content(f"Edit the plan: {self._draft.title}"), classes="dialog-title", markup=False)
            yield StepRows(self._draft, ascii_only=self._ascii)
            with VerticalScroll(id="plan-about", can_focus=False):
                yield Fitted(self._about)
            yield Static("", id="plan-said", markup=False)
            yield KeyLine(
                *(("a", "approve"), ("e", "edit"), ("w", "wire"), ("n", "new"), ("x", "drop")),
                *(("J/K", "move"), ("u", "undo"), ("esc", "leave")),
            )

    def on_mount(self) -> None:
        self._show()

    @property
    def _rows(self) -> StepRows:
        return self.query_one(StepRows)

    def _show(self, place: int | None = None) -> None:
        """Show the plan as it is now, with the cursor on a step."""
        rows = self._rows
        rows.renew()
        if place is not None:
            rows.go(place)
        self._tell()

    def _tell(self) -> None:
        self.query_one(Fitted).make_anew()
        self.query_one("#plan-about").scroll_home(animate=False)
        problems = self._rows.problems
        wrong = len(problems.of_steps)
        said = "It can run." if self._draft.data != self._original else "It can run, and is as the planner made it."
        if problems.general:
            said = problems.general[0]
        elif wrong:
            said = f"It cannot run yet: see {words.plural(wrong, 'marked step')}."
        self._say(said, Tone.FAILED if problems else Tone.OK)

    def _say(self, text: str, tone: Tone) -> None:
        self.query_one("#plan-said", Static).update(Content.assemble((text, STYLES[tone])))

    def _about(self, width: int) -> Content:
        """What is wrong with the step under the cursor, and all that it says."""
        if not self._draft.steps:
            return Content("The plan has no steps: n adds one.")
        place = self._rows.cursor
        wrong = self._rows.problems.of_steps.get(place, [])
        said = [(f"{one}\n", STYLES[Tone.FAILED]) for one in wrong]
        return Content.assemble(*said) + step_content(self._draft.steps[place], width, ascii_only=self._ascii)

    def _changed(self, place: int) -> None:
        self._show(place)
        begin(self, self._keep, "draft", exclusive=True)

    async def _keep(self) -> None:
        data = self._draft.data
        await asyncio.to_thread(self._kept.save, {} if data == self._original else data)

    # Keys

    def on_row_highlighted(self, message: RowHighlighted) -> None:
        self._tell()

    def on_row_opened(self, message: RowOpened) -> None:
        self.action_edit()

    @work(group="step")
    async def action_edit(self) -> None:
        """Edit the step under the cursor."""
        if self._draft.steps:
            await self._edited(self._rows.cursor)

    @work(group="step")
    async def action_add(self) -> None:
        """Add a step, and edit it."""
        place = self._draft.add(self._rows.cursor if self._draft.steps else -1)
        self._changed(place)
        await self._edited(place)

    async def _edited(self, place: int) -> None:
        await self.app.push_screen_wait(StepScreen(self._draft, place))
        self._changed(place)

    @work(group="step")
    async def action_wire(self) -> None:
        """Choose what the step under the cursor waits for."""
        if self._draft.steps:
            place = self._rows.cursor
            await self.app.push_screen_wait(WireScreen(self._draft, place, ascii_only=self._ascii))
            self._changed(place)

    def action_drop(self) -> None:
        """Take the step under the cursor out."""
        if self._draft.steps:
            place = self._rows.cursor
            self._draft.drop(place)
            self._changed(place)

    def action_shift(self, by: int) -> None:
        """Move the step under the cursor."""
        if self._draft.steps:
            self._changed(self._draft.move(self._rows.cursor, by))

    def action_undo(self) -> None:
        """Take the last change back."""
        if self._draft.undo():
            self._changed(self._rows.cursor)
        else:
            self._say("There is nothing to undo.", Tone.MUTED)

    def action_approve(self) -> None:
        """Approve the plan as it is now, if it can run."""
        problems = self._draft.problems()
        if problems:
            self._say(f"It cannot be approved: {problems.first(self._draft.steps)}", Tone.FAILED)
        else:
            begin(self, self._close_approving, "draft", exclusive=True)

    async def _close_approving(self) -> None:
        await self._keep()
        self.dismiss((True, self._draft.plan()))

    def action_leave(self) -> None:
        """Go back, and keep the draft."""
        begin(self, self._close, "draft", exclusive=True)

    async def _close(self) -> None:
        await self._keep()
        plan = None
        if self._draft.data != self._original:
            try:
                plan = self._draft.plan()
            except PlanInvalid:
                plan = None
        self.dismiss((False, plan))
