"""The planning attempt: the planner writes, the reviewer remarks, the planner revises, and only a plan that can run
leaves."""

from __future__ import annotations

from ag2.response import ResponseSchema

from engine.model.errors import PlanInvalid
from engine.model.events import EventKind
from engine.model.frames import Planning
from engine.model.plan import Plan
from engine.model.text import one_line
from engine.worker.context import Attempt
from engine.worker.conversation import Conversation
from engine.worker.failures import AttemptFailed
from engine.worker.planform import PLAN_SCHEMA, REVIEW_SCHEMA, read_plan, read_review
from engine.worker.prompts import plan_request, repair_request, review_request, revision_request, unchecked_remarks

PLANNER, REVIEWER = "planner", "plan_reviewer"


async def make_plan(attempt: Attempt, planning: Planning) -> Plan:
    """Have a plan made and reviewed.

    Raises:
        AttemptFailed: a model failed, or the plan still cannot run after all repairs.
        Refused: the host did not take a frame.
    """
    return await _Rounds(attempt, planning).all()


class _Rounds:
    def __init__(self, attempt: Attempt, planning: Planning) -> None:
        self._attempt = attempt
        self._spec = attempt.spec
        self._planning = planning
        self._plannable = {name: agent for name, agent in attempt.spec.agents.items() if agent.plannable}
        self._round = 0
        self._planner = self._agent(PLANNER, "plan", PLAN_SCHEMA)

    async def all(self) -> Plan:
        plan = await self._valid(plan_request(self._spec, self._planning, self._plannable.values()), None)
        if not self._planning.reviews:
            return plan
        reviewer = self._agent(REVIEWER, "review", REVIEW_SCHEMA)
        for number in range(1, self._planning.reviews + 1):
            self._handoff(PLANNER, REVIEWER, f"review {number} of {self._planning.reviews}")
            text = await reviewer.ask(review_request(self._spec, plan, self._plannable.values()), f"Review {number}")
            approved, remarks, unchecked = read_review(text)
            if unchecked:
                remarks = "\n".join(filter(None, (remarks, unchecked_remarks(unchecked))))
            if not remarks:
                if approved:
                    break
                remarks = "- The plan is not approved, without a reason. Look at it once more."
            why = "approved with remarks" if approved else "changes are asked for"
            claims = f"; no check for {one_line('; '.join(unchecked), 400)}" if unchecked else ""
            self._handoff(REVIEWER, PLANNER, why + claims)
            plan = await self._valid(revision_request(remarks), remarks)
        return plan

    async def _valid(self, request: str, review: str | None) -> Plan:
        """The planner's answer, sent back with its errors until it can run or the repairs are used up."""
        for repairs_left in range(self._planning.repairs, -1, -1):
            self._round += 1
            text = await self._planner.ask(request, f"Plan, round {self._round}")
            plan, problems = self._read(text)
            self._attempt.capture.point(
                EventKind.PLAN,
                {
                    "plan": plan.model_dump(mode="json", exclude_none=True) if plan else None,
                    "errors": problems or None,
                    "review": review,
                    "round": self._round,
                },
                agent=PLANNER,
                parent=self._planner.turn.id if self._planner.turn else None,
                title=plan.title if plan else "A plan that cannot be read",
            )
            if plan and not problems:
                return plan
            if repairs_left:
                request = repair_request(problems)
                continue
            listed = "\n".join(f"  - {problem}" for problem in problems)
            raise AttemptFailed(
                "plan_invalid",
                f"the planner's plan cannot run, after {self._planning.repairs} repairs:\n{listed}",
                "Plan again with feedback, use a stronger model for the planner, or give a plan with --plan.",
            )
        raise AssertionError("a range from a number that is not negative is never empty")

    def _read(self, text: str) -> tuple[Plan | None, list[str]]:
        try:
            plan = read_plan(text)
        except PlanInvalid as error:
            return None, error.problems
        problems = plan.problems(self._plannable)
        if len(plan.steps) > self._planning.max_steps:
            problems.append(f"it has {len(plan.steps)} steps; at most {self._planning.max_steps} are allowed")
        problems += [
            f"step {step.id!r}: the check {check.name!r} is waived, which only a person may do"
            for step in plan.steps
            for check in step.checks
            if check.waived is not None
        ]
        return plan, problems

    def _agent(self, name: str, form: str, schema: dict[str, object]) -> Conversation:
        if name not in self._spec.agents:
            raise AttemptFailed("setup", f"there is no agent {name}", "Put its file back, or remove the override.")
        return Conversation(self._attempt, self._spec.agents[name], ResponseSchema.from_schema(schema, name=form))

    def _handoff(self, sender: str, to: str, why: str) -> None:
        self._attempt.capture.point(EventKind.HANDOFF, {"to": to, "why": why}, agent=sender, title=f"{sender} → {to}")
