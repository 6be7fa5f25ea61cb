"""Commands that take something out of the program or bring it in: export, import."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from cmbagent_tui.amounts import size_of
from cmbagent_tui.commands.common import note, out, out_json, telling, with_engine
from cmbagent_tui.settings import load
from cmbagent_tui.words import plural
from engine import exports
from engine.engine import Engine
from engine.model.errors import NotFound, UsageError
from engine.model.ids import short
from engine.model.records import Session
from engine.model.text import slug


def export(arguments: Namespace) -> int:
    """Export a run in words, or the session that it belongs to as a file."""
    if arguments.form == "zip":
        return _export_session(arguments)
    if arguments.output and arguments.form != "html":
        raise UsageError("--output goes with --as zip or html", "Anything else is printed: send it to a file with >.")

    async def use(engine: Engine) -> None:
        run_id, _ = await engine.identify("runs", arguments.run)
        view = await engine.view(run_id)
        match arguments.form:
            case "mermaid":
                text = exports.mermaid(view)
            case "dot":
                text = exports.dot(view)
            case "html":
                text = exports.html(view, engine.blob, await engine.comparison(run_id))
                if arguments.output:
                    _write(Path(arguments.output), text, run_id, as_json=arguments.json)
                    return
            case _:
                out_json(exports.run_json(view, await engine.comparison(run_id)))
                return
        if arguments.json:
            out_json({"run_id": run_id, "as": arguments.form, "text": text})
        else:
            out(text.rstrip("\n"))

    with_engine(use)
    return 0


def _write(target: Path, text: str, run_id: str, *, as_json: bool) -> None:
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{target}: it cannot be written: {error.strerror}", "Name another file.") from None
    if as_json:
        out_json({"run_id": run_id, "as": "html", "file": str(target), "bytes": target.stat().st_size})
    else:
        out(str(target))


def bring_in(arguments: Namespace) -> int:
    """Import a session that was exported as a zip."""
    from cmbagent_tui.wiring import session_from_file

    limit = size_of(arguments.max_size) if arguments.max_size else None
    session_id = session_from_file(load(), Path(arguments.file), telling(), limit)

    async def use(engine: Engine) -> None:
        session = await engine.reads(session_id).session()
        runs = await engine.runs(session_id=session_id, limit=10_000)
        for run in runs:
            if run.state.terminal:
                await engine.publish(run.id)
        if arguments.json:
            listed = [exports.run_line(run) for run in runs]
            line = {"session_id": session_id, "title": session.title, "directory": session.directory, "runs": listed}
            out_json(line)
        else:
            out(f"{short(session_id)}  {session.title}")
            for run in runs:
                out(f"  {short(run.id)}  {run.state.value}")
        open_ended = [run for run in runs if not run.state.terminal]
        if open_ended:
            note(
                f"Not over: {plural(len(open_ended), 'run')}. `cmbagent-tui resume {short(open_ended[0].id)}` goes on, "
                "with the code that came along: do so if you trust where it comes from."
            )

    with_engine(use)
    return 0


def _export_session(arguments: Namespace) -> int:
    from cmbagent_tui.wiring import session_to_file

    session = with_engine(lambda engine: _session(engine, arguments.run))
    target = Path(arguments.output or zip_name(session))
    session_to_file(load(), session.id, target, telling())
    if arguments.json:
        out_json({"session_id": session.id, "as": "zip", "file": str(target), "bytes": target.stat().st_size})
    else:
        out(str(target))
    return 0


def zip_name(session: Session) -> str:
    """What the file of a session is called, unless another name is given."""
    return f"{slug(session.title) or 'session'}-{short(session.id)}.zip"


async def _session(engine: Engine, name: str) -> Session:
    """The session that an id means: its own, or that of one of its runs."""
    try:
        session_id, _ = await engine.identify("sessions", name)
    except NotFound as none:
        try:
            _, session_id = await engine.identify("runs", name)
        except NotFound:
            raise NotFound(none.cause.replace("session", "run or session", 1), none.hint) from None
    return await engine.reads(session_id).session()
