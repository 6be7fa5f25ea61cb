"""The gate: whether something is done, asked about or refused, as a run's mode and rules say at this moment."""

from __future__ import annotations

from collections.abc import Callable

from engine.model.errors import CockpitError
from engine.model.options import ApprovalMode, RunOptions
from engine.model.records import Json, Node
from engine.policy import Action, Decision, Policy, Rules, tool_action

_ASKED_ABOUT = {
    ApprovalMode.AFTER_PLANNING: frozenset({"plan"}),
    ApprovalMode.BEFORE_EACH_STEP: frozenset({"step"}),
    ApprovalMode.ON_ERROR: frozenset({"error"}),
    ApprovalMode.MANUAL: frozenset({"plan", "step", "error"}),
}
_ALLOW, _ASK = Decision("allow"), Decision("ask")


class Gate:
    """One run's gate. `spent` tells what the run has cost so far (micro-USD)."""

    def __init__(self, options: RunOptions, spent: Callable[[], int]) -> None:
        self._spent = spent
        self._options = options
        self._policy = _policy_of(options)

    @property
    def options(self) -> RunOptions:
        """How the run goes."""
        return self._options

    @property
    def spent(self) -> int:
        """What the run has cost so far (micro-USD)."""
        return self._spent()

    def change(self, options: RunOptions) -> None:
        """From now on the run goes so."""
        if (options.approval, options.rules) != (self._options.approval, self._options.rules):
            self._policy = _policy_of(options)
        self._options = options

    def plan(self) -> Decision:
        """About carrying out a plan that was just made."""
        return self._judge(Action("plan", "planner", cost_micro=self._spent()))

    def step(self, node: Node) -> Decision:
        """About beginning a step."""
        return self._judge(Action("step", node.agent or "", node.title, cost_micro=self._spent()))

    def error(self, node: Node) -> Decision:
        """About letting a node fail."""
        return self._judge(Action("error", node.agent or "", node.title, cost_micro=self._spent()))

    def ceiling(self, *, planned: bool) -> bool:
        """Whether a person is asked to raise a ceiling that is reached. The mode that asks about plans alone asks where
        one was made: else nobody has to be there."""
        mode = self._options.approval
        return mode is not ApprovalMode.NONE and (planned or mode is not ApprovalMode.AFTER_PLANNING)

    def call(self, agent: str, node: Node, tool: str, arguments: Json) -> Decision:
        """About a tool call."""
        if self._options.approval is not ApprovalMode.CUSTOM:
            return _ALLOW
        return self._judge(tool_action(agent, node.title, tool, arguments, self._spent()))

    def _judge(self, action: Action) -> Decision:
        if self._options.approval is ApprovalMode.CUSTOM:
            return self._policy.decide(action) if self._policy else Decision("ask", ("the rules cannot be read",))
        return _ASK if action.what in _ASKED_ABOUT.get(self._options.approval, ()) else _ALLOW


def _policy_of(options: RunOptions) -> Policy | None:
    """The rules, made ready; None where there are none to go by, or where a newer program wrote them."""
    if options.approval is not ApprovalMode.CUSTOM:
        return None
    try:
        return Policy(Rules.parse(options.rules or {}))
    except CockpitError:
        return None


def refusal(decision: Decision) -> str:
    """Why something is refused, in words."""
    return f"a rule forbids it: {'; '.join(decision.reasons)}"
