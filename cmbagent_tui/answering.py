"""How a person's answer to an approval comes about: which keys mean something, what is asked once more, and the words
that go with it. For the dialog and the inbox alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmbagent_tui.screens.confirm import ConfirmScreen, FeedbackScreen
from engine.model.errors import UsageError
from engine.model.records import Approval, ApprovalState
from engine.model.resolutions import by_feedback, ways

if TYPE_CHECKING:
    from cmbagent_tui.app import CockpitApp

_DIFFERENT = "What should be different?"
_AGAIN = "What should it do differently?"
_TOLD = "What shall the agent be told?"
_GIVEN_UP = {  # what a rejection destroys, by the kind of approval
    "step": "Reject this step, and give up what builds on it? Say why, if you like.",
    "error": "Leave it failed, and give up what builds on it? Say why, if you like.",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """How an approval is to be settled."""

    state: ApprovalState
    feedback: str | None = None


def keys_of(approval: Approval) -> list[tuple[str, str]]:
    """The keys that settle an approval of this kind."""
    known = ways(approval)
    if "turn" in approval.shown:
        named = [("f", "say what is next", ApprovalState.MODIFIED), ("a", "end", ApprovalState.APPROVED)]
    elif "budget" in approval.shown:
        yes = ApprovalState.APPROVED
        named = [("a", "raise", yes), ("f", "by another amount", yes), ("r", "stop the run", ApprovalState.REJECTED)]
    elif approval.kind == "question":
        named = [("a", "answer", ApprovalState.APPROVED)]
    else:
        named = [("a", "approve", ApprovalState.APPROVED), ("r", "reject", ApprovalState.REJECTED)]
    named += [("e", "edit", ApprovalState.MODIFIED)]
    if approval.kind != "plan":  # to make another plan is to reject this one
        named += [("t", "retry", ApprovalState.RETRY), ("s", "skip", ApprovalState.SKIP)]
    named += [("x", "abort", ApprovalState.ABORT)]
    return [(key, word) for key, word, state in named if state in known]


def refusal(approval: Approval, state: ApprovalState) -> str:
    """Why a key settles nothing here; "" when it can."""
    if state in ways(approval):
        return ""
    return "That means nothing here. " + ", ".join(f"{key} {word}" for key, word in keys_of(approval))


def is_answered(approval: Approval) -> bool:
    """Whether a yes to it is nothing without words."""
    return approval.kind == "question" and not {"turn", "budget"} & approval.shown.keys()


async def ask(app: CockpitApp, drafts: dict[str, str], approval: Approval, state: ApprovalState) -> Answer | None:
    """Ask a person for all that an answer needs; None when they would rather not.

    Raises:
        UsageError: words are missing that it cannot be without.
    """
    match state:
        case ApprovalState.ABORT:
            sure = ConfirmScreen("End this run?", "It becomes cancelled; what it has written so far stays.")
            return Answer(state) if await app.push_screen_wait(sure) else None
        case ApprovalState.REJECTED if "budget" not in approval.shown:
            text = await _said(app, drafts, approval, _GIVEN_UP.get(approval.kind, _DIFFERENT))
            if text == "" and approval.kind == "plan":
                raise UsageError("Say what should be different, so that the planner can do better")
        case ApprovalState.RETRY:
            text = await _said(app, drafts, approval, _AGAIN)
        case _:
            return Answer(state)
    return None if text is None else Answer(state, text or None)


async def ask_for_words(app: CockpitApp, drafts: dict[str, str], approval: Approval) -> Answer | None:
    """Ask for words that settle it as feedback alone does: the answer to a question, a word to a step's agent."""
    title = "By how much is it raised?" if "budget" in approval.shown else _TOLD
    text = await _said(app, drafts, approval, title)
    return Answer(by_feedback(approval), text) if text else None


async def _said(app: CockpitApp, drafts: dict[str, str], approval: Approval, title: str) -> str | None:
    """A text from the person, or None when it is not sent; then it is kept for the next time."""
    kept = drafts.get(approval.id, "")
    answer = await app.push_screen_wait(FeedbackScreen(title, kept))
    sent, text = answer if answer is not None else (False, kept)
    drafts[approval.id] = text
    return text.strip() if sent else None
