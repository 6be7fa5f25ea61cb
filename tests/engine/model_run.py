"""A run as it must be, in memory: the model that the state machine holds the engine against."""

from __future__ import annotations

from collections.abc import Mapping

PLANNING, GATE, LAST = "planning", "approval", "terminator"
_OVER = ("completed", "failed", "skipped", "cancelled")


class ModelRun:
    """States and attempts of a run whose ready steps all begin at once."""

    def __init__(self, dag: Mapping[str, list[str]], *, retries: int, planned: bool) -> None:
        self._dag, self._retries = dag, retries
        self.needs: dict[str, list[str]] = {PLANNING: [], GATE: [PLANNING]} if planned else {}
        self.state = "planning" if planned else "executing"
        self.pausing = False
        self.states = dict.fromkeys(self.needs, "pending")
        self.points: set[str] = set()  # branch points: each redo leaves one
        self.attempts: dict[str, list[str]] = {name: [] for name in self.needs}
        self._redone: dict[str, int] = {}
        self._failures: dict[str, int] = {}  # since the first attempt, or since a person had it done again
        if not planned:
            self._add_plan()
        self._go_on()

    def _add_plan(self) -> None:
        needed = {one for needs in self._dag.values() for one in needs}
        gate = [GATE] if GATE in self.needs else []
        for name, needs in self._dag.items():
            self.needs[name] = needs or gate
        self.needs[LAST] = [name for name in self._dag if name not in needed]
        for name in (*self._dag, LAST):
            self.states[name], self.attempts[name] = "pending", []

    @property
    def running(self) -> set[str]:
        return {name for name, state in self.states.items() if state == "running"}

    @property
    def over(self) -> bool:
        return self.state in ("completed", "failed", "cancelled")

    @property
    def redoable(self) -> set[str]:
        """The steps that a person may have done again."""
        if self.pausing:
            return set()
        if self.states.get(GATE) == "waiting_approval":
            return set()
        steps = {PLANNING} if self.planning else set(self._dag)
        return {name for name in steps if self.states[name] in _OVER}

    @property
    def planning(self) -> bool:
        """Whether there is no plan yet."""
        return LAST not in self.needs

    def said(self) -> tuple[str, dict[str, str], list[tuple[str, int, str]], set[str]]:
        """What the rows must say, and which workers must be at work."""
        attempts = sorted(
            (name, number, state) for name, states in self.attempts.items() for number, state in enumerate(states, 1)
        )
        states = {**self.states, **dict.fromkeys(self.points, "completed")}
        return self.state, states, attempts, self.running

    def ends(self, name: str, ok: bool) -> None:
        """A step's worker has ended."""
        self.states[name] = self.attempts[name][-1] = "completed" if ok else "failed"
        if not ok:
            self._failures[name] = self._failures.get(name, 0) + 1
            if self._failures[name] <= self._retries:
                self.states[name] = "pending"
            else:
                for one in self._below(name):
                    if self.states[one] == "pending":
                        self.states[one] = "skipped"
                if name == PLANNING:
                    self.state, self.pausing = "failed", False
        self._go_on()

    def answer(self, approve: bool) -> None:
        """A person settles the plan."""
        if approve:
            self.states[GATE], self.state = "completed", "executing"
            self._add_plan()
        else:
            self.states[GATE] = self.states[PLANNING] = "pending"
            self._failures[PLANNING] = 0
            self.state = "planning"
        self._go_on()

    def pause(self, now: bool) -> None:
        """A person pauses."""
        self.pausing = True
        if now:
            self._break_off()
        self._go_on()

    def resume(self) -> None:
        """A person lets the run go on, or takes back a pause that has held nothing yet."""
        self.pausing = False
        if self.state == "paused":
            asked = self.states.get(GATE) == "waiting_approval"
            self.state = "waiting_approval" if asked else "planning" if self.planning else "executing"
        self._go_on()

    def cancel(self) -> None:
        """A person gives the run up."""
        self.pausing = False
        self.state = "cancelled"
        for name, state in self.states.items():
            if state not in _OVER:
                self.states[name] = "cancelled"
            if self.attempts[name] and self.attempts[name][-1] == "running":
                self.attempts[name][-1] = "cancelled"

    def redo(self, name: str) -> None:
        """A person has a step done again: a branch point says so, and stays."""
        self._break_off()
        number = self._redone[name] = self._redone.get(name, 0) + 1
        below = {name, *self._below(name)}
        failed = {one for one, state in self.states.items() if state == "failed"} - below
        for one, state in self.states.items():
            stopped = state in ("cancelled", "skipped")
            if state in _OVER and (one in below or stopped) and not failed & self._above(one):
                self.states[one] = "pending"
                self._failures[one] = 0
        self.points.add(f"redo {number} of {name}")
        self.state = "planning" if self.planning else "executing"
        self._go_on()

    def killed(self) -> None:
        """The engine was killed and another has taken over: a pause that had not come about is forgotten."""
        if not self.over:
            self.pausing = False
            self._break_off()
            self._go_on()

    def _break_off(self) -> None:
        for name in self.running:
            self.states[name] = "pending"

    def _go_on(self) -> None:
        """What the engine does by itself."""
        if self.state == "planning" and self.states[PLANNING] == "completed":
            self.states[GATE], self.state = "waiting_approval", "waiting_approval"
        if self.pausing:
            if not self.running:
                self.state, self.pausing = "paused", False
            return
        if self.state not in ("planning", "executing"):
            return
        for name, needs in self.needs.items():
            ready = all(self.states[one] == "completed" for one in needs)
            if self.states[name] == "pending" and ready:
                if name == LAST:
                    self.states[name], self.state = "completed", "completed"
                    self.attempts[name].append("completed")
                    return
                self.states[name] = "running"
                if not self.attempts[name] or self.attempts[name][-1] != "running":
                    self.attempts[name].append("running")
        if not self.running and self.state == "executing":
            self.state = "failed"

    def _below(self, name: str) -> set[str]:
        return {one for one in self.needs if name in self._above(one)}

    def _above(self, name: str) -> set[str]:
        found: set[str] = set()
        waiting = [name]
        while waiting:
            for one in self.needs[waiting.pop()]:
                if one not in found:
                    found.add(one)
                    waiting.append(one)
        return found
