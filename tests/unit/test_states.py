"""Every pair of states, by every actor, against the rules that the table has to keep."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from itertools import product

import pytest

from engine.model.errors import IllegalTransition
from engine.model.states import (
    RUN_TRANSITIONS,
    STEP_TRANSITIONS,
    Actor,
    RunState,
    StepState,
    check_run,
    check_step,
)

Check = Callable[[StrEnum, StrEnum, Actor], None]
MACHINES = [
    pytest.param(RunState, RUN_TRANSITIONS, check_run, "a run", id="run"),
    pytest.param(StepState, STEP_TRANSITIONS, check_step, "a step", id="step"),
]


def allowed(check: Check, before: StrEnum, after: StrEnum, actor: Actor) -> bool:
    try:
        check(before, after, actor)
    except IllegalTransition:
        return False
    return True


def test_the_states_are_those_of_the_contract():
    assert [state.value for state in RunState] == (
        ["draft", "planning", "executing", "paused", "waiting_approval", "completed", "failed", "cancelled"]
    )
    assert [state.value for state in StepState] == (
        ["pending", "running", "paused", "waiting_approval", "completed", "failed", "skipped", "cancelled"]
    )
    assert {state for state in RunState if state.terminal} == {"completed", "failed", "cancelled"}
    assert {state for state in StepState if state.terminal} == {"completed", "failed", "skipped", "cancelled"}


@pytest.mark.parametrize(("states", "table", "check", "what"), MACHINES)
def test_a_move_is_allowed_exactly_when_the_table_says_so(states, table, check, what):
    for before, after, actor in product(states, states, Actor):
        assert allowed(check, before, after, actor) == (actor in table.get((before, after), ())), (before, after, actor)


@pytest.mark.parametrize(("states", "table", "check", "what"), MACHINES)
def test_no_state_becomes_itself(states, table, check, what):
    assert not [state for state, actor in product(states, Actor) if allowed(check, state, state, actor)]


@pytest.mark.parametrize(("states", "table", "check", "what"), MACHINES)
def test_only_a_person_leads_out_of_a_terminal_state_and_never_into_another(states, table, check, what):
    for before, after in product(states, states):
        if before.terminal:
            assert not allowed(check, before, after, Actor.ENGINE)
            assert not (after.terminal and allowed(check, before, after, Actor.PERSON))


@pytest.mark.parametrize(("states", "table", "check", "what"), MACHINES)
def test_every_terminal_state_can_be_redone_by_a_person(states, table, check, what):
    for before in states:
        if before.terminal:
            assert any(allowed(check, before, after, Actor.PERSON) for after in states)


@pytest.mark.parametrize(("states", "table", "check", "what"), MACHINES)
def test_a_person_can_cancel_whatever_is_not_over(states, table, check, what):
    for before in states:
        assert allowed(check, before, states.CANCELLED, Actor.PERSON) != before.terminal


@pytest.mark.parametrize(("states", "table", "check", "what"), MACHINES)
def test_only_the_engine_says_that_something_failed(states, table, check, what):
    assert not [before for before in states if allowed(check, before, states.FAILED, Actor.PERSON)]


@pytest.mark.parametrize(("states", "table", "check", "what"), MACHINES)
def test_every_state_is_reached_from_the_first_and_leads_to_an_end(states, table, check, what):
    def reached(start: StrEnum) -> set[StrEnum]:
        seen, new = {start}, [start]
        while new:
            before = new.pop()
            for after in states:
                if (before, after) in table and after not in seen:
                    seen.add(after)
                    new.append(after)
        return seen

    assert reached(next(iter(states))) == set(states)
    for state in states:
        assert states.COMPLETED in reached(state)


@pytest.mark.parametrize("after", [RunState.EXECUTING, RunState.PLANNING])
def test_a_paused_run_goes_on_only_when_a_person_says_so(after: RunState):
    assert not allowed(check_run, RunState.PAUSED, after, Actor.ENGINE)
    assert allowed(check_run, RunState.PAUSED, after, Actor.PERSON)


@pytest.mark.parametrize(("states", "table", "check", "what"), MACHINES)
def test_a_refused_move_names_both_states(states, table, check, what):
    with pytest.raises(IllegalTransition, match=f"{what} that is completed cannot become waiting_approval"):
        check(states.COMPLETED, states.WAITING_APPROVAL, Actor.PERSON)


def test_a_move_that_only_another_may_make_says_who():
    with pytest.raises(IllegalTransition, match="a run that is completed becomes executing only by the person"):
        check_run(RunState.COMPLETED, RunState.EXECUTING, Actor.ENGINE)
    with pytest.raises(IllegalTransition, match="a step that is pending becomes running only by the engine"):
        check_step(StepState.PENDING, StepState.RUNNING, Actor.PERSON)
