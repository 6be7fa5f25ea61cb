"""Runs as other programs read them: the JSON of the contract, Mermaid and DOT, and an HTML page."""

from __future__ import annotations

from engine.exports.beside import comparison_json, lineage_json
from engine.exports.graphs import dot, mermaid
from engine.exports.page import html
from engine.exports.present import (
    approval_json,
    artifact_json,
    cost_json,
    event_json,
    message_json,
    run_json,
    run_line,
    session_line,
)
from engine.exports.retries import retries_json
from engine.exports.spending import spending_json

__all__ = [
    "approval_json",
    "artifact_json",
    "comparison_json",
    "cost_json",
    "dot",
    "event_json",
    "html",
    "lineage_json",
    "mermaid",
    "message_json",
    "retries_json",
    "run_json",
    "run_line",
    "session_line",
    "spending_json",
]
