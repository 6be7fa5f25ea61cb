"""Browsing sessions: which match, in which order, and what is shown of a page of them and of their runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Column, case, func, or_, select
from sqlalchemy.engine import Connection
from sqlalchemy.sql.expression import ColumnElement

from engine.model.browsing import RunSummary, SessionFilter, SessionSort, Shelf
from engine.model.fuzzy import Fit, fit
from engine.model.records import ApprovalState, CostTotal, NodeKind, SessionSummary
from engine.model.states import RunState, StepState
from storage import tables
from storage.codec import RUN, SESSION, micros
from storage.reads import COST_SUMS, Reader

_s, _runs, _nodes = tables.sessions.c, tables.runs.c, tables.nodes.c
_costs, _approvals = tables.cost_records.c, tables.approvals.c
# What a person has to do with comes first, what is over last.
_RANKS = (
    RunState.WAITING_APPROVAL,
    RunState.EXECUTING,
    RunState.PLANNING,
    RunState.PAUSED,
    RunState.DRAFT,
    RunState.FAILED,
    RunState.CANCELLED,
    RunState.COMPLETED,
)


def order(connection: Connection, matching: SessionFilter, sort: SessionSort, descending: bool) -> list[str]:
    """The ids of all sessions that match, in order. Their titles and tags are looked at one by one for the words, so
    that a title need not be remembered to the letter; thousands take milliseconds."""
    statement = select(_s.id, _s.title, _s.tags).where(*_conditions(matching))
    keys = (_key(sort), _s.id)
    rows = connection.execute(statement.order_by(*(key.desc() if descending else key for key in keys))).all()
    if matching.tags:
        wanted = {tag.casefold() for tag in matching.tags}
        rows = [row for row in rows if wanted <= {tag.casefold() for tag in json.loads(row[2])}]
    if not matching.words:
        return [row[0] for row in rows]
    within = {word: _with_run(connection, word) for word in matching.words}
    scored: list[tuple[int, str]] = []
    for row in rows:
        score = _score(row, within)
        if score is not None:
            scored.append((score, row[0]))
    scored.sort(key=lambda one: one[0])
    return [identifier for _, identifier in scored]


def _conditions(matching: SessionFilter) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    match matching.shelf:
        case Shelf.CURRENT:
            where += [_s.archived_at.is_(None), _s.deleted_at.is_(None)]
        case Shelf.ARCHIVED:
            where += [_s.archived_at.is_not(None), _s.deleted_at.is_(None)]
        case Shelf.DELETED:
            where.append(_s.deleted_at.is_not(None))
        case Shelf.ALL:
            pass
    if matching.modes:
        where.append(_s.mode.in_([mode.value for mode in matching.modes]))
    if matching.since:
        where.append(_s.updated_at >= micros(matching.since))
    if matching.before:
        where.append(_s.updated_at < micros(matching.before))
    if matching.states or matching.empty:
        state = _last_state()
        ways = [state.in_([one.value for one in matching.states])] if matching.states else []
        where.append(or_(*ways, *([state.is_(None)] if matching.empty else [])))
    if matching.tags:
        where.append(_s.tags != "[]")
    return where


def _last_state() -> ColumnElement[Any]:
    newest = select(_runs.state).where(_runs.session_id == _s.id).order_by(_runs.id.desc()).limit(1)
    return newest.correlate(tables.sessions).scalar_subquery()


def _key(sort: SessionSort) -> ColumnElement[Any]:
    match sort:
        case SessionSort.UPDATED:
            return _s.updated_at
        case SessionSort.CREATED:
            return _s.created_at
        case SessionSort.TITLE:
            return func.lower(_s.title)
        case SessionSort.COST:
            total = select(func.coalesce(func.sum(_costs.usd_micro), 0)).where(_costs.session_id == _s.id)
            return total.correlate(tables.sessions).scalar_subquery()
        case SessionSort.STATE:
            ranks = {state.value: rank for rank, state in enumerate(_RANKS)}
            return case(ranks, value=_last_state(), else_=len(ranks))


def _with_run(connection: Connection, word: str) -> frozenset[str]:
    """The sessions that have a run in whose task, branch name or hypothesis a word occurs."""
    columns = (_runs.task, _runs.branch_name, _runs.hypothesis)
    found = select(_runs.session_id).where(or_(*(one.icontains(word, autoescape=True) for one in columns)))
    return frozenset(row[0] for row in connection.execute(found.distinct()))


def _score(row: Sequence[Any], within: dict[str, frozenset[str]]) -> int | None:
    """How well a session fits all words, or None. Its title counts most, what its runs say least."""
    identifier, title, tags = row
    total = 0
    for word, sessions in within.items():
        scores = [found.score for found in (fit(word, title), *_in_tags(word, tags)) if found]
        if identifier in sessions or _in_id(word, identifier):
            scores.append(2)
        if not scores:
            return None
        total += min(scores)
    return total


def _in_tags(word: str, tags: str) -> Iterable[Fit | None]:
    return () if tags == "[]" else (fit(word, tag) for tag in json.loads(tags))


def _in_id(word: str, identifier: str) -> bool:
    if not re.fullmatch(r"[0-9a-fA-F-]{4,36}", word):
        return False
    return word.replace("-", "").lower() in identifier.replace("-", "")


def summaries(reader: Reader, connection: Connection, session_ids: Sequence[str]) -> list[SessionSummary]:
    """What is shown of a page of sessions, in the given order, in six queries however long it is."""
    if not session_ids:
        return []
    found = {one.id: one for one in reader.all(connection, SESSION, _s.id.in_(session_ids))}

    def found_of(
        column: Column[str], *what: ColumnElement[Any], where: Sequence[ColumnElement[bool]] = ()
    ) -> Sequence[Any]:
        statement = select(column, *what).where(column.in_(session_ids), *where).group_by(column)
        return connection.execute(statement).all()

    counted = {row[0]: int(row[1]) for row in found_of(_runs.session_id, func.count())}
    newest_ids = [str(row[1]) for row in found_of(_runs.session_id, func.max(_runs.id))]
    newest = {run.session_id: run for run in reader.all(connection, RUN, _runs.id.in_(newest_ids))}
    sums = {row[0]: CostTotal(*row[1:]) for row in found_of(_costs.session_id, *COST_SUMS)}
    waiting = _approvals.state == ApprovalState.PENDING.value
    pending = {row[0]: int(row[1]) for row in found_of(_approvals.session_id, func.count(), where=[waiting])}
    steps = _steps(connection, newest_ids)
    made: list[SessionSummary] = []
    for session in (found[one] for one in session_ids if one in found):
        run = newest.get(session.id)
        done, total = steps.get(run.id, (0, 0)) if run else (0, 0)
        cost = sums.get(session.id, CostTotal())
        made.append(
            SessionSummary(session, counted.get(session.id, 0), run, cost, pending.get(session.id, 0), done, total)
        )
    return made


def run_summaries(reader: Reader, connection: Connection, session_id: str, limit: int) -> list[RunSummary]:
    """The newest runs of a session, newest first."""
    runs = reader.all(connection, RUN, _runs.session_id == session_id, order=[_runs.id.desc()], limit=limit)
    ids = [run.id for run in runs]
    steps = _steps(connection, ids)
    costs = select(_costs.run_id, *COST_SUMS).where(_costs.run_id.in_(ids)).group_by(_costs.run_id)
    sums = {row[0]: CostTotal(*row[1:]) for row in connection.execute(costs)}
    is_pending = _approvals.state == ApprovalState.PENDING.value
    waiting = select(_approvals.run_id, func.count()).where(_approvals.run_id.in_(ids), is_pending)
    pending = {row[0]: int(row[1]) for row in connection.execute(waiting.group_by(_approvals.run_id))}
    return [
        RunSummary(run, sums.get(run.id, CostTotal()), *steps.get(run.id, (0, 0)), pending.get(run.id, 0))
        for run in runs
    ]


def _steps(connection: Connection, run_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """How many steps of each run are completed, and how many there are."""
    done = func.sum(case((_nodes.state == StepState.COMPLETED.value, 1), else_=0))
    statement = select(_nodes.run_id, done, func.count()).where(
        _nodes.run_id.in_(run_ids), _nodes.kind == NodeKind.STEP.value, _nodes.parent_node_id.is_(None)
    )
    return {row[0]: (int(row[1]), int(row[2])) for row in connection.execute(statement.group_by(_nodes.run_id))}
