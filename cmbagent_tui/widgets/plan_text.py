"""A plan in words, all of it: what a person approves is shown whole, unknown keys included."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from textual import events
from textual.content import Content
from textual.widgets import Static

from cmbagent_tui import words

_STEP_KEYS = ("id", "title", "agent", "instructions", "depends_on", "outputs", "checks")
_LABEL = 11  # cells of the label's column
_NARROW = 44  # cells; narrower than this, a label has a line of its own


class Fitted(Static):
    """Text that is made anew for every width, because its lines are set in."""

    def __init__(self, make: Callable[[int], Content], *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self._make = make
        self._width = 0

    def on_resize(self, event: events.Resize) -> None:
        if event.size.width != self._width:
            self._width = event.size.width
            self.make_anew()

    def make_anew(self) -> None:
        """Take up what the text is made of now."""
        self.update(self._make(self._width))


def plan_content(plan: Mapping[str, Any], width: int, *, ascii_only: bool = False) -> Content:
    """Every step of a plan, with agent, instructions, dependencies, outputs and checks, in lines of `width` cells."""
    parts: list[Content] = []
    steps = plan.get("steps")
    steps = steps if isinstance(steps, Sequence) and not isinstance(steps, str) else ()
    for number, step in enumerate(steps, 1):
        if number > 1:
            parts.append(Content("\n"))
        if isinstance(step, Mapping):
            parts.append(step_content(step, width, f"{number}. ", ascii_only=ascii_only))
        else:
            parts.append(Content(f"{number}. {step}\n"))
    for key, value in plan.items():
        if key not in ("title", "steps"):
            parts.append(_field(key, [_value(value)], width))
    return Content("").join(parts)


def step_content(step: Mapping[str, Any], width: int, numbered: str = "", *, ascii_only: bool = False) -> Content:
    """One step of a plan."""
    bullet = "* " if ascii_only else "• "
    start = ", ".join(map(str, step.get("depends_on") or ())) or "nothing: it may start at once"
    fields = [
        _field("agent", [str(step.get("agent", "?"))], width, style="$text-accent"),
        _field("after", [start], width),
        _field("does", list(map(str, step.get("instructions") or ())) or ["(no instructions)"], width, bullet=bullet),
        _field("leaves", list(map(str, step.get("outputs") or ())) or ["(no declared outputs)"], width),
        _field("checks", [check_words(one) for one in step.get("checks") or ()] or ["(none)"], width, bullet=bullet),
        *(_field(key, [_value(value)], width) for key, value in step.items() if key not in _STEP_KEYS),
    ]
    declared = checks_declared(step)
    heading = Content.assemble(
        (f"{numbered}{step.get('title') or step.get('id', '')}", "bold"),
        (f"   {step.get('id', '')}", "$foreground 58%"),
        (f"   {declared}", "$foreground 58%" if step.get("checks") else "$text-warning"),
        "\n",
    )
    return Content("").join([heading, *fields])


def checks_declared(step: Mapping[str, Any]) -> str:
    """How many checks a step declares: where there are none, its own word will be all there is."""
    count = len(step.get("checks") or ())
    return words.plural(count, "check") if count else "no check"


def check_words(check: object) -> str:
    """A check on one line (several for code): its name, its kind and every parameter it was given."""
    if not isinstance(check, Mapping):
        return str(check)
    rest = {key: value for key, value in check.items() if key not in ("name", "kind", "code") and value is not None}
    listed = ", ".join(f"{key} {_value(value)}" for key, value in rest.items() if value not in ((), [], {}))
    text = f"{check.get('name', '')} ({check.get('kind', '?')}{': ' if listed else ''}{listed})"
    code = check.get("code")
    return text + "".join(f"\n    {line}" for line in str(code).splitlines()) if code else text


def _field(name: str, values: Sequence[str], width: int, *, style: str = "", bullet: str = "") -> Content:
    """A label, and its values below each other: beside it in a column of their own, or below it where it is narrow."""
    beside = width >= _NARROW
    before = " " * _LABEL if beside else "  "
    room = max(8, width - len(before) - len(bullet))
    lines: list[Content] = [] if beside else [Content.assemble((f" {name}", "$foreground 58%"), "\n")]
    for value in values:
        for place, line in enumerate(wrapped for row in value.split("\n") for wrapped in Content(row).wrap(room)):
            label = before if lines else f"   {name:<{_LABEL - 4}} "
            lead = bullet if place == 0 else " " * len(bullet)
            lines.append(Content.assemble((label, "$foreground 58%"), (lead + line.plain, style), "\n"))
    return Content("").join(lines)


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_value(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return str(value)
