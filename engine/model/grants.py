"""Grants: what a person allows for good, for one run or a session. Each is a part of the approval that it was given
with, and is of exactly what was shown there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from engine.model.records import Approval, ApprovalState, Json


class Scope(StrEnum):
    """How far a grant reaches."""

    RUN = "run"
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Grant:
    """One grant. `id` is its approval's, `of` what a call must be to be covered, `words` the same for people."""

    id: str
    session_id: str
    run_id: str
    scope: Scope
    of: Json
    words: str
    given_by: str
    given_at: datetime
    revoked_by: str | None = None

    def covers(self, run_id: str, of: Json) -> bool:
        """Whether a call in a run may be made without asking."""
        return self.revoked_by is None and self.of == of and (self.scope is Scope.SESSION or self.run_id == run_id)


def grant_in(approval: Approval) -> Grant | None:
    """The grant that was given with an approval, if one was."""
    answer = approval.answer or {}
    if approval.state is not ApprovalState.APPROVED or "always" not in answer or approval.resolved_at is None:
        return None
    return Grant(
        approval.id,
        approval.session_id,
        approval.run_id,
        Scope(answer["always"]),
        approval.shown["grant"],
        str(approval.shown["always"]),
        approval.resolved_by or "a person",
        approval.resolved_at,
        answer.get("revoked_by"),
    )
