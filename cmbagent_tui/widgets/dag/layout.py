"""Which drawing a pane needs, and making it in slices beside the keys."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass, field

from cmbagent_tui.state.board import Card
from cmbagent_tui.widgets.dag.drawing import Drawing, draw
from cmbagent_tui.widgets.dag.labels import natural_width
from cmbagent_tui.widgets.dag.place import Columns
from cmbagent_tui.widgets.dag.rail import draw_rail
from cmbagent_tui.widgets.dag.scene import Scene, neighbourhood, scene_of
from engine.model.records import Edge


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a drawing depends on. `zoom` is a node and how many edges around it are shown."""

    cards: Sequence[Card]
    edges: Sequence[Edge]
    unfolded: Collection[str]
    zoom: tuple[str, int] | None
    rail: bool
    width: int


@dataclass(slots=True)
class Made:
    """A drawing and what it was made from."""

    drawing: Drawing = field(default_factory=Drawing)
    scene: Scene = field(default_factory=Scene)
    zoom: tuple[str, int] | None = None
    rail: bool = False
    width: int = 0

    @property
    def columns(self) -> Columns:
        """Where the next drawing finds what it should leave in place."""
        return self.drawing.columns


def make(wanted: Wanted, before: Made) -> Generator[None, None, Made | None]:
    """Make the drawing, or None where it would be the one that there is.

    In the same width everything stays where it was, as far as it can; in another it is laid out anew.
    """
    scene = scene_of(wanted.cards, wanted.edges, wanted.unfolded, _width_of(wanted.cards))
    yield
    if wanted.zoom is not None:
        centre, hops = wanted.zoom
        scene = scene.only(neighbourhood(scene.edges, centre, hops))
    same_place = (wanted.width, wanted.rail, wanted.zoom) == (before.width, before.rail, before.zoom)
    if same_place and (scene.blocks, scene.edges) == (before.scene.blocks, before.scene.edges):
        return None
    yield
    if wanted.rail:
        drawing = yield from draw_rail(scene, wanted.width)
    else:
        drawing = yield from draw(scene, wanted.width, before.columns if same_place else None)
    return Made(drawing, scene, wanted.zoom, wanted.rail, wanted.width)


def _width_of(cards: Sequence[Card]) -> Callable[[Card], int]:
    """The natural width of a card, with room for the mark of what hangs under it."""
    children: dict[str, int] = {}
    for card in cards:
        if parent := card.node.parent_node_id:
            children[parent] = children.get(parent, 0) + 1
    return lambda card: natural_width(card, children.get(card.node.id, 0))
