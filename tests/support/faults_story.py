"""The small runs that the tests of faults disturb: their shapes, and a model that tells each its story.

The model keeps nothing in mind: what it says follows from the request alone, so that a call that is made again after a
kill is answered as it was before, and the requests can be counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from engine.model.plan import Plan
from tests.support.journals import Journal, Json, plan, says, step, writes
from tests.support.openai_server import Answer, Move, OpenAIServer, Request, call, review, text
from tests.support.openai_server import plan as planned

SHAPES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "chain": {"a": (), "b": ("a",), "c": ("b",)},
    "fan": {"a": (), "b": ("a",), "c": ("a",), "d": ("a",), "e": ("b", "c", "d")},
    "diamond": {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")},
    "apart": {"a": (), "b": (), "c": (), "d": ("a", "b")},
    "ladder": {"a": (), "b": (), "c": ("a",), "d": ("b", "c"), "e": ("c",), "f": ("d", "e")},
}
RIVALS = {"diamond": ("b", "c"), "ladder": ("d", "e")}  # parallel steps that write one path differently
WRITES = 2  # files that each step writes, by a tool call each
CALLS = WRITES + 1  # model calls that each step makes


def plan_of(shape: str) -> Plan:
    """The plan of a shape: each step writes two files and says so."""
    return Plan.parse(plan(*steps_of(shape)))


def steps_of(shape: str) -> list[Json]:
    """Its steps, as a planner would write them."""
    return [step(name, *needs, instructions=[f"This is step <{name}>."]) for name, needs in SHAPES[shape].items()]


def journal_of(shape: str, path: Path) -> Journal:
    """The story as a journal's file. Nobody counts its calls, and nobody has to listen for them."""
    journal = Journal(path)
    journal.plans(*steps_of(shape))
    for name in SHAPES[shape]:
        files = [writes(*_file(shape, name, number)) for number in range(WRITES)]
        journal.does(name, *files, says(_said(name)))
    return journal


class Storyteller(OpenAIServer):
    """The story by a model server that counts. With a program, step b first runs it."""

    name = "openai:test-model"

    def __init__(self, shape: str, program: str = "") -> None:
        super().__init__()
        self.shape, self.program = shape, program

    @property
    def environ(self) -> dict[str, str]:
        """What an engine has to find in its environment."""
        return {"OPENAI_API_KEY": self.key, "OPENAI_BASE_URL": self.base_url}

    @property
    def calls(self) -> Counter[str]:
        """How often a model was asked, by step."""
        with self._lock:
            return Counter(_asker(request) for request in self.requests)

    def _next(self, request: Request) -> Move:
        with self._lock:
            self.requests.append(request)
        match _asker(request):
            case "planner":
                return planned(plan(*steps_of(self.shape)))
            case "plan_reviewer":
                return review()
            case step_id:
                return self._does(step_id, len(request.results))

    def _does(self, name: str, done: int) -> Answer:
        if self.program and name == "b" and done == 0:
            return call("run_code", filename=f"{name}.py", code=self.program, explanation=name)
        if done < WRITES:
            path, content = _file(self.shape, name, done)
            return call("write_text", path=path, text=content)
        return text(_said(name))


def _asker(request: Request) -> str:
    """Whose request it is: a step's, or that of one who plans."""
    found = re.search(r"This is step <(\w+)>", request.first)
    return found[1] if found and request.role == "engineer" else request.role or "?"


def _file(shape: str, name: str, number: int) -> tuple[str, str]:
    path = "both.txt" if number and name in RIVALS.get(shape, ()) else f"{name}/{number}.txt"
    return path, f"{name} wrote {number}\n" * (number + 1)


def _said(name: str) -> str:
    return f"Step {name} is done."
