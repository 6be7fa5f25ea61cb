"""The approval dialog with every kind of question: all of it is shown, and the keys give every answer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from cmbagent_tui.screens.run import RunScreen
from engine.engine import Engine
from engine.model.changes import Add
from engine.model.ids import new_id
from engine.model.records import Approval, ApprovalState
from engine.runs.moves import approval_event
from tests.tui.looking import shows, until
from tests.tui.seed import Seed

A = ApprovalState
STEP = {"id": "data", "title": "Simulate", "agent": "engineer", "instructions": ["Draw the noise last."]}
SHOWN: dict[str, Any] = {
    "step": {"step": STEP, "attempt": 1, "inputs": [{"path": "a.csv", "size": 3, "sha256": "ab" * 32, "from": "one"}]},
    "tool": {
        "tool": "run_code",
        "agent": "engineer",
        "arguments": {"filename": "x.py", "code": "print(1)\nprint(2)", "explanation": "e"},
        "why": ["ask 1: Look."],
        "always": "run_code of exactly this program",
        "grant": {"tool": "run_code"},
    },
    "error": {"step": STEP, "attempt": 2, "kind": "syntax", "message": "it broke", "detail": "line 3\nSyntaxError"},
    "question": {"question": "Degrees or radians?", "agent": "engineer"},
    "budget": {
        "reached": "3 model calls of 3 model calls are used",
        "raise_by": "3 model calls, unless another amount is said",
        "budget": {"of": "calls", "by": 3},
    },
}


async def ask(seed: Seed, kind: str) -> Approval:
    """A run that waits for an answer of this kind alone."""
    await seed.approve()
    node = seed.nodes["data"]
    at, title = seed.pass_time(1), f"About a {kind}"
    of = "question" if kind == "budget" else kind
    asked = Approval(new_id(), seed.session.id, seed.run.id, node.id, of, title, SHOWN[kind], A.PENDING, at)
    await seed._commit([Add(asked), Add(approval_event(asked, asked.created_at))])
    return asked


async def settled(engine: Engine, asked: Approval) -> Approval:
    return await engine.reads(asked.session_id).approval(asked.id)


@pytest.mark.parametrize(
    ("kind", "keys", "state", "feedback", "texts"),
    [
        ("step", ["a"], A.APPROVED, None, ["Draw the noise last.", "a.csv", "size: 3", "a approve"]),
        ("step", ["f", *"slow", "f5"], A.APPROVED, "slow", ["s skip"]),
        ("step", ["s"], A.SKIP, None, ["x abort"]),
        ("tool", ["r", *"no", "f5"], A.REJECTED, "no", ["print(1)", "print(2)", "ask 1: Look."]),
        ("tool", ["a"], A.APPROVED, None, ["run_code of exactly this program"]),
        ("error", ["t", *"hint", "f5"], A.RETRY, "hint", ["it broke", "SyntaxError", "t retry"]),
        ("error", ["r", "f5"], A.REJECTED, None, ["r reject"]),
        ("question", ["a", *"radians", "f5"], A.APPROVED, "radians", ["Degrees or radians?", "a answer"]),
        ("question", ["s"], A.SKIP, None, ["s skip"]),
        ("budget", ["a"], A.APPROVED, None, ["3 model calls of 3 model calls are used", "a raise", "r stop the run"]),
        ("budget", ["f", "7", "f5"], A.APPROVED, "7", ["f by another amount"]),
        ("budget", ["r"], A.REJECTED, None, ["x abort"]),
    ],
)
async def test_each_kind_is_shown_and_settled(
    make_app: Any,
    engine: Engine,
    seed: Seed,
    kind: str,
    keys: list[str],
    state: A,
    feedback: str | None,
    texts: list[str],
) -> None:
    asked = await ask(seed, kind)
    app = make_app(seed.run.id)
    async with app.run_test(size=(110, 40), notifications=True) as pilot:
        await shows(pilot, f"About a {kind}", *texts)
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
    found = await settled(engine, asked)
    assert (found.state, found.feedback) == (state, feedback)


async def test_a_key_that_means_nothing_says_which_do(make_app: Any, engine: Engine, seed: Seed) -> None:
    asked = await ask(seed, "error")
    app = make_app(seed.run.id)
    async with app.run_test(size=(110, 40), notifications=True) as pilot:
        await shows(pilot, "About a error")
        await pilot.press("a")
        await shows(pilot, "That means nothing here.", "t retry")
    assert (await settled(engine, asked)).state is A.PENDING


async def test_a_call_is_edited_and_what_is_edited_is_approved(
    make_app: Any, engine: Engine, seed: Seed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "editor.py"
    change = "text.replace('print(2)', 'print(3)')"
    program.write_text(
        f"#!{sys.executable}\nimport sys, pathlib\npath = pathlib.Path(sys.argv[1])\ntext = path.read_text()\n"
        f"path.write_text({change})\n"
    )
    program.chmod(0o700)
    monkeypatch.setenv("EDITOR", str(program))
    monkeypatch.delenv("VISUAL", raising=False)
    asked = await ask(seed, "tool")
    app = make_app(seed.run.id)
    async with app.run_test(size=(110, 40), notifications=True) as pilot:
        await shows(pilot, "print(2)")
        await pilot.press("e")
        await shows(pilot, "your own version", "print(3)")
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
    found = await settled(engine, asked)
    assert found.state is A.MODIFIED and found.answer is not None
    assert found.answer["arguments"]["code"] == "print(1)\nprint(3)"
