"""The approval dialog: shows everything, loses nothing, and takes no key that was meant for something else."""

from __future__ import annotations

import asyncio
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cmbagent_tui.screens.approval import ApprovalScreen
from cmbagent_tui.screens.run import RunScreen
from engine.engine import Engine
from engine.model.records import Approval, ApprovalState
from tests.tui.looking import hides, shows, text_of, until
from tests.tui.seed import Seed

SIZE = (100, 32)


async def approval_of(engine: Engine, seed: Seed) -> Approval:
    return (await engine.view(seed.run.id)).approvals[-1]


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets $EDITOR to a Python program with the file's path in `path`, given one body per call of the editor."""

    def set_editor(*bodies: str) -> None:
        program = tmp_path / "editor.py"
        calls = "\n".join(f"if call == {number}:\n    {body}" for number, body in enumerate(bodies))
        program.write_text(
            f"#!{sys.executable}\nimport sys, pathlib\npath = pathlib.Path(sys.argv[1])\n"
            f"count = pathlib.Path({str(tmp_path / 'calls')!r})\n"
            f"call = int(count.read_text()) if count.exists() else 0\ncount.write_text(str(call + 1))\n"
            f"text = path.read_text()\n{calls}\n"
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("EDITOR", str(program))
        monkeypatch.delenv("VISUAL", raising=False)

    return set_editor


async def test_it_comes_up_with_the_run_and_a_approves(make_app: Any, engine: Engine, seed: Seed) -> None:
    await seed.wait_for_approval()
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "7 steps by engineer, researcher. Shall this run?", "1. Simulate the measurement")
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
    assert (await approval_of(engine, seed)).state is ApprovalState.APPROVED


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 12)])
async def test_all_of_the_plan_can_be_scrolled_to(make_app: Any, seed: Seed, size: tuple[int, int]) -> None:
    await seed.wait_for_approval()
    app = make_app(seed.run.id)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, ApprovalScreen))
        seen = ""
        await pilot.pause()
        body = app.screen.query_one("#approval-body")
        while True:
            await pilot.pause()
            seen += text_of(app)
            if body.scroll_offset.y >= body.max_scroll_y:
                break
            await pilot.press("pagedown")
    packed = "".join(seen.split()).replace("│", "")
    for step in seed.plan.steps:
        for text in (step.id, step.title, step.agent):
            assert "".join(text.split()) in packed, text
        if size[0] >= 80:  # narrower, a word may be broken over the frame
            for text in (*step.outputs, *(check.name for check in step.checks)):
                assert "".join(text.split()) in packed, text


async def test_in_the_smallest_terminal_it_can_be_read_and_answered(make_app: Any, engine: Engine, seed: Seed) -> None:
    await seed.wait_for_approval()
    app = make_app(seed.run.id)
    async with app.run_test(size=(20, 5), notifications=True) as pilot:
        await shows(pilot, "Is this", "oscillator", "a r e x esc")
        await pilot.press("pagedown", "pagedown", "pagedown")
        await shows(pilot, "1. Simulate the")
        await pilot.press("G")
        body = app.screen.query_one("#approval-body")
        await until(pilot, lambda: body.scroll_offset.y == body.max_scroll_y > 100, "the end of the plan")
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
    assert (await approval_of(engine, seed)).state is ApprovalState.APPROVED


async def test_a_key_that_was_on_its_way_decides_nothing(make_app: Any, engine: Engine, seed: Seed) -> None:
    await seed.wait_for_approval()
    app = make_app(seed.run.id, guard=60.0)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "Shall this run?")
        await pilot.press("a", "x", "r", "e", "q", "escape")
        await pilot.pause()
        await shows(pilot, "Shall this run?")
        app.screen._guard.until = 0.0  # the minute is over
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
    assert (await approval_of(engine, seed)).state is ApprovalState.APPROVED


async def test_closed_it_stays_pending_and_comes_back_by_key(make_app: Any, engine: Engine, seed: Seed) -> None:
    await seed.wait_for_approval()
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "Shall this run?")
        await pilot.press("escape")
        await hides(pilot, "Shall this run?")
        await shows(pilot, "waits for your approval", "A opens it")
        await pilot.press("A")
        await shows(pilot, "Shall this run?")
        await pilot.press("q", "escape")
        await shows(pilot, "1 approval waiting for you")
        await pilot.press("A")
        await shows(pilot, "Shall this run?")
    assert (await approval_of(engine, seed)).state is ApprovalState.PENDING


async def test_rejecting_says_why_and_keeps_what_was_typed(make_app: Any, engine: Engine, seed: Seed) -> None:
    await seed.wait_for_approval()
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "Shall this run?")
        await pilot.press("r")
        await shows(pilot, "What should be different?")
        await pilot.press("f5")
        await shows(pilot, "Say what should be different")
        await pilot.press("r", *"more", "enter", *"points", "escape", "escape")
        await shows(pilot, "A opens it")
        await pilot.press("A", "r")
        await shows(pilot, "more", "points")
        await pilot.press(*", please", "f5")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
    settled = await approval_of(engine, seed)
    assert settled.state is ApprovalState.REJECTED
    assert settled.feedback == "more\npoints, please"


async def test_hearing_of_ones_own_approval_closes_the_dialog_and_nothing_else(
    make_app: Any, engine: Engine, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await seed.wait_for_approval()
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "Shall this run?")
        dialog = app.screen
        resolve = engine.resolve

        async def resolve_and_hear(*given: Any, **named: Any) -> Approval:
            settled = await resolve(*given, **named)
            asyncio.get_running_loop().call_soon(dialog.settled_elsewhere, settled)
            return settled

        monkeypatch.setattr(engine, "resolve", resolve_and_hear)
        await pilot.press("a")
        await until(pilot, lambda: app.screen is not dialog)
        await pilot.pause(0.2)
        assert isinstance(app.screen, RunScreen)


async def test_editing_runs_the_edited_plan(make_app: Any, engine: Engine, seed: Seed, editor: Any) -> None:
    editor("path.write_text(text.replace('Draw data, models and residuals', 'Draw it large'))")
    await seed.wait_for_approval()
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "Shall this run?")
        await pilot.press("E")
        await shows(pilot, "your own version")
        assert (await approval_of(engine, seed)).state is ApprovalState.PENDING
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
    settled = await approval_of(engine, seed)
    assert settled.state is ApprovalState.MODIFIED and settled.answer is not None
    titles = [step["title"] for step in settled.answer["plan"]["steps"]]
    assert "Draw it large" in titles and len(titles) == 7
    assert not list((app.state_dir / "edits").iterdir())


async def test_an_edit_that_cannot_run_comes_back_with_the_reasons_and_is_never_lost(
    make_app: Any, engine: Engine, seed: Seed, editor: Any, tmp_path: Path
) -> None:
    editor(
        "path.write_text(text.replace('agent: researcher', 'agent: wizard', 1))",
        f"pathlib.Path({str(tmp_path / 'second')!r}).write_text(text)",
        "path.write_text(text.replace('agent: wizard', 'agent: engineer'))",
    )
    await seed.wait_for_approval()
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "Shall this run?")
        await pilot.press("E")
        await shows(pilot, "Your text is kept in")
        second = (tmp_path / "second").read_text()
        assert "#! This plan cannot run yet:" in second and "unknown agent 'wizard'" in second
        kept = list((app.state_dir / "edits").iterdir())
        assert len(kept) == 1 and "agent: wizard" in kept[0].read_text()
        assert (await approval_of(engine, seed)).state is ApprovalState.PENDING
        await pilot.press("E")
        await shows(pilot, "your own version")
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
    settled = await approval_of(engine, seed)
    assert settled.state is ApprovalState.MODIFIED and settled.answer is not None
    assert settled.answer["plan"]["steps"][-1]["agent"] == "engineer"


async def test_an_edit_without_a_change_keeps_the_plan_waiting(
    make_app: Any, engine: Engine, seed: Seed, editor: Any, tmp_path: Path
) -> None:
    editor("pass")
    await seed.wait_for_approval()
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "Shall this run?")
        await pilot.press("E")
        await until(pilot, lambda: (tmp_path / "calls").exists() and not app.screen._busy)
        await shows(pilot, "Shall this run?")
    assert (await approval_of(engine, seed)).state is ApprovalState.PENDING
    assert not list((app.state_dir / "edits").iterdir())


async def test_an_editor_that_is_not_there_is_named(make_app: Any, seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "no-such-editor --wait")
    monkeypatch.delenv("VISUAL", raising=False)
    await seed.wait_for_approval()
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "Shall this run?")
        await pilot.press("E")
        await shows(pilot, "no-such-editor could not be started", "Set EDITOR")


async def test_aborting_asks_once_more(make_app: Any, engine: Engine, seed: Seed) -> None:
    await seed.wait_for_approval()
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "Shall this run?")
        await pilot.press("x")
        await shows(pilot, "End this run?")
        await pilot.press("enter", "n")
        await shows(pilot, "Shall this run?")
        await pilot.press("x", "y")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
    assert (await approval_of(engine, seed)).state is ApprovalState.ABORT


async def test_it_arrives_over_home_but_never_over_someone_who_writes(make_app: Any, seed: Seed) -> None:
    app = make_app()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "Nothing here yet")
        await pilot.press("n", *"I type a")
        await seed.wait_for_approval()
        await pilot.press(*" task")
        await until(pilot, lambda: "(!)" in app._terminal_title or app._desk.waiting)
        await shows(pilot, "I type a task")
        await pilot.press("escape")
        await shows(pilot, "Shall this run?")


async def test_one_that_was_settled_elsewhere_closes(make_app: Any, engine: Engine, seed: Seed) -> None:
    await seed.wait_for_approval()
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "Shall this run?")
        await seed.settle()
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await shows(pilot, "settled elsewhere", "approved by ada")


async def test_one_that_was_settled_in_the_meantime_says_by_whom(make_app: Any, engine: Engine, seed: Seed) -> None:
    await seed.wait_for_approval()
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "Shall this run?")
        approval = await approval_of(engine, seed)
        await engine.resolve(approval.id, ApprovalState.APPROVED)  # no event tells of it: nothing drives this run
        await pilot.press("a")
        await shows(pilot, "was settled before: approved")


def test_the_yaml_is_one_that_reads_back(seed_plan: Any) -> None:
    from cmbagent_tui.plan_file import plan_yaml, read_edited

    text = plan_yaml(seed_plan.model_dump(mode="json"))
    assert yaml.safe_load(text)["steps"][0]["id"] == "data"
    assert "null" not in text
    assert read_edited(text, {"engineer", "researcher"}) == (seed_plan, [])


@pytest.fixture
def seed_plan() -> Any:
    from tests.tui.seed import demo_plan

    return demo_plan()


@pytest.mark.parametrize("broken", ["", "steps: [", "title: x\nsteps: 3", "just words", "\x00\x01"])
def test_what_is_no_plan_is_told_and_kept(broken: str) -> None:
    from cmbagent_tui.plan_file import read_edited, with_problems, without_problems

    plan, problems = read_edited(broken, {"engineer"})
    assert plan is None and problems
    again = with_problems(with_problems(broken, problems), ["another"])
    assert without_problems(again) == broken
    assert again.count("cannot run yet") == 1
