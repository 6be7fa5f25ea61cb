"""Browsing sessions: what matches, in which order, and what is shown of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.model.browsing import EVERY_CURRENT, SessionFilter, SessionSort, Shelf
from engine.model.changes import Add, Retitle, Shelve
from engine.model.errors import NotFound, StaleState
from engine.model.ids import new_id
from engine.model.records import CostTotal, Mode
from engine.model.states import RunState, StepState
from tests.unit.storage.conftest import START, Research

_TITLES = {
    "lens": ("Does the lens agree?", Mode.ONE_SHOT, ("paper", "Lens")),
    "damped": ("Is this oscillator damped?", Mode.PLANNING_CONTROL, ()),
    "old": ("An old question", Mode.PLANNING_CONTROL, ()),
    "away": ("Put away", Mode.ONE_SHOT, ("paper",)),
    "gone": ("Deleted since", Mode.ONE_SHOT, ()),
}


@pytest.fixture
async def shelf(store):
    """Five sessions, by name; one is archived, one deleted."""
    found = {}
    for number, (name, (title, mode, tags)) in enumerate(_TITLES.items()):
        at = START - timedelta(days=number)
        r = found[name] = Research()
        r.session = replace(r.session, title=title, mode=mode, tags=tags, created_at=START + timedelta(days=number))
        r.session = replace(r.session, updated_at=at)
        await store.commit(Add(r.session))
    await store.commit(
        Shelve(found["away"].session.id, ("paper",), START, None), Shelve(found["gone"].session.id, (), START, START)
    )
    return found


async def names(store, made, /, *, sort=SessionSort.UPDATED, descending=True, **asked) -> list[str]:
    ids = await store.browse(SessionFilter(**asked), sort, descending=descending)
    known = {r.session.id: name for name, r in made.items()}
    return [known[one] for one in ids]


async def add_run(store, r: Research, state: RunState, **values) -> None:
    r.run = r.new_run(state=state, created_at=r.session.updated_at - timedelta(days=300), **values)
    await store.commit(Add(r.run))


async def test_each_shelf_has_its_own(store, shelf):
    assert await names(store, shelf) == ["lens", "damped", "old"]
    assert await names(store, shelf, shelf=Shelf.ARCHIVED) == ["away"]
    assert await names(store, shelf, shelf=Shelf.DELETED) == ["gone"]
    assert await names(store, shelf, shelf=Shelf.ALL) == list(_TITLES)


async def test_words_find_what_one_remembers_the_best_first(store, shelf):
    await add_run(store, shelf["old"], RunState.COMPLETED, task="Fit a damped cosine, 100 % sure")
    assert await names(store, shelf, words=("damped",)) == ["damped", "old"]
    assert await names(store, shelf, words=("oscda",)) == ["damped"]
    assert await names(store, shelf, words=("does", "lens")) == ["lens"]
    assert await names(store, shelf, words=("paper",)) == ["lens"]
    assert await names(store, shelf, words=("0 %",)) == ["old"]
    assert await names(store, shelf, words=("_%",)) == []
    assert await names(store, shelf, words=(shelf["old"].session.id[-8:],)) == ["old"]
    assert await names(store, shelf, words=("damped", "nothing")) == []


async def test_filters_hold_together(store, shelf):
    await add_run(store, shelf["lens"], RunState.FAILED)
    await add_run(store, shelf["lens"], RunState.PAUSED)
    await add_run(store, shelf["old"], RunState.FAILED)
    failed = frozenset({RunState.FAILED})
    assert await names(store, shelf, states=failed) == ["old"]  # the newest run's state counts
    assert await names(store, shelf, states=failed, empty=True) == ["damped", "old"]
    assert await names(store, shelf, empty=True) == ["damped"]
    assert await names(store, shelf, modes=frozenset({Mode.ONE_SHOT})) == ["lens"]
    assert await names(store, shelf, tags=("PAPER", "lens")) == ["lens"]
    assert await names(store, shelf, tags=("pap",)) == []
    assert await names(store, shelf, since=START - timedelta(days=1)) == ["lens", "damped"]
    assert await names(store, shelf, before=START - timedelta(days=1)) == ["old"]


async def test_every_order_goes_both_ways(store, shelf):
    for name, state in (("lens", RunState.COMPLETED), ("damped", RunState.WAITING_APPROVAL)):
        await add_run(store, shelf[name], state)
    damped = shelf["damped"]
    await store.commit(Add(damped.cost(70, node_id=None, attempt_id=None)))
    orders = {
        SessionSort.UPDATED: ["lens", "damped", "old"],
        SessionSort.CREATED: ["old", "damped", "lens"],
        SessionSort.TITLE: ["damped", "lens", "old"],
        SessionSort.COST: ["damped", "old", "lens"],
    }
    for sort, expected in orders.items():
        assert await names(store, shelf, sort=sort) == expected, sort
    assert await names(store, shelf, sort=SessionSort.TITLE, descending=False) == ["old", "lens", "damped"]
    assert await names(store, shelf, sort=SessionSort.STATE, descending=False) == ["damped", "lens", "old"]


async def test_a_page_is_shown_in_the_order_asked_for(store, research, another):
    await store.commit(*research.opening(), *another.opening(), Add(research.approval()))
    done = research.new_node("compare", 1, state=StepState.COMPLETED)
    inner = research.new_node("part", 2, parent_node_id=done.id, depth=1)
    later = another.new_run()
    await store.commit(Add(done), Add(inner), Add(later), Add(research.cost(5)))
    first, second = await store.summaries([another.session.id, new_id(), research.session.id])
    assert (first.session, first.runs, first.last_run) == (another.session, 2, later)
    assert (first.steps_done, first.steps, first.cost) == (0, 0, CostTotal())
    assert (second.steps_done, second.steps, second.pending_approvals) == (1, 2, 1)
    (run,) = await store.run_summaries(research.session.id, limit=9)
    assert (run.run, run.cost.usd_micro, run.steps_done, run.steps) == (research.run, 5, 1, 2)
    assert run.pending_approvals == 1
    assert [one.run for one in await store.run_summaries(another.session.id, limit=1)] == [later]


async def test_a_change_that_expects_something_else_is_refused(store, research):
    await store.commit(*research.opening())
    session = research.session
    await store.commit(Shelve(session.id, ("x",), None, None, session))
    with pytest.raises(StaleState):
        await store.commit(Shelve(session.id, (), research.at(1), None, session))
    with pytest.raises(StaleState):
        await store.commit(Retitle(session.id, "mine", research.at(1), "another title"))
    with pytest.raises(NotFound):
        await store.commit(Shelve("nothing", (), None, None, session))
    await store.commit(Retitle(session.id, "mine", research.at(1), session.title))
    now = await store.reads(session.id).session()
    assert (now.title, now.tags, now.archived_at) == ("mine", ("x",), None)
    assert await store.browse(EVERY_CURRENT, SessionSort.UPDATED, descending=True) == [session.id]
