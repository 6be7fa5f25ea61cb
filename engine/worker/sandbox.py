"""What stands between the agents' code and the machine, by tier, and the same as AG2 wants to see it.

The lowest tier, `limits`, bounds what a program takes (see engine.worker.execute) and hides nothing from it but
secrets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from ag2.tools.sandbox import ExecResult, SandboxBase

from engine.model.errors import UsageError
from engine.model.frames import Limits
from engine.model.text import clean
from engine.worker.execute import CodeRun, execute

_TIMED_OUT, _CANNOT_RUN, _NOT_FOUND = 124, 126, 127  # exit codes as a shell and `timeout` give them


@dataclass(frozen=True, slots=True)
class Command:
    """What is run in the end."""

    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: Path


class Sandbox(Protocol):
    """A tier."""

    @property
    def tier(self) -> str:
        """Its name, as screens show it."""
        ...

    def command(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> Command:
        """Turn a command that shall run in `cwd`, with `env` beside the usual variables, into one that is confined."""
        ...


class LimitsOnly:
    """The tier `limits`: everything runs as it is, under the ceilings that hold for every tier."""

    tier = "limits"

    def command(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> Command:
        """The command itself."""
        return Command(tuple(argv), dict(env), cwd)


def sandbox_of(tier: str) -> Sandbox:
    """The tier of this name.

    Raises:
        UsageError: this machine has none of this name.
    """
    if tier != LimitsOnly.tier:
        raise UsageError(f"there is no sandbox tier {tier!r} here", f"There is {LimitsOnly.tier}.")
    return LimitsOnly()


class AgentSandbox(SandboxBase):
    """A step's directory as a sandbox of AG2's, for its code, shell and skill tools.

    Unlike AG2's own local one it passes no secret on, ends the whole tree on a timeout and on cancellation, takes
    output of any length and any bytes, and keeps of it only what its limits say.
    """

    def __init__(self, workdir: Path, sandbox: Sandbox, limits: Limits) -> None:
        self._workdir, self._sandbox, self._limits = workdir, sandbox, limits

    @property
    def workdir(self) -> PurePosixPath:
        """Where commands run."""
        return PurePosixPath(self._workdir.as_posix())

    @property
    def host_workdir(self) -> Path:
        """The same: this sandbox has no file system of its own."""
        return self._workdir

    async def exec(
        self,
        argv: list[str],
        *,
        env: dict[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - AG2's interface
    ) -> ExecResult:
        """Run a command; its cleaned output, stdout before stderr, and an exit code as a shell would give it."""
        command = self._sandbox.command(argv, env=env or {}, cwd=self._workdir)
        try:
            run = await execute(
                command.argv,
                cwd=command.cwd,
                env=command.env,
                limits=self._limits,
                timeout=self._limits.code_timeout if timeout is None else timeout,
                on_output=None,
            )
        except FileNotFoundError as error:
            return ExecResult(f"command not found: {clean(str(error.filename))}", _NOT_FOUND)
        except (OSError, ValueError) as error:
            return ExecResult(f"the command cannot be run: {clean(str(error))}", _CANNOT_RUN)
        return _as_result(run)

    async def put_file(self, path: PurePosixPath, content: bytes) -> None:
        """Write a file in the directory.

        Raises:
            ValueError: the path leads out of it.
        """
        target = self._inside(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # a link that code left there is replaced, not followed
        target.write_bytes(content)

    async def remove_file(self, path: PurePosixPath) -> None:
        """Delete a file in the directory; one that is not there is fine.

        Raises:
            ValueError: the path leads out of it.
        """
        self._inside(path).unlink(missing_ok=True)

    def _inside(self, path: PurePosixPath) -> Path:
        target = self._workdir / path
        if not target.parent.resolve().is_relative_to(self._workdir.resolve()) or target.name in ("", ".."):
            raise ValueError(f"{clean(str(path))} leads out of the working directory")
        return target


def _as_result(run: CodeRun) -> ExecResult:
    parts = [text.strip("\n") for text in (clean(run.stdout), clean(run.stderr)) if text.strip()]
    if run.timed_out:
        parts.append(f"the command was stopped after {run.seconds:.1f} s: it took too long")
        return ExecResult("\n".join(parts), _TIMED_OUT)
    if run.signal is not None:
        parts.append(f"the command was ended by {run.signal}")
        return ExecResult("\n".join(parts), 128)
    return ExecResult("\n".join(parts), run.exit if run.exit is not None else 1)
