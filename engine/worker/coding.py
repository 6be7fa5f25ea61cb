"""The agent's programs: written under codebase/, run in the step's directory, shown as they run, counted when they
fail."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from engine.model.agents import AgentSpec
from engine.model.environment import private_directory
from engine.model.errors import UsageError
from engine.model.events import EventKind
from engine.model.plan import path_problem
from engine.model.text import clean, one_line
from engine.worker.capture import Span
from engine.worker.context import Attempt
from engine.worker.execute import CodeRun, execute
from engine.worker.failures import AttemptFailed, code_kind, last_lines
from engine.worker.sandbox import sandbox_of
from engine.worker.workdir import CODEBASE, Refusal

SHOWN_HEAD = 8_000  # characters of an output in its event: the beginning …
SHOWN_TAIL = 56_000  # … and the end
TOLD = 6_000  # characters of the end of an output that the model reads
LIVE = 200_000  # characters of one run that are shown as they come


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended; `error` holds the last lines of what it said when it failed, `kind` of what it failed."""

    file: str
    ok: bool
    how: str
    error: str = ""
    kind: str = "unknown"

    def to_json(self) -> dict[str, Any]:
        """As part of a journal's answer."""
        return asdict(self)


class CodeRunner:
    """Runs an agent's programs and knows how often they failed."""

    def __init__(self, attempt: Attempt, agent: AgentSpec) -> None:
        self._spec = attempt.spec
        self._agent = agent
        self._workdir = attempt.workdir
        self._capture = attempt.capture
        self._failed = 0
        self._unkept: set[str] = set()
        try:
            self._sandbox = sandbox_of(self._spec.sandbox)
        except UsageError as error:
            raise AttemptFailed("setup", error.cause, error.hint) from None
        self.last: Ran | None = None

    async def run(self, filename: str, code: str, explanation: str, call: Span) -> tuple[Ran, str]:
        """Write and run a program; how it went, and the words for the model.

        Raises:
            Refusal: it is not a file of the codebase, or not Python.
        """
        problem = path_problem(filename)
        if problem:
            raise Refusal(f"{one_line(problem)}. Give a plain file name such as fit.py.")
        path = PurePosixPath(filename)
        if path.parts[:1] == (CODEBASE,):
            path = PurePosixPath(*path.parts[1:])
        if path.suffix != ".py":
            raise Refusal(f"{one_line(filename)!r} is no Python file. Name it like fit.py; only Python is run.")
        file = f"{CODEBASE}/{path}"
        self._workdir.write(file, code)
        await self._workdir.record(self._agent.name, call.id)
        span = self._capture.start(
            EventKind.CODE_EXEC,
            {"command": f"python {file}", "file": file, "code": code},
            agent=self._agent.name,
            parent=call.id,
            title=explanation or file,
        )
        result = await self._execute(file, span)
        # Cut first: to make megabytes safe takes many times their memory.
        stdout, stderr = self._local(_shown(result.stdout)), self._local(_shown(result.stderr))
        self._capture.end(
            span,
            {
                "exit": result.exit,
                "signal": result.signal,
                "seconds": round(result.seconds, 3),
                "stdout": stdout,
                "stderr": stderr,
                "timed_out": result.timed_out,
                "truncated": result.truncated or max(len(result.stdout), len(result.stderr)) > SHOWN_HEAD + SHOWN_TAIL,
            },
        )
        if self._workdir.displaced:
            raise AttemptFailed(
                "workdir",
                f"{file} put a link in the place of the step's directory, so nothing in it counts",
                "Read the program, then run the step again with instructions that keep it to its own files.",
            )
        written, unkept = await self._workdir.record(self._agent.name, span.id)
        self._tell_unkept(unkept, span)
        ran = self._ran(file, result, stdout, stderr)
        return ran, "\n".join([self._told(ran, result, stdout, stderr, written), *unkept[:10]])

    def _tell_unkept(self, unkept: list[str], span: Span) -> None:
        """Have a person see what is lost, once."""
        new = [one for one in unkept if one not in self._unkept]
        self._unkept.update(new)
        if new:
            message = "\n".join(new[:10]) + (f"\nand {len(new) - 10} more" if len(new) > 10 else "")
            data = {"category": "files", "message": message, "hint": "Only plain files inside the directory are kept."}
            self._capture.point(EventKind.ERROR, data, agent=self._agent.name, parent=span.id, title=message)

    def count(self, ran: Ran) -> AttemptFailed | None:
        """Take note of a run; the failure of the whole attempt once the agent's attempts are used up."""
        self.last = ran
        if ran.ok:
            return None
        self._failed += 1
        return self.failure() if self._failed >= self._agent.attempts else None

    def failure(self) -> AttemptFailed | None:
        """Why the step is not done when the last program failed; None when it did not."""
        if self.last is None or self.last.ok:
            return None
        used_up = self._failed >= self._agent.attempts
        often = f" ({self._failed} of {self._agent.attempts} attempts used)" if used_up else ""
        return AttemptFailed(
            self.last.kind,
            f"{self.last.file} {self.last.how}{often}"
            + (f": {_last_line(self.last.error)}" if self.last.error else ""),
            "Read what the code printed, then run the task again with a clearer plan, or give the agent more attempts.",
            detail=self.last.error,
        )

    async def _execute(self, file: str, span: Span) -> CodeRun:
        shown = 0

        def on_output(_stream: str, text: str) -> None:
            nonlocal shown
            if shown < LIVE:
                self._capture.delta(span, self._local(text[: LIVE - shown]))
                shown += len(text)

        python = self._spec.python or sys.executable
        env = {
            "PYTHONPATH": str(self._workdir.root / CODEBASE),
            "PYTHONDONTWRITEBYTECODE": "1",  # compiled modules are none of the step's files
            "PYTHONHASHSEED": "0",  # the order of a set is the same in every try
        }
        command = self._sandbox.command([python, file], env=env, cwd=self._workdir.root)
        try:
            return await execute(
                command.argv,
                cwd=command.cwd,
                env=command.env,
                limits=self._spec.limits,
                timeout=self._spec.limits.code_timeout,
                on_output=on_output,
            )
        except OSError as error:
            raise AttemptFailed(
                "setup",
                f"the interpreter {python} cannot be started: {error.strerror or error}",
                "Correct the interpreter for the agents' code in the settings.",
            ) from None

    def _local(self, text: str) -> str:
        """An output without the directory's own place in the file system, which means nothing to anyone else."""
        text = text.replace(str(private_directory(self._workdir.root)), "~")
        return clean(text.replace(f"{self._workdir.root}/", "").replace(str(self._workdir.root), "."))

    def _ran(self, file: str, result: CodeRun, stdout: str, stderr: str) -> Ran:
        if result.timed_out:
            how = f"was stopped: it exceeded the time limit of {self._spec.limits.code_timeout:g} s"
        elif result.signal:
            how = f"was ended by {result.signal}"
        else:
            how = f"ended with exit code {result.exit}"
        ok = result.exit == 0 and not result.timed_out
        if ok:
            return Ran(file, ok, how)
        said = last_lines(stderr or stdout)
        kind = code_kind(said, exit_code=result.exit, signal=result.signal, timed_out=result.timed_out)
        return Ran(file, ok, how, said, kind)

    def _told(self, ran: Ran, result: CodeRun, stdout: str, stderr: str, written: list[str]) -> str:
        parts = [f"{ran.file} {ran.how}."]
        if not ran.ok:
            left = self._agent.attempts - self._failed - 1
            parts.append(
                f"That was failed run {self._failed + 1} of {self._agent.attempts}. "
                + ("Correct the program and run it again." if left > 0 else "There are no attempts left.")
            )
        parts += [_section("stdout", stdout, result.stdout_bytes), _section("stderr", stderr, result.stderr_bytes)]
        parts.append("files: " + (", ".join(written[:50]) or "none written"))
        if len(written) > 50:
            parts.append(f"… and {len(written) - 50} more files")
        return "\n".join(part for part in parts if part)


def _shown(text: str) -> str:
    if len(text) <= SHOWN_HEAD + SHOWN_TAIL:
        return text
    left_out = len(text) - SHOWN_HEAD - SHOWN_TAIL
    return f"{text[:SHOWN_HEAD]}\n… [{left_out} characters left out] …\n{text[-SHOWN_TAIL:]}"


def _section(name: str, text: str, size: int) -> str:
    text = text.strip("\n")
    if not text.strip():
        return f"{name}: (nothing)" if name == "stdout" else ""
    if len(text) <= TOLD:
        return f"{name}:\n{text}"
    return f"{name} (the last {TOLD} characters; it printed {size} bytes):\n…{text[-TOLD:]}"


def _last_line(text: str) -> str:
    """The line that names the error: of a traceback, the last."""
    return one_line(text.strip().splitlines()[-1], 400) if text.strip() else ""
