"""The inbox of approvals: what waits in every run is listed with what it puts at risk, and settled there by key."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from textual import events

from cmbagent_tui.app import CockpitApp
from cmbagent_tui.screens.home import HomeScreen
from cmbagent_tui.screens.inbox import InboxScreen
from cmbagent_tui.screens.run import RunScreen
from cmbagent_tui.settings import Settings
from cmbagent_tui.state.inbox import risk_of
from engine.engine import Engine
from engine.model.changes import Add
from engine.model.ids import new_id
from engine.model.records import Approval, ApprovalState
from engine.runs.moves import approval_event
from tests.tui.conftest import clock
from tests.tui.looking import shows, text_of, until
from tests.tui.seed import START, Seed
from tests.tui.test_approval_kinds import SHOWN

A = ApprovalState
SIZE = (120, 40)
INSTALL: dict[str, Any] = {
    "tool": "run_shell",
    "agent": "engineer",
    "arguments": {"command": "pip install numpy"},
    "why": ["ask 1: Look."],
}


async def asks(seed: Seed, kind: str, step: str = "data", shown: dict[str, Any] | None = None, **more: Any) -> Approval:
    """An approval more in a run whose steps have begun."""
    if not seed.nodes:
        await seed.approve()
    node, at = seed.nodes[step], seed.pass_time(1)
    asked = Approval(
        new_id(), seed.session.id, seed.run.id, node.id, kind, f"About a {kind}", shown or SHOWN[kind], A.PENDING, at,
        **more,
    )  # fmt: skip
    await seed._commit([Add(asked), Add(approval_event(asked, at))])
    return asked


def another(seed: Seed, number: int = 2, title: str = "Does the [b]lens[/b] agree?") -> Seed:
    return Seed(seed.store, seed.blobs, title=title, number=number)


async def settled(engine: Engine, asked: Approval) -> Approval:
    return await engine.reads(asked.session_id).approval(asked.id)


def row_of(app: Any, text: str) -> str:
    """The first line of the screen with this text."""
    return next(line for line in text_of(app).splitlines() if text in line)


async def test_the_only_one_opens_itself_and_several_open_the_list_of_all_runs(make_app: Any, seed: Seed) -> None:
    await seed.wait_for_approval()
    other = another(seed)
    await other.approve()
    app = make_app()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "1 approval waiting for you")
        await pilot.press("A")
        await shows(pilot, "Shall this run?")
        await pilot.press("escape")
        await asks(other, "tool", shown=INSTALL)
        await shows(pilot, "About a tool", "A all")
        await pilot.press("escape", "A")
        await shows(pilot, "2 approvals waiting for you", "a approve", "e edit")
        row = row_of(app, "tool call")
        for text in ("high: installs numpy", "Does the [b]le", "data", "engineer", "1 min"):
            assert text in row, text
        row = row_of(app, "plan ")
        for text in ("medium: 7 steps, no budget", "Is this osc", "planner", "1 min"):
            assert text in row, text
        await pilot.press("down", "enter")
        await shows(pilot, "Shall this run?")
        await pilot.press("escape")
        await shows(pilot, "2 approvals waiting for you")
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))


async def test_a_run_opens_its_own_and_from_there_the_list(make_app: Any, seed: Seed) -> None:
    await seed.wait_for_approval()
    await asks(another(seed), "tool", shown=INSTALL)
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "Shall this run?", "A all")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await pilot.press("A")
        await shows(pilot, "Shall this run?")
        await pilot.press("A")
        await shows(pilot, "2 approvals waiting for you", "≡ Plan: Is this oscillator damped?")  # its own is chosen
        await pilot.press("enter")
        await shows(pilot, "Shall this run?")
        await pilot.press("A")
        await shows(pilot, "2 approvals waiting for you")
        await pilot.press("A")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await pilot.press("A", "A")
        await shows(pilot, "2 approvals waiting for you")


@pytest.mark.parametrize(
    ("kind", "keys", "state", "feedback"),
    [
        ("tool", ["a", "n", "a", "y"], A.APPROVED, None),  # much is at risk, and only a line of it was read
        ("tool", ["r", *"no", "f5"], A.REJECTED, "no"),
        ("tool", ["s"], A.SKIP, None),
        ("step", ["a"], A.APPROVED, None),
        ("step", ["f", *"slow", "f5"], A.APPROVED, "slow"),
        ("error", ["t", *"hint", "f5"], A.RETRY, "hint"),
        ("error", ["r", "escape", "r", "f5"], A.REJECTED, None),
        ("error", ["x", "n", "x", "y"], A.ABORT, None),
        ("question", ["a", *"radians", "f5"], A.APPROVED, "radians"),
    ],
)
async def test_each_answer_is_one_key(
    make_app: Any, engine: Engine, seed: Seed, kind: str, keys: list[str], state: A, feedback: str | None
) -> None:
    asked = await asks(seed, kind)
    left = await asks(another(seed), "question")
    app = make_app()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "2 approvals waiting for you")
        await pilot.press("A")
        await shows(pilot, f"About a {kind}", "esc close")
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        await until(pilot, lambda: len(app._desk.waiting) == 1 and isinstance(app.screen, InboxScreen))
        await shows(pilot, "1 approval waiting for you", "About a question")
    found = await settled(engine, asked)
    assert (found.state, found.feedback) == (state, feedback)
    assert (await settled(engine, left)).state is A.PENDING


async def test_what_is_edited_there_is_approved_in_its_dialog(
    make_app: Any, engine: Engine, seed: Seed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "editor.py"
    program.write_text(
        f"#!{sys.executable}\nimport sys, pathlib\npath = pathlib.Path(sys.argv[1])\n"
        "path.write_text(path.read_text().replace('numpy', 'scipy'))\n"
    )
    program.chmod(0o700)
    monkeypatch.setenv("EDITOR", str(program))
    monkeypatch.delenv("VISUAL", raising=False)
    asked = await asks(seed, "tool", shown=INSTALL)
    await asks(seed, "question")
    app = make_app(guard=60.0)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "2 approvals waiting for you")
        await pilot.press("A")
        await shows(pilot, "installs numpy", "a approve")
        app.screen._guard.until = 0.0  # the minute is over
        await pilot.press("e")
        await shows(pilot, "your own version", "risk high: installs scipy")
        app.screen._guard.until = 0.0
        await pilot.press("a")
        await shows(pilot, "1 approval waiting for you")
    found = await settled(engine, asked)
    assert found.state is A.MODIFIED and found.answer is not None
    assert found.answer["arguments"] == {"command": "pip install scipy"}


async def test_a_key_that_means_nothing_says_which_do(make_app: Any, engine: Engine, seed: Seed) -> None:
    asked = await asks(seed, "error")
    await asks(seed, "error", "fit_damped")
    app = make_app()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "2 approvals waiting for you")
        await pilot.press("A")
        await shows(pilot, "failed: syntax, 2 attempts", "it broke")
        await pilot.press("a")
        await shows(pilot, "That means nothing here.")
    assert (await settled(engine, asked)).state is A.PENDING


async def test_what_comes_in_is_listed_and_leaves_the_cursor_where_it_is(
    make_app: Any, engine: Engine, seed: Seed
) -> None:
    asked = await asks(seed, "question")
    await asks(seed, "question", "fit_damped")
    app = make_app()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "2 approvals waiting for you")
        await pilot.press("A")
        await shows(pilot, "2 approvals waiting for you", "step data")
        await asks(seed, "tool", "report", shown=INSTALL)
        await shows(pilot, "3 approvals waiting for you")
        lines = text_of(app).splitlines()
        order = [step for line in lines for step in ("data", "fit_damped", "report") if f" {step} " in line][:3]
        assert order == ["report", "data", "fit_damped"]
        await shows(pilot, "step data")
        await pilot.press("s")
        await shows(pilot, "2 approvals waiting for you", "step fit_damped")
    assert (await settled(engine, asked)).state is A.SKIP


async def test_no_key_settles_what_came_under_the_cursor_by_itself(make_app: Any, engine: Engine, seed: Seed) -> None:
    first = await asks(seed, "question")
    second = await asks(seed, "question", "fit_damped")
    app = make_app(guard=60.0)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "2 approvals waiting for you")
        await pilot.press("A")
        await shows(pilot, "step data")
        inbox = app.screen
        inbox._guard.until = 0.0  # the minute is over
        await engine.resolve(first.id, A.SKIP)
        app.approvals_stale()
        await shows(pilot, "step fit_damped")
        await pilot.press("s", "a", "x", "r", "enter", "e")
        await pilot.pause()
        assert app.screen is inbox
        assert (await settled(engine, second)).state is A.PENDING
        inbox._guard.until = 0.0
        await pilot.press("s")
        await shows(pilot, "Nothing waits for you any more")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))
    assert (await settled(engine, second)).state is A.SKIP


async def test_one_that_was_settled_in_the_meantime_says_so(make_app: Any, engine: Engine, seed: Seed) -> None:
    first = await asks(seed, "question")
    await asks(seed, "question", "fit_damped")
    app = make_app()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "2 approvals waiting for you")
        await pilot.press("A")
        await shows(pilot, "step data")
        await engine.resolve(first.id, A.SKIP)  # no event tells of it: nothing drives this run
        await pilot.press("s")
        await shows(pilot, "was settled before: skip", "step fit_damped")


async def test_a_deadline_counts_down_in_the_list_and_in_the_dialog(make_app: Any, seed: Seed) -> None:
    now = [clock()]
    end = START + timedelta(seconds=330)
    await asks(seed, "tool", shown=INSTALL, deadline_at=end, on_expiry=A.REJECTED)
    await asks(seed, "question", deadline_at=end + timedelta(hours=2))
    app = make_app(clock=lambda: now[0])
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "2 approvals waiting for you")
        await pilot.press("A")
        await shows(pilot, "rejected in 4m00s", "expires in 2h04m")
        now[0] += timedelta(seconds=200)
        await shows(pilot, "rejected in 40s", "expires in 2h00m")
        await pilot.press("enter")
        await shows(pilot, "rejected in 40s unless you answer")
        now[0] += timedelta(seconds=36)
        await shows(pilot, "rejected in 4s unless you answer")
        now[0] += timedelta(seconds=36)
        await shows(pilot, "rejected now unless you answer")


@pytest.mark.parametrize(
    ("bell", "elsewhere", "rings"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"bell": "always"}, False, True),
        ({"bell": "never"}, True, False),
    ],
)
async def test_the_bell_rings_as_the_settings_say(
    make_app: Any,
    seed: Seed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bell: dict[str, str],
    elsewhere: bool,
    rings: bool,
) -> None:
    rung: list[CockpitApp] = []
    monkeypatch.setattr(CockpitApp, "bell", lambda app: rung.append(app))  # Textual's own, silent without a terminal
    app = make_app(settings=Settings(tmp_path, {}, bell, {}))
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "Nothing here yet")
        if elsewhere:
            app.post_message(events.AppBlur())
            await until(pilot, lambda: not app.app_focus)
        await seed.wait_for_approval()
        await shows(pilot, "Shall this run?")
    assert bool(rung) is rings


@pytest.mark.parametrize(
    ("tool", "arguments", "risk"),
    [
        ("run_shell", {"command": "pip install 'numpy>=2' ./local.whl"}, "high: installs numpy, a package that it"),
        ("run_shell", {"command": "pip install numpy && rm -rf /data"}, "high: installs numpy; runs pip install numpy"),
        ("run_shell", {"command": "ls -l"}, "high: runs ls -l"),
        ("run_code", {"filename": "x.py", "code": "print(1)\nprint(2)"}, "high: runs codebase/x.py (2 lines)"),
        (
            "run_code",
            {"filename": "x.py", "code": "import os\nos.system('curl x.org')"},
            "high: runs codebase/x.py (2 lines), which starts curl x.org",
        ),
        ("write_file", {"path": "data/a.csv", "text": ""}, "medium: writes data/a.csv"),
        ("write_file", {"path": "../a.csv", "text": ""}, "high: writes ../a.csv"),
        ("read_file", {"path": "data/a.csv"}, "low: reads data/a.csv"),
        ("read_file", {"path": "/etc/passwd"}, "high: reads /etc/passwd"),
        ("search_web", {"query": "x"}, "high: calls search_web"),
        ("search_web\x1b[2J\nodd", {}, "high: calls search_web odd"),
    ],
)
def test_what_a_call_puts_at_risk(tool: str, arguments: dict[str, str], risk: str) -> None:
    shown = {"tool": tool, "arguments": arguments}
    found = risk_of(Approval("1", "2", "3", None, "tool", "a call", shown, A.PENDING, START))
    assert f"{found.word}: {found.what}".startswith(risk)


async def test_the_list_bears_the_smallest_terminal(make_app: Any, seed: Seed) -> None:
    await asks(seed, "tool", shown=INSTALL)
    await asks(seed, "question")
    app = make_app()
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await shows(pilot, "2 approvals waiting for you")
        await pilot.press("A")
        await shows(pilot, "installs numpy")
        for size in [(40, 12), (20, 5), (10, 3), (20, 5)]:
            await pilot.resize_terminal(*size)
            await pilot.pause()
        await shows(pilot, "tool call")
        await pilot.press("down", "s")
        await pilot.resize_terminal(100, 30)
        await shows(pilot, "1 approval waiting for you", "installs numpy")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))


async def test_each_comes_up_by_itself_once_however_often_what_waits_is_read(make_app: Any, seed: Seed) -> None:
    await seed.approve()
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "Simulate the measurement")
        seen: list[str] = []
        show = app._desk.show

        def noted(approval_id: str, **how: Any) -> None:
            seen.append(approval_id)
            show(approval_id, **how)

        app._desk.show = noted
        asked: list[str] = []
        for number in range(8):
            app.approvals_stale()
            asked.append((await asks(seed, "question", shown={"question": f"Is it number {number}?"})).id)
            app.approvals_stale()
            await shows(pilot, f"Is it number {number}?")
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await pilot.pause(0.2)
        assert seen == asked
