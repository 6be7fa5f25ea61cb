"""One step of a plan that is edited: what it says, and what it waits for."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static, TextArea

from cmbagent_tui.bullets import as_bullets, read_bullets
from cmbagent_tui.messages import RowOpened
from cmbagent_tui.state.plan_draft import PlanDraft
from cmbagent_tui.widgets.keys import KeyLine
from cmbagent_tui.widgets.step_rows import WireRows

_LINES = ("id", "title", "agent")
_to = partial(Binding, description="", show=False, priority=True)


class StepScreen(ModalScreen[None]):
    """The step's fields. What is wrong is said as it is typed; closing takes over what stands there."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+r,f5", "close", "Done", id="step.done", tooltip="Take it over, and go back to the plan"),
        _to("tab", "app.focus_next", id="step.next", tooltip="To the next field"),
        _to("shift+tab", "app.focus_previous", id="step.last", tooltip="To the field before"),
    ]

    def __init__(self, draft: PlanDraft, place: int) -> None:
        super().__init__()
        self._draft, self._place = draft, place
        from cmbagent_tui.plan_file import checks_yaml

        step = draft.steps[place]
        self._found = {
            "instructions": as_bullets(map(str, _list(step, "instructions"))),
            "outputs": "\n".join(map(str, _list(step, "outputs"))),
            "checks": checks_yaml(step.get("checks")),
        }

    def compose(self) -> ComposeResult:
        step = self._draft.steps[self._place]
        area = partial(TextArea, show_line_numbers=False, tab_behavior="focus", compact=True)
        with Vertical(id="plan-step", classes="dialog"):
            yield Label(f"Step {self._place + 1}", classes="dialog-title", markup=False)
            with VerticalScroll(id="step-fields", can_focus=False):
                for name in _LINES:
                    with Horizontal(classes="field"):
                        yield Label(name, markup=False)
                        yield Input(str(step.get(name, "")), id=f"step-{name}", compact=True, select_on_focus=False)
                for name, label in (("instructions", "does"), ("outputs", "leaves"), ("checks", "checks")):
                    with Horizontal(classes="field -tall", id=f"field-{name}"):
                        yield Label(label, markup=False)
                        yield area(self._found[name], id=f"step-{name}", placeholder=_HINTS[name])
            yield Static("", id="step-said", markup=False)
            yield KeyLine(("esc", "back to the plan"), ("tab", "next field"))

    def on_mount(self) -> None:
        self.query_one("#step-title" if self._draft.steps[self._place].get("title") else "#step-id").focus()
        self._judge()

    def on_input_changed(self) -> None:
        self._judge()

    def on_text_area_changed(self) -> None:
        self._judge()

    def _values(self) -> dict[str, Any]:
        """The fields as the plan has them; those that were left alone are not among them."""
        from cmbagent_tui.plan_file import read_checks

        values: dict[str, Any] = {name: self.query_one(f"#step-{name}", Input).value.strip() for name in _LINES}
        texts = {name: self.query_one(f"#step-{name}", TextArea).text for name in self._found}
        changed = {name: text for name, text in texts.items() if text != self._found[name]}
        if "instructions" in changed:
            values["instructions"] = list(read_bullets(changed["instructions"]))
        if "outputs" in changed:
            values["outputs"] = [line.strip() for line in changed["outputs"].splitlines() if line.strip()]
        if "checks" in changed:
            values["checks"] = read_checks(changed["checks"])
        return values

    def _judge(self) -> None:
        """Say what is wrong with the step as it stands there."""
        tried = self._draft.copied()
        tried.put(self._place, self._values())
        wrong = tried.problems().of_steps.get(self._place, [])
        line = self.query_one("#step-said", Static)
        line.update(Content("\n".join(wrong) or "Nothing is wrong with it."))
        line.set_class(bool(wrong), "-wrong")

    def action_close(self) -> None:
        """Take the fields over, and close."""
        self._draft.put(self._place, self._values())
        self.dismiss(None)


class WireScreen(ModalScreen[None]):
    """The other steps: what this one waits for is marked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,x", "mark", "Mark", id="wire.toggle", tooltip="Wait for it, or no more", priority=True),
        Binding("escape,q,w", "close", "Done", id="wire.done", tooltip="Back to the plan"),
    ]
    AUTO_FOCUS = "#wire-steps"

    def __init__(self, draft: PlanDraft, place: int, *, ascii_only: bool = False) -> None:
        super().__init__()
        self._draft, self._place, self._ascii = draft, place, ascii_only

    def compose(self) -> ComposeResult:
        name = self._draft.steps[self._place].get("id", "")
        with Vertical(id="plan-wire", classes="dialog"):
            yield Static(Content(f"What does {name} wait for?"), classes="dialog-title", markup=False)
            yield WireRows(self._draft, self._place, ascii_only=self._ascii)
            yield Static("", id="step-said", markup=False)
            yield KeyLine(("space", "mark"), ("esc", "back to the plan"))

    def on_mount(self) -> None:
        self._judge()

    def _judge(self) -> None:
        self.query_one(WireRows).resized()
        wrong = self._draft.problems().of_steps.get(self._place, [])
        line = self.query_one("#step-said", Static)
        line.update(Content("\n".join(wrong) or "Nothing is wrong with it."))
        line.set_class(bool(wrong), "-wrong")

    def on_row_opened(self, message: RowOpened) -> None:
        self.action_mark()

    def action_mark(self) -> None:
        """Mark the step under the cursor, or not."""
        rows = self.query_one(WireRows)
        if rows.count:
            self._draft.toggle(self._place, rows.names[rows.cursor])
            self._judge()

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)


_HINTS = {
    "instructions": "one a line, or a dash before each",
    "outputs": "paths, one a line: data/fit.json",
    "checks": "YAML: - {name: enough rows, kind: csv, path: data/x.csv, min_rows: 10}",
}


def _list(step: dict[str, Any], name: str) -> list[Any]:
    value = step.get(name)
    return list(value) if isinstance(value, list | tuple) else []
