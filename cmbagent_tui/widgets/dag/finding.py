"""Finding steps by what one remembers of them."""

from __future__ import annotations

from collections.abc import Iterable

from cmbagent_tui.state.board import Card
from cmbagent_tui.state.entries import scattered


def found(cards: Iterable[Card], wanted: str) -> dict[str, int]:
    """Nodes whose id, title or agent fit, with how well: smaller is better.

    Every word must occur; where nothing has them all, letters in their order are enough (`fdm` finds fit_damped_model).
    """
    terms = wanted.casefold().split()
    if not terms:
        return {}
    ranked: dict[str, int] = {}
    loose: dict[str, int] = {}
    for card in cards:
        node = card.node
        step = node.step.casefold()
        whole = f"{step} {node.title} {node.agent or ''}".casefold()
        if all(term in whole for term in terms):
            ranked[node.id] = (
                0 if step == terms[0] else 1 if step.startswith(terms[0]) else 2 if terms[0] in step else 3
            )
        elif not ranked and (gaps := scattered(step, "".join(terms))) is not None:
            loose[node.id] = gaps
    return ranked or loose
