"""The model calls of one attempt, counted: what each used, and those of which nothing was heard again.

A call of which no usage came was made all the same. It is recorded with no tokens and an unknown price, so that the
rows alone tell how many calls a run has made.
"""

from __future__ import annotations

from datetime import datetime

from engine.model.changes import Add, Change
from engine.model.events import Event, EventKind, Phase
from engine.model.frames import CallFrame, UsageFrame
from engine.model.ids import new_id
from engine.model.records import Attempt, Cost, Json
from engine.ports import Clock, Prices, SessionReads
from engine.runs.budget import Budget
from engine.runs.moves import broken_off

_UNHEARD = "no usage was reported"
_UNKNOWN = (0, 0, 0, None, _UNHEARD)  # tokens and price of a call that nothing was heard of
_PAGE = 1000


class Calls:
    """Counts for one attempt."""

    def __init__(self, budget: Budget, prices: Prices, clock: Clock, attempt: Attempt) -> None:
        self._budget, self._prices, self._clock = budget, prices, clock
        self._attempt = attempt
        self._made: dict[str, Cost] = {}  # the call that each agent is waiting for, as it is if nothing is heard of it

    async def begin(self, frame: CallFrame) -> list[Cost]:
        """Wait until a call may be made; give what is known now of the agent's call before, if nothing was heard of it.

        Raises:
            Asked, Held: as engine.runs.budget.Budget.reserve.
        """
        await self._budget.reserve(self._attempt.id, frame)
        before = self._made.get(frame.agent)
        attempt, model = self._attempt, f"{frame.provider}:{frame.model}"
        self._made[frame.agent] = Cost(
            new_id(), attempt.session_id, attempt.run_id, attempt.node_id, attempt.id, frame.event, self._clock.now(),
            frame.agent, model, *_UNKNOWN,
        )  # fmt: skip
        return [before] if before else []

    def used(self, frame: UsageFrame) -> Cost:
        """What a call used."""
        attempt = self._attempt
        micro, source = self._prices.price(
            frame.provider, frame.model, frame.prompt_tokens, frame.completion_tokens, frame.cached_tokens
        )
        cost = Cost(
            new_id(),
            attempt.session_id,
            attempt.run_id,
            attempt.node_id,
            attempt.id,
            frame.event,
            frame.at,
            frame.agent,
            f"{frame.provider}:{frame.model}",
            frame.prompt_tokens,
            frame.completion_tokens,
            frame.cached_tokens,
            micro,
            source,
        )
        self._made.pop(frame.agent, None)
        self._budget.settle(cost)
        return cost

    def end(self) -> list[Cost]:
        """The attempt says no more: the calls that nothing was heard of."""
        left, self._made = list(self._made.values()), {}
        self._budget.release(self._attempt.id)
        return left


def cost_event(cost: Cost) -> Event:
    """What the timeline tells of a cost."""
    data: Json = {
        "model": cost.model,
        "prompt_tokens": cost.prompt_tokens,
        "completion_tokens": cost.completion_tokens,
        "usd_micro": cost.usd_micro,
    }
    unheard = cost.price_source == _UNHEARD
    return Event(
        new_id(),
        cost.session_id,
        cost.run_id,
        EventKind.COST,
        cost.at,
        node_id=cost.node_id,
        attempt_id=cost.attempt_id,
        parent_event_id=cost.event_id,
        agent=cost.agent,
        title=_UNHEARD if unheard else f"{cost.prompt_tokens} + {cost.completion_tokens} tokens",
        data=data,
    )


async def lost_calls(reads: SessionReads, run_id: str, at: datetime) -> list[Change]:
    """The counted calls that were being made when their process was lost: they have ended, and were made."""
    open_: dict[str, Event] = {}
    after = 0
    while page := await reads.events(run_id, after=after, limit=_PAGE, kinds=[EventKind.MODEL_CALL]):
        after = page[-1].seq
        for event in page:
            if event.phase is Phase.START and event.data.get("counted") and not event.data.get("replayed"):
                open_[event.id] = event
            elif event.phase is Phase.END:
                open_.pop(event.span_id or "", None)
    changes: list[Change] = []
    for start in open_.values():
        agent, model = start.agent or "", str(start.data.get("model", ""))
        cost = Cost(
            new_id(), start.session_id, run_id, start.node_id, start.attempt_id, start.id, at, agent, model, *_UNKNOWN
        )  # fmt: skip
        changes += [Add(cost), Add(cost_event(cost)), Add(broken_off(start, at))]
    return changes
