"""The DAG's layout, without a terminal: pictures of small graphs, and what must hold for every one."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmbagent_tui.slices import at_once, in_slices
from cmbagent_tui.widgets.dag import drawing as drawings
from cmbagent_tui.widgets.dag import rail as rails
from cmbagent_tui.widgets.dag.canvas import DOWN, LEFT, RIGHT, UP
from cmbagent_tui.widgets.dag.drawing import Drawing
from cmbagent_tui.widgets.dag.graph import generations
from cmbagent_tui.widgets.dag.place import Columns, spread
from cmbagent_tui.widgets.dag.scene import Block, Scene
from engine.model.records import EdgeKind

Pairs = Sequence[tuple[str, str]]

DEMO = ["plan", "data", "undamped", "damped", "compare", "figure", "report"]
DEMO_EDGES = [
    ("plan", "data"),
    ("data", "undamped"),
    ("data", "damped"),
    ("undamped", "compare"),
    ("damped", "compare"),
    ("undamped", "figure"),
    ("damped", "figure"),
    ("compare", "report"),
    ("figure", "report"),
]


def scene(
    nodes: Mapping[str, int],
    edges: Pairs,
    under: Mapping[str, Pairs] | None = None,
    kinds: Mapping[str, str] | None = None,
) -> Scene:
    """A scene of nodes with their widths; `under` gives what hangs under one, with depths, `kinds` those of the edges
    into a node."""
    blocks = {
        name: Block(((name, 0), *((one, int(depth)) for one, depth in (under or {}).get(name, ()))), width)
        for name, width in nodes.items()
    }
    return Scene(blocks, {(a, b): (kinds or {}).get(b, EdgeKind.SEQUENTIAL.value) for a, b in edges})


def draw(nodes: Mapping[str, int], edges: Pairs, width: int, previous: Columns | None = None) -> Drawing:
    return at_once(drawings.draw(scene(nodes, edges), width, previous))


def draw_rail(nodes: Mapping[str, int], edges: Pairs, width: int) -> Drawing:
    return at_once(rails.draw_rail(scene(nodes, edges), width))


def picture(drawing: Drawing, ascii_only: bool = False) -> str:
    lines: list[str] = []
    for y in range(drawing.height):
        row = list(drawing.lines.text(y, 0, drawing.width, ascii_only))
        for node in drawing.rows.get(y, ()):
            spot = drawing.spots[node]
            row[spot.mark] = "o"
            text = node[: spot.width]
            row[spot.x : spot.x + len(text)] = text
        lines.append("".join(row).rstrip())
    return "\n".join(lines) + "\n"


def drawn(text: str) -> str:
    return dedent(text).lstrip("\n")


def test_a_research_plan() -> None:
    assert picture(draw(dict.fromkeys(DEMO, 14), DEMO_EDGES, 60)) == drawn("""
        o plan
        │
        o data
        ├───────────────╮
        o undamped      o damped
        ├───────────────┤
        o compare       o figure
        ├───────────────╯
        o report
        """)


def test_a_long_edge_goes_round_and_in_ascii_too() -> None:
    nodes = dict.fromkeys(["a", "b", "c"], 14)
    assert picture(draw(nodes, [("a", "b"), ("b", "c"), ("a", "c")], 60)) == drawn("""
        o a
        ├───────────────╮
        o b             │
        ├───────────────╯
        o c
        """)
    assert picture(draw(nodes, [("a", "b"), ("b", "c"), ("a", "c")], 60), ascii_only=True) == drawn("""
        o a
        +---------------+
        o b             |
        +---------------+
        o c
        """)


def test_the_rail() -> None:
    assert picture(draw_rail(dict.fromkeys(DEMO, 0), DEMO_EDGES, 30)) == drawn("""
        o     plan
        o     data
        ├─╮
        o │   undamped
        ├─│─╮
        │ o │ damped
        ├─┴─┤
        o   │ compare
        │   o figure
        ├───╯
        o     report
        """)


def test_a_node_that_comes_in_leaves_the_others_where_they_are() -> None:
    nodes = dict.fromkeys(DEMO, 14)
    before = draw(nodes, DEMO_EDGES, 80)
    after = draw({**nodes, "extra": 14}, [*DEMO_EDGES, ("data", "extra")], 80, before.columns)
    assert [after.spots[node].mark for node in DEMO] == [before.spots[node].mark for node in DEMO]


def test_what_hangs_under_a_step_is_listed_below_it() -> None:
    under = {"undamped": [("write", 1), ("run", 1), ("python", 2), ("check", 1)], "figure": [("draw", 1)]}
    nodes = dict.fromkeys(DEMO, 14)
    made = scene(nodes, DEMO_EDGES, {step: [(one, depth) for one, depth in rows] for step, rows in under.items()})
    assert picture(at_once(drawings.draw(made, 60))) == drawn("""
        o plan
        │
        o data
        ├───────────────╮
        o undamped      o damped
        ├╴o write       │
        ├╴o run         │
        │ ╰╴o python    │
        ├╴o check       │
        ├───────────────┤
        o compare       o figure
        │               ├╴o draw
        ├───────────────╯
        o report
        """)
    assert picture(at_once(rails.draw_rail(made, 30))) == drawn("""
        o     plan
        o     data
        ├─╮
        o │   undamped
        │ │   ├╴o write
        │ │   ├╴o run
        │ │   │ ╰╴o python
        │ │   ╰╴o check
        ├─│─╮
        │ o │ damped
        ├─┴─┤
        o   │ compare
        │   o figure
        │   │ ╰╴o draw
        ├───╯
        o     report
        """)


def test_kinds_of_edges_look_apart_with_and_without_box_characters() -> None:
    nodes = dict.fromkeys(["a", "b", "c", "d", "e", "f"], 14)
    kinds = {"b": "sequential", "c": "optional", "d": "optional", "e": "conditional", "f": "conditional"}
    made = scene(nodes, [("a", "b"), ("a", "c"), ("c", "d"), ("b", "e"), ("b", "f")], kinds=kinds)
    drawing = at_once(drawings.draw(made, 60))
    assert picture(drawing) == drawn("""
        o a
        ├┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈╮
        o b                             o c
        ├┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄╮               ┊
        o e             o f             o d
        """)
    assert picture(drawing, ascii_only=True) == drawn("""
        o a
        +...............................+
        o b                             o c
        +===============+               :
        o e             o f             o d
        """)


@st.composite
def graphs(pick: st.DrawFn) -> tuple[list[str], list[tuple[str, str]]]:
    count = pick(st.integers(1, 14))
    names = [f"n{place}" for place in range(count)]
    pairs = [(a, b) for place, a in enumerate(names) for b in names[place + 1 :]]
    edges = pick(st.lists(st.sampled_from(pairs), max_size=22, unique=True)) if pairs else []
    return names, edges


@settings(max_examples=150, deadline=None)
@given(graph=graphs(), width=st.integers(20, 120), rail=st.booleans())
def test_every_node_has_its_place_and_no_two_the_same(
    graph: tuple[list[str], list[tuple[str, str]]], width: int, rail: bool
) -> None:
    names, edges = graph
    drawing = (draw_rail if rail else draw)(dict.fromkeys(names, 20), edges, width)
    assert set(drawing.spots) == set(names)
    taken: set[tuple[int, int]] = set()
    for node, spot in drawing.spots.items():
        cells = {(x, spot.y) for x in range(spot.left, spot.right)}
        assert not taken & cells, node
        taken |= cells
        assert node in drawing.rows[spot.y]
        assert spot.left >= 0 and spot.right <= drawing.width and spot.y < drawing.height
    for source, target in edges:
        assert drawing.spots[source].y < drawing.spots[target].y


@settings(max_examples=60, deadline=None)
@given(graph=graphs(), place=st.integers(0, 13))
def test_what_comes_in_moves_nothing_across_that_has_room(
    graph: tuple[list[str], list[tuple[str, str]]], place: int
) -> None:
    names, edges = graph
    nodes = dict.fromkeys(names, 14)
    before = draw(nodes, edges, 600)
    more = [*edges, (names[min(place, len(names) - 1)], "new")]
    after = draw({**nodes, "new": 14}, more, 600, before.columns)
    assert {node: after.spots[node].mark for node in names} == {node: before.spots[node].mark for node in names}


@settings(max_examples=60, deadline=None)
@given(graph=graphs())
def test_slices_make_the_same_drawing(graph: tuple[list[str], list[tuple[str, str]]]) -> None:
    names, edges = graph
    made = scene(dict.fromkeys(names, 20), edges)
    assert asyncio.run(in_slices(drawings.draw(made, 80))).spots == at_once(drawings.draw(made, 80)).spots


@settings(max_examples=150, deadline=None)
@given(graph=graphs(), rail=st.booleans())
def test_a_line_leads_from_every_node_to_each_that_waits_for_it(
    graph: tuple[list[str], list[tuple[str, str]]], rail: bool
) -> None:
    names, edges = graph
    drawing = (draw_rail if rail else draw)(dict.fromkeys(names, 20), edges, 100)
    for source, target in edges:
        assert target in reached(drawing, source), picture(drawing)


def sides(drawing: Drawing, x: int, y: int) -> int:
    return drawing.lines.row(y).get(x, (0, 0))[0]


def reached(drawing: Drawing, source: str) -> set[str]:
    """The nodes that the lines below a node lead to: down, and along, never up."""
    marks = {(spot.mark, spot.y): node for node, spot in drawing.spots.items()}
    found: set[str] = set()
    start = drawing.spots[source]
    queue = [(start.mark, start.y, 0, 1)]
    seen: set[tuple[int, int, int, int]] = set()
    while queue:
        x, y, across, down = queue.pop()
        x, y = x + across, y + down
        if (x, y, across, down) in seen:
            continue
        seen.add((x, y, across, down))
        if (x, y) in marks:
            found.add(marks[x, y])
            if down and sides(drawing, x, y) & DOWN:
                queue.append((x, y, 0, 1))  # a shared lane goes on below
            continue
        mask = sides(drawing, x, y)
        if not mask:
            continue
        if across and mask == UP | DOWN:  # a line that passes over this one
            queue.append((x, y, across, 0))
            continue
        for bit, step in ((DOWN, (0, 1)), (LEFT, (-1, 0)), (RIGHT, (1, 0))):
            if mask & bit and step != (-across, -down):
                queue.append((x, y, *step))
    return found


def test_generations_keep_what_lies_on_a_cycle() -> None:
    assert generations(["a", "b", "c"], [("a", "b"), ("b", "c"), ("c", "b")]) == [["a"], ["b", "c"]]


@given(
    wanted=st.lists(st.floats(-50, 50), min_size=1, max_size=12),
    gap=st.floats(0, 10),
)
def test_places_keep_their_gaps_and_stay_at_home_when_they_can(wanted: list[float], gap: float) -> None:
    starts = [gap * place for place in range(len(wanted))]
    places = spread(wanted, starts, [1.0] * len(wanted), -1)
    assert all(b - a >= gap - 1e-6 for a, b in itertools.pairwise(places))
    if all(b - a >= gap for a, b in itertools.pairwise(wanted)):
        assert places == pytest.approx(wanted)


def test_a_thousand_nodes_side_by_side_or_in_a_row() -> None:
    names = [f"n{place}" for place in range(1000)]
    fan = draw(dict.fromkeys(["root", *names], 20), [("root", name) for name in names], 100)
    assert fan.height == 3
    chain = draw_rail(dict.fromkeys(names, 20), list(itertools.pairwise(names)), 80)
    assert chain.height == 1000 and not any(chain.lines.row(y) for y in range(1000))
