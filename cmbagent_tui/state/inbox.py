"""What waits for a person, in all runs: how much each puts at risk, when it is settled without them, and in which order
it is listed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from math import ceil
from typing import Any

from cmbagent_tui import words
from cmbagent_tui.look import Mark, Tone
from engine.model.records import Approval, ApprovalState, Run
from engine.model.text import clean, one_line

_UNNAMED = "a package that it does not name"
_SOON = 60  # seconds


class Level(IntEnum):
    """How much a yes puts at risk."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2


@dataclass(frozen=True, slots=True)
class Risk:
    """How much is at risk, and by what: `installs numpy`."""

    level: Level
    what: str

    @property
    def word(self) -> str:
        """The level in a word."""
        return self.level.name.lower()

    @property
    def tone(self) -> Tone:
        """The colour of the level."""
        return (Tone.MUTED, Tone.WAITING, Tone.FAILED)[self.level]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A line of the inbox. `step` is the step's id and `asks` who wants to know."""

    approval: Approval
    session: str
    step: str
    asks: str
    risk: Risk


_KINDS = {
    "plan": Mark("≡", "=", "plan", Tone.WAITING),
    "step": Mark("▸", ">", "step", Tone.WAITING),
    "tool": Mark("ƒ", "f", "tool call", Tone.WAITING),
    "error": Mark("✗", "x", "error", Tone.FAILED),
    "question": Mark("?", "?", "question", Tone.RUNNING),
}
_BUDGET = Mark("$", "$", "budget", Tone.WAITING)
_TURN = Mark("»", ":", "turn", Tone.RUNNING)


def kind_of(approval: Approval) -> Mark:
    """The look of a kind of question."""
    if "budget" in approval.shown:
        return _BUDGET
    return _TURN if "turn" in approval.shown else _KINDS.get(approval.kind, _KINDS["question"])


def listed(waiting: Iterable[Waiting]) -> list[Waiting]:
    """In the order in which they are listed: what risks most first, then what waits longest."""
    return sorted(waiting, key=lambda one: (-one.risk.level, one.approval.id))


def asked_by(approval: Approval) -> str:
    """Who asks."""
    if approval.kind == "plan":
        return "planner"
    return one_line(str(approval.shown.get("agent") or "the engine"), 40)


# The countdown

_SETTLED = {
    ApprovalState.APPROVED: "approved",
    ApprovalState.REJECTED: "rejected",
    ApprovalState.SKIP: "skipped",
    ApprovalState.ABORT: "run ends",
}


def countdown(approval: Approval, now: datetime) -> tuple[str, Tone] | None:
    """What happens when nobody answers, and in how long: `rejected in 4m12s`; None when it waits for ever."""
    if approval.deadline_at is None:
        return None
    what = _SETTLED.get(approval.on_expiry, "expires") if approval.on_expiry else "expires"
    left = ceil((approval.deadline_at - now).total_seconds())
    if left <= 0:
        return f"{what} now", Tone.FAILED
    long = f"{left}s" if left < 10 else words.duration(left)
    return f"{what} in {long}", Tone.FAILED if left <= _SOON else Tone.WAITING


# The risk


def risk_of(approval: Approval, run: Run | None = None) -> Risk:
    """What a yes to an approval leads to. With its run, a plan's budget is told too."""
    shown = approval.shown
    match approval.kind:
        case "plan":
            plan = shown.get("plan")
            steps = plan.get("steps") if isinstance(plan, dict) else None
            what = words.plural(len(steps) if isinstance(steps, list | tuple) else 0, "step")
            budget = run.options.get("budget_micro") if run is not None else None
            allowed = f", at most {words.dollars(budget)}" if isinstance(budget, int) else ", no budget"
            return Risk(Level.MEDIUM, what + (allowed if run is not None else ""))
        case "step":
            return Risk(Level.MEDIUM, f"begins, ${one_line(str(shown.get('cost_usd', '0')), 20)} spent so far")
        case "tool" if "arguments" in shown:
            return _of_call(shown)
        case "tool":
            return Risk(Level.HIGH, f"calls {_brief(shown.get('tool'))} again, which may have had its effect")
        case "error":
            kind, attempt = _brief(shown.get("kind")), shown.get("attempt", 1)
            return Risk(Level.LOW, f"failed: {kind}, {words.plural(attempt, 'attempt')}")
        case _ if "budget" in shown:
            return Risk(Level.MEDIUM, "lets the run use more than its ceiling")
        case _:
            return Risk(Level.LOW, "waits for what is next" if "turn" in shown else "waits for an answer")


def _of_call(shown: dict[str, Any]) -> Risk:
    """What a tool call installs, runs, writes or reads."""
    from engine.policy.actions import tool_action
    from engine.policy.packages import UNKNOWN, packages_of
    from engine.policy.programs import commands_of
    from engine.policy.shell import take_apart

    tool = _brief(shown.get("tool"))
    arguments = shown["arguments"] if isinstance(shown["arguments"], dict) else {}
    action = tool_action("", "", tool, arguments)
    scripts = [take_apart(one) for one in action.commands] or [commands_of(action.code)]
    started = [part.argv for script in scripts for part in script.parts]
    installed = dict.fromkeys([*action.packages, *(one for argv in started for one in packages_of(argv))])
    others = [argv for argv in started if not packages_of(argv)]
    path = ", ".join(map(_brief, action.paths))
    does: list[str] = []
    if installed:
        does.append("installs " + ", ".join(_UNNAMED if one == UNKNOWN else _brief(one) for one in installed))
    if action.commands and (others or not installed):
        does.append(f"runs {_brief('; '.join(action.commands))}")
    elif action.code:
        size = words.plural(len(action.code.splitlines()), "line")
        starts = f", which starts {_brief(' '.join(others[0]))}" if others else ""
        does.append(f"runs {path or 'a program'} ({size}){starts}")
    if does:
        return Risk(Level.HIGH, "; ".join(does))
    away = any(one.startswith(("/", "~")) or ".." in one.split("/") for one in action.paths)
    if tool.startswith(("read", "list")):
        return Risk(Level.HIGH if away else Level.LOW, f"reads {path or 'files'}")
    if tool.startswith("write"):
        return Risk(Level.HIGH if away else Level.MEDIUM, f"writes {path or 'a file'}")
    return Risk(Level.HIGH, f"calls {tool}")


def _brief(value: object) -> str:
    return one_line(clean(str(value or "something")), 120)
