"""The timeline's pages and wording, without a terminal; and a long run in one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cmbagent_tui.widgets.timeline.pages import KEPT, PAGE, Pages
from cmbagent_tui.widgets.timeline.view import Timeline
from cmbagent_tui.widgets.timeline.wording import mark_of, words_of
from engine.model.changes import Add
from engine.model.events import Event, EventKind, Phase
from engine.model.ids import new_id
from tests.tui.looking import shows, until
from tests.tui.seed import Seed

AT = datetime(2031, 5, 6, tzinfo=UTC)


def event(seq: int, kind: EventKind = EventKind.OUTPUT, **values: Any) -> Event:
    return Event(**{"id": f"e{seq}", "session_id": "s", "run_id": "r", "kind": kind, "at": AT, "seq": seq, **values})


def test_pages_that_are_not_whole_are_missing() -> None:
    pages = Pages()
    assert pages.missing(1, 10, newest=600) == [0]
    pages.put(event(seq) for seq in range(1, PAGE + 1))
    assert pages.missing(1, PAGE, newest=600) == []
    assert pages.missing(200, 300, newest=600) == [1]
    pages.put([event(600)])
    assert pages.missing(590, 600, newest=600) == [2]


def test_only_the_last_used_pages_are_kept() -> None:
    pages = Pages()
    for number in range(KEPT + 3):
        pages.put(event(number * PAGE + place) for place in range(1, PAGE + 1))
        assert pages.get(1) is not None  # looked at again and again: it stays
    assert pages.get(PAGE + 1) is None
    assert pages.get((KEPT + 2) * PAGE + 1) is not None


def test_nesting_is_by_parents_and_an_end_stands_where_its_start_did() -> None:
    pages = Pages()
    agent = event(1, EventKind.AGENT_CALL, phase=Phase.START)
    tool = event(2, EventKind.TOOL_CALL, phase=Phase.START, parent_event_id="e1")
    code = event(3, EventKind.CODE_EXEC, phase=Phase.START, parent_event_id="e2")
    end = event(4, EventKind.CODE_EXEC, phase=Phase.END, parent_event_id="e2", span_id="e3")
    lone = event(9, EventKind.FILE_GEN, parent_event_id="elsewhere")
    pages.put([agent, tool, code, end, lone])
    assert [pages.depth(one) for one in (agent, tool, code, end, lone)] == [0, 1, 2, 2, 3]
    assert pages.start_of(end) is code and pages.end_of(code) is end


@pytest.mark.parametrize("kind", EventKind)
@pytest.mark.parametrize("phase", Phase)
def test_every_kind_has_words_on_one_line_even_with_nothing_in_it(kind: EventKind, phase: Phase) -> None:
    states = {EventKind.RUN_STATE: {"after": "failed"}, EventKind.NODE_STATE: {"after": "waiting_approval"}}
    one = event(1, kind, phase=phase, title="a\ntitle", data=states.get(kind, {}))
    assert "\n" not in words_of(one) and words_of(one) == words_of(one).strip()
    mark = mark_of(one)
    assert len(mark.glyph) == 1 and len(mark.plain) == 1 and mark.plain.isascii()


@pytest.mark.parametrize(
    ("one", "shown", "glyph"),
    [
        (event(1, EventKind.CODE_EXEC, phase=Phase.END, title="fit.py", data={"exit": 0}), "fit.py exit 0", "✓"),
        (event(1, EventKind.CODE_EXEC, phase=Phase.END, data={"signal": "SIGKILL"}), "code signal SIGKILL", "✗"),
        (event(1, EventKind.CODE_EXEC, phase=Phase.END, data={"timed_out": True}), "code ran out of time", "✗"),
        (event(1, EventKind.CHECK, data={"name": "chi2", "ok": False, "detail": "7.3"}), "check chi2: 7.3", "✗"),
        (event(1, EventKind.COST, data={"prompt_tokens": 900, "usd_micro": None}), "900 tokens ?", "¤"),
        (
            event(1, EventKind.TOOL_CALL, phase=Phase.START, data={"tool": "run_code", "arguments": {"a": 1}}),
            "run_code(a=1)",
            "ƒ",
        ),
        (
            event(1, EventKind.MODEL_CALL, phase=Phase.END, data={"ok": True, "tool_calls": [{"name": "run_code"}]}),
            "calls run_code",
            "✓",
        ),
        (event(1, EventKind.NODE_STATE, title="a_b failed", data={"after": "failed"}), "a_b failed", "✗"),
    ],
)
def test_outcomes_in_words(one: Event, shown: str, glyph: str) -> None:
    assert words_of(one) == shown
    assert mark_of(one).glyph == glyph


async def test_a_long_run_is_jumped_through(make_app: Any, seed: Seed) -> None:
    await seed.approve()
    await seed.run_node("data", end=False)
    node = seed.nodes["data"]
    for start in range(0, 6000, 500):
        await seed.store.commit(
            *(
                Add(
                    Event(
                        new_id(), node.session_id, node.run_id, EventKind.OUTPUT, seed.now, node_id=node.id,
                        data={"stream": "stdout", "text": f"line {start + number}"},
                    )
                )
                for number in range(500)
            )
        )  # fmt: skip
    app = make_app(seed.run.id)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await shows(pilot, "line 5999")
        timeline = app.screen.query_one(Timeline)
        await pilot.press("2", "g")
        await shows(pilot, "Approve the plan")
        timeline.go(3000)
        await until(pilot, lambda: timeline.event_at(3000) is not None)
        await shows(pilot, f"line {3000 - timeline.count + 6000}")
        await pilot.press("G")
        await shows(pilot, "line 5999")
