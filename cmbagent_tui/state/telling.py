"""Which node of a run has most to tell: where the cursor begins, and what it goes along with."""

from __future__ import annotations

from collections.abc import Iterable

from cmbagent_tui.state.board import Board
from engine.model.states import StepState

_LIVE = (StepState.RUNNING, StepState.WAITING_APPROVAL)


def most_telling(board: Board) -> str | None:
    """The node to begin with: what failed, what closed the run, or what is at work."""
    failed = board.failed()
    if failed:
        return failed[0].node.id
    closing = board.closing() if board.over() else None
    if closing is not None:
        return closing.node.id
    return next((card.node.id for card in board.ordered() if card.node.state in _LIVE), None)


def newest_running(board: Board, among: Iterable[str], selected: str | None) -> str | None:
    """The node to follow: of those that changed, one that just began to run or to wait."""
    here = board.cards.get(selected or "")
    if here is not None and here.node.state in _LIVE:
        return None  # what is looked at still goes on
    cards = [board.cards[one] for one in among if one in board.cards]
    found = [card.node for card in cards if card.node.state in _LIVE]
    return min(found, key=lambda node: node.position).id if found else None
