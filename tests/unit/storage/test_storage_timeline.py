"""The timeline's pages: what is a line, what hangs under what, what a filter lets through, and how far a read looks."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model.changes import Add, EndAttempt
from engine.model.errors import NotFound
from engine.model.events import Event, EventKind, Phase
from engine.model.ids import new_id
from engine.model.records import Artifact, AttemptState
from engine.model.timeline import EventFilter, Folding, TimelinePage
from storage import timeline
from storage.store import SqlStore
from tests.unit.storage.conftest import Research

K, P = EventKind, Phase


class Told:
    """Events of an attempt, by short names that are their titles."""

    def __init__(self, research: Research) -> None:
        self.research = research
        self.events: dict[str, Event] = {}
        self.seconds = 2.0

    def say(self, name: str, kind: EventKind, phase: Phase = P.POINT, under: str | None = None, **data: Any) -> None:
        r = self.research
        self.seconds += 1
        opened = self.events.get(name) if phase is P.END else None
        event = Event(
            new_id(), r.session.id, r.run.id, kind, r.at(self.seconds), phase, r.node.id, r.attempt.id,
            self.events[under].id if under else None, opened.id if opened else None, "engineer", name, data,
        )  # fmt: skip
        self.events[f"/{name}" if opened else name] = event

    def story(self) -> None:
        """An agent asks a model, calls a tool that runs code that writes a file; the code fails."""
        self.say("agent", K.AGENT_CALL, P.START)
        self.say("model", K.MODEL_CALL, P.START, "agent")
        self.say("cost", K.COST, under="model")
        self.say("model", K.MODEL_CALL, P.END, "agent", ok=True, text="I fit a 50% line")
        self.say("tool", K.TOOL_CALL, P.START, "agent", arguments={"file": "Fit.py"})
        self.say("code", K.CODE_EXEC, P.START, "tool")
        self.say("file", K.FILE_GEN, under="code", path="data/fit.json")
        self.say("code", K.CODE_EXEC, P.END, "tool", exit=1, stderr='said "exit":0')
        self.say("tool", K.TOOL_CALL, P.END, "agent", ok=False, error="exit 1")

    def names(self, page: TimelinePage) -> list[str]:
        by_id = {event.id: name for name, event in self.events.items()}
        return [by_id[event.id] for event in page.events]


@pytest.fixture
async def told(store: SqlStore, research: Research) -> Told:
    one = Told(research)
    one.story()
    await store.commit(*research.opening(), *(Add(event) for event in one.events.values()))
    return one


async def test_what_lasts_is_one_line_and_comes_with_its_end_and_what_it_hangs_under(
    store: SqlStore, told: Told
) -> None:
    reads, run = store.reads(told.research.session.id), told.research.run.id
    page = await reads.timeline(run)
    assert told.names(page) == ["agent", "model", "cost", "tool", "code", "file"]
    assert {told.events[name].id for name in ("model", "tool", "code")} == set(page.ends)
    assert page.ends[told.events["code"].id].data["exit"] == 1
    assert page.over == frozenset() and page.reached == 9
    deep = await reads.timeline(run, after=6)
    assert told.names(deep) == ["file"]
    assert {told.events[name].id for name in ("code", "tool", "agent")} == set(deep.above)


async def test_pages_go_both_ways_and_meet(store: SqlStore, told: Told) -> None:
    reads, run = store.reads(told.research.session.id), told.research.run.id
    assert told.names(await reads.timeline(run, limit=2)) == ["agent", "model"]
    last = await reads.timeline(run, newest=True, limit=2)
    assert told.names(last) == ["code", "file"] and last.reached == 6
    before = await reads.timeline(run, before=last.reached, newest=True)
    assert told.names(before) == ["agent", "model", "cost", "tool"] and before.reached == 1
    assert (await reads.timeline(run, before=1, newest=True)).events == ()
    assert (await reads.timeline(run, after=9)).events == ()


async def test_what_hangs_under_a_folded_span_is_hidden_however_deep(store: SqlStore, told: Told) -> None:
    reads, run = store.reads(told.research.session.id), told.research.run.id

    async def shown(folding: Folding) -> list[str]:
        return told.names(await reads.timeline(run, folding=folding))

    ids = {name: event.id for name, event in told.events.items()}
    assert await shown(Folding(spans=frozenset([ids["tool"]]))) == ["agent", "model", "cost", "tool"]
    assert await shown(Folding(spans=frozenset([ids["agent"]]))) == ["agent"]
    assert await shown(Folding(all=True)) == ["agent"]
    assert await shown(Folding(all=True, spans=frozenset([ids["agent"]]))) == ["agent", "model", "tool"]
    assert await shown(Folding(all=True, spans=frozenset([ids["tool"]]))) == ["agent"]


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        (EventFilter(kinds=frozenset([K.TOOL_CALL])), ["tool"]),
        (EventFilter(kinds=frozenset([K.TOOL_CALL, K.COST])), ["cost", "tool"]),
        (EventFilter(agent="NEER"), ["agent", "model", "cost", "tool", "code", "file"]),
        (EventFilter(agent="n%r"), []),
        (EventFilter(node_ids=frozenset()), []),
        (EventFilter(words=("fit.",)), ["tool", "file"]),
        (EventFilter(words=("50%",)), ["/model"]),
        (EventFilter(words=("tool",)), ["tool"]),
        (EventFilter(words=("fit", "LINE")), ["/model"]),
        (EventFilter(errors=True), ["/code", "/tool"]),
        (EventFilter(errors=True, words=("fit.py",)), ["/tool"]),
        (EventFilter(errors=True, kinds=frozenset([K.CODE_EXEC])), ["/code"]),
    ],
)
async def test_a_filter_lets_through_what_fits_once(
    store: SqlStore, told: Told, wanted: EventFilter, shown: list[str]
) -> None:
    page = await store.reads(told.research.session.id).timeline(told.research.run.id, matching=wanted)
    assert told.names(page) == shown
    for event in page.events:
        if event.phase is P.END:
            assert page.ends[event.span_id or ""] == event and event.span_id in page.above


async def test_an_attempt_that_is_over_is_told_where_something_has_no_end(store: SqlStore, told: Told) -> None:
    r = told.research
    await store.commit(EndAttempt(r.session.id, r.attempt.id, AttemptState.LOST, r.at(30), None, "gone", ()))
    page = await store.reads(r.session.id).timeline(r.run.id)
    assert page.over == {r.attempt.id}


async def test_one_read_looks_at_so_many_and_the_next_goes_on(
    store: SqlStore, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "LOOKED_AT", 4)
    reads, run = store.reads(told.research.session.id), told.research.run.id
    wanted = EventFilter(kinds=frozenset([K.FILE_GEN]))
    found, at = list[str](), 0
    while (page := await reads.timeline(run, after=at, matching=wanted)).reached > at:
        found += told.names(page)
        at = page.reached
    assert found == ["file"] and at == 9
    back = await reads.timeline(run, newest=True, matching=EventFilter(kinds=frozenset([K.MODEL_CALL])))
    assert back.events == () and back.reached == 6


async def test_a_time_is_found_among_the_events(store: SqlStore, told: Told) -> None:
    r = told.research
    reads = store.reads(r.session.id)
    seqs = [await reads.seq_at(r.run.id, r.at(seconds)) for seconds in (0, 3, 5.5, 11, 99)]
    assert seqs == [1, 1, 4, 9, 9]


async def test_no_other_session_is_looked_into(store: SqlStore, told: Told) -> None:
    other = Research()
    await store.commit(*other.opening())
    with pytest.raises(NotFound):
        await store.reads(other.session.id).timeline(told.research.run.id)
    with pytest.raises(NotFound):
        await store.reads(other.session.id).seq_at(told.research.run.id, told.research.at(1))


async def test_a_view_without_files_and_the_paths_beside_it(store: SqlStore, told: Told) -> None:
    r = told.research
    reads = store.reads(r.session.id)
    for path in ("data/fit.json", "plots/fit.png", "data/fit.json"):
        await store.commit(
            Add(
                Artifact(
                    new_id(), r.session.id, r.run.id, r.node.id, r.attempt.id, None, r.at(9), "engineer", path,
                    "0" * 64, 1, "data",
                )
            )
        )  # fmt: skip
    assert (await reads.view(r.run.id, files=False)).artifacts == ()
    assert len((await reads.view(r.run.id)).artifacts) == 3
    assert await reads.paths(r.run.id) == {r.node.id: frozenset(["data/fit.json", "plots/fit.png"])}
