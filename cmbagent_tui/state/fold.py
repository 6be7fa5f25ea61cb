"""Folding events into a Board, one small function a kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from cmbagent_tui.state.board import Asked, Board, Card
from engine.model.checked import Checked
from engine.model.events import Delta, Event, EventKind, Phase
from engine.model.records import ApprovalState, CostTotal, Edge, EdgeKind, Node, NodeKind
from engine.model.states import RunState, StepState

STREAM_KEPT = 64_000  # characters of streamed text that stay on the screen; the whole is stored when the call ends


@dataclass(slots=True)
class Changed:
    """What a fold touched, so that a widget repaints only that."""

    nodes: set[str] = field(default_factory=set[str])
    streams: set[str] = field(default_factory=set[str])  # nodes whose streamed text grew or ended
    structure: bool = False  # nodes or edges came
    run: bool = False
    approvals: bool = False
    events: bool = False
    _links: set[tuple[str, str]] | None = field(default=None, repr=False, compare=False)

    def links(self, board: Board) -> set[tuple[str, str]]:
        """The pairs of nodes that have an edge: looked through once a fold, however many nodes come in."""
        if self._links is None:
            self._links = {(edge.from_node, edge.to_node) for edge in board.edges}
        return self._links

    def __bool__(self) -> bool:
        return bool(self.nodes or self.streams or self.structure or self.run or self.approvals or self.events)


def fold(board: Board, items: Iterable[Event | Delta], changed: Changed | None = None) -> Changed:
    """Fold items in, in order; what is already in the board (by sequence number) is left out."""
    changed = changed or Changed()
    for item in items:
        if isinstance(item, Delta):
            _delta(board, item, changed)
        elif item.seq > board.last_seq:
            board.last_seq = item.seq
            changed.events = True
            if step := _BY_KIND.get(item.kind):
                step(board, item, changed)
    return changed


def wrote(board: Board, paths: Mapping[str, frozenset[str]]) -> Changed:
    """Fold in which files each node has written, read beside the events."""
    changed = Changed()
    for node_id, files in paths.items():
        card = board.cards.get(node_id)
        if card is not None and not files <= card.files:
            card.files |= files
            changed.nodes.add(node_id)
    return changed


def _delta(board: Board, delta: Delta, changed: Changed) -> None:
    card = board.cards.get(delta.node_id)
    if card is None:
        return
    if card.stream_id != delta.event_id:
        card.stream, card.stream_id = "", delta.event_id
    card.stream = (card.stream + delta.text)[-STREAM_KEPT:]
    changed.streams.add(delta.node_id)


def _run_state(board: Board, event: Event, changed: Changed) -> None:
    after = RunState(event.data["after"])
    run = board.run
    started = run.started_at
    if started is None and after in (RunState.PLANNING, RunState.EXECUTING):
        started = event.at
    board.run = replace(
        run,
        state=after,
        started_at=started,
        ended_at=event.at if after.terminal else None,
        error=_text(event.data.get("error")) if after.terminal else None,
    )
    changed.run = True


def _node(board: Board, event: Event, changed: Changed) -> None:
    data = event.data
    known = {one.name for one in fields(Node)}
    values: dict[str, Any] = {name: value for name, value in data.items() if name in known}
    values |= {
        "session_id": event.session_id,
        "run_id": event.run_id,
        "kind": NodeKind(data["kind"]),
        "state": StepState(data.get("state", StepState.PENDING)),
    }
    node = Node(**values)
    if node.id in board.cards:
        board.cards[node.id].node = replace(
            node, started_at=board.cards[node.id].node.started_at, ended_at=board.cards[node.id].node.ended_at
        )
    else:
        board.cards[node.id] = Card(node)
    present = changed.links(board)
    for source, target, kind in data.get("edges", ()):
        if (source, target) not in present:
            present.add((source, target))
            board.edges.append(Edge(event.session_id, event.run_id, source, target, EdgeKind(kind)))
    changed.nodes.add(node.id)
    changed.structure = True


def _node_state(board: Board, event: Event, changed: Changed) -> None:
    card = board.cards.get(event.node_id or "")
    if card is None:
        return
    after = StepState(event.data["after"])
    node = card.node
    started = node.started_at
    if after is StepState.RUNNING:
        started = event.at
    card.node = replace(
        node,
        state=after,
        started_at=started,
        ended_at=event.at if after.terminal else None,
        error=_text(event.data.get("error")) if after.terminal else None,
    )
    checks = event.data.get("checks")
    card.checked = Checked.from_json(checks) if checks and after is StepState.COMPLETED else None
    number = event.data.get("attempt")
    if isinstance(number, int) and number > card.attempt:
        card.attempt = number
    if after.terminal:
        card.stream, card.stream_id = "", None
    changed.nodes.add(node.id)


def _agent_call(board: Board, event: Event, changed: Changed) -> None:
    card = board.cards.get(event.node_id or "")
    number = event.data.get("attempt")
    if card is not None and isinstance(number, int) and number > card.attempt:
        card.attempt = number
        changed.nodes.add(card.node.id)


def _streamed(board: Board, event: Event, changed: Changed) -> None:
    """What came in piece by piece is stored once it has ended."""
    card = board.cards.get(event.node_id or "")
    if card is not None and event.phase is Phase.END and card.stream_id == event.span_id:
        card.stream, card.stream_id = "", None
        changed.streams.add(card.node.id)


def _file_gen(board: Board, event: Event, changed: Changed) -> None:
    card = board.cards.get(event.node_id or "")
    path = event.data.get("path")
    if card is None or not isinstance(path, str):
        return
    if event.data.get("change") != "deleted":
        card.files |= {path}
        changed.nodes.add(card.node.id)


def _cost(board: Board, event: Event, changed: Changed) -> None:
    board.cost = _plus(board.cost, event)
    if card := board.cards.get(event.node_id or ""):
        card.cost = _plus(card.cost, event)
        changed.nodes.add(card.node.id)
    changed.run = True


def _plus(total: CostTotal, event: Event) -> CostTotal:
    amount = event.data.get("usd_micro")
    return CostTotal(
        usd_micro=total.usd_micro + (amount or 0),
        prompt_tokens=total.prompt_tokens + (event.data.get("prompt_tokens") or 0),
        completion_tokens=total.completion_tokens + (event.data.get("completion_tokens") or 0),
        calls=total.calls + 1,
        unknown_calls=total.unknown_calls + (amount is None),
    )


def _approval(board: Board, event: Event, changed: Changed) -> None:
    data = event.data
    identifier = data.get("approval")
    if isinstance(identifier, str):
        state = ApprovalState(data.get("state", ApprovalState.PENDING))
        asked = Asked(identifier, str(data.get("kind", "plan")), str(data.get("title", "")), state)
        board.approvals[identifier] = asked
        changed.approvals = True
    if isinstance(ceilings := data.get("ceilings"), dict):
        board.run = replace(board.run, options={**board.run.options, **ceilings})
        changed.run = True


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


_BY_KIND: dict[EventKind, Callable[[Board, Event, Changed], None]] = {
    EventKind.RUN_STATE: _run_state,
    EventKind.NODE: _node,
    EventKind.NODE_STATE: _node_state,
    EventKind.AGENT_CALL: _agent_call,
    EventKind.MODEL_CALL: _streamed,
    EventKind.CODE_EXEC: _streamed,
    EventKind.FILE_GEN: _file_gen,
    EventKind.COST: _cost,
    EventKind.APPROVAL: _approval,
}
