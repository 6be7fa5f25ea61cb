"""The timeline in a terminal: followed, scrolled, jumped through, folded, filtered; left for what an event tells of."""

from __future__ import annotations

from typing import Any

import pytest
from textual.events import MouseScrollUp

from cmbagent_tui.widgets.timeline.view import Timeline
from cmbagent_tui.widgets.timeline.window import KEPT
from engine.model.changes import Add
from engine.model.events import Event, EventKind
from engine.model.ids import new_id
from tests.tui.looking import hides, shows, text_of, until
from tests.tui.seed import Seed

SIZE = (120, 60)


async def prints(seed: Seed, first: int, count: int) -> None:
    """A step prints lines."""
    node = seed.nodes["data"]
    for start in range(first, first + count, 500):
        await seed.store.commit(
            *(
                Add(
                    Event(
                        new_id(), node.session_id, node.run_id, EventKind.OUTPUT, seed.pass_time(0.1), node_id=node.id,
                        data={"stream": "stdout", "text": f"line {number}."},
                    )
                )
                for number in range(start, min(start + 500, first + count))
            )
        )  # fmt: skip


def timeline(app: Any) -> Timeline:
    return app.screen.query_one(Timeline)


def shown(app: Any) -> str:
    """What the timeline's pane shows."""
    return text_of(app).partition("2 Timeline")[2]


async def test_a_long_run_is_jumped_through_and_little_of_it_is_kept(make_app: Any, seed: Seed) -> None:
    await seed.approve()
    await seed.run_node("data", end=False)
    await prints(seed, 0, 6000)
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "line 5999.")
        await pilot.press("2", "g")
        await shows(pilot, "Approve the plan")
        newest = timeline(app).newest
        await pilot.press("colon", *"50%", "enter")
        await shows(pilot, f"line {5999 - newest + round(newest / 2)}.")
        at = timeline(app).event_at(timeline(app).cursor)
        assert at is not None and at.seq == round(newest / 2)
        for _ in range(4):
            await pilot.press("pageup")
        assert (at := timeline(app).event_at(timeline(app).cursor)) and at.seq < newest / 2
        await pilot.press("colon", *"#1000", "enter")
        await until(pilot, lambda: (at := timeline(app).event_at(timeline(app).cursor)) and at.seq == 1000)
        await pilot.press("colon", *"5:00", "enter")
        await shows(pilot, " 5:00 ")
        await pilot.press("colon", *"soon", "enter")
        await shows(pilot, "soon is no place")
        await pilot.press("G")
        await shows(pilot, "line 5999.")
        assert timeline(app).following and timeline(app).count <= KEPT


async def test_new_events_are_counted_while_one_looks_elsewhere(make_app: Any, seed: Seed) -> None:
    await seed.approve()
    await seed.run_node("data", end=False)
    await prints(seed, 0, 200)
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "line 199.")
        await pilot.press("2", "up", "up")
        await prints(seed, 200, 37)
        await shows(pilot, "37 new (End)")
        assert "line 236." not in text_of(app)
        await pilot.press("end")
        await shows(pilot, "line 236.")
        await hides(pilot, "new (End)")
        await prints(seed, 237, 3)
        await shows(pilot, "line 239.")


async def test_a_span_is_one_line_from_its_start_to_its_end(make_app: Any, seed: Seed) -> None:
    await seed.approve()
    await seed.run_node("data", end=False)
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "◆ ◉ engineer", "❯ ✓ codebase/data.py exit 0")
        assert shown(app).count("run_code") == 1
        await seed.end_node("data", "gone", "the process died")
        await shows(pilot, "◆ ⊗ engineer: broken off with its process")


async def test_what_a_span_holds_is_folded_and_unfolded(make_app: Any, seed: Seed) -> None:
    await seed.approve()
    await seed.run_node("data")
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "▾❯ ✓ codebase/data.py", "▤ codebase/data.py")
        await pilot.press("2", "U")
        await until(pilot, lambda: "run_code" not in shown(app) and "▸◆ ✓ engineer" in shown(app))
        await pilot.press("U")
        await shows(pilot, "▾ƒ ✓ run_code")
        await pilot.press("colon", *f"#{await seq_of(seed, EventKind.CODE_EXEC)}", "enter")
        await until(pilot, lambda: under_cursor(app).startswith("code_exec"))
        await pilot.press("h")  # folds the code, from which the file hangs by the tool
        await shows(pilot, "▸❯ ✓ codebase/data.py")
        await pilot.press("h")
        await until(pilot, lambda: under_cursor(app).startswith("tool_call"))
        await pilot.press("space")
        await until(pilot, lambda: "▸ƒ ✓ run_code" in shown(app) and "▤" not in shown(app))
        await pilot.press("l")
        await shows(pilot, "▾ƒ ✓ run_code", "▤ codebase/data.py")


async def seq_of(seed: Seed, kind: EventKind) -> int:
    return (await seed.store.reads(seed.session.id).events(seed.run.id, kinds=[kind]))[0].seq


def under_cursor(app: Any) -> str:
    event = timeline(app).event_at(timeline(app).cursor)
    return f"{event.kind.value} {event.title}" if event else ""


async def test_a_filter_shows_what_fits_as_it_is_typed_and_as_it_happens(make_app: Any, seed: Seed) -> None:
    await seed.approve()
    await seed.run_node("data")
    await prints(seed, 0, 300)
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "line 299.")
        await pilot.press("2", "slash", *"kind:output 99.")
        await until(pilot, lambda: shown(app).count("line ") == 3)
        await pilot.press("enter")
        await shows(pilot, "[kind:output] [99.]", "esc: all events")
        await prints(seed, 300, 100)
        await shows(pilot, "line 399.")
        assert "line 398." not in text_of(app)
        await pilot.press("slash", *"zzz", "escape")
        await shows(pilot, "line 399.")
        await pilot.press("slash", *"zzz", "enter")
        await shows(pilot, "no event fits")
        await pilot.press("escape")
        await shows(pilot, "line 398.")
        await pilot.press("escape")
        assert app.screen.focused is not None and app.screen.focused.id == "dag-view"


async def test_errors_alone_and_one_step_alone(make_app: Any, seed: Seed) -> None:
    await seed.finish(fails="fit_damped")
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "run failed")
        await pilot.press("2", "exclamation_mark")
        await shows(pilot, "errors only", "❯ ✗ codebase/fit_damped.py exit 1")
        assert "✓" not in shown(app)
        await pilot.press("exclamation_mark")
        await shows(pilot, "✓")
        await pilot.press("g", "colon", *f"#{await seq_of(seed, EventKind.CODE_EXEC)}", "enter")
        await until(pilot, lambda: under_cursor(app) == "code_exec codebase/data.py")
        await pilot.press("full_stop")
        await shows(pilot, "step:data")
        await until(pilot, lambda: "fit_undamped" not in shown(app) and "codebase/data.py exit 0" in shown(app))


@pytest.mark.parametrize("kind", [EventKind.CODE_EXEC, EventKind.FILE_GEN])
async def test_from_an_event_to_what_it_tells_of_and_back(make_app: Any, seed: Seed, kind: EventKind) -> None:
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "7/7 steps")
        await pilot.press("backspace")
        await shows(pilot, "Press enter or o on an event")
        await pilot.press("2", "colon", *f"#{await seq_of(seed, kind)}", "enter")
        await until(pilot, lambda: under_cursor(app).startswith(kind.value))
        here = timeline(app).cursor
        await pilot.press("enter")
        await shows(pilot, *(("exit", "gamma = 0.1371") if kind is EventKind.CODE_EXEC else ("8 Files", "curve_fit")))
        await pilot.press("backspace")
        assert app.screen.focused is timeline(app) and timeline(app).cursor == here
        await pilot.press("o")
        await shows(pilot, "3 data")
        assert app.screen.focused is not None and app.screen.focused.id == "dag-view"
        await pilot.press("backspace")
        assert app.screen.focused is timeline(app) and timeline(app).cursor == here


async def test_the_wheel_and_clicks(make_app: Any, seed: Seed) -> None:
    await seed.approve()
    await seed.run_node("data", end=False)
    await prints(seed, 0, 300)
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "line 299.")
        top = timeline(app).seen[0]
        await pilot._post_mouse_events([MouseScrollUp], timeline(app), offset=(5, 5))
        await until(pilot, lambda: timeline(app).seen[0] == top - 3)
        assert not timeline(app).following
        await pilot.click(timeline(app), offset=(5, 2))
        assert (at := timeline(app).event_at(timeline(app).cursor)) and at.seq == timeline(app).seen[0] + 2
