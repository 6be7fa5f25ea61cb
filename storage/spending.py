"""What was spent, summed by the database: one read however many costs there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy import func, literal_column, select
from sqlalchemy.engine import Connection
from sqlalchemy.sql.expression import ColumnElement

from engine.model.options import RunOptions
from engine.model.records import AttemptState, CostTotal, Json
from engine.model.spending import Budget, Grouping, Spending, SpendingFilter, SpendingLine, SpendingPoint, Spent
from engine.model.text import one_line
from storage import tables
from storage.codec import RUN, moment
from storage.reads import COST_SUMS, Reader

_costs, _attempts = tables.cost_records.c, tables.attempts.c
_with_attempts = tables.cost_records.outerjoin(tables.attempts, _attempts.id == _costs.attempt_id)
_SECOND, _DAY = 1_000_000, 86_400_000_000  # microseconds
_FIRST_DAY = date(1970, 1, 1)
_DAYS, _PARTS = 120, 48  # points at most: of days, and of a short run's time
_FEW_DAYS = 7  # from which on a run is shown by day
_TITLE = 200  # characters

_KEYS: dict[Grouping, ColumnElement[Any]] = {
    Grouping.SESSION: _costs.session_id,
    Grouping.RUN: _costs.run_id,
    Grouping.STEP: func.coalesce(_costs.node_id, literal_column("''")),
    Grouping.AGENT: _costs.agent,
    Grouping.MODEL: _costs.model,
    Grouping.DAY: _costs.at // _DAY,
}
_has_failed = _attempts.state.in_([AttemptState.FAILED.value, AttemptState.LOST.value])
_is_again = _attempts.number > 1


def _sums(only: ColumnElement[bool] | None = None) -> list[ColumnElement[Any]]:
    """The columns of a CostTotal, of those rows alone for which something holds."""
    if only is None:
        return COST_SUMS
    usd, known = _costs.usd_micro, func.count(_costs.usd_micro).filter(only)
    tokens = (_costs.prompt_tokens, _costs.completion_tokens)
    added = [func.coalesce(func.sum(one).filter(only), 0) for one in (usd, *tokens)]
    return [*added, func.count().filter(only), func.count().filter(only) - known]


_SPENT = [*_sums(), func.coalesce(func.sum(_costs.cached_tokens), 0), *_sums(_has_failed), *_sums(_is_again)]


def _spent(row: Sequence[Any]) -> Spent:
    numbers = [int(one) for one in row]
    return Spent(CostTotal(*numbers[:5]), numbers[5], CostTotal(*numbers[6:11]), CostTotal(*numbers[11:16]))


def spending(reader: Reader, connection: Connection, by: Grouping, matching: SpendingFilter, limit: int) -> Spending:
    """See engine.ports.Store.spending."""
    where = _conditions(matching)
    key = _KEYS[by].label("grouped")
    whole = select(func.min(_costs.at), func.max(_costs.at), func.count(_KEYS[by].distinct()), *_SPENT)
    summed: list[Any] = list(connection.execute(whole.select_from(_with_attempts).where(*where)).one())
    total = _spent(summed[3:])
    if by is Grouping.DAY:
        order = [key.desc()]
    else:
        usd, prompt, completion, _, unknown = COST_SUMS
        order = [usd.desc(), unknown.desc(), (prompt + completion).desc(), key]
    grouped = select(key, *_SPENT).select_from(_with_attempts).where(*where).group_by("grouped")
    rows = connection.execute(grouped.order_by(*order).limit(max(0, limit))).all()
    found = {row[0]: _spent(row[1:]) for row in rows}
    every, points = timedelta(days=1), tuple[SpendingPoint, ...]()
    if total.cost.calls:
        first, last = int(summed[0]), int(summed[1])
        short = matching.run_id is not None and last - first < _FEW_DAYS * _DAY
        width = max(_SECOND, (last - first) // _PARTS + 1) if short else _DAY
        every, points = timedelta(microseconds=width), _points(connection, where, first, last, width)
    return Spending(
        by,
        total,
        _lines(reader, connection, by, found),
        total.without(found.values()),
        int(summed[2]) - len(found),
        points,
        every,
        _budget(reader, connection, matching.run_id, total.cost),
    )


def _conditions(matching: SpendingFilter) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if matching.session_id is not None:
        where.append(_costs.session_id == matching.session_id)
    if matching.run_id is not None:
        where.append(_costs.run_id == matching.run_id)
    return where


def _points(
    connection: Connection, where: Sequence[ColumnElement[bool]], first: int, last: int, width: int
) -> tuple[SpendingPoint, ...]:
    """What was spent in each piece of time; of days the newest ones, which are whole days."""
    begin = first
    if width == _DAY:
        newest = last // _DAY
        begin = max(first // _DAY, newest - _DAYS + 1) * _DAY
    piece = ((_costs.at - begin) // width).label("piece")
    statement = select(piece, *COST_SUMS).where(*where, _costs.at >= begin).group_by("piece")
    sums = {int(row[0]): CostTotal(*map(int, row[1:])) for row in connection.execute(statement)}
    places = range((last - begin) // width + 1)
    return tuple(SpendingPoint(moment(begin + one * width), sums.get(one, CostTotal())) for one in places)


def _budget(reader: Reader, connection: Connection, run_id: str | None, spent: CostTotal) -> Budget | None:
    c = tables.runs.c
    options = connection.execute(select(c.options).where(c.id == run_id)).scalar() if run_id else None
    return _within(RUN.decode_field("options", options, reader.blobs) or {}, spent)


def _within(options: Json, spent: CostTotal) -> Budget | None:
    ceilings = replace(RunOptions.from_json(options).ceilings, seconds=None)
    return Budget(ceilings, spent) if ceilings.any else None


def _lines(reader: Reader, connection: Connection, by: Grouping, found: dict[Any, Spent]) -> tuple[SpendingLine, ...]:
    """The lines, with what their sessions, runs and steps are called."""
    match by:
        case Grouping.SESSION:
            c = tables.sessions.c
            rows = connection.execute(select(c.id, c.title).where(c.id.in_(found)))
            titles = {row[0]: one_line(row[1], _TITLE) for row in rows}
            return tuple(SpendingLine(key, spent, titles.get(key, "")) for key, spent in found.items())
        case Grouping.RUN:
            return _runs(reader, connection, found)
        case Grouping.STEP:
            c = tables.nodes.c
            rows = connection.execute(select(c.id, c.step, c.title, c.run_id).where(c.id.in_(found)))
            nodes = {row[0]: (one_line(row[1], _TITLE), one_line(row[2], _TITLE), str(row[3])) for row in rows}
            none = ("", "", None)
            return tuple(SpendingLine(key, spent, *nodes.get(key, none)) for key, spent in found.items())
        case Grouping.DAY:
            days = {key: (_FIRST_DAY + timedelta(days=int(key))).isoformat() for key in found}
            return tuple(SpendingLine(days[key], spent) for key, spent in found.items())
        case Grouping.AGENT | Grouping.MODEL:
            return tuple(SpendingLine(str(key), spent) for key, spent in found.items())


def _runs(reader: Reader, connection: Connection, found: dict[Any, Spent]) -> tuple[SpendingLine, ...]:
    c = tables.runs.c
    rows = connection.execute(select(c.id, c.branch_name, c.task, c.options).where(c.id.in_(found))).all()
    tasks = {row[0]: row[1] or RUN.decode_field("task", row[2], reader.blobs) for row in rows}
    options: dict[str, Json] = {row[0]: RUN.decode_field("options", row[3], reader.blobs) for row in rows}
    return tuple(
        SpendingLine(
            run_id,
            spent,
            one_line(tasks.get(run_id, ""), _TITLE),
            run_id=run_id,
            budget=_within(options.get(run_id, {}), spent.cost),
        )
        for run_id, spent in found.items()
    )
