"""Whether a failure is retried, when, and what a clock that jumps does to that."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from engine.model.frames import Failure
from engine.model.records import Attempt, AttemptState, Node, NodeKind
from engine.runs.retry import Backoffs, Verdict, judge, tries_of

START = datetime(2031, 5, 6, tzinfo=UTC)
NODE = Node("n", "s", "r", "fit", NodeKind.STEP, "Fit", "engineer", 0)


def tries(*seconds: float, first: int = 1) -> list[Attempt]:
    """Attempts that failed so many seconds after the start, the last of them just now."""
    return [
        Attempt(
            f"a{first + place}",
            "s",
            "r",
            "n",
            first + place,
            "retry" if place else "first",
            AttemptState.FAILED,
            START,
            START + timedelta(seconds=at),
        )
        for place, at in enumerate(seconds)
    ]


def verdict(kind: str, *seconds: float, retries: int = 2, asked: float | None = None, before: object = ()) -> Verdict:
    failed = tries(*seconds)
    at = failed[-1].ended_at
    assert at is not None
    failed[-1] = replace(failed[-1], ended_at=None)
    failure = Failure(category=kind, message="it broke", retry_after=asked)
    return judge(failure, failed, list(before), retries, at, lambda: 0.0)  # type: ignore[call-overload]


def test_work_that_failed_is_tried_again_at_once_and_a_server_later() -> None:
    assert verdict("type_value", 0) == Verdict(0.0, "a program met a value that it could not work with", 2, 3)
    assert [verdict("api_error", *[0.0] * n, retries=9).wait for n in (1, 2, 3)] == [1.0, 2.0, 4.0]
    assert verdict("rate_limit", 0, asked=30.0).wait == 30.0


def test_no_more_than_the_run_allows() -> None:
    assert verdict("type_value", 0, 1).wait == 0.0
    assert verdict("type_value", 0, 1, 2) == Verdict(None, "all 2 retries were made", 4, 3)
    assert verdict("type_value", 0, retries=0).why == "retries are turned off"
    assert verdict("auth", 0).why == "it would fail again: the API key is missing or not accepted"


def test_a_kind_has_its_own_limit_which_others_do_not_use_up() -> None:
    assert verdict("file_not_found", 0, 1, before=["network"]).wait == 0.0
    assert verdict("file_not_found", 0, 1, before=["file_not_found"]).why == "file_not_found is retried 1 time at most"


def test_no_retry_begins_after_the_deadline() -> None:
    assert verdict("rate_limit", 0, asked=3599.0).wait == 3599.0
    refused = verdict("rate_limit", 0, asked=7200.0)
    assert refused.wait is None
    assert refused.why == "the next try would come 7200 s after the first failure, and none may later than 3600 s"
    assert verdict("network", 0, 3599.5).wait is None


def test_what_counts_begins_with_the_last_try_that_a_person_asked_for() -> None:
    history = [
        *tries(0, 1, 2),
        replace(tries(3, first=4)[0], reason="redo"),
        replace(tries(4, first=5)[0], reason="retry"),
    ]
    assert [one.number for one in tries_of(NODE, history, history[4])] == [4, 5]
    assert [one.number for one in tries_of(NODE, history[:2], history[2])] == [1, 2, 3]
    other = replace(history[1], node_id="another")
    assert [one.number for one in tries_of(NODE, [history[0], other], history[2])] == [3]


class Hands:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.wall, self.mono = START, 1000.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.mono


def test_a_jump_of_the_clock_brings_no_retry_on() -> None:
    clock = Hands()
    backoffs = Backoffs(clock)
    assert backoffs.left(NODE) == 0.0
    waiting = replace(NODE, retry_at=START + timedelta(seconds=30))
    backoffs.hold(waiting, clock.mono + 30.0)
    clock.wall += timedelta(hours=1)
    assert backoffs.left(waiting) == 30.0
    clock.wall -= timedelta(hours=3)
    clock.mono += 31.0
    assert backoffs.left(waiting) < 0


def test_another_process_waits_for_what_the_row_says() -> None:
    clock = Hands()
    clock.wall += timedelta(seconds=20)
    backoffs = Backoffs(clock)
    waiting = replace(NODE, retry_at=START + timedelta(seconds=30))
    assert backoffs.left(waiting) == 10.0
    again = replace(NODE, retry_at=START + timedelta(seconds=50))
    assert backoffs.left(again) == 30.0, "a later retry of the same node has its own time"


async def test_it_is_over_when_the_monotonic_clock_says_so() -> None:
    clock = Hands()
    backoffs = Backoffs(clock)
    waiting = replace(NODE, retry_at=START + timedelta(hours=1))
    over = asyncio.create_task(backoffs.over(waiting))
    await asyncio.sleep(0)
    clock.wall += timedelta(hours=2)
    await asyncio.sleep(0)
    assert not over.done()
    clock.mono += 3600.0
    async with asyncio.timeout(10):
        await over
