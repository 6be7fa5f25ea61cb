"""Lessons: what an attempt is told of those that failed before it, and where it stands written.

When the engine decides on a retry, all that the next attempt will be told is put into the `retry` event, together with
whether it goes on from the failed one's journal. So it is told the same however often its process dies.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from difflib import unified_diff

from engine.model.errors import CockpitError, StorageError
from engine.model.events import Event, EventKind, Phase
from engine.model.failures import Chance, PastFailure, alike, chance_of, error_line, kind_of
from engine.model.frames import Failure, Program, Resolved, Retry, Tried
from engine.model.ids import new_id
from engine.model.records import Attempt, Json, Node
from engine.model.text import clean, one_line
from engine.ports import RunStore, SessionReads

FAILED_CHECK = "check_failed"
AFTER_FAILURE = frozenset({"retry", "feedback"})  # the attempts that are told of failures: the engine's, a person's
_EVENTS = 1000
_HISTORY = 500  # failures of the past that are looked through
_TOLD_OF = 3  # attempts of this step, the newest
_ALIKE = 2  # cases from elsewhere
_RUNS = 8  # programs of one attempt
_ERROR = 3_000  # characters of an error
_CODE = 12_000  # characters of a program; of a longer one no difference is told
_DIFF_LINES = 80


async def past_failures(store: RunStore) -> list[PastFailure]:
    """What failed before; nothing where that cannot be read."""
    with suppress(StorageError):
        return await store.failures(limit=_HISTORY)
    return []


async def retry_events(reads: SessionReads, attempt: Attempt) -> dict[int, Event]:
    """The decisions to retry this attempt's node, by the number of the attempt that each led to."""
    found = await reads.events(
        attempt.run_id, node_id=attempt.node_id, kinds=(EventKind.RETRY,), newest=True, limit=_EVENTS
    )
    return {int(event.data["attempt"]): event for event in found if "at" in event.data}


def told(event: Event | None) -> Retry | None:
    """What a decision to retry has the next attempt told."""
    return Retry.model_validate(event.data["told"]) if event and event.data.get("told") else None


async def told_before(reads: SessionReads, attempt: Attempt) -> Retry | None:
    """What this attempt was told when it began."""
    return told((await retry_events(reads, attempt)).get(attempt.number)) if attempt.reason in AFTER_FAILURE else None


async def conversation_of(reads: SessionReads, attempt: Attempt) -> list[str]:
    """The attempts that one conversation went through: this one, and those that it goes on from."""
    event = (await retry_events(reads, attempt)).get(attempt.number) if attempt.reason in AFTER_FAILURE else None
    return [attempt.id, *(event.data["continues"] if event else ())]


def retry_event(
    node: Node,
    failed: Attempt,
    failure: Failure,
    likely: Chance,
    lesson: Retry | None,
    who: str,
    title: str,
    at: datetime,
    *,
    continues: Collection[str] = (),
    waived: Collection[str] = (),
) -> Event:
    """The event that has a node's next attempt begin because a person wants it, as one that the engine decides on: told
    the `lesson`, or going on from the journals of the attempts that it `continues`."""
    number = failed.number + 1
    data: Json = {
        "category": kind_of(failure.category).category.value,
        "kind": failure.category,
        "attempt": number,
        "of": number,
        "at": at.isoformat(),
        "wait": 0.0,
        "why": one_line(failure.message, 400),
        "continues": list(continues),
        "chance": {"cases": likely.cases, "resolved": likely.resolved, "rate": likely.rate, "words": likely.words},
        "told": lesson.model_dump(mode="json") if lesson else None,
        "by": who,
    }
    if waived:
        data["waived"] = list(waived)
    return Event(new_id(), node.session_id, node.run_id, EventKind.RETRY, at, node_id=node.id, title=title, data=data)


async def goes_on(
    reads: SessionReads,
    node: Node,
    failed: Attempt,
    message: str,
    who: str,
    waived: Collection[str],
    why: str | None,
    at: datetime,
) -> Event:
    """The event that has the next attempt go on from where one stood that failed of checks which are waived by now."""
    title = f"{node.step} goes on as it is: {who} waives {', '.join(map(repr, waived))}"
    if why:
        title += f": {one_line(why, 200)}"
    return retry_event(
        node,
        failed,
        Failure(category=FAILED_CHECK, message=message),
        chance_of(FAILED_CHECK, ()),
        await told_before(reads, failed),
        who,
        title,
        at,
        continues=await conversation_of(reads, failed),
        waived=waived,
    )


async def learn(
    store: RunStore, attempt: Attempt, failure: Failure, before: Retry | None, past: Iterable[PastFailure]
) -> Retry:
    """What the next attempt of this node is told, when it begins anew: all of `before`, this failure, and how others
    were resolved in the past."""
    reads = store.reads(attempt.session_id)
    ran = await _programs(reads, attempt.run_id, attempt.node_id, await conversation_of(reads, attempt))
    file, code = (str(ran[-1].data["file"]), str(ran[-1].data["code"])) if ran else ("", "")
    this = Tried(
        attempt=attempt.number,
        why=kind_of(failure.category).meaning,
        error=_cut(clean(failure.detail or failure.message), _ERROR),
        ran=tuple(one.title for one in ran[-_RUNS:]),
        changed=_difference(before.code, code) if before and before.file == file else "",
    )
    line = error_line(failure.message, failure.detail)
    cases = [one for one in alike(failure.category, line, past) if one.resolved][:_ALIKE]
    return Retry(
        tried=(*(before.tried if before else ()), this)[-_TOLD_OF:],
        file=file,
        code=_cut(code, _CODE),
        resolved=tuple([await _resolved(store, one) for one in cases if not await _waived(store, one)]),
    )


async def _waived(store: RunStore, past: PastFailure) -> bool:
    """Whether a failure of the past was only waived: that helps nobody."""
    with suppress(CockpitError):
        reads = store.reads(past.session_id)
        found = await reads.events(past.run_id, node_id=past.node_id, kinds=(EventKind.RETRY,), newest=True, limit=50)
        return any(event.data.get("waived") for event in found)
    return False


async def _resolved(store: RunStore, past: PastFailure) -> Resolved:
    """How one failure of the past was overcome, as far as its record can still be read."""
    changed = ""
    with suppress(CockpitError):
        reads = store.reads(past.session_id)
        failed = await _programs(reads, past.run_id, past.node_id, (past.attempt_id,))
        worked = await _programs(reads, past.run_id, past.node_id, (past.then_id or "",))
        if failed and worked and failed[-1].data["file"] == worked[-1].data["file"]:
            changed = _difference(str(failed[-1].data["code"]), str(worked[-1].data["code"]))
    return Resolved(
        error=_cut(past.detail or past.message, _ERROR // 2),
        summary=one_line(past.then_summary or "", 600),
        said=one_line(past.said or "", 300),
        changed=changed,
    )


async def last_program(reads: SessionReads, run_id: str, node_id: str) -> Program | None:
    """The program that a node's newest attempt ran last; None when it ran none."""
    newest = max(await reads.attempts(run_id, node_id=node_id), key=lambda one: one.number, default=None)
    ran = await _programs(reads, run_id, node_id, await conversation_of(reads, newest)) if newest else []
    return Program(file=str(ran[-1].data["file"]), code=str(ran[-1].data["code"])) if ran else None


async def program_for(reads: SessionReads, attempt: Attempt) -> Program | None:
    """What a person wants this attempt's agent to run first."""
    if attempt.reason != "redo":
        return None
    kinds = (EventKind.RETRY,)
    found = await reads.events(attempt.run_id, node_id=attempt.node_id, kinds=kinds, newest=True, limit=_EVENTS)
    wanted = [one for one in found if one.data.get("category") == "redo" and one.data["attempt"] == attempt.number]
    given: Json | None = wanted[-1].data.get("program") if wanted else None
    return Program.model_validate(given) if given else None


async def _programs(reads: SessionReads, run_id: str, node_id: str, attempts: Collection[str]) -> list[Event]:
    """The programs that attempts of a node ran, in order: the start of each, its title saying how it ended."""
    kinds = (EventKind.CODE_EXEC,)
    events = await reads.events(run_id, node_id=node_id, kinds=kinds, newest=True, limit=_EVENTS)
    ends = {event.span_id: event for event in events if event.phase is Phase.END}
    return [
        replace(event, title=f"{event.data['file']} {_how(ends[event.id])}")
        for event in events
        if event.attempt_id in attempts and event.id in ends and event.data.get("file")
    ]


def _how(end: Event) -> str:
    """How a program ended, with the line that names its error."""
    data = end.data
    if data.get("timed_out"):
        return f"was stopped after {data.get('seconds')} s, the time that it had"
    if data.get("signal"):
        return f"was ended by {data['signal']}"
    if data.get("exit") == 0:
        return "ran without an error"
    said = error_line("", str(data.get("stderr") or data.get("stdout") or ""))
    return f"ended with exit code {data.get('exit')}{f': {one_line(said, 300)}' if said else ''}"


def _difference(before: str, after: str) -> str:
    """A unified diff of two programs without its head; nothing where they are too long, or the same."""
    if max(len(before), len(after)) > _CODE:
        return ""
    lines = list(unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2))[2:]
    more = [f"… and {len(lines) - _DIFF_LINES} more lines"] if len(lines) > _DIFF_LINES else []
    return "\n".join([*(line[:300] for line in lines[:_DIFF_LINES]), *more])


def _cut(text: str, limit: int) -> str:
    """The beginning and the end of a text that is too long."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n… [{len(text) - 2 * half} characters left out] …\n{text[-half:]}"
