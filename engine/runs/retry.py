"""Retry: whether the engine tries again after a failure, when, and from where.

The attempts' rows are the count, the node's row holds the time, and the `retry` event all that was decided. They are
written with the failure itself, in one transaction, so that a process that dies in between loses none of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from engine.model.changes import Add, Advise, Change
from engine.model.events import EventKind
from engine.model.failures import chance_of, kind_of
from engine.model.frames import Failure
from engine.model.options import RunOptions
from engine.model.records import Attempt, Json, Node, Run
from engine.model.states import StepState
from engine.model.text import one_line
from engine.ports import Clock
from engine.runs.attempts import Ended
from engine.runs.lessons import AFTER_FAILURE, conversation_of, learn, past_failures, retry_events, told
from engine.runs.moves import engine, move_node
from engine.runs.world import World

_LOOK = 0.2  # seconds between looks at the clock while a retry is waited for


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the policy says: try again in `wait` seconds, or (None) not, and why. `number` is the coming attempt's, `of`
    the last one's that there may be."""

    wait: float | None
    why: str
    number: int
    of: int


def judge(
    failure: Failure,
    tries: Sequence[Attempt],
    before: Sequence[str],
    retries: int,
    at: datetime,
    chance: Callable[[], float],
) -> Verdict:
    """Whether a failed attempt is followed by another one.

    `tries` are the attempts since the first or since a person had the step done again, the failed one last; `before`
    the kinds of failure that were retried among them, `retries` how often the run allows it at most.
    """
    kind = kind_of(failure.category)
    policy, number = kind.policy, len(tries)
    coming, last = tries[-1].number + 1, tries[0].number + retries

    def never(why: str) -> Verdict:
        return Verdict(None, why, coming, last)

    if policy.most == 0:
        return never(f"it would fail again: {kind.meaning}")
    if number > retries:
        return never(f"all {retries} retries were made" if retries else "retries are turned off")
    if policy.most is not None and before.count(kind.name) >= policy.most:
        return never(f"{kind.name} is retried {policy.most} time{'s' if policy.most > 1 else ''} at most")
    wait = policy.wait(number, failure.retry_after, chance)
    passed = (at - (tries[0].ended_at or at)).total_seconds()
    if passed + wait > policy.within:
        return never(f"the next try would come {passed + wait:.0f} s after the first failure, and none may later than "
                     f"{policy.within:.0f} s")  # fmt: skip
    return Verdict(wait, kind.meaning, coming, last)


def tries_of(node: Node, attempts: Iterable[Attempt], failed: Attempt) -> list[Attempt]:
    """The attempts of a node that count together: since the first, or since a person had it done again."""
    mine = {one.number: one for one in attempts if one.node_id == node.id} | {failed.number: failed}
    found = [failed]
    while found[0].reason == "retry" and (earlier := mine.get(found[0].number - 1)):
        found.insert(0, earlier)
    return found


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from a failure: the node as it waits for its next attempt, until when by the monotonic clock, and
    the changes that write it down; or None, and why not."""

    node: Node | None
    why_not: str = ""
    until: float = 0.0
    changes: tuple[Change, ...] = ()


async def decide(
    world: World, run: Run, ended: Ended, failure: Failure, attempts: Iterable[Attempt], at: datetime
) -> Decision:
    """Decide on another attempt after one has failed. What history could tell is left out where it cannot be read."""
    reads, failed = world.store.reads(run.session_id), ended.attempt
    retries = RunOptions.from_json(run.options).retries
    tries = tries_of(ended.node, attempts, failed)
    events = await retry_events(reads, failed) if failed.reason in AFTER_FAILURE else {}
    before = [str(events[one.number].data["kind"]) for one in tries[1:] if one.number in events]
    now = world.clock.monotonic()
    verdict = judge(failure, tries, before, retries, at, world.chance)
    if verdict.wait is None:
        return Decision(None, verdict.why)
    await ended.recorder.flush()  # what the attempt has said last is part of the lesson
    past = await past_failures(world.store)
    kind = kind_of(failure.category)
    lesson = told(events.get(failed.number))
    continues = await conversation_of(reads, failed) if kind.policy.continues else []
    if not continues:
        lesson = await learn(world.store, failed, failure, lesson, past)
    again_at = at + timedelta(seconds=verdict.wait)
    likely = chance_of(kind.name, past)
    data: Json = {
        "category": kind.category.value,
        "kind": kind.name,
        "attempt": verdict.number,
        "of": verdict.of,
        "at": again_at.isoformat(),
        "wait": round(verdict.wait, 3),
        "why": one_line(failure.message, 400),
        "continues": continues,
        "chance": {"cases": likely.cases, "resolved": likely.resolved, "rate": likely.rate, "words": likely.words},
        "told": lesson.model_dump(mode="json") if lesson else None,
    }
    title = f"attempt {verdict.number} of {verdict.of} {_in(verdict.wait)}: {verdict.why}"
    node, moved = move_node(ended.node, StepState.PENDING, engine(f"retry: {kind.name}"), at, attempt=failed.number)
    node = replace(node, retry_at=again_at)
    changes = (
        *moved,
        Advise(node.session_id, node.id, node.feedback, again_at),
        Add(ended.recorder.event(EventKind.RETRY, title, data)),
    )
    return Decision(node, until=now + verdict.wait, changes=changes)


def _in(seconds: float) -> str:
    return "at once" if seconds < 0.05 else f"in {seconds:.1f} s" if seconds < 60 else f"in {seconds / 60:.1f} min"


class Backoffs:
    """Waits until nodes may be tried again. A jump of the wall clock brings none on early: this process measures what
    was left of a wait when it first saw it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends: dict[tuple[str, datetime], float] = {}

    def hold(self, node: Node, until: float) -> None:
        """This process has just decided that a node waits until then, by the monotonic clock."""
        if node.retry_at is not None:
            self._ends[node.id, node.retry_at] = until

    def left(self, node: Node) -> float:
        """Seconds until a node may be tried again; 0 or less when it may."""
        if node.retry_at is None:
            return 0.0
        key = node.id, node.retry_at
        if key not in self._ends:
            self.hold(node, self._clock.monotonic() + (node.retry_at - self._clock.now()).total_seconds())
        return self._ends[key] - self._clock.monotonic()

    async def over(self, node: Node) -> None:
        """Return once a node may be tried again."""
        while (left := self.left(node)) > 0:  # noqa: ASYNC110 - nothing tells when a clock has come so far
            await asyncio.sleep(min(left, _LOOK))
