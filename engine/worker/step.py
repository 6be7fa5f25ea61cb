"""The step attempt: one agent works with its tools, then its outputs and checks decide whether the step is done."""

from __future__ import annotations

from dataclasses import dataclass

from engine.model.agents import AgentSpec
from engine.model.events import EventKind
from engine.model.frames import CheckFrame, WorkerSpec
from engine.model.plan import PlanStep
from engine.worker.checks import run_checks
from engine.worker.context import Attempt
from engine.worker.conversation import Conversation
from engine.worker.failures import AttemptFailed
from engine.worker.prompts import step_request

SUMMARY_LIMIT = 20_000  # characters


@dataclass(slots=True)
class StepWork:
    """What a step has come to so far; kept outside the work itself, because a failed step has results too."""

    summary: str = ""
    turn: str | None = None  # the event of the agent's call
    checks: tuple[CheckFrame, ...] = ()


async def carry_out(attempt: Attempt, step: PlanStep, work: StepWork) -> None:
    """Have the step's agent do its work, and see that it is done.

    Raises:
        AttemptFailed: the model failed, the code failed, an output is missing or a check does not hold.
        Refused: the host did not take a frame.
    """
    agent = _agent(attempt.spec, step)
    conversation = Conversation(attempt, agent)
    work.summary = (await conversation.ask(step_request(attempt.spec, step), step.title))[:SUMMARY_LIMIT]
    work.turn = conversation.turn.id if conversation.turn else None
    # A model that says it is done is not believed: what it ran last, what it left behind and the checks are.
    failure = conversation.toolbox.failure()
    if failure:
        raise failure
    missing = await attempt.workdir.missing(step.outputs)
    if missing:
        raise AttemptFailed(
            "missing_output",
            f"{agent.name} ended the step without leaving behind {', '.join(missing)}",
            "Run it again with instructions that name the file, or correct the step's outputs in the plan.",
        )
    if step.checks or step.outputs:
        await _check(attempt, step, work)


async def _check(attempt: Attempt, step: PlanStep, work: StepWork) -> None:
    spec = attempt.spec
    given = [*spec.inputs, *(name for one in spec.upstream for name in one.files)]
    work.checks = await run_checks(
        step,
        attempt.workdir.root,
        python=spec.python,
        limits=spec.limits,
        upstream=None if "run_code" in _agent(spec, step).tools else given,
        task=spec.task,
    )
    for check in work.checks:
        attempt.capture.point(
            EventKind.CHECK,
            {
                "name": check.name,
                "ok": check.ok,
                "detail": check.detail,
                **({"waived": check.waived} if check.waived else {}),
            },
            agent=step.agent,
            parent=work.turn,
            title=check.name,
        )
    failed = [check for check in work.checks if not check.ok and not check.waived]
    if failed:
        raise AttemptFailed(
            "check_failed",
            "\n".join(f"the check {check.name!r} does not hold: {check.detail}" for check in failed),
            "Look at the step's files: if they are right, correct the check or waive it, else edit the instructions.",
        )


def _agent(spec: WorkerSpec, step: PlanStep) -> AgentSpec:
    if step.agent not in spec.agents:
        raise AttemptFailed(
            "setup", f"there is no agent {step.agent!r}", f"There are {', '.join(sorted(spec.agents))}."
        )
    return spec.agents[step.agent]
