"""What the agents are told about their work. Who they are, their files in engine/agents say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from engine.model.agents import AgentSpec
from engine.model.frames import Planning, Retry, Upstream, WorkerSpec
from engine.model.plan import Check, Plan, PlanStep

_FORM = """# The form of the plan
A JSON object with `title` and `steps`; a step has
- id (letters, digits, _ and -), title, agent
- instructions: a list of bullet points
- depends_on: a list of ids
- outputs: a list of relative paths
- checks: a list, each with name, kind and what belongs to its kind:
  file_exists: path, min_bytes
  csv: path, columns, min_rows, max_rows
  json_value: path, pointer (RFC 6901, such as /fit/gamma), then equals, or min and max, or approx and tolerance
  npz: path, arrays with their shapes (-1: any length)
  image: path, min_width, min_height, not_blank
  text_contains: path, pattern (a regular expression)
  numbers: path of a text, files: every number that the text quotes stands in one of these files, rounded as it may be
    (no files: in those of the steps that this one depends on)
  python: code with assertions, run in the step's directory"""


def step_request(spec: WorkerSpec, step: PlanStep) -> str:
    """The first message of a step's agent."""
    parts = [f"# The research task\n{spec.task.strip()}"]
    if spec.inputs:
        parts.append("# Files that a person attached\n" + _bullets(spec.inputs) + "\nThey lie in your directory.")
    if spec.context:
        said = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in spec.context.items()]
        parts.append("# Variables that a person has set\n" + _bullets(said) + "\nUse exactly these values.")
    if spec.upstream:
        parts.append("# What is done already\n" + "\n\n".join(map(_upstream, spec.upstream)))
    parts.append(f"# Your step: {step.title}")
    if step.instructions:
        parts.append("## Instructions\n" + _bullets(step.instructions))
    if step.outputs:
        parts.append(
            "## Files that you must leave behind\n"
            + _bullets(step.outputs)
            + "\nThe step fails if one of them is missing. Use exactly these paths."
        )
    if step.checks:
        parts.append(
            "## Checks that are run on your work afterwards\n"
            + _bullets(f"{check.name}: {_in_words(check)}" for check in step.checks)
            + "\nThe step fails if one of them does not hold. Never write numbers to satisfy a check: compute them."
        )
    if spec.retry:
        parts.append(
            "# This step was begun before, and failed\n"
            "Your directory is again as it was when the step began: nothing that was written then is in it. Find the "
            "cause before you write a line, and do not do again what has failed. If what is missing cannot be had, "
            "say so and stop: never invent it.\n\n" + _tried(spec.retry)
        )
    if spec.feedback:
        parts.append(
            f"# What a person says about this step\n{spec.feedback.strip()}\n"
            "Take this into account before anything else."
        )
    return "\n\n".join(parts)


def plan_request(spec: WorkerSpec, planning: Planning, agents: Iterable[AgentSpec]) -> str:
    """The planner's first message."""
    parts = [
        f"# The research task\n{spec.task.strip()}",
        "# The agents that may carry out a step\n" + _bullets(f"{agent.name}: {agent.description}" for agent in agents),
        "# The rules\n"
        + _bullets(
            [
                f"At most {planning.max_steps} steps; fewer are better, and every step does one thing.",
                "Steps that do not need each other's results do not depend on each other: they run at the same time.",
                "A step sees only the files and summaries of the steps that it depends on, directly or indirectly.",
                "Every step names the files that it leaves behind, in data/, figures/ or as a .md file.",
                "Every step has checks that would notice a wrong result, not only a missing one: ranges that physics or"
                " the data allow, units, row counts, recovery of known truth, convergence, agreement of two ways to the"
                " same number. A step without any is shown to a person as unchecked.",
                "Every text that quotes results has a check of kind numbers.",
                "No step may invent data that the task says are given; if they are absent, the step must fail.",
                "There is no network and no other data than what the task names or a step makes.",
            ]
        ),
    ]
    if spec.inputs:
        parts.append(
            "# Files that a person attached\n" + _bullets(spec.inputs) + "\nThey lie in every step's directory."
        )
    parts.append(_FORM)
    if planning.previous:
        parts.append(f"# The plan so far\n{_plan_text(planning.previous)}")
    if spec.retry:
        parts.append("# This plan was begun before, and failed\n" + _tried(spec.retry))
    if planning.feedback:
        parts.append(
            f"# What the person who must approve the plan says about it\n{planning.feedback.strip()}\n"
            "Change the plan accordingly."
        )
    return "\n\n".join(parts)


def repair_request(problems: Iterable[str]) -> str:
    """Tells the planner why its plan cannot run."""
    return f"This plan cannot run:\n{_bullets(problems)}\n\nSend the whole plan again, with this put right."


def review_request(spec: WorkerSpec, plan: Plan, agents: Iterable[AgentSpec]) -> str:
    """The reviewer's message."""
    listed = _bullets(f"{agent.name}: {agent.description}" for agent in agents)
    return (
        f"# The research task\n{spec.task.strip()}\n\n# The agents that may carry out a step\n{listed}\n\n"
        f"# The plan to review\n{_plan_text(plan)}\n\n# What its steps declare\n{_bullets(map(_declared, plan.steps))}"
    )


def unchecked_remarks(claims: Iterable[str]) -> str:
    """The reviewer's remarks on what no check looks at."""
    return "\n".join(f"- no check would notice if this were wrong: {claim}" for claim in claims)


def revision_request(review: str) -> str:
    """Brings the reviewer's remarks to the planner."""
    return (
        f"The reviewer says about your plan:\n{review}\n\n"
        "Send the whole plan again. Take up what makes it better, and leave out what does not."
    )


def _declared(step: PlanStep) -> str:
    if not step.checks:
        return f"{step.id}: no check"
    kinds = ", ".join(check.kind for check in step.checks)
    return f"{step.id}: {len(step.checks)} check{'s' if len(step.checks) > 1 else ''} ({kinds})"


def _tried(retry: Retry) -> str:
    """What earlier attempts did, what came of it, and what helped elsewhere."""
    parts: list[str] = []
    for one in retry.tried:
        said = [f"## Attempt {one.attempt}: {one.why}", f"Its error, in its own lines:\n{_quoted(one.error)}"]
        if one.ran:
            said.append("What it ran:\n" + _bullets(one.ran))
        if one.changed:
            said.append(f"What it had changed, after the attempt before it:\n{_quoted(one.changed, 'diff')}")
        parts.append("\n".join(said))
    if retry.code:
        parts.append(f"## The program that was run last: {retry.file}\n{_quoted(retry.code, 'python')}")
    for one in retry.resolved:
        said = [f"## The same error before, and how it was resolved\n{_quoted(one.error)}"]
        if one.said:
            said.append(f"A person had said: {one.said}")
        if one.changed:
            said.append(f"What was changed:\n{_quoted(one.changed, 'diff')}")
        if one.summary:
            said.append(f"What the agent said in the end: {one.summary}")
        parts.append("\n".join(said))
    return "\n\n".join(parts)


def _quoted(text: str, language: str = "") -> str:
    """A text as a block that nothing in it can end."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _upstream(done: Upstream) -> str:
    files = f"\nFiles in your directory: {', '.join(done.files)}" if done.files else ""
    return f"## {done.title} (step {done.step}, by {done.agent})\n{done.summary.strip()}{files}"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _plan_text(plan: Plan) -> str:
    return json.dumps(plan.model_dump(mode="json", exclude_none=True), ensure_ascii=False, indent=1)


def _in_words(check: Check) -> str:
    match check.kind:
        case "file_exists":
            return f"{check.path} exists and has at least {check.min_bytes} bytes"
        case "csv":
            columns = f" with the columns {', '.join(check.columns)}" if check.columns else ""
            rows = _between(check.min_rows, check.max_rows)
            return f"{check.path} is a CSV{columns}{f' and {rows} rows' if rows else ''}"
        case "json_value":
            if check.equals is not None:
                wanted = f"is {json.dumps(check.equals)}"
            elif check.approx is not None:
                wanted = f"is {check.approx:g} within {check.tolerance or 0:g}"
            else:
                bounds = _between(check.min, check.max)
                wanted = f"is {bounds}" if bounds else "is there"
            return f"in {check.path}, the value at {check.pointer} {wanted}"
        case "npz":
            arrays = ", ".join(f"{name} {list(shape)}" for name, shape in check.arrays.items())
            return f"{check.path} holds the arrays {arrays} (-1: any length)"
        case "image":
            blank = " and is not blank" if check.not_blank else ""
            return f"{check.path} is an image of at least {check.min_width} × {check.min_height} pixels{blank}"
        case "text_contains":
            return f"{check.path} contains the regular expression {check.pattern}"
        case "numbers":
            where = ", ".join(check.files) or "the files of the steps before"
            return (
                f"every number that {check.path} quotes stands in {where}; round as you like, but compute nothing new"
            )
        case "python":
            return f"these assertions hold:\n{check.code}"


def _between(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"from {low:g} to {high:g}"
    if low is not None:
        return f"at least {low:g}"
    return f"at most {high:g}" if high is not None else ""
