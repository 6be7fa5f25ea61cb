"""A run's DAG as an inline SVG: steps in layers from the top, each as deep as its longest way from a root."""

from __future__ import annotations

from collections import defaultdict
from xml.etree.ElementTree import Element, SubElement

from engine.model.checked import checked_steps, state_word
from engine.model.records import EdgeKind, Node, RunView

_WIDTH, _HEIGHT = 200, 46  # of a box, pixels
_ACROSS, _DOWN = 24, 40  # between boxes, between layers
_MARGIN = 8
_LETTERS = 24  # of a title that a box has room for
_MOST = 400  # nodes: of more, a picture tells nothing


def drawing(view: RunView) -> Element | None:
    """The picture, each box linked to its step's section; None when there is nothing to see, or too much."""
    if not 1 < len(view.nodes) <= _MOST:
        return None
    layers: dict[int, list[Node]] = defaultdict(list)
    for node, depth in _depths(view).items():
        layers[depth].append(next(one for one in view.nodes if one.id == node))
    widest = max(len(layer) for layer in layers.values())
    width = 2 * _MARGIN + widest * _WIDTH + (widest - 1) * _ACROSS
    height = 2 * _MARGIN + len(layers) * _HEIGHT + (len(layers) - 1) * _DOWN
    size = {"viewBox": f"0 0 {width} {height}", "width": str(width), "height": str(height)}
    picture = Element("svg", {**size, "role": "img", "aria-label": "The steps and what they wait for"})
    places: dict[str, tuple[float, float]] = {}
    for depth, layer in layers.items():
        across = len(layer) * _WIDTH + (len(layer) - 1) * _ACROSS
        for place, node in enumerate(sorted(layer, key=lambda one: one.position)):
            left = (width - across) / 2 + place * (_WIDTH + _ACROSS)
            places[node.id] = left, _MARGIN + depth * (_HEIGHT + _DOWN)
    for edge in view.edges:
        (left, top), (to_left, to_top) = places[edge.from_node], places[edge.to_node]
        start, end, middle = left + _WIDTH / 2, to_left + _WIDTH / 2, (top + _HEIGHT + to_top) / 2
        way = f"M{start:g} {top + _HEIGHT:g}C{start:g} {middle:g} {end:g} {middle:g} {end:g} {to_top:g}"
        dashed = edge.kind in (EdgeKind.CONDITIONAL, EdgeKind.OPTIONAL)
        SubElement(picture, "path", {"d": way, "class": "edge dashed" if dashed else "edge"})
    checked = checked_steps(view)
    for node in view.nodes:
        _box(picture, node, state_word(node, checked.get(node.id)), *places[node.id])
    return picture


def _depths(view: RunView) -> dict[str, int]:
    """The layer of each node: 0 for those that wait for nothing."""
    above: dict[str, list[str]] = defaultdict(list)
    below: dict[str, list[str]] = defaultdict(list)
    for edge in view.edges:
        above[edge.to_node].append(edge.from_node)
        below[edge.from_node].append(edge.to_node)
    missing = {node.id: len(above[node.id]) for node in view.nodes}
    ready = [one for one, count in missing.items() if count == 0]
    depths: dict[str, int] = {}
    while ready:
        node = ready.pop()
        depths[node] = max((depths[one] + 1 for one in above[node]), default=0)
        for one in below[node]:
            missing[one] -= 1
            if missing[one] == 0:
                ready.append(one)
    return depths


def _box(picture: Element, node: Node, state: str, left: float, top: float) -> None:
    link = SubElement(picture, "a", {"href": f"#{node.id}"})
    SubElement(link, "title").text = f"{node.step}: {node.title} ({state})"
    place = {"x": f"{left:g}", "y": f"{top:g}", "width": str(_WIDTH), "height": str(_HEIGHT), "rx": "6"}
    SubElement(link, "rect", {**place, "class": f"node {node.state.value}"})
    middle = {"x": f"{left + _WIDTH / 2:g}", "text-anchor": "middle"}
    short = node.title if len(node.title) <= _LETTERS else node.title[: _LETTERS - 1] + "…"
    SubElement(link, "text", {**middle, "y": f"{top + 20:g}"}).text = short
    SubElement(link, "text", {**middle, "y": f"{top + 36:g}", "class": "state"}).text = state
