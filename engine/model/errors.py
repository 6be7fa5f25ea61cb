"""Errors that a person reads: each names the cause and the next step, and knows its exit code.

Exit codes: 1 the run failed, 2 wrong usage, 3 waiting for a person, 4 refused by policy or budget.
"""

from __future__ import annotations

from engine.model.text import clean


class CockpitError(Exception):
    """Something that went wrong, in words: what, and what to do about it. Names of files and arguments stand in them,
    so both are made safe to show."""

    exit_code = 1

    def __init__(self, cause: str, hint: str = "") -> None:
        self.cause, self.hint = clean(cause), clean(hint)
        super().__init__(self.cause)

    def __str__(self) -> str:
        return f"{self.cause}\n{self.hint}" if self.hint else self.cause


class UsageError(CockpitError):
    """What was asked for cannot be: a bad argument, file, setting or id."""

    exit_code = 2


class NotFound(UsageError):
    """No record has this id, or the prefix fits several."""


class PlanInvalid(UsageError):
    """A plan that cannot run; `problems` lists every reason, each a sentence."""

    def __init__(self, problems: list[str], source: str = "the plan") -> None:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"{source} cannot run:\n{listed}")
        self.problems = problems


class IllegalTransition(CockpitError):
    """A change of state that the table does not allow."""


class StaleState(CockpitError):
    """The record was changed by someone else in between: nothing was written."""


class Fenced(StaleState):
    """The run has another owner by now: what this process still wanted to write of it was refused."""


class StorageError(CockpitError):
    """The database or the blob store refused: nothing acknowledged is lost."""


class WorkerError(CockpitError):
    """A worker process could not be started, or broke the frame protocol."""
