"""Exports of a run's DAG as text: Mermaid and Graphviz DOT."""

from __future__ import annotations

import json
import re

from engine.model.checked import checked_steps, state_word
from engine.model.records import EdgeKind, NodeKind, RunView
from engine.model.states import StepState

_COLOURS = {
    StepState.COMPLETED: "#b7e1cd",
    StepState.FAILED: "#f4c7c3",
    StepState.RUNNING: "#c9daf8",
    StepState.WAITING_APPROVAL: "#fce8b2",
    StepState.SKIPPED: "#e0e0e0",
    StepState.CANCELLED: "#e0e0e0",
}

_SHAPES = {NodeKind.APPROVAL: ("{{", "}}"), NodeKind.BRANCH_POINT: ("{", "}")}


def mermaid(view: RunView) -> str:
    """A Mermaid flowchart; node names are n0, n1 … in the plan's order, so that no title can break its syntax."""
    names = {node.id: f"n{index}" for index, node in enumerate(view.nodes)}
    lines, checked = ["flowchart TD"], checked_steps(view)
    for node in view.nodes:
        left, right = _SHAPES.get(node.kind, ("[", "]"))
        label = _quoted(f"{node.step}: {node.title} ({state_word(node, checked.get(node.id))})")
        lines.append(f'    {names[node.id]}{left}"{label}"{right}')
    for edge in view.edges:
        arrow = "-.->" if edge.kind in (EdgeKind.CONDITIONAL, EdgeKind.OPTIONAL) else "-->"
        lines.append(f"    {names[edge.from_node]} {arrow} {names[edge.to_node]}")
    for node in view.nodes:
        if node.state in _COLOURS:
            lines.append(f"    style {names[node.id]} fill:{_COLOURS[node.state]}")
    return "\n".join(lines) + "\n"


def dot(view: RunView) -> str:
    """A Graphviz digraph."""
    names = {node.id: f"n{index}" for index, node in enumerate(view.nodes)}
    checked = checked_steps(view)
    lines = ["digraph run {", "    rankdir=TB;", '    node [shape=box, style="rounded,filled", fillcolor=white];']
    for node in view.nodes:
        label = json.dumps(f"{node.step}: {node.title}\n{state_word(node, checked.get(node.id))}", ensure_ascii=False)
        fill = _COLOURS.get(node.state, "white")
        shape = ", shape=diamond" if node.kind is NodeKind.BRANCH_POINT else ""
        lines.append(f'    {names[node.id]} [label={label}, fillcolor="{fill}"{shape}];')
    for edge in view.edges:
        style = " [style=dashed]" if edge.kind in (EdgeKind.CONDITIONAL, EdgeKind.OPTIONAL) else ""
        lines.append(f"    {names[edge.from_node]} -> {names[edge.to_node]}{style};")
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    """Text within a Mermaid string: its quotes, brackets and entities as numeric entities."""
    return re.sub(r'["#&<>`;\[\]{}()|\\]', lambda match: f"#{ord(match[0])};", " ".join(text.split()))
