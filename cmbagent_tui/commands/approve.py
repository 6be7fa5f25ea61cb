"""Commands that settle approvals, and that say when a run asks for them."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from cmbagent_tui.commands.common import note, out, out_json, with_engine
from engine import exports
from engine.engine import Engine
from engine.model.errors import CockpitError, NotFound, UsageError
from engine.model.grants import Grant, Scope
from engine.model.ids import short
from engine.model.plan import MAX_BYTES, Plan
from engine.model.records import Approval, ApprovalState, Json
from engine.model.resolutions import by_feedback, ways

_WAYS = {
    "edit": ApprovalState.MODIFIED,
    "abort": ApprovalState.ABORT,
    "retry": ApprovalState.RETRY,
    "skip": ApprovalState.SKIP,
    "reject": ApprovalState.REJECTED,
}
_OPTIONS = {state: f"--{name}" for name, state in _WAYS.items()}
_STEPS_TOLD = 20
_WHOLE = ("code", "command", "text")  # arguments of which a file may be the new one, as it is


def approve(arguments: Namespace) -> int:
    """Settle an approval, and have its run go on: where it is driven, or in a process of its own."""
    from cmbagent_tui.detach import goes_on, start_detached

    async def use(engine: Engine) -> None:
        approval = await _meant(engine, arguments.id)
        always = Scope(arguments.always) if arguments.always else None
        state, edit = _way(arguments, approval), _edit(arguments.edit, approval) if arguments.edit else None
        if arguments.waive:
            state, edit = ApprovalState.MODIFIED, {"waive": arguments.waive}
        if arguments.agent:
            edit = {**(edit or {}), "agent": arguments.agent}
        approval = await engine.resolve(approval.id, state, feedback=arguments.feedback, edit=edit, always=always)
        if arguments.json:
            out_json(exports.approval_json(approval))
        else:
            out(f"{approval.title}: {approval.state.value}")
        if await engine.driven(approval.run_id):
            return
        try:
            log = await start_detached(engine, approval.run_id)
        except (CockpitError, OSError) as error:
            note(f"It is settled, but the run could not be woken: {error}")
            note(f"Nothing drives it now: `cmbagent-tui resume {short(approval.run_id)}` lets it go on.")
        else:
            note(goes_on(approval.run_id, log))

    with_engine(use)
    return 0


def mode(arguments: Namespace) -> int:
    """Change when a run asks; without a mode, say when it does."""
    from cmbagent_tui.options import approval_mode, rules_for
    from cmbagent_tui.settings import load
    from engine.model.options import RunOptions

    chosen = approval_mode(arguments.mode) if arguments.mode else None
    rules = rules_for(load(), chosen, arguments.rules) if chosen else None

    async def use(engine: Engine) -> None:
        run_id, _ = await engine.identify("runs", arguments.run)
        if chosen:
            run = await engine.set_mode(run_id, chosen, rules=rules)
        else:
            run = (await engine.view(run_id, files=False)).run
        now = RunOptions.from_json(run.options).approval.value
        if arguments.json:
            out_json({"run_id": run_id, "approval": now})
        else:
            out(now)

    with_engine(use, drives=chosen is not None)
    return 0


def grants(arguments: Namespace) -> int:
    """List what was allowed for good, or take one back."""

    async def use(engine: Engine) -> None:
        run_id = (await engine.identify("runs", arguments.run))[0] if arguments.run else None
        found = [await engine.revoke(arguments.revoke)] if arguments.revoke else await engine.grants(run_id)
        if arguments.json:
            out_json({"grants": [_grant_json(one) for one in found]})
            return
        for one in found:
            until = f"  taken back by {one.revoked_by}" if one.revoked_by else ""
            out(f"{short(one.id)}  {one.scope.value:<7}  run {short(one.run_id)}  {one.words}{until}")

    with_engine(use)
    return 0


def _grant_json(grant: Grant) -> Json:
    return {
        "grant_id": grant.id,
        "session_id": grant.session_id,
        "run_id": grant.run_id,
        "scope": grant.scope.value,
        "words": grant.words,
        "of": grant.of,
        "given_by": grant.given_by,
        "given_at": grant.given_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "revoked_by": grant.revoked_by,
    }


def how_to_settle(approval: Approval) -> str:
    """The command that settles an approval, with the options that it takes, and what each of them means."""
    known = ways(approval)
    command = f"cmbagent-tui approve {short(approval.id)}"
    options = [
        f"  {_OPTIONS.get(state, '')} ".replace("--edit ", "--edit FILE ") + words for state, words in known.items()
    ]
    if approval.kind == "plan":
        options[:0] = [f"  {line}" for line in checks_of(approval.shown["plan"])]
    feedback = "" if approval.kind == "question" else " (and --feedback TEXT)"
    if approval.shown.get("kind") == "check_failed" and "step" in approval.shown:
        options.append("  --waive CHECK let the result stand although this check fails; --feedback says why")
    if "grant" in approval.shown:
        options.append(f"  --always run|session  make it, and do not ask again about {approval.shown['always']}")
    return "\n".join([f"{approval.title}", f"`{command}`{feedback}:", *options])


def checks_of(plan: Json) -> list[str]:
    """How many checks each step of a plan declares, and which declare none."""
    steps: list[Json] = plan["steps"]
    checked = [f"{one['id']} {len(one['checks'])}" for one in steps if one.get("checks")]
    bare = [one["id"] for one in steps if not one.get("checks")]
    told = [f"checks: {_some(checked)}"] if checked else []
    return [*told, f"no check, so that its own word is all there is: {_some(bare)}"] if bare else told


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _STEPS_TOLD} more" if len(names) > _STEPS_TOLD else ""
    return ", ".join(names[:_STEPS_TOLD]) + more


def read_plan(name: str) -> Plan:
    """Read a plan's file.

    Raises:
        UsageError: it is missing, unreadable, or no plan.
    """
    return Plan.parse(_content(name), name=name)


def _way(arguments: Namespace, approval: Approval) -> ApprovalState:
    chosen = (state for name, state in _WAYS.items() if getattr(arguments, name))
    return next(chosen, by_feedback(approval) if arguments.feedback else ApprovalState.APPROVED)


def _edit(name: str, approval: Approval) -> Json:
    """What a file has in place of what was shown.

    Raises:
        UsageError: it is missing, unreadable, or says something else.
    """
    if approval.kind == "plan":
        return read_plan(name).model_dump(mode="json")
    content = _content(name)
    try:
        data = _mapping(content)
    except ValueError:
        data = None
    shown = approval.shown.get("arguments")
    whole = next((one for one in _WHOLE if shown and one in shown), None)
    if shown and whole and (data is None or set(data) != set(shown)):
        try:
            return {**shown, whole: content.decode("utf-8")}
        except UnicodeDecodeError:
            raise UsageError(f"{name} is not text (UTF-8)") from None
    if data is None:
        raise UsageError(f"{name} is neither JSON nor YAML with names and values")
    return data


def _mapping(content: bytes) -> Json:
    import yaml

    try:
        data: Any = yaml.safe_load(content)  # JSON is YAML too
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if not isinstance(data, dict):
        raise ValueError("no mapping")
    return {str(key): value for key, value in data.items()}


def _content(name: str) -> bytes:
    path = Path(name)
    try:
        if path.is_file() and path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{name} has {path.stat().st_size:,} bytes; a plan has at most {MAX_BYTES:,}")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"the plan {name} cannot be read: {error.strerror}") from None


async def _meant(engine: Engine, prefix: str) -> Approval:
    """The approval that is meant: by its own id, or by the id of the run that waits for it."""
    try:
        approval_id, session_id = await engine.identify("approvals", prefix)
        return await engine.reads(session_id).approval(approval_id)
    except NotFound as unknown:
        try:
            run_id, _ = await engine.identify("runs", prefix)
        except NotFound:
            raise unknown from None
        waiting = [one for one in await engine.approvals() if one.run_id == run_id]
        if not waiting:
            raise UsageError(f"run {short(run_id)} waits for nothing") from None
        return waiting[0]
