"""What a run is started with, and what an engine is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from engine.model.budget import Ceilings
from engine.model.errors import UsageError
from engine.model.records import ApprovalState, Json

BUDGET_REACHED = "budget reached"  # how the error of a run that was stopped at its ceiling begins


_MORE_THAN_NOTHING = (
    *("max_parallel", "max_steps", "code_timeout", "attempt_timeout", "model_timeout", "approval_deadline"),
    *("max_tokens", "max_calls", "max_time", "max_answer"),
)
_ON_EXPIRY = (None, ApprovalState.APPROVED, ApprovalState.REJECTED, ApprovalState.SKIP, ApprovalState.ABORT)


class ApprovalMode(StrEnum):
    """When a run stops and asks."""

    NONE = "none"
    AFTER_PLANNING = "after_planning"  # about the plan
    BEFORE_EACH_STEP = "before_each_step"  # about each step, with what it starts from
    ON_ERROR = "on_error"  # about what the engine does not, or no more, try again by itself
    CUSTOM = "custom"  # about what the rules say, tool calls too
    MANUAL = "manual"  # about all of these but tool calls


@dataclass(frozen=True, slots=True)
class Replaying:
    """What a replay takes from the run that it replays, fixed when it begins: whatever becomes of that run later.

    `attempts` maps a step ("planning" too) to the attempt whose recorded answers are given again, `feedback` to what a
    person had said before that attempt and `told` to what it was told of those that failed before it, `context` to the
    variables that it knew. `plan` is what is
    carried out, `previous` the plan that the planner was shown.
    """

    strict: bool
    attempts: dict[str, str]
    feedback: dict[str, str]
    plan: Json
    previous: Json | None = None
    notice: str | None = None  # of the run that is replayed
    told: dict[str, Json] = field(default_factory=dict[str, Json])
    context: dict[str, Json] = field(default_factory=dict[str, Json])

    @classmethod
    def from_json(cls, data: Json) -> Replaying:
        """Back from a run's row; what a newer program added is left out."""
        known = {one.name for one in fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that a person attached, as every step finds it: a path in its directory, a content, bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How one run goes. Stored with it, so that it is resumed as it was begun; holds no secret.

    `models` maps an agent's name, or "default", to `provider:model`. `max_parallel` steps run at once. `budget_micro`
    (micro-USD), `max_tokens` (of requests and answers), `max_calls` (of models) and `max_time` (seconds at work) are
    ceilings on what the whole run uses up (see engine.model.budget); where one on money or tokens is set, an answer
    has at most `max_answer` tokens. Timeouts are seconds. An approval that nobody has answered
    after `approval_deadline` seconds (None: it waits) is settled as `on_expiry`, or has expired: a plan then ends its
    run. `rules` are those of the mode custom, as engine.policy.Rules has them (None: there are none, and all is asked).
    """

    models: dict[str, str] = field(default_factory=dict[str, str])
    approval: ApprovalMode = ApprovalMode.AFTER_PLANNING
    max_parallel: int = 4
    agent: str = "engineer"  # who does a one-shot task
    reviews: int = 1
    max_steps: int = 12
    budget_micro: int | None = None
    max_tokens: int | None = None
    max_calls: int | None = None
    max_time: float | None = None
    max_answer: int = 16_000
    code_timeout: float = 7200.0
    attempt_timeout: float = 21600.0
    model_timeout: float = 1200.0
    approval_deadline: float | None = None
    on_expiry: ApprovalState | None = None
    max_redos: int = 20  # of one step
    retries: int = 2  # of one step, by the engine, beside those that a provider's client makes of one call
    rules: Json | None = None
    paced: bool = True  # whether a journal's answers take as long as it says, to be followed by eye
    notice: str | None = None  # shown with the run as long as it is looked at
    replay: Replaying | None = None
    inputs: tuple[InputFile, ...] = ()  # what a person attached
    context: Json = field(default_factory=dict[str, Any])  # variables that a person has set: every step is told them

    def __post_init__(self) -> None:
        for name in _MORE_THAN_NOTHING:
            if getattr(self, name) is not None and getattr(self, name) <= 0:
                raise UsageError(f"{name} must be more than 0, not {getattr(self, name)}")
        if self.on_expiry not in _ON_EXPIRY:
            listed = ", ".join(one.value for one in _ON_EXPIRY if one)
            raise UsageError(f"on_expiry cannot be {self.on_expiry}", f"There are: {listed}.")
        least = min(self.reviews, self.retries, self.max_redos, self.budget_micro or 0)
        if least < 0:
            raise UsageError("reviews, retries, redos and budget must not be negative")

    @property
    def ceilings(self) -> Ceilings:
        """What the run may use up. A replay asks no model."""
        return (
            Ceilings() if self.replay else Ceilings(self.budget_micro, self.max_tokens, self.max_calls, self.max_time)
        )

    def context_of(self, step: str) -> Json:
        """The variables that an attempt of a step is told; in a replay, those that the replayed one was."""
        return self.replay.context.get(step, {}) if self.replay else self.context

    def model_for(self, agent: str) -> str | None:
        """The model that this agent uses, or None when none is set."""
        return self.models.get(agent) or self.models.get("default")

    def to_json(self) -> Json:
        """As plain data, for the run's row."""
        return {
            **asdict(self),
            "approval": self.approval.value,
            "inputs": [asdict(one) for one in self.inputs],
            "on_expiry": self.on_expiry.value if self.on_expiry else None,
        }

    @classmethod
    def from_json(cls, data: Json) -> RunOptions:
        """Back from a run's row; what a newer program added is left out."""
        known = {one.name for one in fields(cls)}
        values: Json = {name: value for name, value in data.items() if name in known}
        values["approval"] = ApprovalMode(values.get("approval", ApprovalMode.AFTER_PLANNING))
        if values.get("on_expiry"):
            values["on_expiry"] = ApprovalState(values["on_expiry"])
        values["inputs"] = tuple(InputFile(**one) for one in values.get("inputs", ()))
        values["replay"] = Replaying.from_json(values["replay"]) if values.get("replay") else None
        return cls(**values)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What an engine works with. `environ` is where providers' keys are looked up: it is never stored or passed on
    whole.

    `max_workers` processes run at once, over all runs. `python` is the interpreter for the agents' code (empty: the
    program's own). Every `heartbeat` seconds a process says that it lives; one that was silent for `silent` seconds has
    lost its runs to whoever asks for them. At most `max_clients` processes share a database. Without a terminal, a
    process waits `suspend_after` seconds for a person before it ends.
    """

    home: Path
    environ: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    max_workers: int = 16
    python: str = ""
    terminal: str = ""
    drives: bool = True  # False: reads and leaves commands, runs nothing
    warm: bool = True  # whether to have a worker's parent ready before the first step needs it
    heartbeat: float = 2.0
    silent: float = 15.0
    max_clients: int = 100
    suspend_after: float = 60.0

    @property
    def sessions_dir(self) -> Path:
        """Where sessions keep their files, unless they were started elsewhere."""
        return self.home / "sessions"

    @property
    def agents_dir(self) -> Path:
        """Where a person's own agent files are."""
        return self.home / "agents"
