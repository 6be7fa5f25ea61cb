"""The rows of the home screen: sessions, and the runs of those that are unfolded."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from cmbagent_tui.state.remembered import HomePlace, Place, Remembered
from cmbagent_tui.state.sessions import SessionTree, Spot
from engine.model.browsing import RunSummary
from engine.model.records import CostTotal, Mode, Run
from engine.model.states import RunState

AT = datetime(2031, 5, 6, tzinfo=UTC)


def runs(session: str, count: int) -> list[RunSummary]:
    made = [
        Run(f"{session}{n}", session, RunState.COMPLETED, Mode.ONE_SHOT, "t", {}, AT) for n in range(count)
    ]  # fmt: skip
    return [RunSummary(run, CostTotal(), 0, 0, 0) for run in made]


def tree(**unfolded: int) -> SessionTree:
    made = SessionTree()
    made.take(["a", "b", "c", "d"])
    for session, count in unfolded.items():
        made.unfold(session, runs(session, count))
    return made


def rows(of: SessionTree) -> list[str]:
    spots = [of.at(row) for row in range(of.count)]
    assert [of.row_of(spot) for spot in spots] == list(range(of.count))
    return [spot.run_id or spot.session_id for spot in spots]


def test_runs_stand_under_their_sessions() -> None:
    assert rows(tree()) == ["a", "b", "c", "d"]
    assert rows(tree(d=1, b=2)) == ["a", "b", "b0", "b1", "c", "d", "d0"]
    assert rows(tree(a=1, b=0, c=1)) == ["a", "a0", "b", "c", "c0", "d"]


def test_what_is_folded_away_or_gone_is_found_where_it_was() -> None:
    made = tree(a=2, b=1)
    made.fold("a")
    assert rows(made) == ["a", "b", "b0", "c", "d"]
    assert made.row_of(Spot("a", "a1")) == 0 and made.row_of(Spot("x")) is None
    made.take(["c", "b"])
    assert rows(made) == ["c", "b", "b0"]
    assert made.between(1, 99) == ["b"] and made.between(-5, 2) == ["c", "b"]
    assert made.is_last(Spot("b", "b0"))


def test_a_home_is_remembered_beside_the_runs(tmp_path: Path) -> None:
    first = Remembered(tmp_path)
    place = HomePlace("state:failed", "archived", "cost", True, "s", None, ("s", "t"))
    first.home = place
    first.put("run", Place(tab="code"))
    first.save()
    again = Remembered(tmp_path)
    assert again.home == place and again.get("run").tab == "code"
    (tmp_path / "home.json").write_text('{"nothing": 1}')
    assert Remembered(tmp_path).home == HomePlace()
