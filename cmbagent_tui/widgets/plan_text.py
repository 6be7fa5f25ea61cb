"""A plan in words, all of it: what a person approves is shown whole, unknown keys included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from textual.content import Content

_STEP_KEYS = ("id", "title", "agent", "instructions", "depends_on", "outputs", "checks")


def plan_content(plan: Mapping[str, Any], *, ascii_only: bool = False) -> Content:
    """Every step of a plan, with agent, instructions, dependencies, outputs and checks."""
    parts: list[Content] = []
    steps = plan.get("steps")
    steps = steps if isinstance(steps, Sequence) and not isinstance(steps, str) else ()
    for number, step in enumerate(steps, 1):
        if number > 1:
            parts.append(Content("\n"))
        if isinstance(step, Mapping):
            parts.append(step_content(step, f"{number}. ", ascii_only=ascii_only))
        else:
            parts.append(Content(f"{number}. {step}\n"))
    for key, value in plan.items():
        if key not in ("title", "steps"):
            parts.append(_field(key, [_value(value)]))
    return Content("").join(parts)


def step_content(step: Mapping[str, Any], numbered: str = "", *, ascii_only: bool = False) -> Content:
    """One step of a plan."""
    bullet = "*" if ascii_only else "•"
    parts = [
        Content.assemble(
            (f"{numbered}{step.get('title') or step.get('id', '')}", "bold $text"),
            (f"   {step.get('id', '')}", "$text-muted"),
            "\n",
        ),
        _field("agent", [str(step.get("agent", "?"))], style="$text-accent"),
    ]
    parts.append(_field("after", [", ".join(map(str, step.get("depends_on") or ())) or "nothing: it may start at once"]))
    parts.append(_field("does", [f"{bullet} {one}" for one in step.get("instructions") or ()] or ["(no instructions)"]))
    parts.append(_field("leaves", [str(one) for one in step.get("outputs") or ()] or ["(no declared outputs)"]))
    parts.append(_field("checks", [check_words(one) for one in step.get("checks") or ()] or ["(none)"]))
    for key, value in step.items():
        if key not in _STEP_KEYS:
            parts.append(_field(key, [_value(value)]))
    return Content("").join(parts)


def check_words(check: object) -> str:
    """A check on one line (several for code): its name, its kind and every parameter it was given."""
    if not isinstance(check, Mapping):
        return str(check)
    rest = {key: value for key, value in check.items() if key not in ("name", "kind", "code") and value is not None}
    listed = ", ".join(f"{key} {_value(value)}" for key, value in rest.items() if value not in ((), [], {}))
    text = f"{check.get('name', '')} ({check.get('kind', '?')}{': ' if listed else ''}{listed})"
    code = check.get("code")
    return text + "".join(f"\n    {line}" for line in str(code).splitlines()) if code else text


def _field(name: str, values: Sequence[str], style: str = "$text") -> Content:
    """A label in a column of its own and its values below each other; continued lines are set in by hand, since a
    wrapped line begins at the left."""
    lines: list[Content] = []
    for place, value in enumerate(values):
        label = f"   {name:<8}" if place == 0 else " " * 11
        body = value.replace("\n", "\n" + " " * 11)
        lines.append(Content.assemble((label, "$text-muted"), (body, style), "\n"))
    return Content("").join(lines)


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_value(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return str(value)
