"""The timeline's wording, its window and the lines that a person asks with, without a terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cmbagent_tui.state.board import Card
from cmbagent_tui.widgets.timeline.filtering import place, query, with_token
from cmbagent_tui.widgets.timeline.window import KEPT, Span, Window
from cmbagent_tui.widgets.timeline.wording import mark_of, words_of
from engine.model.events import Event, EventKind, Phase
from engine.model.records import Node, NodeKind
from engine.model.timeline import EventFilter, TimelinePage

AT = datetime(2031, 5, 6, tzinfo=UTC)


def event(seq: int, kind: EventKind = EventKind.OUTPUT, **values: Any) -> Event:
    return Event(**{"id": f"e{seq}", "session_id": "s", "run_id": "r", "kind": kind, "at": AT, "seq": seq, **values})


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


# The window


def began(seq: int, kind: EventKind, under: int | None = None) -> Event:
    return event(seq, kind, phase=Phase.START, parent_event_id=f"e{under}" if under else None, attempt_id="a")


def ended(seq: int, start: Event, **data: Any) -> Event:
    return event(seq, start.kind, phase=Phase.END, span_id=start.id, parent_event_id=start.parent_event_id, data=data)


def test_what_happens_is_a_line_each_but_for_ends_which_change_their_starts() -> None:
    window = Window()
    agent, tool = began(1, EventKind.AGENT_CALL), began(2, EventKind.TOOL_CALL, 1)
    code = began(3, EventKind.CODE_EXEC, 2)
    assert window.happened([agent, tool, code], plain=True) == 3
    assert [window.depth(one) for one in window.lines] == [0, 1, 2]
    assert window.stands(code, lambda _: True) is Span.OPEN
    assert window.stands(code, lambda _: False) is Span.BROKEN
    assert window.happened([ended(4, code, exit=1)], plain=True) == 0
    assert window.stands(code, lambda _: False) is Span.ENDED
    assert window.whole(code).data == {"exit": 1} and window.high == 4


def test_nothing_is_taken_in_behind_a_gap_or_when_lines_have_to_be_read() -> None:
    window = Window()
    assert window.happened([event(5)], plain=True) == 0 and window.high == 0
    assert window.happened([event(1)], plain=False) == 0 and window.high == 0


def test_what_began_in_an_attempt_that_is_over_and_has_no_end_is_broken_off() -> None:
    window = Window()
    start = began(1, EventKind.CODE_EXEC)
    window.below(TimelinePage((start,), over=frozenset(["a"]), newest=1, reached=1))
    assert window.stands(start, lambda _: True) is Span.BROKEN


def test_an_end_that_a_filter_let_through_is_shown_as_its_start() -> None:
    window = Window()
    start = began(1, EventKind.CODE_EXEC)
    end = ended(9, start, exit=2)
    window.below(TimelinePage((end,), {start.id: end}, {start.id: start}, newest=9, reached=9))
    assert window.start_of(end) is start and window.end_of(start) is end and window.whole(end).data == {"exit": 2}


def test_lines_far_from_what_is_seen_are_forgotten_and_known_to_be_missing() -> None:
    window = Window()
    window.happened([event(seq) for seq in range(1, KEPT + 1001)], plain=True)
    gone = window.trim(KEPT, KEPT + 40)
    assert gone > 0 and len(window.lines) <= KEPT
    assert window.low == window.lines[0].seq == gone + 1
    window.trim(0, 40)
    window.below(TimelinePage(tuple(event(seq) for seq in range(window.high + 1, window.high + 500)), reached=9000))
    window.trim(0, 40)
    assert window.lines[0].seq == gone + 1 and window.high == window.lines[-1].seq < 9000
    assert window.index_of(gone + 3) == 2


# Lines that a person asks with


def cards() -> list[Card]:
    return [
        Card(Node(f"n{name}", "s", "r", name, NodeKind.STEP, name.title(), "engineer", number))
        for number, name in enumerate(("data", "fit", "fit_damped"))
    ]


@pytest.mark.parametrize(
    ("line", "wanted", "chips"),
    [
        ("", EventFilter(), ()),
        ("step:fit", EventFilter(node_ids=frozenset(["nfit"])), ("step:fit",)),
        ("step:dam", EventFilter(node_ids=frozenset(["nfit_damped"])), ("step:dam",)),
        ("node:data step:fit", EventFilter(node_ids=frozenset(["ndata", "nfit"])), ("node:data", "step:fit")),
        ("kind:tool", EventFilter(kinds=frozenset([EventKind.TOOL_CALL])), ("kind:tool",)),
        ("kind:node_state", EventFilter(kinds=frozenset([EventKind.NODE_STATE])), ("kind:node_state",)),
        ("agent:eng !", EventFilter(agent="eng", errors=True), ("agent:eng", "errors only")),
        ('"two words" more', EventFilter(words=("two words", "more")), ("two words", "more")),
        ("12:30 a!", EventFilter(words=("12:30", "a!")), ("12:30", "a!")),
        ("step:", EventFilter(words=("step:",)), ("step:",)),
    ],
)
def test_a_filter_in_words(line: str, wanted: EventFilter, chips: tuple[str, ...]) -> None:
    found = query(line, cards())
    assert (found.filter, found.chips, found.problem) == (wanted, chips, "")


def test_what_no_filter_can_mean_is_said() -> None:
    assert query("kind:zebra", cards()).problem == "no kind of event is called 'zebra'"
    nowhere = query("step:zebra", cards())
    assert nowhere.filter.node_ids == frozenset() and "no step" in nowhere.problem


def test_a_part_of_a_filter_is_added_and_taken_away() -> None:
    assert with_token("fit", "!") == "fit !" and with_token("fit !", "!") == "fit" and with_token("", "!") == "!"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("50%", ("share", 0.5)),
        ("7", ("share", 0.07)),
        ("12:30", ("seconds", 750)),
        ("1:02:03", ("seconds", 3723)),
        ("#4711", ("seq", 4711)),
        ("101%", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_place_in_words(text: str, where: tuple[str, float] | None) -> None:
    assert place(text) == where
