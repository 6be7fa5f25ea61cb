"""Carries out a step's checks, after its agent has said that it is done.

Whether a step succeeded is said here, by code, and not by a model. A check that fails, cannot be carried out, never
ends or is killed is a result with the reason in words; it is never an exception.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from engine.model.frames import CheckFrame, Limits
from engine.model.plan import Check, FileExists, NumbersCheck, PlanStep, PythonCheck, path_problem
from engine.model.text import one_line
from engine.worker.execute import CodeRun, execute
from engine.worker.probe.sources import READ as SOURCES

LOOK_SECONDS = 20.0  # for a look at one file; a regular expression may need for ever
ASSERTION_SECONDS = 600.0  # for one `python` check
DETAIL_CHARS = 600
WAIVED_CHARS = 300  # of who waived a check, and why
SOURCES_MOST = 200  # files that a text's numbers are looked for in
SAID_CHARS = 8_000  # of the task that are looked through
ARGUMENT_BYTES = 100_000  # Linux refuses one argument of 128 KiB or more

_MODULES = ("base", "assertions", "files", "pictures", "sources", "quoted", "main")
# The probe's modules travel as text and get their real names, so nothing of ours has to be installed where they run.
# What the agents wrote must not stand in for a module of the interpreter: their directory is off the path at first.
_START = """import sys
sys.path.remove("")
import json, types
for name, source in json.loads(sys.argv[1]).items():
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
module.main(sys.argv[2:])
"""


@dataclass(frozen=True, slots=True)
class _Job:
    """A check that the probe carries out: its number in the step, and what the probe is told."""

    number: int
    seconds: float
    alone: bool
    text: str


async def run_checks(
    step: PlanStep, workdir: Path, *, python: str, limits: Limits, upstream: Sequence[str] | None = None, task: str = ""
) -> tuple[CheckFrame, ...]:
    """Carry out all checks of a step in its directory; one result for each, in the plan's order.

    `python` is the agents' interpreter (empty: this one), in whose processes files are read and assertions run, under
    the limits. `upstream` are the files that the step's numbers come from (None: whatever its programs have written),
    `task` is what the research is about.
    """
    found: dict[int, tuple[bool, str]] = {}
    jobs: list[_Job] = []
    for number, check in enumerate(step.checks):
        prepared = _prepare(number, check, workdir)
        if isinstance(check, NumbersCheck) and isinstance(prepared, _Job):
            prepared = _matched(prepared, check, step, workdir, upstream, task)
        if isinstance(prepared, _Job):
            jobs.append(prepared)
        else:
            found[number] = prepared
    while jobs:
        batch = _batch(jobs)
        verdicts = await _probe(batch, workdir, python or sys.executable, limits)
        found |= {job.number: verdict for job, verdict in zip(batch, verdicts, strict=False)}
        jobs = jobs[len(verdicts) :]
    return tuple(_frame(check, found[number]) for number, check in enumerate(step.checks))


def _frame(check: Check, verdict: tuple[bool, str]) -> CheckFrame:
    ok, detail = verdict[0], one_line(verdict[1], DETAIL_CHARS)
    waived = "" if ok or check.waived is None else one_line(check.waived, WAIVED_CHARS) or "a person"
    return CheckFrame(name=one_line(check.name), ok=ok, detail=detail, waived=waived)


def _prepare(number: int, check: Check, workdir: Path) -> tuple[bool, str] | _Job:
    """What can be said at once, or the job for the probe."""
    told: dict[str, Any] = check.model_dump(mode="json", exclude={"name", "waived"})
    seconds = ASSERTION_SECONDS
    if not isinstance(check, PythonCheck):
        if isinstance(check, FileExists):
            return _is_there(workdir, check.path, check.min_bytes)
        real = _located(workdir, check.path)
        if isinstance(real, tuple):
            return real
        seconds = LOOK_SECONDS
        told |= {"path": str(real), "seconds": seconds}
    text = json.dumps(told)
    if len(text) > ARGUMENT_BYTES:
        return False, f"it cannot be carried out: it has {len(text):,} bytes, at most {ARGUMENT_BYTES:,} are possible"
    return _Job(number, seconds, isinstance(check, PythonCheck), text)


def _matched(
    job: _Job, check: NumbersCheck, step: PlanStep, workdir: Path, upstream: Sequence[str] | None, task: str
) -> _Job | tuple[bool, str]:
    """The job with the files that a text's numbers are looked for in, and what the step was told."""
    own = {*step.outputs, check.path}
    if check.files:
        names: Iterable[str] = check.files
    elif upstream is None:
        names = _written(workdir, own)
    else:
        names = [one for one in upstream if one not in own]
    files: list[tuple[str, str]] = []
    for name in names:
        real = _located(workdir, name)
        if isinstance(real, tuple) and check.files:
            return real
        if not isinstance(real, tuple) and name.lower().endswith(SOURCES):
            files.append((name, str(real)))
    said = "\n".join((task[:SAID_CHARS], step.title, *step.instructions))[: 2 * SAID_CHARS]
    return replace(job, text=json.dumps({**json.loads(job.text), "files": files[:SOURCES_MOST], "said": said}))


def _written(workdir: Path, own: Collection[str]) -> list[str]:
    """The files in a step's directory, but for its programs and its own texts: those may say anything."""
    found = (Path(folder, name) for folder, _, names in os.walk(workdir) for name in names)
    names = (path.relative_to(workdir).as_posix() for path in found if path.suffix != ".py")
    return sorted(name for name in names if name not in own or not name.endswith((".md", ".txt")))


def _located(workdir: Path, path: str) -> Path | tuple[bool, str]:
    """The file behind a path, symbolic links followed, or why there is none within the step's directory."""
    problem = path_problem(path)
    if problem:
        return False, problem
    try:
        root = workdir.resolve(strict=True)
        real = (root / path).resolve(strict=True)
    except FileNotFoundError:
        return False, f"{path} is not there{_nearby(workdir, path)}"
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a name that is too long
        return False, f"{path} cannot be read: {error}"
    if not real.is_relative_to(root):
        return False, f"{path} is a link that leads outside the step's directory"
    return real


def _nearby(workdir: Path, path: str) -> str:
    """What stands where a missing file was looked for: often it was only named differently."""
    folder = (workdir / path).parent
    names: list[str] = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        names = sorted(entry.name for entry, _ in zip(entries, range(1000), strict=False))
    return (
        f"; {folder.relative_to(workdir)}/ holds {', '.join(names[:8])}{' …' if len(names) > 8 else ''}"
        if names
        else ""
    )


def _is_there(workdir: Path, path: str, least: int) -> tuple[bool, str]:
    real = _located(workdir, path)
    if isinstance(real, tuple):
        return real
    try:
        status = real.stat()
    except OSError as error:
        return False, f"{path} cannot be read: {error}"
    if not stat.S_ISREG(status.st_mode):
        return False, f"{path} is not a file"
    if status.st_size < least:
        return False, f"{path} has {status.st_size:,} bytes; fewer than {least:,}"
    return True, f"{path} has {status.st_size:,} bytes"


def _batch(jobs: Sequence[_Job]) -> list[_Job]:
    """The next jobs for one process: assertions, which may change anything in theirs, have one of their own."""
    batch = [jobs[0]]
    size = len(jobs[0].text)
    for job in jobs[1:]:
        size += len(job.text)
        if batch[0].alone or job.alone or size > 4 * ARGUMENT_BYTES:
            break
        batch.append(job)
    return batch


async def _probe(batch: Sequence[_Job], workdir: Path, python: str, limits: Limits) -> list[tuple[bool, str]]:
    """Verdicts on the first jobs of a batch, one at least: a job that ends the process leaves those behind it open."""
    seconds = min(sum(job.seconds for job in batch), limits.code_timeout)
    argv = [python, "-B", "-X", "utf8", "-c", _START, _sources(), *(job.text for job in batch)]
    try:
        run = await execute(argv, cwd=workdir, env={}, limits=limits, timeout=seconds, on_output=None)
    except OSError as error:
        return [(False, f"it cannot be carried out by {python}: {error}")] * len(batch)
    verdicts: list[tuple[bool, str]] = []
    for line in run.stdout.splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            said = json.loads(line)
            verdicts.append((bool(said["ok"]), str(said["detail"])))
    if len(verdicts) < len(batch):
        verdicts.append((False, _how_it_ended(run, min(batch[len(verdicts)].seconds, seconds))))
    return verdicts[: len(batch)]


def _how_it_ended(run: CodeRun, seconds: float) -> str:
    if run.timed_out or run.signal == "SIGALRM":
        return f"it was stopped: it did not end within {seconds:g} s"
    said = f": {run.stderr.strip().splitlines()[-1]}" if run.stderr.strip() else ""
    if run.signal:
        return f"it was ended by {run.signal}{said}"
    return f"it cannot be carried out: its process ended with exit code {run.exit} and no verdict{said}"


@cache
def _sources() -> str:
    """The probe's modules, by name, in an order in which each finds what it imports."""
    folder = Path(__file__).with_name("probe")
    return json.dumps(
        {f"engine.worker.probe.{name}": (folder / f"{name}.py").read_text(encoding="utf-8") for name in _MODULES}
    )
