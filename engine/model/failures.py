"""Failures: what an attempt can fail of, in which of the twelve categories that is, and what is done about it.

A failure is named as exactly as it can be told (a *kind*: "model_not_found"), and each kind belongs to one of twelve
categories. The table KINDS says for each what it means and what its policy is; what is not in it is "unknown".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from engine.model.records import AttemptState

HOUR = 3600.0  # seconds
FEW = 5  # with fewer cases than this, history says nothing about the next one


class Category(StrEnum):
    """The twelve sorts of failure."""

    FILE_NOT_FOUND = "file_not_found"
    API_ERROR = "api_error"
    RATE_LIMIT = "rate_limit"
    TIMEOUT = "timeout"
    IMPORT_ERROR = "import_error"
    SYNTAX = "syntax"
    TYPE_VALUE = "type_value"
    MEMORY = "memory"
    PERMISSION = "permission"
    NETWORK = "network"
    DATA_SHAPE = "data_shape"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Policy:
    """What is done about a failure. All times are seconds.

    It is retried at most `most` times (None: as often as the run allows). The first retry comes about `base` after the
    failure, each further one twice as late, but never by more than `cap`; none begins later than `within` after the
    first failure. A retry that `continues` goes on from what was answered; any other begins the conversation anew.
    """

    most: int | None = None
    base: float = 0.0
    cap: float = 60.0
    within: float = 12 * HOUR
    continues: bool = False

    def wait(self, number: int, asked: float | None, chance: Callable[[], float]) -> float:
        """How long to wait before the `number`-th retry (from 1). Where a server has `asked` for a time, that and
        somewhat more: at most a quarter. Else between half and the whole of what the policy says.

        `chance` gives numbers from 0 up to 1, so that what failed together does not come again together.
        """
        if asked is not None:
            return asked * (1 + chance() / 4)
        return min(self.cap, self.base * 2.0 ** (number - 1)) * (1 + chance()) / 2


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of failure: what it means, as the end of "it failed because …"."""

    name: str
    category: Category
    meaning: str
    policy: Policy


_C = Category
_NEVER = Policy(most=0)
_MODEL = Policy(base=2.0, within=HOUR, continues=True)  # the provider's trouble: what was answered stays good
_LIMIT = Policy(base=5.0, cap=120.0, within=HOUR, continues=True)
_PROCESS = Policy(base=1.0, continues=True)
_WORK = Policy()  # the work itself: another try at once, told what went wrong
_ONCE = Policy(most=1)
_ROOM = Policy(most=1, base=4.0)  # others may need less by then

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        # The model and its server
        Kind("rate_limit", _C.RATE_LIMIT, "the model's server took no more requests for now", _LIMIT),
        Kind("quota", _C.RATE_LIMIT, "the account's quota is used up", _NEVER),
        Kind("timeout", _C.TIMEOUT, "the model gave no answer in time", _MODEL),
        Kind("network", _C.NETWORK, "the model's server could not be reached, or broke off", _MODEL),
        Kind("api_error", _C.API_ERROR, "the model's server failed", _MODEL),
        Kind("request_refused", _C.API_ERROR, "the model's server refused the request as it is", _NEVER),
        Kind("context_length", _C.API_ERROR, "what was said so far is longer than the model takes", _NEVER),
        Kind("content_filter", _C.PERMISSION, "the model's provider refuses to speak of it", _NEVER),
        Kind("empty_answer", _C.API_ERROR, "the model answered with nothing", _MODEL),
        Kind("model_not_found", _C.API_ERROR, "the server knows no such model", _NEVER),
        Kind("auth", _C.PERMISSION, "the API key is missing or not accepted", _NEVER),
        # The agent's programs
        Kind("file_not_found", _C.FILE_NOT_FOUND, "a program did not find a file", _ONCE),
        Kind("import_error", _C.IMPORT_ERROR, "a program needed a module that is not there", _ONCE),
        Kind("syntax", _C.SYNTAX, "a program was no valid Python", _WORK),
        Kind("type_value", _C.TYPE_VALUE, "a program met a value that it could not work with", _WORK),
        Kind("data_shape", _C.DATA_SHAPE, "a program met data of another shape than it expected", _WORK),
        Kind("memory", _C.MEMORY, "a program needed more memory, or more of the disk, than there is", _ROOM),
        Kind("permission", _C.PERMISSION, "a program did what it is not allowed to", _ONCE),
        Kind("code_network", _C.NETWORK, "a program needed the network, which it has not", _ONCE),
        Kind("code_timeout", _C.TIMEOUT, "a program took longer than it may", _ONCE),
        Kind("workdir", _C.PERMISSION, "a program displaced the step's directory", _ONCE),
        # What came of the work
        Kind("missing_output", _C.FILE_NOT_FOUND, "a file that the step must leave behind is missing", _WORK),
        Kind("check_failed", _C.DATA_SHAPE, "a check of the results does not hold", _WORK),
        Kind("plan_invalid", _C.DATA_SHAPE, "the plan cannot run", _ONCE),
        Kind("plan", _C.DATA_SHAPE, "no plan that can run was made", _ONCE),
        Kind("turns", _C.TIMEOUT, "the agent made all the model calls that it may and was not done", _ONCE),
        Kind("attempt_timeout", _C.TIMEOUT, "the attempt took longer than it may", _ONCE),
        # The machine
        Kind("worker", _C.UNKNOWN, "the worker's process ended, or broke its protocol", _PROCESS),
        Kind("internal", _C.UNKNOWN, "the program itself has a defect", _ONCE),
        Kind("unknown", _C.UNKNOWN, "nothing says why", _WORK),
        # What only a person can change
        Kind("disk", _C.PERMISSION, "the disk does not take what has to be written", _NEVER),
        Kind("settings", _C.IMPORT_ERROR, "something that the step needs is not set or not installed", _NEVER),
        Kind("setup", _C.IMPORT_ERROR, "something that the step needs is not set or not installed", _NEVER),
        Kind("journal", _C.UNKNOWN, "the recorded answers do not fit or do not suffice", _NEVER),
        Kind("policy", _C.PERMISSION, "a rule forbids it", _NEVER),
        Kind("budget", _C.PERMISSION, "the budget does not allow it", _NEVER),
    )
}


def kind_of(name: str) -> Kind:
    """The kind of this name; "unknown" where there is none."""
    return KINDS.get(name, KINDS["unknown"])


@dataclass(frozen=True, slots=True)
class PastFailure:
    """An attempt that failed, and what became of its node: the `then_` fields are of the attempt that came next, and
    None where none did. `detail` are the error's own lines, `said` is what a person had said before that next one."""

    session_id: str
    run_id: str
    node_id: str
    attempt_id: str
    kind: str
    message: str
    detail: str = ""
    then_id: str | None = None
    then_reason: str | None = None
    then_state: AttemptState | None = None
    then_summary: str | None = None
    said: str | None = None

    @property
    def retried(self) -> bool:
        """Whether the engine tried again by itself."""
        return self.then_reason == "retry"

    @property
    def resolved(self) -> bool:
        """Whether the next attempt, whoever had it made, succeeded."""
        return self.then_state is AttemptState.COMPLETED


@dataclass(frozen=True, slots=True)
class Chance:
    """How often a retry after such a failure has helped before: `resolved` of `cases` that are over."""

    cases: int
    resolved: int

    @property
    def rate(self) -> float | None:
        """The share that helped, or None where there are too few cases to say."""
        return self.resolved / self.cases if self.cases >= FEW else None

    @property
    def words(self) -> str:
        """For people."""
        if not self.cases:
            return "no retry after such a failure is on record"
        plural = "retry" if self.cases == 1 else "retries"
        if self.rate is None:
            return f"{self.resolved} of {self.cases} {plural} after such a failure helped: too few to say how likely"
        return f"{self.resolved} of {self.cases} retries after such a failure helped ({self.rate:.0%})"


def chance_of(kind: str, past: Iterable[PastFailure]) -> Chance:
    """What history says about retrying after a failure of this kind."""
    over = (AttemptState.COMPLETED, AttemptState.FAILED)
    cases = [one for one in past if one.kind == kind and one.retried and one.then_state in over]
    return Chance(len(cases), sum(one.resolved for one in cases))


@dataclass(frozen=True, slots=True)
class RetryCount:
    """The failures of one category: how many there were, how many the engine retried, and how many of those retries
    succeeded."""

    category: Category
    failures: int
    retried: int
    resolved: int


def count_retries(past: Iterable[PastFailure]) -> list[RetryCount]:
    """Failures by category, the most frequent first; categories without any are left out."""
    by_category: dict[Category, list[PastFailure]] = {}
    for one in past:
        by_category.setdefault(kind_of(one.kind).category, []).append(one)
    counts = [
        RetryCount(
            category,
            len(failures),
            sum(one.retried for one in failures),
            sum(one.retried and one.resolved for one in failures),
        )
        for category, failures in by_category.items()
    ]
    return sorted(counts, key=lambda one: (-one.failures, one.category))


def error_line(message: str, detail: str = "") -> str:
    """The line that names the error: of a traceback the last one, else the first of the message."""
    lines = [line.strip() for line in detail.splitlines() if line.strip()]
    if lines:
        return lines[-1]
    return next((line.strip() for line in message.splitlines() if line.strip()), "")


def signature(line: str) -> str:
    """An error line without what differs from case to case: paths and numbers."""
    line = re.sub(r"(?:[\w.~-]*/)+[\w.~-]+", "…/…", line[:300])
    return re.sub(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?", "#", line, flags=re.IGNORECASE).strip().lower()


def alike(kind: str, line: str, past: Iterable[PastFailure]) -> list[PastFailure]:
    """Past failures with the same error line, those of this kind first; in the order given otherwise."""
    wanted = signature(line)
    same = [one for one in past if wanted and signature(error_line(one.message, one.detail)) == wanted]
    return sorted(same, key=lambda one: one.kind != kind)
