"""Changes that expect something are refused when they find something else, and leave nothing behind."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import storage
from engine.model.changes import Add, EndAttempt, Fence, Forget, Own, Retitle, SetPlan, SettleApproval, SettleCommand
from engine.model.clients import Client, CommandState
from engine.model.errors import Fenced, IllegalTransition, NotFound, StaleState, StorageError
from engine.model.ids import new_id
from engine.model.records import ApprovalState, AttemptState, CheckResult
from engine.model.states import RUN_TRANSITIONS, STEP_TRANSITIONS, Actor, RunState, StepState


async def test_a_run_moves_and_its_times_and_error_follow(store, research):
    await store.commit(*research.opening())
    reads = store.reads(research.session.id)

    async def moved(before, after, at, actor=Actor.ENGINE, error=None):
        await store.commit(research.move_run(before, after, at=at, actor=actor, error=error))
        run = await reads.run(research.run.id)
        return run.state, run.started_at, run.ended_at, run.error

    assert await moved("draft", "waiting_approval", 1) == (RunState.WAITING_APPROVAL, None, None, None)
    assert await moved("waiting_approval", "executing", 2) == (RunState.EXECUTING, research.at(2), None, None)
    assert await moved("executing", "failed", 3, error="it broke") == (
        RunState.FAILED,
        research.at(2),
        research.at(3),
        "it broke",
    )
    assert await moved("failed", "executing", 4, Actor.PERSON) == (RunState.EXECUTING, research.at(2), None, None)
    history = await reads.history(research.run.id)
    assert [(one.before, one.after, one.actor) for one in history] == [
        ("draft", "waiting_approval", Actor.ENGINE),
        ("waiting_approval", "executing", Actor.ENGINE),
        ("executing", "failed", Actor.ENGINE),
        ("failed", "executing", Actor.PERSON),
    ]
    assert (await reads.session()).updated_at == research.at(4)


async def test_a_refused_move_writes_nothing_at_all(store, research):
    await store.commit(*research.opening())
    event = Add(research.event())
    for move, refusal in (
        (research.move_run("planning", "executing"), StaleState),
        (research.move_run("draft", "completed"), IllegalTransition),
        (research.move_run("draft", "nonsense"), IllegalTransition),
        (research.move_node("running", "completed"), StaleState),
        (research.move_node("completed", "pending"), IllegalTransition),
        (research.move("node", new_id(), "pending", "running"), NotFound),
        (research.move("session", research.session.id, "draft", "planning"), IllegalTransition),
    ):
        with pytest.raises(refusal):
            await store.commit(event, move)
    reads = store.reads(research.session.id)
    view = await reads.view(research.run.id)
    assert (view.run, view.nodes, view.last_seq) == (research.run, (research.node,), 0)
    assert await reads.history(research.run.id) == []


async def test_an_attempt_ends_once(store, research):
    await store.commit(*research.opening())
    checks = (CheckResult("chi2", True, "1.02 is in [0.5, 2]"),)
    end = EndAttempt(
        research.session.id, research.attempt.id, AttemptState.COMPLETED, research.at(9), "fitted", None, checks
    )
    await store.commit(end)
    with pytest.raises(StaleState, match="completed"):
        await store.commit(replace(end, state=AttemptState.FAILED))
    with pytest.raises(IllegalTransition):
        await store.commit(replace(end, state=AttemptState.RUNNING))
    (attempt,) = (await store.reads(research.session.id).view(research.run.id)).attempts
    assert attempt == replace(
        research.attempt, state=AttemptState.COMPLETED, ended_at=research.at(9), summary="fitted", checks=checks
    )


async def test_an_approval_has_one_outcome_whoever_comes_first(store, research):
    approval = research.approval()
    await store.commit(*research.opening(), Add(approval))
    settle = SettleApproval(research.session.id, approval.id, ApprovalState.APPROVED, "ana", research.at(8))
    outcomes = await asyncio.gather(
        store.commit(settle),
        store.commit(replace(settle, state=ApprovalState.EXPIRED, by="the clock")),
        return_exceptions=True,
    )
    assert outcomes[0] is None and isinstance(outcomes[1], StaleState)
    assert "approved" in str(outcomes[1])
    with pytest.raises(IllegalTransition):
        await store.commit(replace(settle, state=ApprovalState.PENDING))
    found = await store.reads(research.session.id).approval(approval.id)
    assert (found.state, found.resolved_by, found.resolved_at) == (ApprovalState.APPROVED, "ana", research.at(8))
    assert await store.approvals() == []
    assert await store.approvals(pending=False) == [found]


async def test_a_journal_entry_gets_its_answer_once(store, research):
    intent = research.journal(1, None)
    await store.commit(*research.opening(), Add(intent))
    reads = store.reads(research.session.id)
    assert await reads.journal(research.attempt.id) == [intent]
    answered = research.journal(1, {"text": "a"}, at=research.at(9))
    await store.commit(Add(answered))
    for again in (answered, intent, research.journal(1, {"text": "b"})):
        with pytest.raises(StaleState):
            await store.commit(Add(again))
    assert await reads.journal(research.attempt.id) == [answered]


async def test_an_intent_may_be_said_again_after_a_crash(store, research):
    await store.commit(*research.opening(), Add(research.journal(1, None)))
    again = research.journal(1, None, at=research.at(50))
    await store.commit(Add(again))
    assert await store.reads(research.session.id).journal(research.attempt.id) == [again]


async def test_a_command_is_settled_once(store, research):
    first, second = research.command(), research.command("cancel")
    await store.commit(*research.opening(), Add(first), Add(second))
    assert await store.commands(run_ids=[research.run.id, "other"]) == [first, second]
    settle = SettleCommand(first.id, CommandState.DONE, "paused", research.at(9))
    await store.commit(settle)
    with pytest.raises(StaleState):
        await store.commit(replace(settle, state=CommandState.REFUSED))
    with pytest.raises(NotFound):
        await store.commit(replace(settle, command_id="nothing"))
    assert await store.commands(run_ids=[research.run.id]) == [second]
    assert await store.commands(run_ids=[]) == []
    done = await store.command(first.id)
    assert (done.state, done.outcome, done.settled_at) == (CommandState.DONE, "paused", research.at(9))
    with pytest.raises(NotFound):
        await store.command("nothing")


async def test_a_run_has_one_owner(store, research):
    await store.commit(*research.opening())
    mine = Own(research.session.id, research.run.id, "me", None, 0)
    outcomes = await asyncio.gather(
        store.commit(mine), store.commit(replace(mine, client_id="you")), return_exceptions=True
    )
    assert outcomes[0] is None and isinstance(outcomes[1], StaleState) and "me" in str(outcomes[1])
    with pytest.raises(StaleState):
        await store.commit(Own(research.session.id, research.run.id, "you", "me", 0))
    await store.commit(Own(research.session.id, research.run.id, "you", "me", 1))
    await store.commit(Own(research.session.id, research.run.id, None, "you", 2))
    run = await store.reads(research.session.id).run(research.run.id)
    assert (run.owner_id, run.lease) == (None, 3)


async def test_a_former_owner_writes_nothing_more(store, research):
    await store.commit(*research.opening())
    session, run = research.session.id, research.run.id
    await store.commit(Own(session, run, "me", None, 0))
    await store.commit(Fence(session, run, "me", 1), Add(research.event()))
    await store.commit(Own(session, run, "you", "me", 1))
    with pytest.raises(Fenced):
        await store.commit(Fence(session, run, "me", 1), Add(research.event()))
    with pytest.raises(Fenced):
        await store.commit(Fence(session, run, "you", 1), Add(research.event()))
    await store.commit(Fence(session, run, "you", 2), Add(research.event()))
    assert await store.reads(session).event_count(run) == 2


async def test_who_gets_a_run_back_numbers_on_behind_what_was_written_meanwhile(home, store, research):
    await store.commit(*research.opening())
    session, run = research.session.id, research.run.id
    await store.commit(Own(session, run, "me", None, 0), Add(research.event()))
    other, _ = storage.open_store(home)
    await other.open()
    await other.commit(Own(session, run, "you", "me", 1), Add(research.event()), Add(research.event()))
    await other.close()
    await store.commit(Own(session, run, "me", "you", 2), Add(research.event()))
    assert [event.seq for event in await store.reads(session).events(run)] == [1, 2, 3, 4]


async def test_a_client_beats_and_is_forgotten_only_when_it_is_late(store, research):
    client = Client(new_id(), 1, "host", "tty", research.at(0), research.at(0))
    await store.commit(Add(client))
    alive = replace(client, heartbeat_at=research.at(30))
    await store.commit(Add(alive), urgent=False)
    assert await store.clients() == [alive]
    with pytest.raises(StaleState):
        await store.commit(Forget(client.id, before=research.at(30)))
    await store.commit(Forget(client.id, before=research.at(30) + timedelta(microseconds=1)))
    await store.commit(Forget(client.id), Forget(client.id, before=research.at(30)))
    assert await store.clients() == []


async def test_plans_and_titles_are_set(store, research):
    await store.commit(*research.opening(), SetPlan(research.session.id, research.run.id, {"title": "t", "steps": []}))
    await store.commit(Retitle(research.session.id, "Damped.", research.at(60)))
    reads = store.reads(research.session.id)
    assert (await reads.run(research.run.id)).plan == {"title": "t", "steps": []}
    session = await reads.session()
    assert (session.title, session.updated_at) == ("Damped.", research.at(60))
    with pytest.raises(NotFound):
        await store.commit(Retitle("nothing", "t", research.at(60)))


async def test_what_the_database_does_not_allow_is_refused_in_words(store, research):
    await store.commit(*research.opening())
    with pytest.raises(StaleState, match="already"):
        await store.commit(Add(research.run))
    with pytest.raises(StaleState, match="already"):
        await store.commit(Add(replace(research.attempt, id=new_id())))  # a second first try
    with pytest.raises(StorageError, match="not allowed"):
        await store.commit(Add(research.journal(1, None, kind="guess")))
    with pytest.raises(NotFound):
        await store.commit(Add(research.event(node_id=new_id())))
    with pytest.raises(TypeError):
        await store.commit(Add(research.event(data={"not": object()})))
    with pytest.raises(TypeError):
        await store.commit(Add(research.event(at=research.at(0).replace(tzinfo=None))))
    with pytest.raises(OverflowError):
        await store.commit(Add(research.cost(2**70)))
    assert await store.reads(research.session.id).event_count(research.run.id) == 0


ACTORS = st.sampled_from(Actor)


def moves_of(entity, states, table):
    """Any pair of states half of the time, else one of the few that some actor may use."""
    pairs = st.one_of(st.tuples(st.sampled_from(states), st.sampled_from(states)), st.sampled_from(list(table)))
    return st.builds(lambda pair, actor: (entity, *pair, actor), pairs, ACTORS)


MOVES = st.lists(
    st.one_of(moves_of("run", RunState, RUN_TRANSITIONS), moves_of("node", StepState, STEP_TRANSITIONS)), max_size=40
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=MOVES, together=st.booleans())
def test_only_legal_moves_pass_in_whatever_order_they_come(opened, moves, together):
    runner, store, make = opened
    research = make()
    state = {"run": "draft", "node": "pending"}
    expected, passed = [], []
    for entity, before, after, actor in moves:
        table = RUN_TRANSITIONS if entity == "run" else STEP_TRANSITIONS
        legal = actor in table.get((before, after), ()) and state[entity] == before
        expected.append(legal)
        if legal:
            state[entity] = after.value
            passed.append((entity, before.value, after.value))

    async def play():
        await store.commit(Add(research.session), Add(research.run), Add(research.node))
        identifiers = {"run": research.run.id, "node": research.node.id}
        changes = [
            research.move(entity, identifiers[entity], before.value, after.value, actor=actor)
            for entity, before, after, actor in moves
        ]
        if together:
            outcomes = await asyncio.gather(*map(store.commit, changes), return_exceptions=True)
        else:
            outcomes = [(await asyncio.gather(store.commit(one), return_exceptions=True))[0] for one in changes]
        view = await store.reads(research.session.id).view(research.run.id)
        return outcomes, view, await store.reads(research.session.id).history(research.run.id)

    outcomes, view, history = runner.run(play())
    assert [outcome is None for outcome in outcomes] == expected
    assert all(outcome is None or isinstance(outcome, StaleState | IllegalTransition) for outcome in outcomes)
    assert (view.run.state, view.nodes[0].state) == (state["run"], state["node"])
    assert [(one.entity, one.before, one.after) for one in history] == passed


@pytest.fixture
def opened(tmp_path: Path, research):
    """A store on an event loop of its own, for examples that are drawn outside one."""
    with asyncio.Runner() as runner:
        store, _ = storage.open_store(tmp_path)
        runner.run(store.open())
        yield runner, store, type(research)
        runner.run(store.close())
    assert storage.check(tmp_path) == []
