"""The DAG pane by keyboard: along edges, into steps, near one, to what is looked for; and what a change paints."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.geometry import Region

from cmbagent_tui.state.board import Card
from cmbagent_tui.state.fold import Changed
from cmbagent_tui.widgets.dag.view import DagView
from engine.model.records import CostTotal, NodeKind
from engine.model.states import StepState
from tests.tui.dag_boards import DagApp, board_of, edge, many, step
from tests.tui.looking import shows, text_of, until

WIDE, NARROW = (120, 40), (80, 24)
DIAMOND = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("a", "e"), ("e", "d")]


def diamond() -> DagApp:
    return DagApp(board_of([step(name, place) for place, name in enumerate("abced")], DIAMOND), "a")


def with_subs() -> DagApp:
    nodes = [step("a", 0, StepState.COMPLETED), step("b", 1, StepState.RUNNING), step("c", 2)]
    nodes += [
        step("b.write", 3, StepState.COMPLETED, kind=NodeKind.SUB_AGENT, parent_node_id="b", depth=1),
        step("b.run", 4, StepState.RUNNING, kind=NodeKind.SUB_AGENT, parent_node_id="b", depth=1),
        step("b.run.x", 5, kind=NodeKind.SUB_AGENT, parent_node_id="b.run", depth=2),
    ]
    return DagApp(board_of(nodes, [("a", "b"), ("b", "c"), ("b", "b.write"), ("b.write", "b.run")]), "b")


async def walk(app: DagApp, *keys: str, size: tuple[int, int] = WIDE) -> list[str | None]:
    path: list[str | None] = []
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.dag.drawing.spots)
        for key in keys:
            await pilot.press(key)
            path.append(app.dag.selected)
    return path


async def test_down_and_up_go_along_edges_even_past_layers() -> None:
    edges = [("a", "b"), ("b", "c"), ("c", "d"), ("x", "d")]
    app = DagApp(board_of([step(name, place) for place, name in enumerate("abcdx")], edges), "x")
    assert await walk(app, "j", "k", "g", "down", "down", "down", "down") == ["d", "c", "a", "b", "c", "d", "d"]


async def test_left_and_right_go_across_a_layer_and_stop_at_its_ends() -> None:
    app = diamond()
    path = await walk(app, "j", "h", "h", "h", "l", "right", "right", "right", "left")
    row = path[3], path[4], path[5]
    assert set(row) == {"b", "c", "e"}
    assert path[6] == path[7] == row[2] and path[8] == row[1]


async def test_in_a_list_left_and_right_go_along_edges() -> None:
    assert await walk(diamond(), "l", "l", "h", "j", "k", "G", "g", size=NARROW) == ["b", "d", "b", "c", "b", "d", "a"]


async def test_what_hangs_under_a_step_is_folded_until_asked_for() -> None:
    app = with_subs()
    async with app.run_test(size=WIDE) as pilot:
        await shows(pilot, "b ▸1/3")
        assert "b.run" not in text_of(app)
        await pilot.press("space")
        await shows(pilot, "b ▾1/3", "├╴✓ b.write", "b.run ▸0/1")
        assert "b.run.x" not in text_of(app)
        await pilot.press("j", "j")
        assert app.dag.selected == "b.run"
        await pilot.press("space")
        await shows(pilot, "╰╴○ b.run.x", "b.run ▾0/1")
        await pilot.press("j")
        assert app.dag.selected == "b.run.x"
        await pilot.press("j")
        assert app.dag.selected == "c"
        await pilot.press("k")
        assert app.dag.selected == "b.run.x"
        await pilot.press("U")
        await until(pilot, lambda: "b.write" not in text_of(app))
        assert app.dag.selected == "b", "the cursor is on what stands for the hidden node"
        await pilot.press("U")
        await shows(pilot, "b.run.x")


async def test_a_folded_step_counts_what_is_done_inside() -> None:
    app = with_subs()
    async with app.run_test(size=WIDE) as pilot:
        await shows(pilot, "b ▸1/3")
        card = app.board.cards["b.run.x"]
        card.node = replace(card.node, state=StepState.COMPLETED)
        app.dag.update_from(Changed(nodes={"b.run.x"}))
        await shows(pilot, "b ▸2/3")


async def test_a_hidden_step_that_is_followed_comes_to_light() -> None:
    app = with_subs()
    async with app.run_test(size=WIDE) as pilot:
        await shows(pilot, "b ▸1/3")
        app.dag.select("b.run.x")
        await until(pilot, lambda: app.highlighted)
        await shows(pilot, "╰╴○ b.run.x")
        assert app.dag.selected == "b.run.x" and app.highlighted == [("b.run.x", False)]


async def test_zoom_shows_what_is_near_and_leads_back() -> None:
    app = DagApp(many(200, 8), "s0100")
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: len(app.dag.drawing.spots) == 200)
        await pilot.press("z")
        await shows(pilot, "near s0100: ")
        near = len(app.dag.drawing.spots)
        assert 2 <= near < 12 and app.dag.selected == "s0100"
        await pilot.press("plus")
        await until(pilot, lambda: len(app.dag.drawing.spots) > near)
        await pilot.press("minus")
        await until(pilot, lambda: len(app.dag.drawing.spots) == near)
        await pilot.press("j")
        below = app.dag.selected
        assert below in app.dag.drawing.spots
        await pilot.press("escape")
        await until(pilot, lambda: len(app.dag.drawing.spots) == 200)
        assert app.dag.selected == below and "near" not in text_of(app)


async def test_a_step_that_is_followed_takes_the_zoom_along() -> None:
    app = DagApp(many(200, 8), "s0100")
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: len(app.dag.drawing.spots) == 200)
        await pilot.press("z")
        await shows(pilot, "near s0100: ")
        app.dag.select("s0190")
        await shows(pilot, "near s0190: ")
        assert "s0190" in app.dag.drawing.spots and "s0100" not in app.dag.drawing.spots


async def test_finding_goes_to_the_best_fit_and_through_all_of_them() -> None:
    app = DagApp(many(300, 5), "s0000")
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: len(app.dag.drawing.spots) == 300)
        await pilot.press("slash", *"s029")
        await shows(pilot, "of 10")
        assert app.dag.selected is not None and app.dag.selected.startswith("s029")
        await pilot.press("7")
        await until(pilot, lambda: app.dag.selected == "s0297")
        await pilot.press("backspace", "enter")
        await until(pilot, lambda: app.focused is app.dag)
        seen = {app.dag.selected}
        for _ in range(9):
            await pilot.press("n")
            seen.add(app.dag.selected)
        assert seen == {f"s{place:04}" for place in range(290, 300)}
        last = app.dag.selected
        await pilot.press("n", "N")
        assert app.dag.selected == last
        assert app.highlighted[-1] == (last, True)
        await pilot.press("escape", "n")
        assert app.dag.selected == last, "there is nothing to go on to once the search is left"


async def test_leaving_the_search_goes_back_to_where_one_was() -> None:
    app = DagApp(many(60, 5), "s0003")
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: app.dag.drawing.spots)
        await pilot.press("slash", *"s0055")
        await until(pilot, lambda: app.dag.selected == "s0055")
        await pilot.press("escape")
        await until(pilot, lambda: app.dag.selected == "s0003")
        assert app.focused is app.dag


async def test_letters_in_their_order_are_enough_when_nothing_else_fits() -> None:
    nodes = [step("fit_damped", 0), step("fit_undamped", 1), step("report", 2, title="Write it all up")]
    app = DagApp(board_of(nodes, []), "report")
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: app.dag.drawing.spots)
        await pilot.press("slash", *"fud")
        await until(pilot, lambda: app.dag.selected == "fit_undamped")
        await pilot.press("enter", "slash", *"write up")
        await until(pilot, lambda: app.dag.selected == "report")


async def test_the_frame_says_which_part_is_seen_and_a_map_shows_the_whole() -> None:
    app = DagApp(many(400, 8), "s0000")
    async with app.run_test(size=WIDE) as pilot:
        await shows(pilot, "rows 1-37 of ", "columns ")
        await pilot.press("G")
        height = app.dag.drawing.height
        await shows(pilot, f"-{height} of {height}")
        await pilot.press("m")
        await shows(pilot, "✗", "•", "·")
        await pilot.press("m")
        await until(pilot, lambda: "•" not in text_of(app))
    small = diamond()
    async with small.run_test(size=WIDE, notifications=True) as pilot:
        await until(pilot, lambda: small.dag.drawing.spots)
        assert "rows" not in text_of(small)
        await pilot.press("m")
        await shows(pilot, "All steps are on the screen")


async def test_a_list_on_demand_and_below_100_columns_and_in_ascii() -> None:
    app = diamond()
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: app.dag.drawing.height == 5)
        assert not app.dag.rail
        await pilot.press("v")
        await until(pilot, lambda: len(app.dag.drawing.rows) == 5)
        await pilot.press("v")
        await until(pilot, lambda: len(app.dag.drawing.rows) == 3)
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: len(app.dag.drawing.rows) == 5)
    plain = DagApp(board_of([step(name, place) for place, name in enumerate("abced")], DIAMOND), ascii_only=True)
    async with plain.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: len(plain.dag.drawing.rows) == 5)


@pytest.mark.parametrize("place", [0, 170, 340])
async def test_a_step_that_comes_in_moves_few_others_and_never_the_cursor(place: int) -> None:
    app = DagApp(many(400, 8), "s0180")
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: len(app.dag.drawing.spots) == 400)
        await pilot.pause()
        before = {name: spot.mark for name, spot in app.dag.drawing.spots.items()}
        seen_at = app.dag._seen_at()  # pyright: ignore[reportPrivateUsage]
        assert seen_at is not None
        new = step("new", 400)
        app.board.cards["new"] = Card(new)
        app.board.edges += [edge(f"s{place:04}", "new"), edge("new", f"s{place + 40:04}")]
        app.dag.update_from(Changed(nodes={"new"}, structure=True))
        await until(pilot, lambda: "new" in app.dag.drawing.spots)
        after = {name: spot.mark for name, spot in app.dag.drawing.spots.items()}
        moved = [name for name, mark in before.items() if after[name] != mark]
        assert len(moved) <= 20, moved
        assert app.dag.selected == "s0180"
        assert app.dag._seen_at() == seen_at  # pyright: ignore[reportPrivateUsage]


async def test_a_change_paints_one_row_and_none_off_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    app = DagApp(many(400, 8), "s0000")
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: len(app.dag.drawing.spots) == 400)
        await pilot.pause()
        painted: list[Region] = []
        refresh = DagView.refresh

        def noted(self: DagView, *regions: Region, **rest: bool) -> DagView:
            painted.extend(regions)
            return refresh(self, *regions, **rest)

        monkeypatch.setattr(DagView, "refresh", noted)
        for name in ("s0001", "s0399"):
            card = app.board.cards[name]
            card.node = replace(card.node, state=StepState.RUNNING)
            card.cost = CostTotal(1200, 10, 10, 1)
            app.dag.update_from(Changed(nodes={name}))
        assert [region.height for region in painted] == [1]


async def test_keys_that_can_do_nothing_say_why() -> None:
    app = diamond()
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await until(pilot, lambda: app.dag.drawing.spots)
        for key, said in (
            ("space", "Nothing hangs under this step"),
            ("U", "Nothing hangs under any step"),
            ("plus", "Press z first"),
            ("n", "Press / first"),
        ):
            await pilot.press(key)
            await shows(pilot, said)
