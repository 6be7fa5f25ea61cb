"""Events: what happened, append-only, dense per run, nested by `parent_event_id`.

Something that lasts is two events: one with phase `start`, and one with phase `end` whose `span_id` is the start's id
and whose `data` holds the outcome. Everything else is a `point`. A screen's state is nothing but a fold over these.

What `data` holds, by kind (all texts cleaned; a body past 16 KB is a blob reference `{"blob": sha256, "size": n}`):

- run_state: before, after, who, why, error?          - node_state: before, after, who, why, error?, attempt?
- node: the node as JSON (see `node_data`), and "edges": [[from, to, kind], …] that lead to it (from a branch point too)
- agent_call: start {attempt, model}, end {ok, summary?, error?}
- model_call: start {model, sequence, replayed, scripted, counted?}, end {ok, text?, tool_calls?, error?, replayed}
  (`text` is an excerpt: the whole is the Message of that event; `counted`: the run has a ceiling)
- tool_call: start {tool, arguments, sequence}, end {ok, result?, error?, replayed}
- code_exec: start {command, file?, code?}, end {exit, signal?, seconds, stdout, stderr, timed_out, truncated}
- file_gen: {artifact, path, sha256, size, kind, change: "added" | "changed" | "deleted"}
- message: {message, sender, role, characters}: the words are in the Message of that id
- handoff: {to, why}
- approval: {approval, kind, title, state, by?, feedback?, difference?, ceilings?}: asked for, or settled (`difference`:
  a unified diff of what was edited; `ceilings`: the run's options that were raised). Also {state, mode, by} where the
  mode of asking changes
- check: {name, ok, detail}; of a replay also, for each file, {file: a FileComparison}, and at last {counts, requests,
  changed} of a Comparison                             - cost: {model, prompt_tokens, completion_tokens, usd_micro |
  null}
- plan: {plan, errors?: [...], review?: text, round}   - output: {stream, text}  (a worker's own stray prints)
- error: {category, kind, message, hint?, detail?, not_retried?}: of an attempt's failure (see engine.model.failures);
  others have {category, message, hint?}
- retry: {category, kind, attempt, of, at, wait, why, continues, chance, told}: attempt `attempt`, of at most `of`,
  is made not before `at`, `wait` seconds after the failure, because `why`; `continues` are the attempts whose answers
  it is given again (none: it begins anew, and is told `told`), `by` the person who wants it if one does, `chance`
  {cases, resolved, rate | null, words} is what history says of its success. Also {category, attempt} where what a
  lost process did is taken up in the same attempt; and {category: "redo", attempt, by, feedback?, program?: {file,
  code}, difference?} where a person has the step done again (`difference`: what was edited, as a unified diff)
- conflict: {path, kept: [path, …], nodes: [id, …]}
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from engine.model.records import Json, Node


class EventKind(StrEnum):
    """What sort of thing happened."""

    RUN_STATE = "run_state"
    NODE = "node"
    NODE_STATE = "node_state"
    AGENT_CALL = "agent_call"
    MODEL_CALL = "model_call"
    TOOL_CALL = "tool_call"
    CODE_EXEC = "code_exec"
    FILE_GEN = "file_gen"
    HANDOFF = "handoff"
    MESSAGE = "message"
    APPROVAL = "approval"
    CHECK = "check"
    RETRY = "retry"
    COST = "cost"
    PLAN = "plan"
    OUTPUT = "output"
    CONFLICT = "conflict"
    ERROR = "error"


class Phase(StrEnum):
    """Whether an event opens something, closes it, or stands alone."""

    START = "start"
    END = "end"
    POINT = "point"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `seq` is 0 until the store has numbered it: dense from 1 within the run."""

    id: str
    session_id: str
    run_id: str
    kind: EventKind
    at: datetime
    phase: Phase = Phase.POINT
    node_id: str | None = None
    attempt_id: str | None = None
    parent_event_id: str | None = None
    span_id: str | None = None
    agent: str | None = None
    title: str = ""
    data: Json = field(default_factory=dict[str, object])
    seq: int = 0

    def numbered(self, seq: int) -> Event:
        """The same event with its place in the run."""
        return replace(self, seq=seq)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Events of one kind that some process committed to a run: the numbers of the first and of the last."""

    run_id: str
    kind: EventKind
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of text as the model streams it. Shown as it comes, never stored: the whole follows in a model_call
    end."""

    run_id: str
    node_id: str
    event_id: str  # the model_call start that it belongs to
    text: str


def node_data(node: Node, edges: list[tuple[str, str, str]]) -> Json:
    """The `data` of a node event."""
    return {
        "id": node.id,
        "step": node.step,
        "kind": node.kind.value,
        "title": node.title,
        "agent": node.agent,
        "position": node.position,
        "state": node.state.value,
        "parent_node_id": node.parent_node_id,
        "depth": node.depth,
        "error": node.error,
        "edges": [list(edge) for edge in edges],
    }
