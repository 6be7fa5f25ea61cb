"""How each kind of approval can be settled, and what each way means there: for the engine, the screens and the command
line alike."""

from __future__ import annotations

from collections.abc import Mapping

from engine.model.records import Approval, ApprovalState

_A = ApprovalState
_END = {_A.ABORT: "end the run"}

PLAN: Mapping[ApprovalState, str] = {
    _A.APPROVED: "carry this plan out",
    _A.REJECTED: "make another plan, told the feedback",
    _A.MODIFIED: "carry out the plan as it was edited",
    _A.RETRY: "make another plan",
    **_END,
}
STEP: Mapping[ApprovalState, str] = {
    _A.APPROVED: "begin the step; its agent is told the feedback",
    _A.REJECTED: "do not: the step has failed, and so has what builds on it",
    _A.MODIFIED: "begin the step as it was edited",
    _A.SKIP: "go on without the step",
    **_END,
}
CALL: Mapping[ApprovalState, str] = {
    _A.APPROVED: "make this call",
    _A.REJECTED: "do not make it; its agent is told so, with the feedback",
    _A.MODIFIED: "make the call as it was edited",
    _A.SKIP: "do not make it; its agent is to go on without it",
    **_END,
}
DOUBT: Mapping[ApprovalState, str] = {
    _A.APPROVED: "make the call again",
    _A.RETRY: "make the call again",
    _A.REJECTED: "do not: the agent is told that its outcome is unknown",
    _A.SKIP: "do not: the agent is told that its outcome is unknown",
    **_END,
}
ERROR: Mapping[ApprovalState, str] = {
    _A.RETRY: "try it again, told what failed and the feedback",
    _A.MODIFIED: "try it again, as it was edited",
    _A.SKIP: "go on without the step",
    _A.REJECTED: "leave it failed, with what builds on it",
    **_END,
}
PLANNING_ERROR: Mapping[ApprovalState, str] = {
    way: words for way, words in ERROR.items() if way not in (_A.MODIFIED, _A.SKIP)
}
QUESTION: Mapping[ApprovalState, str] = {
    _A.APPROVED: "answer it: the feedback is the answer",
    _A.SKIP: "give no answer: the agent is to decide by itself",
    **_END,
}
BUDGET: Mapping[ApprovalState, str] = {
    _A.APPROVED: "raise it, by the amount that the feedback says or else by what is shown",
    _A.REJECTED: "do not: the run stops, and has failed",
    **_END,
}
TURN: Mapping[ApprovalState, str] = {
    _A.MODIFIED: "the next turn: its agent and its instruction (feedback alone is the instruction)",
    _A.RETRY: "the last turn again, told the feedback",
    _A.APPROVED: "it is done: gather the results",
    **_END,
}


def ways(approval: Approval) -> Mapping[ApprovalState, str]:
    """The ways in which an approval can be settled, each with what it means."""
    match approval.kind:
        case "plan":
            return PLAN
        case "step":
            return STEP
        case "tool":
            return CALL if "arguments" in approval.shown else DOUBT
        case "error":
            return ERROR if "step" in approval.shown else PLANNING_ERROR
        case _ if "turn" in approval.shown:
            return TURN if approval.shown["turn"] > 1 else {way: TURN[way] for way in TURN if way is not _A.RETRY}
        case _ if "budget" in approval.shown:
            return BUDGET
        case _:
            return QUESTION


def by_feedback(approval: Approval) -> ApprovalState:
    """How feedback alone settles an approval."""
    if "turn" in approval.shown:
        return _A.MODIFIED
    said = {"step": _A.APPROVED, "error": _A.RETRY, "question": _A.APPROVED}
    return said.get(approval.kind, _A.REJECTED)
