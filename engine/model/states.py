"""The states of runs and steps, and the one table of transitions between them."""

from __future__ import annotations

from enum import StrEnum

from engine.model.errors import IllegalTransition


class RunState(StrEnum):
    """Where a run stands."""

    DRAFT = "draft"
    PLANNING = "planning"
    EXECUTING = "executing"
    PAUSED = "paused"
    WAITING_APPROVAL = "waiting_approval"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether only a person's redo leads out of it."""
        return self in _RUN_TERMINAL


class StepState(StrEnum):
    """Where a node stands (planning, approval and terminator nodes use the same states)."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    WAITING_APPROVAL = "waiting_approval"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether only a person's redo leads out of it."""
        return self in _STEP_TERMINAL


class Actor(StrEnum):
    """Who asks for a change of state: the guard of some transitions."""

    ENGINE = "engine"
    PERSON = "person"


_RUN_TERMINAL = frozenset({RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED})
_STEP_TERMINAL = frozenset({StepState.COMPLETED, StepState.FAILED, StepState.SKIPPED, StepState.CANCELLED})

_ANY = frozenset(Actor)
_PERSON = frozenset({Actor.PERSON})
_ENGINE = frozenset({Actor.ENGINE})

_R, _S = RunState, StepState

# (before, after) → who may ask for it. What is not here is forbidden; only a person's redo leads out of a terminal
# state.
RUN_TRANSITIONS: dict[tuple[RunState, RunState], frozenset[Actor]] = {
    (_R.DRAFT, _R.PLANNING): _ANY,
    (_R.DRAFT, _R.EXECUTING): _ANY,
    (_R.DRAFT, _R.WAITING_APPROVAL): _ENGINE,
    (_R.DRAFT, _R.FAILED): _ENGINE,
    (_R.DRAFT, _R.CANCELLED): _ANY,
    (_R.PLANNING, _R.EXECUTING): _ENGINE,
    (_R.PLANNING, _R.WAITING_APPROVAL): _ENGINE,
    (_R.PLANNING, _R.PAUSED): _ANY,
    (_R.PLANNING, _R.FAILED): _ENGINE,
    (_R.PLANNING, _R.CANCELLED): _ANY,
    (_R.EXECUTING, _R.PAUSED): _ANY,
    (_R.EXECUTING, _R.WAITING_APPROVAL): _ENGINE,
    (_R.EXECUTING, _R.COMPLETED): _ENGINE,
    (_R.EXECUTING, _R.FAILED): _ENGINE,
    (_R.EXECUTING, _R.CANCELLED): _ANY,
    (_R.PAUSED, _R.PLANNING): _PERSON,
    (_R.PAUSED, _R.EXECUTING): _PERSON,
    (_R.PAUSED, _R.WAITING_APPROVAL): _ANY,
    (_R.PAUSED, _R.FAILED): _ENGINE,
    (_R.PAUSED, _R.CANCELLED): _ANY,
    (_R.WAITING_APPROVAL, _R.PLANNING): _ANY,
    (_R.WAITING_APPROVAL, _R.EXECUTING): _ANY,
    (_R.WAITING_APPROVAL, _R.PAUSED): _ANY,
    (_R.WAITING_APPROVAL, _R.FAILED): _ENGINE,
    (_R.WAITING_APPROVAL, _R.CANCELLED): _ANY,
    (_R.COMPLETED, _R.EXECUTING): _PERSON,
    (_R.FAILED, _R.EXECUTING): _PERSON,
    (_R.FAILED, _R.PLANNING): _PERSON,
    (_R.CANCELLED, _R.EXECUTING): _PERSON,
    (_R.CANCELLED, _R.PLANNING): _PERSON,
}

STEP_TRANSITIONS: dict[tuple[StepState, StepState], frozenset[Actor]] = {
    (_S.PENDING, _S.RUNNING): _ENGINE,
    (_S.PENDING, _S.WAITING_APPROVAL): _ENGINE,
    (_S.PENDING, _S.PAUSED): _ANY,
    (_S.PENDING, _S.SKIPPED): _ANY,
    (_S.PENDING, _S.CANCELLED): _ANY,
    (_S.RUNNING, _S.COMPLETED): _ENGINE,
    (_S.RUNNING, _S.FAILED): _ENGINE,
    (_S.RUNNING, _S.PENDING): _ENGINE,  # the attempt was lost with its process, or is retried
    (_S.RUNNING, _S.PAUSED): _ANY,
    (_S.RUNNING, _S.WAITING_APPROVAL): _ENGINE,
    (_S.RUNNING, _S.CANCELLED): _ANY,
    (_S.PAUSED, _S.PENDING): _ANY,
    (_S.PAUSED, _S.RUNNING): _ANY,
    (_S.PAUSED, _S.CANCELLED): _ANY,
    (_S.WAITING_APPROVAL, _S.PENDING): _ANY,
    (_S.WAITING_APPROVAL, _S.RUNNING): _ENGINE,
    (_S.WAITING_APPROVAL, _S.COMPLETED): _ANY,
    (_S.WAITING_APPROVAL, _S.FAILED): _ENGINE,
    (_S.WAITING_APPROVAL, _S.SKIPPED): _ANY,
    (_S.WAITING_APPROVAL, _S.CANCELLED): _ANY,
    (_S.COMPLETED, _S.PENDING): _PERSON,
    (_S.FAILED, _S.PENDING): _PERSON,
    (_S.SKIPPED, _S.PENDING): _PERSON,
    (_S.CANCELLED, _S.PENDING): _PERSON,
}


def check_run(before: RunState, after: RunState, actor: Actor) -> None:
    """Raise IllegalTransition unless the table lets this actor move a run so."""
    _check("a run", before, after, actor, RUN_TRANSITIONS.get((before, after)))


def check_step(before: StepState, after: StepState, actor: Actor) -> None:
    """Raise IllegalTransition unless the table lets this actor move a step so."""
    _check("a step", before, after, actor, STEP_TRANSITIONS.get((before, after)))


def _check(what: str, before: StrEnum, after: StrEnum, actor: Actor, allowed: frozenset[Actor] | None) -> None:
    if allowed is None:
        raise IllegalTransition(f"{what} that is {before.value} cannot become {after.value}")
    if actor not in allowed:
        wanted = " or ".join(sorted(one.value for one in allowed))
        raise IllegalTransition(f"{what} that is {before.value} becomes {after.value} only by the {wanted}")
