"""Pages of a run's timeline, by seq: each is a few statements that look at a bounded part of the run, however long."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from sqlalchemy import and_, exists, func, not_, or_, select, true
from sqlalchemy.engine import Connection
from sqlalchemy.sql.expression import ColumnElement, FromClause

from engine.model.events import Event, EventKind, Phase
from engine.model.records import AttemptState
from engine.model.timeline import EventFilter, Folding, TimelinePage
from storage import tables
from storage.codec import EVENT, micros

if TYPE_CHECKING:
    from engine.ports import Blobs

LOOKED_AT = 20_000  # events at most in one read: the rest is looked at in the next one
_DEEP = 6  # levels above an event that are followed
_K = EventKind
_E = tables.events


def page(
    connection: Connection,
    blobs: Blobs,
    run_id: str,
    *,
    after: int,
    before: int | None,
    newest: bool,
    limit: int,
    matching: EventFilter,
    folding: Folding,
) -> TimelinePage:
    """See engine.ports.SessionReads.timeline."""
    last = last_seq(connection, run_id)
    first, end = after + 1, last + 1 if before is None else min(before, last + 1)
    if newest:
        first = max(first, end - LOOKED_AT)
    else:
        end = min(end, first + LOOKED_AT)
    if end <= first or limit <= 0:
        return TimelinePage(newest=last, reached=end if newest else first - 1)
    where = [_E.c.run_id == run_id, _E.c.seq >= first, _E.c.seq < end, *_lines(matching, folding)]
    order = _E.c.seq.desc() if newest else _E.c.seq
    rows = connection.execute(select(*EVENT.columns).where(*where).order_by(order).limit(limit)).all()
    events = [EVENT.decode(row, blobs) for row in rows]
    full = len(events) == limit
    reached = events[-1].seq if full else first if newest else end - 1
    if newest:
        events.reverse()
    above = _above(connection, blobs, events)
    ends = {event.span_id: event for event in events if event.phase is Phase.END and event.span_id}
    open_ones = [event.id for event in events if event.phase is Phase.START]
    ends |= _ends(connection, blobs, open_ones)
    tried = {e.attempt_id for e in events if e.phase is Phase.START and e.id not in ends and e.attempt_id}
    return TimelinePage(tuple(events), ends, above, _over(connection, tried), last, reached)


def last_seq(connection: Connection, run_id: str) -> int:
    """The number of a run's newest event; 0 when it has none."""
    found = connection.execute(select(func.max(_E.c.seq)).where(_E.c.run_id == run_id)).scalar()
    return int(found or 0)


def seq_at(connection: Connection, run_id: str, at: datetime) -> int:
    """The first event that is not before a time, found by halves, since events are in order of time but for
    milliseconds; where all are before it, the newest."""
    low, high = 1, last_seq(connection, run_id)
    wanted = micros(at)
    while low < high:
        middle = (low + high) // 2
        found = connection.execute(select(_E.c.at).where(_E.c.run_id == run_id, _E.c.seq == middle)).scalar()
        if found is not None and found < wanted:
            low = middle + 1
        else:
            high = middle
    return low


# Which events are lines


def _lines(matching: EventFilter, folding: Folding) -> list[ColumnElement[bool]]:
    if not matching:
        opening = _E.c.phase != Phase.END.value
        return [opening, _seen(folding)] if folding else [opening]
    where: list[ColumnElement[bool]] = []
    if matching.node_ids is not None:
        where.append(_one_of(_E.c.node_id, sorted(matching.node_ids)))
    if matching.kinds:
        where.append(_one_of(_E.c.kind, sorted(kind.value for kind in matching.kinds)))
    if matching.agent:
        where.append(_E.c.agent.contains(matching.agent, autoescape=True))
    start = _E.alias()
    begun = exists(select(1).where(start.c.id == _E.c.span_id, _has(start, matching.words)))
    if matching.errors:
        where += [_wrong(), or_(_has(_E, matching.words), begun) if matching.words else true()]
    elif matching.words:
        where += [_has(_E, matching.words), or_(_E.c.phase != Phase.END.value, not_(begun))]
    else:
        where.append(_E.c.phase != Phase.END.value)
    return where


def _one_of(column: ColumnElement[str], values: Sequence[str]) -> ColumnElement[bool]:
    return column == values[0] if len(values) == 1 else column.in_(values)


def _has(events: FromClause, words: Iterable[str]) -> ColumnElement[bool]:
    """Every word occurs, whichever way its letters are written (of ASCII)."""
    c = events.c
    return and_(
        true(),
        *(
            or_(
                c.title.contains(word, autoescape=True),
                c.data.contains(json.dumps(word, ensure_ascii=False)[1:-1], autoescape=True),
                c.agent.contains(word, autoescape=True),
            )
            for word in words
        ),
    )


def _wrong() -> ColumnElement[bool]:
    """It tells of something that went wrong. In a text within JSON each quotation mark has a backslash before it, so
    that these are found only where they are keys."""
    kind, data = _E.c.kind, _E.c.data

    def says(text: str) -> ColumnElement[bool]:
        return data.contains(text, autoescape=True)

    code = kind == _K.CODE_EXEC.value
    return or_(
        kind.in_([_K.ERROR.value, _K.CONFLICT.value]),
        and_(kind.in_([_K.RUN_STATE.value, _K.NODE_STATE.value]), says('"after":"failed"')),
        and_(kind == _K.CHECK.value, says('"ok":false')),
        and_(
            _E.c.phase == Phase.END.value,
            or_(
                and_(code, or_(not_(says('"exit":0')), says('"timed_out":true'))),
                and_(not_(code), says('"ok":false')),
            ),
        ),
    )


def _seen(folding: Folding) -> ColumnElement[bool]:
    """Nothing that it hangs under is folded. The nearest is asked first: most need no other row."""

    def hides(span: ColumnElement[str | None]) -> ColumnElement[bool]:
        if folding.all:
            return and_(span.is_not(None), span.not_in(sorted(folding.spans)))
        return span.in_(sorted(folding.spans))

    over = [_E.alias() for _ in range(_DEEP - 1)]
    chain: FromClause = over[0]
    for lower, upper in pairwise(over):
        chain = chain.outerjoin(upper, upper.c.id == lower.c.parent_event_id)
    further = exists(
        select(1)
        .select_from(chain)
        .where(over[0].c.id == _E.c.parent_event_id, or_(*(hides(one.c.parent_event_id) for one in over)))
    )
    return or_(_E.c.parent_event_id.is_(None), and_(not_(hides(_E.c.parent_event_id)), not_(further)))


# What is needed to show them


def _above(connection: Connection, blobs: Blobs, events: list[Event]) -> dict[str, Event]:
    """The starts of ends, and what they and the others hang under, level by level."""
    known = {event.id: event for event in events}
    found: dict[str, Event] = {}
    wanted = {event.span_id for event in events if event.phase is Phase.END} | {e.parent_event_id for e in events}
    for _ in range(_DEEP):
        unknown = [one for one in wanted if one is not None and one not in known]
        found |= {one: known[one] for one in wanted if one in known}
        if not unknown:
            break
        read = _by(connection, blobs, _E.c.id.in_(unknown))
        known |= {event.id: event for event in read}
        found |= {event.id: event for event in read}
        wanted = {event.parent_event_id for event in read}
    return found


def _ends(connection: Connection, blobs: Blobs, starts: list[str]) -> dict[str, Event]:
    if not starts:
        return {}
    start, end = _E.alias(), _E.alias()
    closing = (
        select(end.c.seq)
        .where(
            end.c.run_id == start.c.run_id,
            end.c.kind == start.c.kind,
            end.c.seq > start.c.seq,
            end.c.span_id == start.c.id,
        )
        .order_by(end.c.seq)  # so that it is looked for from the start on, and mostly found at once
        .limit(1)
        .scalar_subquery()
    )
    pairs = connection.execute(select(start.c.run_id, closing).where(start.c.id.in_(starts))).all()
    seqs = [seq for _, seq in pairs if seq is not None]
    if not seqs:
        return {}
    read = _by(connection, blobs, _E.c.run_id == pairs[0][0], _E.c.seq.in_(seqs))
    return {event.span_id: event for event in read if event.span_id}


def _over(connection: Connection, attempts: set[str]) -> frozenset[str]:
    if not attempts:
        return frozenset()
    c = tables.attempts.c
    where = (c.id.in_(sorted(attempts)), c.state != AttemptState.RUNNING.value)
    return frozenset(connection.execute(select(c.id).where(*where)).scalars())


def _by(connection: Connection, blobs: Blobs, *where: ColumnElement[bool]) -> list[Event]:
    return [EVENT.decode(row, blobs) for row in connection.execute(select(*EVENT.columns).where(*where)).all()]
