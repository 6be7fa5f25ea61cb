"""The plan editor in the approval dialog: step by step, judged as one types, and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from cmbagent_tui.screens.approval import ApprovalScreen
from cmbagent_tui.screens.plan_editor import PlanEditorScreen
from cmbagent_tui.screens.plan_step import StepScreen, WireScreen
from cmbagent_tui.screens.run import RunScreen
from engine.engine import Engine
from engine.model.records import Approval, ApprovalState
from tests.tui.looking import settles, shows, text_of, until
from tests.tui.seed import Seed
from tests.tui.test_snapshots import SIZES, Compare, SeededApp

SIZE = (100, 32)


async def approval_of(engine: Engine, seed: Seed) -> Approval:
    return (await engine.view(seed.run.id)).approvals[-1]


async def on(pilot: Pilot[Any], screen: type[Any]) -> None:
    await until(pilot, lambda: isinstance(pilot.app.screen, screen), screen.__name__)


async def open_editor(pilot: Pilot[Any]) -> None:
    await shows(pilot, "Shall this run?")
    await pilot.press("e")
    await on(pilot, PlanEditorScreen)


def write(pilot: Pilot[Any], **fields: str) -> None:
    """Put texts into the fields of a step."""
    for name, text in fields.items():
        field = pilot.app.screen.query_one(f"#step-{name}")
        if isinstance(field, Input):
            field.value = text
        else:
            assert isinstance(field, TextArea)
            field.text = text


async def test_a_step_is_added_edited_wired_moved_and_the_edited_plan_runs(
    make_app: Any, engine: Engine, seed: Seed
) -> None:
    await seed.wait_for_approval()
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await open_editor(pilot)
        await shows(pilot, "It can run, and is as the planner made it.", "after data")
        await pilot.press("n")
        await on(pilot, StepScreen)
        await shows(pilot, "it has no title")
        write(
            pilot,
            id="look",
            title="Look at the data",
            instructions="Plot it.\nSay what is odd.",
            outputs="look.md",
            checks="- {name: odd, kind: text_contains, path: look.md, pattern: odd}",
        )
        await shows(pilot, "Nothing is wrong with it.")
        await pilot.press("escape")
        await on(pilot, PlanEditorScreen)
        await shows(pilot, "Look at the data", "It can run.")
        await pilot.press("w")
        await on(pilot, WireScreen)
        await pilot.press("space", "j", "space")
        await shows(pilot, "[ ] data", "[x] fit_undamped")
        await pilot.press("escape")
        await on(pilot, PlanEditorScreen)
        await pilot.press("J", "j", "x")
        await pilot.press("a")
        await on(pilot, RunScreen)
    settled = await approval_of(engine, seed)
    assert settled.state is ApprovalState.MODIFIED and settled.answer is not None
    steps = settled.answer["plan"]["steps"]
    assert [one["id"] for one in steps[:3]] == ["data", "fit_undamped", "look"]
    assert len(steps) == 7, "one was added, and one dropped"
    look = steps[2]
    assert (look["depends_on"], look["instructions"]) == (["fit_undamped"], ["Plot it.", "Say what is odd."])
    assert look["checks"][0]["pattern"] == "odd"
    assert "look" in settled.answer["difference"]
    assert not list((app.state_dir / "drafts").iterdir())


async def test_what_cannot_run_is_marked_with_its_cause_and_cannot_be_approved(
    make_app: Any, engine: Engine, seed: Seed
) -> None:
    await seed.wait_for_approval()
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await open_editor(pilot)
        await pilot.press("j", "enter")
        await on(pilot, StepScreen)
        write(pilot, agent="wizard")
        await shows(pilot, "unknown agent 'wizard'; there are engineer, researcher")
        write(pilot, agent="engineer", checks="- name: [")
        await shows(pilot, "the checks are no list in YAML")
        await pilot.press("escape")
        await on(pilot, PlanEditorScreen)
        await shows(pilot, "see 1 marked step", "the checks are no list in YAML")
        await pilot.press("a")
        await shows(pilot, "It cannot be approved: step 2 (fit_undamped): the checks are no list")
        await pilot.press("enter")
        await on(pilot, StepScreen)
        assert pilot.app.screen.query_one("#step-checks", TextArea).text == "- name: ["
        await pilot.press("escape", "u", "g", "w")
        await on(pilot, WireScreen)
        await pilot.press("space")
        await shows(pilot, "the dependencies go round in a circle", "data")
        await pilot.press("escape")
        await on(pilot, PlanEditorScreen)
        await shows(pilot, "It cannot run yet: see 2 marked steps")
        await pilot.press("u")
        await shows(pilot, "It can run, and is as the planner made it.")
        await pilot.press("u")
        await shows(pilot, "There is nothing to undo.")
    assert (await approval_of(engine, seed)).state is ApprovalState.PENDING


async def test_a_draft_is_there_again_whatever_it_is_and_whenever_the_app_is_opened(
    make_app: Any, engine: Engine, seed: Seed
) -> None:
    await seed.wait_for_approval()
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await open_editor(pilot)
        await pilot.press("G", "x", "enter")
        await on(pilot, StepScreen)
        write(pilot, agent="nobody")
        await pilot.press("escape", "escape")
        await on(pilot, ApprovalScreen)
        await shows(pilot, "Your draft is kept, and cannot run yet", "unknown agent 'nobody'")
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await open_editor(pilot)
        await shows(pilot, "see 1 marked step")
        await pilot.press("G", "enter")
        await on(pilot, StepScreen)
        write(pilot, agent="engineer", title="Drawn \x1b[31mlarge")
        await pilot.press("escape", "escape")
        await on(pilot, ApprovalScreen)
        await shows(pilot, "your own version", "6 steps")
        await pilot.press("a")
        await on(pilot, RunScreen)
    settled = await approval_of(engine, seed)
    assert settled.state is ApprovalState.MODIFIED and settled.answer is not None
    assert settled.answer["plan"]["steps"][-1]["title"] == "Drawn large"


async def test_a_plan_that_was_left_as_it_was_is_approved_as_it_was(make_app: Any, engine: Engine, seed: Seed) -> None:
    await seed.wait_for_approval()
    app = make_app(seed.run.id)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await open_editor(pilot)
        await pilot.press("x", "u", "a")
        await on(pilot, RunScreen)
    assert (await approval_of(engine, seed)).state is ApprovalState.APPROVED


async def before_list(pilot: Pilot[Any]) -> None:
    await open_editor(pilot)
    await pilot.press("j", "j", "w", "G")
    await on(pilot, WireScreen)
    await pilot.press("space", "escape")
    await on(pilot, PlanEditorScreen)
    await shows(pilot, "marked steps")
    await settles(pilot)


async def before_step(pilot: Pilot[Any]) -> None:
    await open_editor(pilot)
    await pilot.press("j", "enter")
    await on(pilot, StepScreen)
    write(pilot, agent="wizard")
    await shows(pilot, "unknown agent 'wizard'")
    await settles(pilot)


async def before_wire(pilot: Pilot[Any]) -> None:
    await open_editor(pilot)
    await pilot.press("j", "j", "j", "w")
    await on(pilot, WireScreen)
    await shows(pilot, "wait for?")
    await settles(pilot)


BEFORE = {"list": before_list, "step": before_step, "wire": before_wire}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", BEFORE)
def test_looks(snap_compare: Compare, tmp_path: Any, name: str, size: str) -> None:
    assert snap_compare(SeededApp(tmp_path, "waiting"), terminal_size=SIZES[size], run_before=BEFORE[name])


@pytest.mark.parametrize("name", BEFORE)
def test_looks_in_ascii(snap_compare: Compare, tmp_path: Any, name: str) -> None:
    app = SeededApp(tmp_path, "waiting", ascii_only=True)
    assert snap_compare(app, terminal_size=SIZES["narrow"], run_before=BEFORE[name])


async def test_in_a_small_terminal_all_of_it_can_be_done(make_app: Any, seed: Seed) -> None:
    await seed.wait_for_approval()
    app = make_app(seed.run.id)
    async with app.run_test(size=(40, 12), notifications=True) as pilot:
        await shows(pilot, "Is this")
        await pilot.press("e")
        await on(pilot, PlanEditorScreen)
        await shows(pilot, "fit_damped")
        await pilot.press("enter")
        await on(pilot, StepScreen)
        assert "Nothing is wrong" in text_of(app)
