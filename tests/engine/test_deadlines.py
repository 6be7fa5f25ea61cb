"""Approvals with a deadline: one outcome, in wall time, over restarts, and never early because a clock jumped."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from engine.engine import Engine
from engine.model.errors import StaleState, UsageError
from engine.model.options import RunOptions
from engine.model.records import Approval, ApprovalState, RunView
from engine.model.states import RunState
from engine.runs.deadlines import Deadlines
from tests.engine.conftest import Lab
from tests.support.journals import says, step, writes


class Clock:
    """The real clock with hands that a test can move."""

    def __init__(self) -> None:
        self.wall, self.gone = timedelta(), 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + self.wall

    def monotonic(self) -> float:
        return time.monotonic() + self.gone

    def pass_by(self, seconds: float) -> None:
        """Let time pass, on both hands."""
        self.wall += timedelta(seconds=seconds)
        self.gone += seconds


async def asked(lab: Lab, engine: Engine, **options: object) -> str:
    """A run that waits for its plan to be approved."""
    lab.journal.plans(step("data")).does("data", writes("a.txt", "a"), says("done"))
    run = await engine.submit("Wait for me.", options=lab.options(approval_deadline=3600.0, **options))
    assert (await engine.wait(run.id)).state is RunState.WAITING_APPROVAL
    return run.id


async def settled(engine: Engine, run_id: str) -> RunView:
    """The run once it waits no more."""
    async with asyncio.timeout(30):
        while not (view := await engine.view(run_id)).run.state.terminal:
            await asyncio.sleep(0.02)
    return view


@pytest.mark.parametrize(
    ("rule", "state", "outcome"),
    [
        (ApprovalState.APPROVED, ApprovalState.APPROVED, RunState.COMPLETED),
        (ApprovalState.ABORT, ApprovalState.ABORT, RunState.CANCELLED),
        (None, ApprovalState.EXPIRED, RunState.CANCELLED),
    ],
)
async def test_when_nobody_answers_the_rule_decides(lab: Lab, rule, state, outcome) -> None:
    clock = Clock()
    engine = await lab.engine(clock=clock)
    run_id = await asked(lab, engine, on_expiry=rule)
    clock.pass_by(3599)
    await asyncio.sleep(0)
    assert (await engine.approvals())[0].deadline_at is not None
    clock.pass_by(2)
    view = await settled(engine, run_id)
    assert (view.run.state, view.approvals[0].state) == (outcome, state)
    assert view.approvals[0].resolved_by == "nobody, in time"
    with pytest.raises(StaleState, match="nobody, in time"):
        await engine.resolve(view.approvals[0].id, ApprovalState.APPROVED)


async def test_a_deadline_that_passed_while_nothing_ran_is_kept_by_whoever_comes_next(lab: Lab) -> None:
    clock = Clock()
    first = await lab.engine(clock=clock)
    run_id = await asked(lab, first)
    await lab.close(first)
    clock.pass_by(3601)
    second = await lab.engine(clock=clock)
    view = await settled(second, run_id)
    assert (view.run.state, view.approvals[0].state) == (RunState.CANCELLED, ApprovalState.EXPIRED)
    assert "nobody answered until" in (view.run.error or "")


@pytest.mark.parametrize("seed", range(20))
async def test_an_answer_and_the_deadline_at_one_moment_have_one_outcome(lab: Lab, seed: int) -> None:
    clock = Clock()
    engine, other = await lab.engine(clock=clock, warm=False), await lab.engine(clock=clock, warm=False)
    run_id = await asked(lab, engine)
    (approval,) = await engine.approvals()

    async def answer() -> ApprovalState | None:
        await asyncio.sleep(seed % 10 * 0.06)
        try:
            return (await other.resolve(approval.id, ApprovalState.ABORT)).state
        except StaleState as error:
            assert "nobody, in time" in str(error)
            return None

    clock.pass_by(3601)
    said = await answer()
    view = await settled(engine, run_id)
    assert view.run.state is RunState.CANCELLED
    expected = ApprovalState.ABORT if said else ApprovalState.EXPIRED
    assert [one.state for one in view.approvals] == [expected], f"seed {seed}"


def test_a_jump_of_the_clock_brings_no_deadline_on() -> None:
    clock = Clock()
    deadlines = Deadlines(clock)
    now = clock.now()
    one = Approval(
        "a", "s", "r", None, "plan", "", {}, ApprovalState.PENDING, now, deadline_at=now + timedelta(minutes=10)
    )
    assert deadlines.due([one]) == []
    clock.wall += timedelta(hours=1)
    assert deadlines.due([one]) == []
    clock.pass_by(599)
    assert deadlines.due([one]) == []
    clock.pass_by(2)
    assert deadlines.due([one]) == [one]
    assert Deadlines(clock).due([one]) == [one], "who sees it first after its time keeps it at once"


def test_a_rule_that_means_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="on_expiry cannot be"):
        RunOptions(on_expiry=ApprovalState.PENDING)
    with pytest.raises(UsageError, match="approval_deadline must be more than 0"):
        RunOptions(approval_deadline=0.0)
