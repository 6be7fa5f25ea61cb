"""Journal files: what is read from one, and what is wrong with a broken one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.agents.scripts import read_script
from engine.model.errors import UsageError

HEADER = '{"journal": 1, "title": "A test", "note": "By hand."}'
ANSWER = '{"step": "fit", "agent": "engineer", "sequence": 1, "content": "Done."}'


def write(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "test.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_journal_is_read(tmp_path: Path) -> None:
    call = {
        "name": "run_code",
        "arguments": {"filename": "a.py", "code": "print(1)\nprint('\u2028')", "explanation": ""},
    }
    plan = {"title": "P", "steps": []}
    script = read_script(
        write(
            tmp_path,
            "# a comment before everything",
            HEADER,
            "",
            json.dumps({"step": "planning", "agent": "planner", "sequence": 1, "content": plan}),
            "# the fit",
            json.dumps({"step": "fit", "agent": "engineer", "sequence": 1, "tool_calls": [call]}, ensure_ascii=False),
            json.dumps({"step": "fit", "agent": "engineer", "sequence": 1, "attempt": 2, "content": "x", "delay": 0.5}),
        )
    )
    assert (script.title, script.note) == ("A test", "By hand.")
    planner, first, second = script.answers
    assert json.loads(planner.content or "") == plan
    assert first.tool_calls[0].arguments == call["arguments"] and first.content is None
    assert (second.attempt, second.delay) == (2, 0.5)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "it is empty"),
        ([ANSWER], "line 1: it does not begin with a journal's header of version 1"),
        (['{"journal": 2}'], "line 1: it does not begin with a journal's header of version 1"),
        (['{"journal": 1, "titel": "x"}'], "line 1: unknown key 'titel'"),
        ([HEADER, "{"], "line 2: it is not JSON"),
        ([HEADER, "", "[1]"], "line 3: it is no JSON object"),
        ([HEADER, '{"step": "fit", "agent": "engineer", "content": "x"}'], "line 2: sequence: it is missing"),
        ([HEADER, ANSWER[:-1] + ', "colour": 1}'], "line 2: colour: there is no such key"),
        ([HEADER, ANSWER.replace("1", "0")], "line 2: sequence: Input should be greater than or equal to 1"),
        ([HEADER, ANSWER.replace("content", "model")], "line 2: it has neither content nor tool_calls"),
        ([HEADER, ANSWER, ANSWER], "line 3: line 2 answers the same call already"),
        ([HEADER, '{"step": "\x1b[2Jf", "agent": 1}'], "line 2: "),
    ],
)
def test_a_broken_journal_is_named_with_its_line(tmp_path: Path, lines: list[str], said: str) -> None:
    path = write(tmp_path, *lines)
    with pytest.raises(UsageError) as caught:
        read_script(path)
    assert str(path) in str(caught.value) and said in str(caught.value) and "\x1b" not in str(caught.value)


def test_a_journal_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_script(tmp_path / "nothing.jsonl")
    binary = tmp_path / "binary.jsonl"
    binary.write_bytes(HEADER.encode() + b"\n\xff\xfe\0")
    with pytest.raises(UsageError, match="line 2: it is not text"):
        read_script(binary)
