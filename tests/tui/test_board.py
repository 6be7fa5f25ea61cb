"""The board is nothing but a fold over events: however it is come by, it says the same."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmbagent_tui.state.board import Board
from cmbagent_tui.state.fold import Changed, fold
from engine.model.events import Delta, Event, EventKind, Phase
from engine.model.records import ApprovalState, CostTotal, RunView
from engine.model.states import RunState, StepState
from tests.tui.conftest import engine_at
from tests.tui.seed import START, Seed


@dataclass
class Recorded:
    """Views of one run at several moments, the last at its end, and all its events."""

    views: list[RunView]
    events: list[Event]

    def board(self, at: int) -> Board:
        return Board.from_view(self.views[at])


@pytest.fixture(scope="module", params=[None, "fit_damped"], ids=["completes", "fails"])
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return asyncio.run(record(tmp_path_factory.mktemp("home"), request.param))


async def record(home: Path, fails: str | None) -> Recorded:
    engine = engine_at(home)
    await engine.open()
    views: list[RunView] = []
    seed = Seed(engine._store, engine._blobs)  # pyright: ignore[reportPrivateUsage]
    write = seed.store.commit

    async def commit_and_look(*changes: object, **options: object) -> None:
        await write(*changes, **options)  # type: ignore[arg-type]
        if await engine._store.find("runs", seed.run.id):  # pyright: ignore[reportPrivateUsage]
            views.append(await engine.view(seed.run.id))

    seed.store.commit = commit_and_look  # type: ignore[method-assign]
    await seed.finish(fails)
    events = await engine.events(seed.run.id, limit=10_000)
    await engine.close()
    return Recorded(views, events)


def test_every_moment_folded_on_is_the_end(recorded: Recorded) -> None:
    end = recorded.board(-1)
    for view in recorded.views:
        board = Board.from_view(view)
        fold(board, [event for event in recorded.events if event.seq > view.last_seq])
        assert comparable(board) == comparable(end), view.last_seq


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 200), max_size=8), again=st.integers(0, 40))
def test_batches_and_repetitions_make_no_difference(recorded: Recorded, cuts: list[int], again: int) -> None:
    board, whole = recorded.board(0), recorded.board(0)
    fold(whole, recorded.events)
    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), len(recorded.events)], strict=True):
        fold(board, recorded.events[max(0, start - again) : stop])
    assert comparable(board) == comparable(whole)


def comparable(board: Board) -> Board:
    """A board without what no event tells of, and no screen reads from it."""
    run, session = replace(board.run, plan=None), replace(board.session, updated_at=board.session.created_at)
    edges = sorted(board.edges, key=lambda edge: (edge.from_node, edge.to_node))
    return replace(board, run=run, session=session, edges=edges)


def test_only_touched_nodes_are_dirty(recorded: Recorded) -> None:
    board = recorded.board(0)
    for event in recorded.events:
        before = {node: replace(card) for node, card in board.cards.items()}
        changed = fold(board, [event])
        touched = {node for node, card in board.cards.items() if before.get(node) != card}
        assert touched <= changed.nodes, event.kind


def test_progress_and_ending(recorded: Recorded) -> None:
    end = recorded.board(-1)
    if end.run.state is RunState.COMPLETED:
        assert end.progress() == (7, 0, 7)
        assert end.failed() == []
        closing = end.closing()
        assert closing is not None and closing.node.step == "report"
    else:
        assert end.progress() == (2, 1, 7)
        assert [card.node.step for card in end.failed()] == ["fit_damped"]
        assert end.counts()[StepState.SKIPPED] == 5
    assert end.over() and not end.pending()


def test_time_is_asked_for_and_stands_still_after_the_end(recorded: Recorded) -> None:
    end = recorded.board(-1)
    assert end.elapsed(START) == end.elapsed(START.replace(year=2040))
    early = recorded.board(3)
    assert early.elapsed(START.replace(second=19)) == 10.0


def test_a_pending_approval_waits_until_it_is_settled(recorded: Recorded) -> None:
    board = recorded.board(0)
    seen: list[int] = []
    for event in recorded.events:
        fold(board, [event])
        seen.append(len(board.pending()))
    assert max(seen) == 1 and seen[-1] == 0
    assert [one.state for one in board.approvals.values()] == [ApprovalState.APPROVED]


def test_streamed_text_grows_until_the_call_ends(recorded: Recorded) -> None:
    board = recorded.board(-1)
    node = next(iter(board.cards))
    changed = fold(board, [Delta(board.run.id, node, "call", "Hel"), Delta(board.run.id, node, "call", "lo")])
    assert board.cards[node].stream == "Hello" and changed.streams == {node}
    last = recorded.events[-1]
    end = replace(
        last, kind=EventKind.MODEL_CALL, phase=Phase.END, span_id="call", node_id=node, seq=last.seq + 1, data={}
    )
    fold(board, [end])
    assert board.cards[node].stream == ""


def test_another_call_begins_anew_and_the_text_stays_bounded(recorded: Recorded) -> None:
    board = recorded.board(-1)
    node = next(iter(board.cards))
    fold(board, [Delta(board.run.id, node, "one", "first"), Delta(board.run.id, node, "two", "x" * 100_000)])
    assert set(board.cards[node].stream) == {"x"}
    assert len(board.cards[node].stream) <= 64_000


def test_an_unknown_price_is_never_nothing(recorded: Recorded) -> None:
    board = recorded.board(-1)
    before, last = board.cost, recorded.events[-1]
    event = replace(
        last,
        kind=EventKind.COST,
        seq=last.seq + 1,
        data={"model": "m", "prompt_tokens": 5, "completion_tokens": 6, "usd_micro": None},
    )
    fold(board, [event])
    assert board.cost == CostTotal(
        before.usd_micro, before.prompt_tokens + 5, before.completion_tokens + 6, before.calls + 1, 1
    )


def test_nothing_changed_is_false() -> None:
    assert not Changed()
    assert Changed(streams={"x"})
