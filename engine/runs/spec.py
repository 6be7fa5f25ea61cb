"""What a worker is told: everything that one attempt needs, gathered from the run's rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path

from engine.agents.scripts import read_script
from engine.model.agents import AgentSpec
from engine.model.errors import UsageError
from engine.model.frames import Limits, ModelSpec, Planning, Replay, ScriptedAnswer, Upstream, WorkerSpec
from engine.model.ids import short
from engine.model.options import RunOptions
from engine.model.plan import Plan, PlanStep
from engine.model.records import Attempt, Node, Run, Session
from engine.runs.models import model_specs, recorded_models
from engine.runs.world import World

_PLANNERS = ("planner", "plan_reviewer")


def run_directory(session: Session, run: Run) -> Path:
    """Where a run keeps its files."""
    return Path(session.directory) / short(run.id)


def work_directory(session: Session, run: Run, node: Node, number: int) -> Path:
    """Where one attempt works, whatever became of the ones before: each owner of the run in its own place, since a
    former one that slept may go on with what it had begun there."""
    name = f"{number}.{run.lease}" if run.lease else str(number)
    return run_directory(session, run) / "work" / node.step / name


def work_directories(one: Path) -> list[Path]:
    """Every place of the attempt that this is one of."""
    number = one.name.partition(".")[0]
    return [other for other in one.parent.glob(f"{number}*") if other.name.partition(".")[0] == number]


def planning_spec(world: World, run: Run, attempt: Attempt, feedback: str | None, previous: Plan | None) -> WorkerSpec:
    """What the worker that makes the plan is told. It knows every agent that a plan may name.

    Raises:
        UsageError: an agent or a model that it needs is missing.
    """
    options = RunOptions.from_json(run.options)
    agents = [_agent(world, name) for name in _PLANNERS]
    plannable = {name: agent for name, agent in world.agents.items() if agent.plannable}
    planning = Planning(reviews=options.reviews, max_steps=options.max_steps, feedback=feedback, previous=previous)
    spec = _spec(world, run, attempt, "planning", agents)
    return spec.model_copy(update={"planning": planning, "agents": {**plannable, **spec.agents}})


def step_spec(world: World, run: Run, attempt: Attempt, step: PlanStep, upstream: Sequence[Upstream]) -> WorkerSpec:
    """What the worker that carries out a step is told.

    Raises:
        UsageError: an agent or a model that it needs is missing.
    """
    spec = _spec(world, run, attempt, step.id, [_agent(world, step.agent)])
    context = RunOptions.from_json(run.options).context_of(step.id)
    told = {"step": step, "upstream": tuple(upstream), "feedback": attempt.feedback, "context": context}
    return spec.model_copy(update=told)


def _agent(world: World, name: str) -> AgentSpec:
    agent = world.agents.get(name)
    if agent is None:
        raise UsageError(f"unknown agent {name!r}", f"There are {', '.join(sorted(world.agents))}.")
    return agent


def _spec(world: World, run: Run, attempt: Attempt, step_id: str, agents: Sequence[AgentSpec]) -> WorkerSpec:
    options = RunOptions.from_json(run.options)
    if options.replay:
        models, scripted = recorded_models(agents, options), ()
    else:
        models = model_specs(agents, options, world.settings.environ)
        scripted = _answers(models, step_id, paced=options.paced)
    return WorkerSpec(
        session_id=run.session_id,
        run_id=run.id,
        node_id=attempt.node_id,
        attempt_id=attempt.id,
        attempt=attempt.number,
        step_id=step_id,
        task=run.task,
        inputs=tuple(one.path for one in options.inputs),
        workdir=attempt.workdir or "",
        agents={agent.name: agent for agent in agents},
        models=models,
        scripted=scripted,
        replay=Replay(strict=options.replay.strict) if options.replay else None,  # no worker of a replay asks a model
        counted=options.ceilings.any,
        limits=Limits(code_timeout=options.code_timeout, attempt_timeout=options.attempt_timeout),
        python=world.settings.python,
    )


def _answers(models: dict[str, ModelSpec], step_id: str, *, paced: bool) -> tuple[ScriptedAnswer, ...]:
    journals = dict.fromkeys(Path(model.name) for model in models.values() if model.provider == "journal")
    found = chain.from_iterable(_script(path, _changed(path)).get(step_id, ()) for path in journals)
    return tuple(found if paced else (answer.model_copy(update={"delay": 0.0}) for answer in found))


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=16)
def _script(path: Path, _changed: int) -> Mapping[str, Sequence[ScriptedAnswer]]:
    """A journal's answers, by step."""
    answers: dict[str, list[ScriptedAnswer]] = {}
    for answer in read_script(path).answers:
        answers.setdefault(answer.step, []).append(answer)
    return answers
