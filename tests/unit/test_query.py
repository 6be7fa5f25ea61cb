"""The language in which sessions are looked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cmbagent_tui.state.query import HINT, read_query
from engine.model.browsing import SessionFilter, Shelf
from engine.model.errors import UsageError
from engine.model.records import Mode
from engine.model.states import RunState

NOW = datetime(2031, 5, 6, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("", SessionFilter()),
        ("  damped   lens ", SessionFilter(words=("damped", "lens"))),
        ('"is it" damped', SessionFilter(words=("is it", "damped"))),
        ('"is it', SessionFilter(words=("is", "it"))),  # the closing mark is still to come
        ("don't", SessionFilter(words=("don't",))),
        ("10:30 a\\b", SessionFilter(words=("10:30", "a\\b"))),
        ("state:failed", SessionFilter(states=frozenset({RunState.FAILED}))),
        ("state:fa,pau", SessionFilter(states=frozenset({RunState.FAILED, RunState.PAUSED}))),
        ("state:w", SessionFilter(states=frozenset({RunState.WAITING_APPROVAL}))),
        ("state:waiting_approval", SessionFilter(states=frozenset({RunState.WAITING_APPROVAL}))),
        ("STATE:Running", SessionFilter(states=frozenset({RunState.PLANNING, RunState.EXECUTING}))),
        ("state:empty", SessionFilter(empty=True)),
        ("mode:one", SessionFilter(modes=frozenset({Mode.ONE_SHOT}))),
        ("tag:paper tag:x,y", SessionFilter(tags=("paper", "x", "y"))),
        ("since:7d", SessionFilter(since=NOW - timedelta(days=7))),
        ("before:12h fit", SessionFilter(words=("fit",), before=NOW - timedelta(hours=12))),
        ("is:archived", SessionFilter(shelf=Shelf.ARCHIVED)),
    ],
)
def test_it_is_understood(text: str, asked: SessionFilter) -> None:
    assert read_query(text, NOW) == asked


def test_a_day_begins_at_local_midnight() -> None:
    since = read_query("since:2031-01-31", NOW).since
    assert since is not None and since.astimezone() == datetime(2031, 1, 31).astimezone()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("state:odd", "no state:odd"),
        ("state:p", "planning or paused"),
        ("state:", "state: of what?"),
        ("mode:quick", "no mode:quick"),
        ("since:yesterday", "since:yesterday is no time"),
        ("since:2031-02-31", "no day 2031-02-31"),
        ("color:red", "no color:"),
        ("is:gone", "no is:gone"),
    ],
)
def test_what_makes_no_sense_is_said_in_words(text: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_query(text, NOW)
    assert said in refused.value.cause


def test_the_hint_is_a_query_itself() -> None:
    assert read_query(HINT, NOW).tags == ("x",)
