"""Settling: what a person's answer to an approval becomes, judged before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import unified_diff
from typing import Any, cast

from pydantic import ValidationError

from engine.model.errors import UsageError
from engine.model.grants import Scope
from engine.model.options import RunOptions
from engine.model.plan import Plan, PlanStep
from engine.model.records import Approval, ApprovalState, Json, Run
from engine.model.resolutions import ways
from engine.model.text import clean, one_line
from engine.model.waive import signed, waived_step
from engine.runs.budget import raise_of
from engine.runs.recorder import safe

_FIXED = ("id", "agent", "depends_on")  # of a step, once it is a node
_DIFFERENCE = 20_000  # characters


def answer_of(
    approval: Approval,
    state: ApprovalState,
    edit: Json | None,
    feedback: str | None,
    always: Scope | None,
    run: Run,
    agents: Sequence[str],
    who: str,
) -> Json | None:
    """What is kept with the settled approval: the edited plan, step or call, and how that differs from what was shown;
    how far it is granted; or a ceiling as it is raised. An edit of a step may name checks to `waive`, `who` does so.

    Raises:
        UsageError: such an approval cannot be settled so, or what was edited or said cannot be.
        PlanInvalid: the edited plan cannot run.
    """
    known, turn = ways(approval), "turn" in approval.shown
    if turn and state is ApprovalState.MODIFIED:
        return {"next": _turn({**approval.shown["next"], "instruction": feedback, **(edit or {})}, agents)}
    if state not in known or (state is ApprovalState.MODIFIED) != (edit is not None):
        listed = ", ".join(sorted(way.value for way in known))
        raise UsageError(f"a {approval.kind} cannot be settled as {state.value}", f"There are: {listed}.")
    if "budget" in approval.shown and state is ApprovalState.APPROVED:
        return {"ceilings": raise_of(approval, RunOptions.from_json(run.options), feedback)}
    if approval.kind == "question" and not turn and state is ApprovalState.APPROVED and not feedback:
        raise UsageError("the question has no answer yet", "Give it with --feedback, or skip the question.")
    if always is not None and (state is not ApprovalState.APPROVED or "grant" not in approval.shown):
        raise UsageError("only a call that is approved as it is can be allowed for good")
    if edit is None:
        return {"always": always.value} if always else None
    if approval.kind == "plan":
        plan = Plan.parse(edit, name="the edited plan")
        plan.require(agents, name="the edited plan")
        return _kept("plan", approval.shown["plan"], plan.model_dump(mode="json"))
    if "arguments" in approval.shown:
        return _kept("arguments", approval.shown["arguments"], _arguments(edit, approval.shown["arguments"]))
    step = _step(edit, approval.shown["step"], run, agents, who, feedback)
    return _kept("step", approval.shown["step"], step.model_dump(mode="json", exclude_none=True))


def _kept(name: str, before: Json, after: Json) -> Json:
    return {name: after, "difference": difference(before, after)}


def _step(edit: Json, shown: Json, run: Run, agents: Sequence[str], who: str, why: str | None) -> PlanStep:
    names = edit.get("waive")
    if names is not None:
        edit = {**shown, **{key: value for key, value in edit.items() if key != "waive"}}
    edit = {**{key: shown[key] for key in _FIXED if key in shown}, **edit}
    for key in _FIXED:
        if edit.get(key, []) != shown.get(key, []):
            raise UsageError(
                f"the edited step has another {key}: {one_line(str(edit.get(key)), 80)}",
                "Title, instructions, outputs and checks can be edited here.",
            )
    name = f"the plan with the edited step {shown['id']}"
    try:
        step = PlanStep.model_validate(safe(edit))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"the edited step: {clean(key)}: {clean(first['msg'])}") from None
    plan = Plan.model_validate(run.plan)
    before = next(one for one in plan.steps if one.id == step.id)
    step = signed(step, before, who) if names is None else waived_step(step, [str(one) for one in names], who, why)
    steps = tuple(step if one.id == step.id else one for one in plan.steps)
    plan.model_copy(update={"steps": steps}).require(agents, name=name)
    return step


def _turn(given: Json, agents: Sequence[str]) -> Json:
    agent, instruction = str(given.get("agent")), clean(str(given.get("instruction") or "")).strip()
    if agent not in agents:
        raise UsageError(f"there is no agent {one_line(agent, 60)!r}", f"There are {', '.join(agents)}.")
    if not instruction:
        raise UsageError("the turn has no instruction", "Say what its agent is to do.")
    return {"agent": agent, "instruction": instruction}


def _arguments(edit: Json, shown: Json) -> Json:
    wrong = sorted(set(shown) ^ set(edit))
    if wrong:
        raise UsageError(
            f"the edited call has other arguments: {one_line(', '.join(wrong), 120)}",
            f"A call of this tool keeps: {', '.join(shown)}.",
        )
    return edit


def difference(before: Any, after: Any) -> str:
    """A unified diff of two values, as lines for people; a text of several lines keeps them."""
    lines = list(unified_diff(_lines(before), _lines(after), lineterm="", n=2))[2:]
    return clean("\n".join(lines), _DIFFERENCE)


def _lines(value: Any, indent: str = "") -> list[str]:
    if isinstance(value, dict):
        found: list[str] = []
        for key, item in cast(dict[str, Any], value).items():
            nested = _lines(item, indent + "  ")
            flat = not isinstance(item, dict | list) and len(nested) == 1
            found += [f"{indent}{key}: {nested[0].strip()}"] if flat else [f"{indent}{key}:", *nested]
        return found
    if isinstance(value, list):
        return [line for item in cast(list[Any], value) for line in [f"{indent}-", *_lines(item, indent + "  ")]]
    return [f"{indent}{line}" for line in str(value).split("\n")]
