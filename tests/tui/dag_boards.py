"""Boards of many steps, made of plain values, and an app that shows nothing but their DAG."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

from textual.app import App, ComposeResult

from cmbagent_tui.app import CockpitApp
from cmbagent_tui.messages import NodeHighlighted
from cmbagent_tui.state.board import Board, Card
from cmbagent_tui.themes import DARK
from cmbagent_tui.widgets.dag.pane import DagPane
from cmbagent_tui.widgets.dag.view import DagView
from engine.model.records import CostTotal, Edge, EdgeKind, Mode, Node, NodeKind, Run, Session
from engine.model.states import RunState, StepState
from tests.tui.seed import START

Pairs = Sequence[tuple[str, str]]


def step(name: str, position: int, state: StepState = StepState.PENDING, **rest: Any) -> Node:
    began = START if state not in (StepState.PENDING, StepState.SKIPPED) else None
    ended = START + timedelta(seconds=position % 200) if state.terminal and began else None
    rest = {"title": f"Step {name}", "agent": "engineer", "started_at": began, "ended_at": ended} | rest
    return Node(
        name,
        "s",
        "r",
        name,
        rest.pop("kind", NodeKind.STEP),
        rest.pop("title"),
        rest.pop("agent"),
        position,
        state,
        **rest,
    )


def edge(source: str, target: str, kind: EdgeKind = EdgeKind.SEQUENTIAL) -> Edge:
    return Edge("s", "r", source, target, kind)


def board_of(nodes: Sequence[Node], edges: Pairs, kinds: Mapping[str, EdgeKind] | None = None) -> Board:
    """A board whose edges have the kind that `kinds` gives for the node they lead to."""
    session = Session("s", "Many steps", Mode.PLANNING_CONTROL, "/research", START, START)
    run = Run("r", "s", RunState.EXECUTING, Mode.PLANNING_CONTROL, "Do it", {}, START, started_at=START)
    cards = {node.id: Card(node, attempt=1 if node.started_at else 0) for node in nodes}
    return Board(
        session, run, cards, [edge(a, b, (kinds or {}).get(b, EdgeKind.SEQUENTIAL)) for a, b in edges], {}, CostTotal()
    )


def many(count: int, abreast: int, seed: int = 1) -> Board:
    """Layers of steps, each waiting for one to three of the layer above; a twentieth wait for one far up too."""
    pick = random.Random(seed)
    names = [f"s{place:04}" for place in range(count)]
    layers = [names[place : place + abreast] for place in range(0, count, abreast)]
    edges = [
        (above, name)
        for upper, lower in pairwise(layers)
        for name in lower
        for above in pick.sample(upper, min(len(upper), pick.choice([1, 1, 2, 3])))
    ]
    for _ in range(count // 20):
        first, last = sorted(pick.sample(range(count), 2))
        if last - first > abreast:
            edges.append((names[first], names[last]))
    done = count * 2 // 5
    nodes = [
        step(
            name,
            place,
            StepState.FAILED if place % 97 == 50 and place < done
            else StepState.COMPLETED if place < done
            else StepState.RUNNING if place < done + abreast
            else StepState.PENDING,
        )
        for place, name in enumerate(names)
    ]  # fmt: skip
    return board_of(nodes, dict.fromkeys(edges))


class DagApp(App[None]):
    """The pane on the whole screen."""

    CSS_PATH = CockpitApp.CSS_PATH
    CSS = "#dag { border: round $primary; border-title-color: $primary; &.-plain { border: ascii $primary; } }"

    def __init__(self, board: Board, selected: str | None = None, *, ascii_only: bool = False) -> None:
        super().__init__()
        self.board, self._selected, self._ascii = board, selected, ascii_only
        self.highlighted: list[tuple[str, bool]] = []
        self.register_theme(DARK)
        self.theme = DARK.name

    def compose(self) -> ComposeResult:
        yield DagPane(lambda: START + timedelta(seconds=200), ascii_only=self._ascii, id="dag")

    def on_mount(self) -> None:
        pane = self.query_one(DagPane)
        pane.border_title = "1 Steps"
        pane.set_class(self._ascii, "-plain")
        pane.focus_inside()
        self.dag.show(self.board, self._selected)

    @property
    def dag(self) -> DagView:
        return self.query_one(DagView)

    def on_node_highlighted(self, message: NodeHighlighted) -> None:
        self.highlighted.append((message.node_id, message.by_hand))
