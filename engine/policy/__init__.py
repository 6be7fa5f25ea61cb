"""Policy: which actions of agents are denied, asked about or allowed, by a person's own rules. Pure: it reads nothing
but what it is given."""

from engine.policy.actions import Action, tool_action
from engine.policy.decide import Decision, Judged, Policy
from engine.policy.rules import Rules, read_rules

__all__ = ["Action", "Decision", "Judged", "Policy", "Rules", "read_rules", "tool_action"]
