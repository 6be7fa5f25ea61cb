"""What the checks of a step come to, as counts. That a step ran does not say that what it found is right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.model.records import CheckResult, Json, Node, NodeKind, RunView
from engine.model.states import StepState


@dataclass(frozen=True, slots=True)
class Checked:
    """How many checks of a step held and failed, and how many failed but were waived by a person."""

    held: int = 0
    failed: int = 0
    waived: int = 0

    @classmethod
    def of(cls, results: Iterable[CheckResult]) -> Checked:
        """Count results."""
        found = list(results)
        held = sum(one.ok for one in found)
        waived = sum(bool(one.waived) and not one.ok for one in found)
        return cls(held, len(found) - held - waived, waived)

    @property
    def total(self) -> int:
        """How many were carried out."""
        return self.held + self.failed + self.waived

    def to_json(self) -> Json:
        """As plain data."""
        return {"held": self.held, "failed": self.failed, "waived": self.waived}

    @classmethod
    def from_json(cls, data: Json) -> Checked:
        """Back from plain data."""
        return cls(int(data["held"]), int(data["failed"]), int(data["waived"]))


def checked_steps(view: RunView) -> dict[str, Checked]:
    """What the checks of each completed step come to, by node id."""
    newest = {one.node_id: one for one in sorted(view.attempts, key=lambda one: one.number)}
    return {
        node.id: Checked.of(newest[node.id].checks if node.id in newest else ())
        for node in view.nodes
        if node.kind is NodeKind.STEP and node.state is StepState.COMPLETED
    }


def state_word(node: Node, checked: Checked | None) -> str:
    """A node's state for people: a completed step whose result nothing has checked says so."""
    if checked is not None and not checked.total:
        return f"{node.state.value}, unchecked"
    return f"{node.state.value}, {checked.waived} waived" if checked and checked.waived else node.state.value
