"""Commands that only look: sessions, runs, show, approvals."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from datetime import UTC, datetime

from cmbagent_tui.commands.common import out, out_json, with_engine
from cmbagent_tui.commands.report import dag_lines, event_line, run_lines
from cmbagent_tui.state.query import read_query
from cmbagent_tui.words import age
from engine import exports
from engine.engine import Engine
from engine.model.browsing import SessionFilter, SessionSort, Shelf
from engine.model.errors import UsageError
from engine.model.events import Event, EventKind
from engine.model.ids import short
from engine.model.money import decimal_usd
from engine.model.records import Json
from engine.model.states import RunState


def sessions(arguments: Namespace) -> int:
    """List sessions."""

    matching = _matching(arguments)
    sort = _sort(arguments.sort)

    async def use(engine: Engine) -> None:
        ids = await engine.browse(matching, sort, descending=sort.descends is not arguments.reverse)
        found = await engine.summaries(ids[: max(0, arguments.limit)])
        if arguments.json:
            out_json({"sessions": [exports.session_line(one) for one in found]})
            return
        for one in found:
            session = one.session
            state = one.last_run.state.value if one.last_run else "empty"
            since = age(session.updated_at, datetime.now(UTC))
            shelf = "deleted " if session.deleted_at else "archived " if session.archived_at else ""
            tags = "".join(f"  #{tag}" for tag in session.tags)
            out(f"{short(session.id)}  {state:<16}  {session.mode.value:<17}  {since:>7}  {shelf}{session.title}{tags}")

    with_engine(use)
    return 0


def _matching(arguments: Namespace) -> SessionFilter:
    """What the options ask for. A query's own words beat the options."""
    matching = read_query(arguments.match or "", datetime.now(UTC))
    if matching.shelf is Shelf.CURRENT:
        ways = {Shelf.ALL: arguments.all, Shelf.ARCHIVED: arguments.archived, Shelf.DELETED: arguments.deleted}
        matching = replace(matching, shelf=next((shelf for shelf, asked in ways.items() if asked), Shelf.CURRENT))
    return replace(matching, tags=(*matching.tags, *arguments.tag))


def _sort(name: str) -> SessionSort:
    try:
        return SessionSort(name)
    except ValueError:
        raise UsageError(f"sessions cannot be sorted by {name!r}", f"There are {', '.join(SessionSort)}.") from None


def runs(arguments: Namespace) -> int:
    """List runs."""

    async def use(engine: Engine) -> None:
        session_id = (await engine.identify("sessions", arguments.session))[0] if arguments.session else None
        found = await engine.runs(session_id=session_id, limit=arguments.limit)
        if arguments.json:
            out_json({"runs": [exports.run_line(one) for one in found]})
            return
        for one in found:
            since, task = age(one.created_at, datetime.now(UTC)), " ".join(one.task.split())[:80]
            replay = f"(replay of {short(one.replay_of)}) " if one.replay_of else ""
            out(f"{short(one.id)}  {one.state.value:<16}  {since:>7}  {replay}{task}")

    with_engine(use)
    return 0


def show(arguments: Namespace) -> int:
    """Show a run, or one side of it; with --follow until it is over."""

    async def use(engine: Engine) -> None:
        run_id, _ = await engine.identify("runs", arguments.run)
        if arguments.follow:
            await _follow(engine, run_id, arguments.json)
            return
        view = await engine.view(run_id)
        match arguments.what:
            case "events":
                await _all_events(engine, run_id, arguments.json)
            case "files":
                rows = [exports.artifact_json(one) for one in view.artifacts]
                _rows("files", rows, ("sha256", "size", "agent", "path"), arguments.json)
            case "messages":
                rows = [exports.message_json(one) for one in await engine.messages(run_id, limit=100_000)]
                _rows("messages", rows, ("at", "sender", "role", "content"), arguments.json)
            case "cost":
                nodes = [
                    {"step": node.step, **exports.cost_json(view.node_cost[node.id])}
                    for node in view.nodes
                    if node.id in view.node_cost
                ]
                if arguments.json:
                    out_json({"cost": exports.cost_json(view.cost), "nodes": nodes})
                else:
                    _rows("nodes", nodes, ("step", "usd", "prompt_tokens", "completion_tokens", "unknown_calls"), False)
                    out(f"total  ${decimal_usd(view.cost.usd_micro)}  {view.cost.unknown_calls} calls of unknown price")
            case "dag":
                data = exports.run_json(view)
                if arguments.json:
                    out_json({"nodes": data["nodes"], "edges": data["edges"]})
                else:
                    out("\n".join(dag_lines(view)))
            case _:
                comparison = await engine.comparison(run_id)
                if arguments.json:
                    out_json(exports.run_json(view, comparison))
                else:
                    out("\n".join(run_lines(view, comparison)))

    with_engine(use)
    return 0


def approvals(arguments: Namespace) -> int:
    """List what waits for a person."""

    async def use(engine: Engine) -> None:
        found = await engine.approvals()
        if arguments.json:
            out_json({"approvals": [exports.approval_json(one) for one in found]})
            return
        for one in found:
            since = age(one.created_at, datetime.now(UTC))
            out(f"{short(one.id)}  run {short(one.run_id)}  {one.kind:<8}  {since:>7}  {one.title}")

    with_engine(use)
    return 0


async def _all_events(engine: Engine, run_id: str, as_json: bool) -> None:
    after, events = 0, list[Json]()
    while page := await engine.events(run_id, after=after, limit=1000):
        after = page[-1].seq
        for event in page:
            if as_json:
                events.append(exports.event_json(event))
            else:
                out(event_line(event))
    if as_json:
        out_json({"events": events})


async def _follow(engine: Engine, run_id: str, as_json: bool) -> None:
    subscription = engine.subscribe(run_id)
    view = await engine.view(run_id)
    last = view.last_seq if view.run.state.terminal else None
    while last is None or subscription.last_seq < last or subscription.pending:
        await subscription.wait()
        for item in subscription.drain():
            if isinstance(item, Event):
                if as_json:
                    out_json(exports.event_json(item))
                else:
                    out(event_line(item))
                if item.kind is EventKind.RUN_STATE and RunState(item.data["after"]).terminal:
                    last = item.seq


def _rows(name: str, rows: list[Json], columns: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        out_json({name: rows})
        return
    for row in rows:
        out("  ".join(str(row[column])[:12] if column == "sha256" else str(row[column]) for column in columns))
