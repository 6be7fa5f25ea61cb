"""How kinds of events, and outcomes of approvals, look."""

from __future__ import annotations

from cmbagent_tui.look import Mark, Tone
from engine.model.events import EventKind
from engine.model.records import ApprovalState

_KINDS: dict[EventKind, Mark] = {
    EventKind.RUN_STATE: Mark("■", "#", "run", Tone.PLAIN),
    EventKind.NODE: Mark("◦", "o", "node", Tone.MUTED),
    EventKind.NODE_STATE: Mark("●", "*", "step", Tone.PLAIN),
    EventKind.AGENT_CALL: Mark("◆", "A", "agent", Tone.PLAIN),
    EventKind.MODEL_CALL: Mark("»", "M", "model", Tone.PLAIN),
    EventKind.TOOL_CALL: Mark("ƒ", "T", "tool", Tone.PLAIN),
    EventKind.CODE_EXEC: Mark("❯", "$", "code", Tone.PLAIN),
    EventKind.FILE_GEN: Mark("▤", "F", "file", Tone.PLAIN),
    EventKind.HANDOFF: Mark("→", "H", "handoff", Tone.PLAIN),
    EventKind.MESSAGE: Mark("“", '"', "message", Tone.MUTED),
    EventKind.APPROVAL: Mark("◇", "?", "approval", Tone.WAITING),
    EventKind.CHECK: Mark("√", "v", "check", Tone.PLAIN),
    EventKind.RETRY: Mark("↻", "R", "retry", Tone.WAITING),
    EventKind.COST: Mark("¤", "c", "cost", Tone.MUTED),
    EventKind.PLAN: Mark("≡", "P", "plan", Tone.PLAIN),
    EventKind.OUTPUT: Mark("¦", "|", "output", Tone.MUTED),
    EventKind.CONFLICT: Mark("≠", "!", "conflict", Tone.FAILED),
    EventKind.ERROR: Mark("!", "!", "error", Tone.FAILED),
}

_APPROVALS: dict[ApprovalState, Tone] = {
    ApprovalState.PENDING: Tone.WAITING,
    ApprovalState.APPROVED: Tone.OK,
    ApprovalState.MODIFIED: Tone.OK,
    ApprovalState.REJECTED: Tone.FAILED,
    ApprovalState.ABORT: Tone.FAILED,
}


def of_kind(kind: EventKind) -> Mark:
    """The look of a kind of event."""
    return _KINDS[kind]


def of_approval(state: ApprovalState) -> Tone:
    """The tone of an approval's state."""
    return _APPROVALS.get(state, Tone.MUTED)
