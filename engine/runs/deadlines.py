"""Deadlines of approvals: when nobody has answered in time, the rule that was shown with the question decides.

A deadline is a wall time, so that it holds over restarts. A clock that jumps must not bring it on early: what is left
of it when this process first sees it has also to pass by the monotonic clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from engine.model.changes import SettleApproval
from engine.model.options import RunOptions
from engine.model.records import Approval, ApprovalState
from engine.ports import Clock

NOBODY = "nobody, in time"  # who settled an approval that expired


def with_deadline(approval: Approval, options: RunOptions) -> Approval:
    """The approval with the deadline and the rule that its run sets."""
    if options.approval_deadline is None:
        return approval
    deadline = approval.created_at + timedelta(seconds=options.approval_deadline)
    return replace(approval, deadline_at=deadline, on_expiry=options.on_expiry)


def expire(approval: Approval, at: datetime) -> SettleApproval:
    """Settle an approval as its rule says; without one it has expired, which nothing takes for a yes."""
    state = approval.on_expiry or ApprovalState.EXPIRED
    why = f"nobody answered until {approval.deadline_at:%Y-%m-%d %H:%M:%S} UTC"
    return SettleApproval(approval.session_id, approval.id, state, NOBODY, at, why)


class Deadlines:
    """Keeps in mind which approvals this process has seen, and since when."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends: dict[str, float] = {}  # approval → monotonic seconds before which it does not expire

    def due(self, approvals: Iterable[Approval]) -> list[Approval]:
        """Those of the pending approvals that nobody can answer in time any more."""
        wall, now = self._clock.now(), self._clock.monotonic()
        ends: dict[str, float] = {}
        due: list[Approval] = []
        for one in approvals:
            if one.deadline_at is not None:
                left = max(0.0, (one.deadline_at - wall).total_seconds())
                ends[one.id] = self._ends.get(one.id, now + left)
                if wall >= one.deadline_at and now >= ends[one.id]:
                    due.append(one)
        self._ends = ends
        return due
