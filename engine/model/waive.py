"""Waived checks of a step: a person lets its result stand although they do not hold."""

from __future__ import annotations

from collections.abc import Sequence

from engine.model.errors import UsageError
from engine.model.plan import PlanStep
from engine.model.text import one_line


def waived_step(step: PlanStep, names: Sequence[str], who: str, why: str | None = None) -> PlanStep:
    """The step with these of its checks waived, and by whom and why.

    Raises:
        UsageError: it has no such check, or none is named.
    """
    known = [check.name for check in step.checks]
    for name in names:
        if name not in known:
            listed = f"There are: {', '.join(known)}." if known else "It declares none."
            raise UsageError(f"the step {step.id} has no check {one_line(name, 80)!r}", listed)
    if not names:
        raise UsageError("no check is named that is to be waived")
    said = f"{who}: {why}" if why else who
    checks = tuple(one.model_copy(update={"waived": said}) if one.name in names else one for one in step.checks)
    return step.model_copy(update={"checks": checks})


def signed(step: PlanStep, before: PlanStep, who: str) -> PlanStep:
    """An edited step in which each check that was waived by the edit says by whom."""
    known = {check.name: check.waived for check in before.checks}
    for check in step.checks:
        if check.waived is not None and check.waived != known.get(check.name):
            why = None if check.waived in ("", who) else check.waived
            step = waived_step(step, [check.name], who, why)
    return step


def only_waived(before: PlanStep, after: PlanStep) -> bool:
    """Whether nothing else of a step was changed than that checks of it are waived."""
    return before != after and _unwaived(before) == _unwaived(after)


def _unwaived(step: PlanStep) -> PlanStep:
    checks = tuple(check.model_copy(update={"waived": None}) for check in step.checks)
    return step.model_copy(update={"checks": checks})
