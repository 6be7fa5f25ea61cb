"""One run as plain state: built from a RunView, kept up to date by folding events in, read by every widget.

`fold` is the only thing that changes a Board. It does no input or output and asks no clock, so a test holds it still,
and folding the events behind a view gives the same Board as a later view.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from engine.model.checked import Checked, checked_steps
from engine.model.records import (
    ApprovalState,
    CostTotal,
    Edge,
    Node,
    NodeKind,
    Run,
    RunView,
    Session,
)
from engine.model.states import RunState, StepState


@dataclass(slots=True)
class Card:
    """A node with what is counted about it."""

    node: Node
    attempt: int = 0  # the number of the newest attempt; 0 before the first
    cost: CostTotal = field(default_factory=CostTotal)
    checked: Checked | None = None  # what the checks of a completed step come to; None of any other node
    files: frozenset[str] = frozenset()  # paths that it has written
    stream: str = ""  # what the model is saying, or the code printing, now
    stream_id: str | None = None  # the model_call or code_exec that it belongs to

    def elapsed(self, now: datetime) -> float | None:
        """Seconds of work, still counting while it runs; None before it began."""
        if self.node.started_at is None:
            return None
        return ((self.node.ended_at or now) - self.node.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Asked:
    """An approval, without what it shows: that is read when it is shown."""

    id: str
    kind: str
    title: str
    state: ApprovalState


@dataclass(slots=True)
class Board:
    """Everything that the run screen shows of a run."""

    session: Session
    run: Run
    cards: dict[str, Card]
    edges: list[Edge]
    approvals: dict[str, Asked]
    cost: CostTotal
    last_seq: int = 0

    @classmethod
    def from_view(cls, view: RunView) -> Board:
        """The state that a view holds, up to its `last_seq`."""
        checked = checked_steps(view)
        cards = {
            node.id: Card(node, cost=view.node_cost.get(node.id, CostTotal()), checked=checked.get(node.id))
            for node in view.nodes
        }
        for attempt in sorted(view.attempts, key=lambda one: one.number):
            if card := cards.get(attempt.node_id):
                card.attempt = attempt.number
        for artifact in view.artifacts:
            if card := cards.get(artifact.node_id):
                card.files |= {artifact.path}
        return cls(
            session=view.session,
            run=view.run,
            cards=cards,
            edges=list(view.edges),
            approvals={one.id: Asked(one.id, one.kind, one.title, one.state) for one in view.approvals},
            cost=view.cost,
            last_seq=view.last_seq,
        )

    def ordered(self) -> list[Card]:
        """Cards as the plan has them."""
        return sorted(self.cards.values(), key=lambda card: (card.node.position, card.node.id))

    def pending(self) -> list[Asked]:
        """Approvals of this run that wait for a person, oldest first."""
        waiting = (one for one in self.approvals.values() if one.state is ApprovalState.PENDING)
        return sorted(waiting, key=lambda one: one.id)

    def progress(self) -> tuple[int, int, int]:
        """(steps completed, steps failed, steps in all), leaving out the program's own nodes."""
        states = [card.node.state for card in self.cards.values() if not _own(card.node)]
        return states.count(StepState.COMPLETED), states.count(StepState.FAILED), len(states)

    def unchecked(self) -> int:
        """How many completed steps declared no check."""
        return sum(card.checked is not None and not card.checked.total for card in self.cards.values())

    def waived(self) -> int:
        """How many checks of completed steps failed and were waived."""
        return sum(card.checked.waived for card in self.cards.values() if card.checked)

    def counts(self) -> dict[StepState, int]:
        """How many nodes are in each state."""
        found: dict[StepState, int] = {}
        for card in self.cards.values():
            found[card.node.state] = found.get(card.node.state, 0) + 1
        return found

    def elapsed(self, now: datetime) -> float | None:
        """Seconds since the run began, to its end or to now; None before it began."""
        if self.run.started_at is None:
            return None
        return ((self.run.ended_at or now) - self.run.started_at).total_seconds()

    def upstream(self, node_id: str) -> list[Node]:
        """The nodes that this one waits for."""
        return self._across(edge.from_node for edge in self.edges if edge.to_node == node_id)

    def downstream(self, node_id: str) -> list[Node]:
        """The nodes that wait for this one."""
        return self._across(edge.to_node for edge in self.edges if edge.from_node == node_id)

    def failed(self) -> list[Card]:
        """The nodes that failed, in the plan's order."""
        return [card for card in self.ordered() if card.node.state is StepState.FAILED]

    def closing(self) -> Card | None:
        """The node whose summary is the run's result: the last step that completed."""
        done = [card for card in self.ordered() if card.node.state is StepState.COMPLETED]
        steps = [card for card in done if not _own(card.node)]
        sinks = [card for card in steps if all(map(_own, self.downstream(card.node.id)))]
        return (sinks or steps or [None])[-1]

    def models(self) -> str:
        """The model that the run was started with, or "?"."""
        chosen = self.run.options.get("models")
        if isinstance(chosen, dict):
            default = chosen.get("default") or next(iter(chosen.values()), None)
            if isinstance(default, str):
                return default
        single = self.run.options.get("model")
        return single if isinstance(single, str) else "?"

    def notice(self) -> str | None:
        """What must be said about where the answers come from, or None for a live model."""
        given = self.run.options.get("notice")
        if isinstance(given, str) and given:
            return given
        return "answers from a journal, no live model" if self.models().startswith("journal:") else None

    def over(self) -> bool:
        """Whether nothing more happens unless a person asks for it."""
        return self.run.state.terminal

    def can_pause(self) -> bool:
        """Whether pausing means something now."""
        return self.run.state in (RunState.PLANNING, RunState.EXECUTING, RunState.WAITING_APPROVAL)

    def _across(self, ids: Iterable[str]) -> list[Node]:
        return [self.cards[one].node for one in ids if one in self.cards]


_OWN = frozenset({"planning", "approval", "terminator"})


def _own(node: Node) -> bool:
    """Whether a node is the program's own, and no step."""
    return node.step in _OWN or node.kind is NodeKind.BRANCH_POINT
