"""The beginning of a run: what is asked for is judged, and written down as a session and a draft."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from engine.model.agents import AgentSpec
from engine.model.changes import Add, Change
from engine.model.errors import UsageError
from engine.model.ids import new_id
from engine.model.modelref import default_model
from engine.model.options import ApprovalMode, EngineSettings, RunOptions
from engine.model.plan import Plan
from engine.model.records import Json, Mode, Run, Session, session_folder
from engine.model.states import RunState
from engine.model.text import clean, one_line
from engine.policy import Rules
from engine.runs.models import check_models

MAX_TASK = 100_000  # characters
MODES = (Mode.ONE_SHOT, Mode.PLANNING_CONTROL, Mode.HUMAN_IN_THE_LOOP)


@dataclass(frozen=True, slots=True)
class Request:
    """What a person wants done. `title` names the session, if there is none yet."""

    task: str
    mode: Mode
    options: RunOptions
    plan: Plan | None = None
    title: str | None = None


def begin_run(
    request: Request,
    session: Session | None,
    agents: Mapping[str, AgentSpec],
    settings: EngineSettings,
    at: datetime,
    *,
    owner_id: str | None,
) -> tuple[Run, list[Change]]:
    """The run, and the changes that write it down, with a new session unless one is given.

    Raises:
        UsageError: the task, the mode, a model or an agent is not usable.
        PlanInvalid: the given plan cannot run.
    """
    task = _judged(request.task)
    if request.mode not in MODES:
        raise UsageError(f"the mode {request.mode.value} is not there yet", f"There are {', '.join(MODES)}.")
    options = request.options
    steered = request.mode is Mode.HUMAN_IN_THE_LOOP
    if steered and options.approval is ApprovalMode.AFTER_PLANNING:
        options = replace(options, approval=ApprovalMode.MANUAL)
    elif options.approval is ApprovalMode.MANUAL and request.mode is Mode.PLANNING_CONTROL and request.plan is None:
        request = replace(request, mode=Mode.HUMAN_IN_THE_LOOP)
    default = options.models.get("default") or default_model(settings.environ)
    if default:
        options = replace(options, models={"default": default, **options.models})
    check_rules(options.rules)
    _check(request, options, agents, settings)
    changes: list[Change] = []
    if session is None:
        session = _session(request, task, settings, at)
        changes.append(Add(session))
    run = Run(
        new_id(),
        session.id,
        RunState.DRAFT,
        request.mode,
        task,
        options.to_json(),
        at,
        plan=request.plan.model_dump(mode="json") if request.plan else None,
        owner_id=owner_id,
    )
    return run, [*changes, Add(run)]


def check_rules(rules: Json | None) -> None:
    """Raise UsageError unless these are rules."""
    if rules is not None:
        Rules.parse(rules)


def _judged(task: str) -> str:
    task = clean(task).strip()
    if not task:
        raise UsageError("the task is empty", "Say in a sentence or more what is to be found out.")
    if len(task) > MAX_TASK:
        raise UsageError(
            f"the task has {len(task):,} characters; at most {MAX_TASK:,} are taken",
            "Put long material into a file and name the file in the task.",
        )
    return task


def _session(request: Request, task: str, settings: EngineSettings, at: datetime) -> Session:
    name = one_line(request.title or task, 80)
    identity = new_id()
    directory = settings.sessions_dir / session_folder(identity, name, at)
    return Session(identity, name, request.mode, str(directory), at, at)


def _check(request: Request, options: RunOptions, agents: Mapping[str, AgentSpec], settings: EngineSettings) -> None:
    plannable = sorted(name for name, agent in agents.items() if agent.plannable)
    if request.plan is not None:
        request.plan.require(plannable)
        names = {step.agent for step in request.plan.steps}
    elif request.mode is Mode.ONE_SHOT:
        names = {options.agent}
    elif request.mode is Mode.HUMAN_IN_THE_LOOP:
        names = set(plannable)
    else:
        names = {"planner", "plan_reviewer", *plannable}
    unknown = sorted(names - agents.keys())
    if unknown:
        raise UsageError(f"unknown agent {unknown[0]!r}", f"There are {', '.join(plannable)}.")
    roles = sorted(set(options.models) - {"default"} - agents.keys())
    if roles:
        raise UsageError(f"a model is set for {roles[0]!r}, which is no agent")
    check_models([agents[name] for name in sorted(names)], options, settings.environ)
