"""Journals for tests, written as the story that they tell.

journal = Journal(tmp_path / "story.jsonl")
journal.plans(step("data"), step("fit", "data"))
journal.does("data", code("print(1)"), says("the data are there"))
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def step(name: str, *needs: str, agent: str = "engineer", **more: Any) -> Json:
    """A step of a plan in the contract's form."""
    return {"id": name, "title": f"Do {name}", "agent": agent, "depends_on": list(needs), **more}


def plan(*steps: Json, title: str = "Test plan") -> Json:
    """A plan in the contract's form."""
    return {"title": title, "steps": list(steps)}


def code(source: str, filename: str = "step.py") -> Json:
    """An answer that runs code."""
    arguments = {"filename": filename, "code": source, "explanation": "for the test"}
    return {"tool_calls": [{"name": "run_code", "arguments": arguments}]}


def writes(path: str, text: str) -> Json:
    """An answer that writes a text."""
    return {"tool_calls": [{"name": "write_text", "arguments": {"path": path, "text": text}}]}


def says(text: str, **more: Any) -> Json:
    """An answer in words."""
    return {"content": text, **more}


class Journal:
    """A journal's file, written as answers are added."""

    def __init__(self, path: Path, title: str = "test") -> None:
        self.path = path
        self._lines: list[Json] = [{"journal": 1, "title": title}]
        self._counts: dict[tuple[str, str, int | None], int] = {}
        self._write()

    @property
    def model(self) -> str:
        """The model to name."""
        return f"journal:{self.path}"

    def answers(self, where: str, agent: str, *answers: Json, attempt: int | None = None) -> Journal:
        """What an agent says, call after call."""
        for answer in answers:
            key = (where, agent, attempt)
            self._counts[key] = self._counts.get(key, 0) + 1
            line: Json = {"step": where, "agent": agent, "sequence": self._counts[key], **answer}
            if attempt is not None:
                line["attempt"] = attempt
            self._lines.append(line)
        self._write()
        return self

    def does(self, where: str, *answers: Json, agent: str = "engineer", attempt: int | None = None) -> Journal:
        """What the agent of a step says."""
        return self.answers(where, agent, *answers, attempt=attempt)

    def plans(self, *steps: Json, title: str = "Test plan", attempt: int | None = None) -> Journal:
        """A planner who says this at once, and a reviewer who approves."""
        self.answers("planning", "planner", says(json.dumps(plan(*steps, title=title))), attempt=attempt)
        approval = says(json.dumps({"approved": True, "remarks": []}))
        return self.answers("planning", "plan_reviewer", approval, attempt=attempt)

    def _write(self) -> None:
        self.path.write_text("".join(json.dumps(line) + "\n" for line in self._lines))
