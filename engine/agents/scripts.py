"""Journals: files of recorded or hand-written model answers, which a `journal:FILE` model gives.

A journal is JSON lines, UTF-8. The first line is a header; each further line is one answer. Blank lines, and lines that
begin with `#`, are skipped. Header:

    {"journal": 1, "title": "Is this oscillator damped?", "note": "Hand-written for the demonstration."}

`title` and `note` are optional texts for people. An answer (see ScriptedAnswer) is what the `sequence`-th model call,
from 1, of `agent` in `step` is answered with:

    {"step": "planning", "agent": "planner", "sequence": 1, "content": "{\\"title\\": …, \\"steps\\": [ … ]}"}
    {"step": "fit", "agent": "engineer", "sequence": 1, "tool_calls": [{"name": "run_code", "arguments":
      {"filename": "fit.py", "code": "…", "explanation": "…"}}], "delay": 1.5}            (on one line)
    {"step": "fit", "agent": "engineer", "sequence": 2, "content": "The fit gives …"}

- `step` is the plan's step id, or "planning" for the planner and the plan_reviewer.
- `sequence` counts the agent's model calls within one attempt: each result of a tool leads to the next one. In planning
  the planner's calls go on counting over review rounds and repairs.
- `content` (text, or a JSON value, which is then written as text) and `tool_calls` may both be there; one must be.
- optional: `attempt` (only in this try of the step; it goes before an answer without), `delay` (seconds that the answer
  takes to stream), `model`, `prompt_tokens`, `completion_tokens` (what is shown as cost), `request_hash`.

The planner's content is a plan in the contract's form, the reviewer's is {"approved": true, "remarks": []} or free
words: an approval without remarks ends the reviews. Tools are run_code (filename, code, explanation), read_file (path,
and if wanted start, lines), list_files () and write_text (path, text).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from engine.model.errors import UsageError
from engine.model.frames import ScriptedAnswer
from engine.model.text import clean, one_line

VERSION = 1
MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Script:
    """A journal that was read."""

    title: str
    note: str
    answers: tuple[ScriptedAnswer, ...]


def read_script(path: Path) -> Script:
    """Read a journal.

    Raises:
        UsageError: it is not there, not a journal, of a newer version, or a line says something that cannot be; the
            file and the line are named.
    """
    lines = _lines(path)
    if not lines:
        raise UsageError(f"{path}: it is empty", 'A journal begins with a line such as {"journal": 1, "title": "…"}.')
    header = _header(path, *lines[0])
    answers: list[ScriptedAnswer] = []
    seen: dict[tuple[str, str, int, int | None], int] = {}
    for number, line in lines[1:]:
        answer = _answer(path, number, line)
        key = (answer.step, answer.agent, answer.sequence, answer.attempt)
        if key in seen:
            raise UsageError(
                f"{path}, line {number}: line {seen[key]} answers the same call already "
                f"(step {answer.step!r}, agent {answer.agent!r}, sequence {answer.sequence})",
                "Give each call one answer.",
            )
        seen[key] = number
        answers.append(answer)
    return Script(clean(str(header.get("title", ""))), clean(str(header.get("note", ""))), tuple(answers))


def _lines(path: Path) -> list[tuple[int, str]]:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"{path}: it cannot be read: {error.strerror}", "Check the path behind journal: in the model's name."
        ) from None
    if len(raw) > MAX_BYTES:
        raise UsageError(f"{path}: it has more than {MAX_BYTES} bytes", "A journal is model answers, not data.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise UsageError(f"{path}, line {line}: it is not text (UTF-8)", "A journal is JSON lines.") from None
    # Not splitlines: JSON may hold U+2028 and its like unescaped within a line.
    numbered = enumerate(text.split("\n"), 1)
    return [(number, line) for number, line in numbered if line.strip() and not line.startswith("#")]


def _header(path: Path, number: int, line: str) -> dict[str, Any]:
    data = _object(path, number, line)
    if data.get("journal") != VERSION:
        raise UsageError(
            f"{path}, line {number}: it does not begin with a journal's header of version {VERSION}",
            'The first line is such as {"journal": 1, "title": "…"}.',
        )
    unknown = sorted(set(data) - {"journal", "title", "note"})
    if unknown:
        raise UsageError(
            f"{path}, line {number}: unknown key {one_line(unknown[0])!r}", "A header has journal, title and note."
        )
    return data


def _answer(path: Path, number: int, line: str) -> ScriptedAnswer:
    data = _object(path, number, line)
    content = data.get("content")
    if content is not None and not isinstance(content, str):
        data = {**data, "content": json.dumps(content, ensure_ascii=False)}
    try:
        answer = ScriptedAnswer.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        said = {"extra_forbidden": "there is no such key", "missing": "it is missing"}.get(first["type"], first["msg"])
        raise UsageError(
            f"{path}, line {number}: {one_line(key)}: {one_line(said)}",
            f"An answer has {', '.join(ScriptedAnswer.model_fields)}.",
        ) from None
    if answer.content is None and not answer.tool_calls:
        raise UsageError(f"{path}, line {number}: it has neither content nor tool_calls", "One of them is the answer.")
    return answer


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path}, line {number}: it is not JSON: {one_line(str(error))}", "Each line is one JSON object."
        ) from None
    if not isinstance(data, dict):
        raise UsageError(f"{path}, line {number}: it is no JSON object", "Each line is one JSON object.")
    return data  # pyright: ignore[reportUnknownVariableType]
