"""What was spent: the database's sums are those of the rows, by whatever they are summed; nothing unknown is lost."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from engine.model.budget import Ceiling, Ceilings
from engine.model.changes import Add
from engine.model.ids import new_id
from engine.model.records import Attempt, AttemptState, Cost, CostTotal
from engine.model.spending import Budget, Grouping, SpendingFilter, Spent
from tests.unit.storage.conftest import START, Research

KEYS: dict[Grouping, Callable[[Cost], str]] = {
    Grouping.SESSION: lambda one: one.session_id,
    Grouping.RUN: lambda one: one.run_id,
    Grouping.STEP: lambda one: one.node_id or "",
    Grouping.AGENT: lambda one: one.agent,
    Grouping.MODEL: lambda one: one.model,
    Grouping.DAY: lambda one: one.at.date().isoformat(),
}

_REPLAY = {"strict": True, "attempts": {}, "feedback": {}, "plan": {}}


class Rows:
    """The costs of two sessions, and sums over them that no database made."""

    def __init__(self, *researches: Research) -> None:
        dice = random.Random(7)
        self.attempts: dict[str, Attempt] = {}
        self.costs: list[Cost] = []
        for r in researches:
            tries = (AttemptState.FAILED, AttemptState.LOST, AttemptState.COMPLETED)
            made = [
                Attempt(new_id(), r.session.id, r.run.id, r.node.id, number, "retry", state, START)
                for number, state in enumerate(tries, 1)
            ]
            self.attempts |= {one.id: one for one in made}
            for _ in range(120):
                of = dice.choice([*made, None])  # of no step: what the run itself asked
                self.costs.append(
                    r.cost(
                        dice.choice([None, 0, 1, 2_150, 10**13 + 1]),  # more than a binary float can add up
                        dice.randrange(5_000),
                        dice.randrange(500),
                        node_id=of and of.node_id,
                        attempt_id=of and of.id,
                        agent=dice.choice(["engineer", "planner", ""]),
                        model=dice.choice(["openai:gpt-5", "local:mine"]),
                        cached_tokens=dice.randrange(400),
                        at=START + timedelta(hours=dice.randrange(200)),
                    )
                )

    def spent(self, which: Callable[[Cost], bool]) -> Spent:
        of = [one for one in self.costs if which(one)]
        tries = {one.id: self.attempts.get(one.attempt_id or "") for one in of}
        bad = (AttemptState.FAILED, AttemptState.LOST)
        return Spent(
            total(of),
            sum(one.cached_tokens for one in of),
            total([one for one in of if (this := tries[one.id]) and this.state in bad]),
            total([one for one in of if (this := tries[one.id]) and this.number > 1]),
        )


def total(costs: list[Cost]) -> CostTotal:
    return CostTotal(
        sum(one.usd_micro or 0 for one in costs),
        sum(one.prompt_tokens for one in costs),
        sum(one.completion_tokens for one in costs),
        len(costs),
        sum(one.usd_micro is None for one in costs),
    )


@pytest.fixture
async def rows(store, research, another) -> Rows:
    made = Rows(research, another)
    for r in (research, another):
        await store.commit(*r.opening()[:3])
    await store.commit(*map(Add, made.attempts.values()), *map(Add, made.costs))
    return made


@pytest.mark.parametrize("by", Grouping)
@pytest.mark.parametrize("scope", ["everything", "session", "run"])
async def test_sums_are_those_of_the_rows(store, research, rows, by, scope):
    matching, which = {
        "everything": (SpendingFilter(), lambda one: True),
        "session": (SpendingFilter(research.session.id), lambda one: one.session_id == research.session.id),
        "run": (SpendingFilter(run_id=research.run.id), lambda one: one.run_id == research.run.id),
    }[scope]
    found = await store.spending(by, matching, limit=200)
    key = KEYS[by]
    assert found.total == rows.spent(which)
    assert {line.key: line.spent for line in found.lines} == {
        name: rows.spent(lambda one, name=name: which(one) and key(one) == name)
        for name in map(key, filter(which, rows.costs))
    }
    assert found.others == Spent() and found.other_lines == 0
    for what in ("usd_micro", "prompt_tokens", "completion_tokens", "calls", "unknown_calls"):
        assert sum(getattr(one.cost, what) for one in found.points) == getattr(found.total.cost, what)
    assert {b.at - a.at for a, b in zip(found.points, found.points[1:], strict=False)} == {found.every}


@pytest.mark.parametrize("by", Grouping)
async def test_what_is_beyond_the_limit_is_one_sum(store, rows, by):
    whole = await store.spending(by, SpendingFilter(), limit=200)
    short = await store.spending(by, SpendingFilter(), limit=1)
    assert short.lines == whole.lines[:1]
    assert short.other_lines == len(whole.lines) - 1
    assert short.others == whole.total.without([short.lines[0].spent])


async def test_the_dearest_comes_first_and_of_days_the_newest(store, rows):
    for by in Grouping:
        lines = (await store.spending(by, SpendingFilter(), limit=200)).lines
        if by is Grouping.DAY:
            assert [one.key for one in lines] == sorted((one.key for one in lines), reverse=True)
        else:
            spent = [one.spent.cost.usd_micro for one in lines]
            assert spent == sorted(spent, reverse=True)


async def test_lines_say_what_they_are_of(store, research, rows):
    only = SpendingFilter(run_id=research.run.id)
    (session,) = (await store.spending(Grouping.SESSION, only, limit=9)).lines
    (run,) = (await store.spending(Grouping.RUN, only, limit=9)).lines
    steps = (await store.spending(Grouping.STEP, only, limit=9)).lines
    assert (session.key, session.title) == (research.session.id, "Is it damped?")
    assert (run.run_id, run.title) == (research.run.id, "Is this oscillator damped?")
    named = {(one.key, one.title, one.about, one.run_id) for one in steps}
    assert named == {("", "", "", None), (research.node.id, "fit", "Do fit", research.run.id)}


async def test_days_without_cost_are_points_too_and_old_ones_are_left_out(store, research):
    await store.commit(*research.opening())
    for days in (0, 300, 303):
        await store.commit(Add(research.cost(5, at=START + timedelta(days=days))))
    points = (await store.spending(Grouping.DAY, SpendingFilter(), limit=9)).points
    assert len(points) == 120
    assert [one.cost.usd_micro for one in points[-4:]] == [5, 0, 0, 5]
    assert points[-1].at == (START + timedelta(days=303)).replace(hour=0, minute=0, second=0, microsecond=0)


async def test_a_short_run_is_shown_in_pieces_of_its_own_time(store, research):
    await store.commit(*research.opening(), *(Add(research.cost(usd, at=research.at(usd))) for usd in (1, 2, 480)))
    only = SpendingFilter(run_id=research.run.id)
    found = await store.spending(Grouping.STEP, only, limit=9)
    assert found.every < timedelta(seconds=10) and len(found.points) == 48
    assert [one.cost.usd_micro for one in found.points] == [3, *[0] * 46, 480]
    assert found.points[0].at == research.at(1)
    assert (await store.spending(Grouping.STEP, SpendingFilter(), limit=9)).every == timedelta(days=1)


async def test_nothing_is_a_sum_too(store, research):
    await store.commit(*research.opening())
    for by in Grouping:
        found = await store.spending(by, SpendingFilter(), limit=9)
        assert (found.total, found.lines, found.others, found.points) == (Spent(), (), Spent(), ())


async def test_the_budget_is_that_of_the_run_that_has_one(store, research, another):
    research.run = replace(research.run, options={"budget_micro": 1_000, "max_calls": 5})
    replay = another.new_run(options={"budget_micro": 1_000, "replay": _REPLAY})
    for r in (research, another):
        await store.commit(*r.opening(), Add(r.cost(400)), Add(r.cost(None)))
    await store.commit(Add(replay), Add(another.cost(1, run_id=replay.id, node_id=None, attempt_id=None)))
    budget = Budget(Ceilings(1_000, None, 5), CostTotal(400, 20, 10, 2, 1))
    for run_id, wanted in ((research.run.id, budget), (another.run.id, None), (replay.id, None)):
        assert (await store.spending(Grouping.AGENT, SpendingFilter(run_id=run_id), limit=9)).budget == wanted
    assert budget.parts == {Ceiling.USD: (400, 1_000), Ceiling.CALLS: (2, 5)}
    everything = await store.spending(Grouping.RUN, SpendingFilter(), limit=9)
    assert everything.budget is None
    assert {one.run_id: one.budget for one in everything.lines} == {
        research.run.id: budget,
        another.run.id: None,
        replay.id: None,
    }
