"""A plan while a person edits it: its steps as plain data, what is wrong with each, and the way back.

It may be wrong in any way at any time. What a person typed as checks and is no YAML stays as the text that it is.
"""

from __future__ import annotations

import contextlib
import copy
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from engine.model.errors import PlanInvalid
from engine.model.plan import Plan
from engine.model.text import clean, one_line

Step: TypeAlias = dict[str, Any]
_UNDO = 200  # steps back that are kept
_PLACE = re.compile(r"(?:unknown key ')?steps\.(\d+)(?:\.([\w.]+))?")
_STEP = re.compile(r"step '(.*?)': (.*)", re.DOTALL)


@dataclass(slots=True)
class Problems:
    """Why a plan cannot run: of single steps by their place, and of it as a whole."""

    of_steps: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    general: list[str] = field(default_factory=list[str])

    def __bool__(self) -> bool:
        return bool(self.of_steps or self.general)

    def first(self, steps: Sequence[Step]) -> str:
        """The first of them, with the step that it is of."""
        for place in sorted(self.of_steps):
            return f"step {place + 1} ({one_line(str(steps[place].get('id', '')), 40)}): {self.of_steps[place][0]}"
        return self.general[0] if self.general else ""


class PlanDraft:
    """The steps of a plan, each change of which can be undone."""

    def __init__(self, plan: Mapping[str, Any], agents: Collection[str]) -> None:
        """`plan` is any version of it, `agents` are those that it may name."""
        with contextlib.suppress(PlanInvalid):  # then it is shown as it is: a person may mend it
            plan = Plan.parse(plan).model_dump(mode="json", exclude_defaults=True)
        steps = plan.get("steps")
        listed: Sequence[Any] = steps if isinstance(steps, list | tuple) else ()
        self.title = str(plan.get("title", ""))
        self.steps: list[Step] = [copy.deepcopy(dict(one)) for one in listed if isinstance(one, Mapping)]
        self._agents = agents
        self._past: list[str] = []

    @property
    def data(self) -> dict[str, Any]:
        """The plan as it is now, whatever is wrong with it."""
        return {"title": self.title, "steps": copy.deepcopy(self.steps)}

    @property
    def agents(self) -> list[str]:
        """The agents that a step may have."""
        return sorted(self._agents)

    def plan(self) -> Plan:
        """The plan, if it can run.

        Raises:
            PlanInvalid: it cannot.
        """
        if problems := self.problems():
            raise PlanInvalid([problems.first(self.steps)])
        return Plan.parse(self.data)

    # Changes

    def add(self, after: int) -> int:
        """Add a step behind another one, which it waits for; return its place."""
        self._remember()
        known = {str(one.get("id")) for one in self.steps}
        number = next(n for n in range(1, len(known) + 2) if f"step_{n}" not in known)
        place = min(after + 1, len(self.steps))
        before = self.steps[place - 1] if place else None
        agent = str(before.get("agent")) if before else next(iter(self.agents), "")
        waits = [str(before.get("id"))] if before else []
        step: Step = {"id": f"step_{number}", "title": "", "agent": agent, "depends_on": waits}
        self.steps.insert(place, step)
        return place

    def drop(self, place: int) -> None:
        """Take a step out; what waited for it waits for what it waited for."""
        self._remember()
        gone = self.steps.pop(place)
        name, before = gone.get("id"), _names(gone)
        for step in self.steps:
            needs = _names(step)
            if name in needs:
                at = needs.index(name)
                self._wire(step, [*needs[:at], *before, *needs[at + 1 :]])

    def move(self, place: int, by: int) -> int:
        """Put a step before or behind its neighbour; return its place."""
        other = place + by
        if not 0 <= other < len(self.steps):
            return place
        self._remember()
        self.steps[place], self.steps[other] = self.steps[other], self.steps[place]
        return other

    def toggle(self, place: int, name: str) -> None:
        """Have a step wait for another, or no more."""
        self._remember()
        needs = _names(self.steps[place])
        self._wire(self.steps[place], [one for one in needs if one != name] if name in needs else [*needs, name])

    def put(self, place: int, values: Mapping[str, Any]) -> None:
        """Set parts of a step. When its id is changed, what waits for it goes on doing so."""
        step = {name: value for name, value in {**self.steps[place], **_safe(values)}.items() if value != []}
        if step == self.steps[place]:
            return
        self._remember()
        before, after = self.steps[place].get("id"), step.get("id")
        self.steps[place] = step
        taken = any(one.get("id") == after for at, one in enumerate(self.steps) if at != place)
        if before != after and not taken:
            for one in self.steps:
                self._wire(one, [after if need == before else need for need in _names(one)])

    def undo(self) -> bool:
        """Take the last change back; False when there is none."""
        if not self._past:
            return False
        self.steps = json.loads(self._past.pop())
        return True

    def copied(self) -> PlanDraft:
        """Another one with the same steps, to try something on."""
        return PlanDraft(self.data, self._agents)

    def _remember(self) -> None:
        self._past = [*self._past, json.dumps(self.steps)][-_UNDO:]

    @staticmethod
    def _wire(step: Step, needs: Sequence[Any]) -> None:
        step["depends_on"] = list(dict.fromkeys(needs))
        if not needs:
            del step["depends_on"]

    # What is wrong

    def problems(self) -> Problems:
        """Every reason why the plan cannot run as it is now."""
        found = Problems()
        steps = copy.deepcopy(self.steps)
        for place, step in enumerate(steps):
            if isinstance(step.get("checks"), str):
                step["checks"] = []
                _note(found, place, "the checks are no list in YAML")
            if not str(step.get("title", "")).strip():
                _note(found, place, "it has no title")
        try:
            said = Plan.parse({"title": self.title, "steps": steps}).problems(self._agents)
        except PlanInvalid as error:
            said = error.problems
        places: dict[str, list[int]] = {}
        for place, step in enumerate(steps):
            places.setdefault(str(step.get("id")), []).append(place)
        for one in said:
            self._sort(one, places, found)
        return found

    def _sort(self, said: str, places: Mapping[str, list[int]], found: Problems) -> None:
        """Put a sentence about a plan to the step that it is about."""
        of_step, of_place = _STEP.match(said), _PLACE.match(said)
        if of_step and of_step[1] in places:
            _note(found, places[of_step[1]][-1], of_step[2])
        elif of_place and int(of_place[1]) < len(self.steps):
            _note(found, int(of_place[1]), said.replace(f"steps.{of_place[1]}.", "", 1))
        elif said.startswith("the dependencies go round"):
            names = said.partition(": ")[2].split(" → ")
            for place in {place for name in names for place in places.get(name, ())}:
                _note(found, place, said.replace("→", "->"))
        else:
            found.general.append(said)


def _note(found: Problems, place: int, said: str) -> None:
    found.of_steps.setdefault(place, []).append(said)


def _names(step: Mapping[str, Any]) -> list[Any]:
    """What a step waits for."""
    needs = step.get("depends_on")
    return list(needs) if isinstance(needs, list | tuple) else []


def _safe(value: Any) -> Any:
    """What a person typed, without what a terminal would obey."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(name)): _safe(one) for name, one in value.items()}
    return [_safe(one) for one in value] if isinstance(value, list | tuple) else value
