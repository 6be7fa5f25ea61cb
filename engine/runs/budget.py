"""The budget of a run: the one place that decides whether a model call may be made.

A call that fits only when others that are being made turn out cheaper than their worst case waits for them. One that
would pass a ceiling in any case is not made: a person is asked, where the run's mode has one to ask, or the run stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from engine.model.budget import Ceiling, Ceilings, Ledger, Use, amount_of, most_tokens, words
from engine.model.changes import SetOptions
from engine.model.errors import UsageError
from engine.model.frames import CallFrame
from engine.model.options import BUDGET_REACHED, RunOptions
from engine.model.records import Approval, ApprovalState, Cost, Json, NodeKind, Run, RunView, StateChange
from engine.model.states import RunState
from engine.ports import Clock, Prices, SessionReads
from engine.runs.control import Asked, Control, Held, Stop
from engine.runs.gate import Gate
from engine.runs.moves import By, engine

_FIELDS = {
    Ceiling.USD: "budget_micro",
    Ceiling.TOKENS: "max_tokens",
    Ceiling.CALLS: "max_calls",
    Ceiling.TIME: "max_time",
}
_AT_WORK = frozenset({RunState.PLANNING.value, RunState.EXECUTING.value})


class Budget:
    """One run's budget, over all its steps."""

    def __init__(self, prices: Prices, clock: Clock, gate: Callable[[], Gate], control: Control) -> None:
        self._prices, self._clock, self._gate, self._control = prices, clock, gate, control
        self._ledger = Ledger(Ceilings(), Use(), {})
        self._since = clock.monotonic()
        self._planned = False
        self._changed = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self.asked = False  # whether a person is being asked: nothing begins meanwhile

    @property
    def spent(self) -> int:
        """What the run has cost so far (micro-USD)."""
        return self._ledger.used.usd_micro

    async def begin(self, view: RunView, options: RunOptions, reads: SessionReads) -> None:
        """Go on from what the rows say."""
        self.close()
        ceilings, total = options.ceilings, view.cost
        timed = ceilings.seconds is not None
        seconds = at_work(await reads.history(view.run.id), self._clock.now()) if timed else 0.0
        used = Use(total.usd_micro, total.prompt_tokens + total.completion_tokens, total.calls, seconds)
        self._ledger, self._since = Ledger(ceilings, used, {}), self._clock.monotonic()
        self._planned = any(node.kind is NodeKind.PLANNING for node in view.nodes)
        self.asked = any("budget" in one.shown and one.state is ApprovalState.PENDING for one in view.approvals)
        self._watch_time()

    def go_on(self, options: RunOptions) -> None:
        """A person has raised a ceiling."""
        self._ledger.ceilings, self.asked = options.ceilings, False
        self._watch_time()
        self._tell()

    def close(self) -> None:
        """Nothing runs any more."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    async def reserve(self, attempt_id: str, frame: CallFrame) -> None:
        """Wait until a model call may be made, and reserve its worst case.

        Raises:
            Asked: it would pass a ceiling: a person is to be asked.
            Held: it would, and another one asks already; or the run is being paused.
            asyncio.CancelledError: the run has stopped for it.
        """
        prompt = most_tokens(frame.request_bytes)
        micro, _ = self._prices.price(frame.provider, frame.model, prompt, frame.max_tokens, 0)
        worst = Use(micro or 0, prompt + frame.max_tokens, 1)
        while True:
            self._control.hold_point()
            ceiling = self._with_time().lacks(worst)
            if ceiling is not None:
                await self._refuse(ceiling, worst, frame.max_tokens)
            if not self._ledger.crowded(worst):
                self._ledger.reserve(_name(attempt_id, frame.agent), worst)
                return
            await self._changed.wait()

    def settle(self, cost: Cost) -> None:
        """A call has reported what it used."""
        used = Use(cost.usd_micro or 0, cost.prompt_tokens + cost.completion_tokens)
        self._ledger.settle(_name(cost.attempt_id or "", cost.agent), used)
        self._tell()

    def release(self, attempt_id: str) -> None:
        """An attempt has ended: nothing more comes of its calls."""
        self._ledger.release(_name(attempt_id, ""))
        self._tell()

    def _tell(self) -> None:
        """Those who wait look again, in the order in which they came."""
        self._changed.set()
        self._changed = asyncio.Event()

    def _with_time(self) -> Ledger:
        self._ledger.used = replace(self._ledger.used, seconds=self._seconds())
        return self._ledger

    def _seconds(self) -> float:
        now = self._clock.monotonic()
        seconds, self._since = self._ledger.used.seconds + now - self._since, now
        return seconds

    async def _refuse(self, ceiling: Ceiling, worst: Use, answer: int) -> None:
        ledger = self._ledger
        used, most = ledger.used.of(ceiling), ledger.ceilings.of(ceiling) or 0
        why = f"{words(ceiling, used)} of {words(ceiling, most)} are used"
        if ceiling in (Ceiling.USD, Ceiling.TOKENS):
            why += f", and the next model call may take {words(ceiling, worst.of(ceiling))}"
            if worst.of(ceiling) > most:  # so that no call at all can be made
                why += f" (an answer may have {answer:,} tokens: --max-answer lowers that)"
        if not self._gate().ceiling(planned=self._planned):
            self._control.stop(Stop.BUDGET, engine(f"{BUDGET_REACHED}: {why}"))
            await asyncio.get_running_loop().create_future()  # what runs is being ended, this too
        if self.asked:
            raise Held
        self.asked = True
        by = max(most, used + worst.of(ceiling) - most)
        shown: Json = {
            "reached": why,
            "raise_by": f"{words(ceiling, by)}, unless another amount is said",
            "budget": {"of": ceiling.value, "by": by},
        }
        raise Asked("question", f"The budget is reached: {why}", shown)

    def _watch_time(self) -> None:
        """What runs when the time is over is not waited for, unless a person is asked about it."""
        self.close()
        most = self._ledger.ceilings.seconds
        if most is not None:
            left = max(0.0, most - self._ledger.used.seconds)
            self._timer = asyncio.get_running_loop().call_later(left, self._time_is_over, most)

    def _time_is_over(self, most: float) -> None:
        if not self._gate().ceiling(planned=self._planned):
            why = f"{BUDGET_REACHED}: all of {words(Ceiling.TIME, most)} are used"
            self._control.stop(Stop.BUDGET, engine(why))


def at_work(history: Iterable[StateChange], now: datetime) -> float:
    """Seconds that a run was planning or executing."""
    seconds, since = 0.0, None
    for change in history:
        if change.entity == "run":
            if since is not None:
                seconds += (change.at - since).total_seconds()
            since = change.at if change.after in _AT_WORK else None
    return seconds + (max(0.0, (now - since).total_seconds()) if since else 0.0)


def raise_of(approval: Approval, options: RunOptions, said: str | None) -> Json:
    """The ceiling as it is to be, as options: higher by what a person said, or by what was shown.

    Raises:
        UsageError: that is no amount.
    """
    ceiling, by = Ceiling(approval.shown["budget"]["of"]), float(approval.shown["budget"]["by"])
    if said:
        try:
            by = amount_of(ceiling, said)
        except ValueError:
            example = {Ceiling.USD: "2.50", Ceiling.TIME: "45m"}.get(ceiling, "20000")
            raise UsageError(
                f"{said!r} is not an amount that the budget could be raised by", f"Say it like {example}, or nothing."
            ) from None
    most = (options.ceilings.of(ceiling) or 0) + by
    return {_FIELDS[ceiling]: most if ceiling is Ceiling.TIME else int(most)}


def raised(run: Run, approval: Approval) -> tuple[Run, Approval, SetOptions]:
    """A person, or the rule for their silence, raises a ceiling: the run, what its record says, and the change."""
    options = RunOptions.from_json(run.options)
    answer = approval.answer or {"ceilings": raise_of(approval, options, None)}
    run = replace(run, options={**run.options, **answer["ceilings"]})
    return run, replace(approval, answer=answer), SetOptions(run.session_id, run.id, run.options)


def not_raised(approval: Approval) -> By | None:
    """Why the run stops, if this is a settled question about its budget that raises nothing."""
    if "budget" not in approval.shown or approval.state in (
        ApprovalState.PENDING,
        ApprovalState.APPROVED,
        ApprovalState.ABORT,
    ):
        return None
    why = f"{BUDGET_REACHED}: {approval.shown['reached']}; {approval.state.value} by {approval.resolved_by}"
    return engine(f"{why}: {approval.feedback}" if approval.feedback else why)


def _name(attempt_id: str, agent: str) -> str:
    return f"{attempt_id}/{agent}"
