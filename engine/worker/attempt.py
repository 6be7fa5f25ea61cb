"""One attempt, from the spec to the result: the only entry to AG2."""

from __future__ import annotations

import asyncio
import os
import platform
import traceback
from contextlib import AsyncExitStack
from functools import cache
from importlib.metadata import version
from pathlib import Path

from engine.model.frames import Failure, Hello, ResultFrame, WorkerSpec
from engine.model.plan import Plan
from engine.model.text import clean, one_line
from engine.worker.capture import Capture
from engine.worker.channel import Channel, Refused
from engine.worker.context import Attempt
from engine.worker.failures import AttemptFailed, last_lines, redact
from engine.worker.journal import Journal
from engine.worker.planner import PLANNER, make_plan
from engine.worker.step import StepWork, carry_out
from engine.worker.workdir import Workdir


async def run_attempt(spec: WorkerSpec, channel: Channel) -> None:
    """Make the plan or carry out the step, and tell the host everything that happens; the last frame is the result.

    Raises:
        Refused: the host did not take a frame, so there is nothing more to do.
    """
    channel.emit(Hello(pid=os.getpid(), sandbox=spec.sandbox, versions=_versions()))
    capture = Capture(channel)
    journal = Journal(spec.recorded, channel, capture, spec.replay)
    work = StepWork()
    plan: Plan | None = None
    failure: Failure | None = None
    workdir = Workdir(Path(spec.workdir), channel)
    limit = asyncio.timeout(spec.limits.attempt_timeout)
    try:
        async with limit, AsyncExitStack() as closing:
            attempt = Attempt(spec, workdir, journal, capture, closing)
            if spec.planning:
                plan = await make_plan(attempt, spec.planning)
                work.summary = f"{plan.title}: {len(plan.steps)} step{'s' if len(plan.steps) != 1 else ''}"
            elif spec.step:
                await carry_out(attempt, spec.step, work)
            else:
                raise AttemptFailed("setup", "the attempt has neither a step nor a plan to make")
    except AttemptFailed as error:
        failure = error.failure
    except TimeoutError:
        failure = _timed_out(spec) if limit.expired() else _unexpected()
    except Refused:
        raise
    except Exception:
        failure = _unexpected()
    if failure:
        failure = _safe(failure, spec)
        capture.end_all(failure.message)
    # Whatever came to be by no tool call (a program that a check runs, say) is kept too.
    await workdir.record(spec.step.agent if spec.step else PLANNER, work.turn)
    await channel.commit(
        lambda n: ResultFrame(
            n=n,
            ok=failure is None,
            summary=work.summary,
            failure=failure,
            plan=plan,
            checks=work.checks,
            tree=workdir.recorded,
        )
    )


def _timed_out(spec: WorkerSpec) -> Failure:
    return Failure(
        category="attempt_timeout",
        message=f"the attempt took longer than {spec.limits.attempt_timeout:g} s and was stopped",
        hint="Make the step smaller, or allow attempts more time.",
    )


def _unexpected() -> Failure:
    """A defect of this program: its place is named, for whoever mends it."""
    last = last_lines(traceback.format_exc(limit=-1), 3, 400)
    return Failure(
        category="internal",
        message=f"the worker met an error of its own: {one_line(last, 300)}",
        hint="Try the step again; if it stays, report it with this text.",
    )


def _safe(failure: Failure, spec: WorkerSpec) -> Failure:
    keys = [model.api_key for model in spec.models.values()]
    return failure.model_copy(
        update={
            "message": clean(redact(failure.message, keys), 8000),
            "hint": clean(redact(failure.hint, keys), 2000),
            "detail": clean(redact(failure.detail, keys), 4000),
        }
    )


@cache
def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), "ag2": version("ag2")}
