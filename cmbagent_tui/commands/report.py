"""A run in words: for the end of a headless run, for `show`, and for its progress."""

from __future__ import annotations

from collections import Counter

from cmbagent_tui.look import of_run, of_step, word_of
from cmbagent_tui.state.beside import ALIKE, LIKENESS
from cmbagent_tui.words import doubts, duration, likely, plural, size, used
from engine.model.checked import Checked, checked_steps
from engine.model.comparison import Comparison
from engine.model.events import Event, EventKind, Phase
from engine.model.ids import short
from engine.model.options import RunOptions
from engine.model.records import Artifact, Attempt, CheckResult, Node, RunView
from engine.model.states import StepState
from engine.model.text import one_line

_FILES_TOLD = 20  # of what one program or tool call wrote
_FILES_LISTED = 200  # of a run
_PROBLEMS_TOLD = 10  # of one plan


def event_line(event: Event) -> str:
    """An event on one line."""
    mark = {"start": "▸", "end": "◂", "point": "·"}[event.phase.value]
    agent = f"[{event.agent}] " if event.agent else ""
    moved = event.kind in (EventKind.RUN_STATE, EventKind.NODE_STATE)
    why = one_line(str(event.data.get("error") or event.data.get("why") or "")) if moved else ""
    told = f"{event.title}: {why}" if why else event.title
    return f"{event.seq:>6}  {event.at:%H:%M:%S}  {mark} {event.kind.value:<11} {agent}{told}"


class Progress:
    """Tells a person who waits for a headless run what happens, a line at a time."""

    def __init__(self) -> None:
        self._steps: dict[str, str] = {}
        self._files: Counter[str | None] = Counter()  # told, by the event that wrote them
        self._ran: set[str | None] = set()  # tool calls in which code ran

    def line(self, event: Event) -> str | None:
        """What is worth a line of an event, or None. What goes on behind a line break is indented."""
        if event.kind is EventKind.NODE and event.node_id:
            self._steps[event.node_id] = str(event.data["step"])
        text = self._worth_saying(event)
        if text is None:
            return None
        step = self._steps.get(event.node_id or "", "run")
        return f"{event.at:%H:%M:%S}  {step:<14} {text}".replace("\n", f"\n{'':25}")

    def _worth_saying(self, event: Event) -> str | None:
        match event.kind:
            case EventKind.CODE_EXEC:
                self._ran.add(event.parent_event_id)  # how it ended is said of the code, not of the call as well
            case EventKind.FILE_GEN:
                self._files[event.parent_event_id] += 1
                if self._files[event.parent_event_id] > _FILES_TOLD:
                    more = "  … and more files, which are not told one by one"
                    return more if self._files[event.parent_event_id] == _FILES_TOLD + 1 else None
            case EventKind.TOOL_CALL if event.phase is Phase.END and event.span_id in self._ran:
                return None
            case _:
                pass
        return _words_of(event)


def _words_of(event: Event) -> str | None:
    data = event.data
    match event.kind:
        case EventKind.RUN_STATE | EventKind.NODE_STATE:
            after = data["after"]
            if data.get("checks"):
                after = word_of(of_step(StepState(after), Checked.from_json(data["checks"])))
            return f"{after}" + (f": {data['error']}" if data.get("error") else "")
        case EventKind.CHECK:
            how = "ok" if data["ok"] else "waived" if data.get("waived") else "FAILED"
            return f"  check {how}: {data['name']}: {data['detail']}"
        case EventKind.ERROR:
            return f"  {data['message']}" + (f"\n{data['hint']}" if data.get("hint") else "")
        case EventKind.CODE_EXEC if event.phase is Phase.END:
            how = "ran" if data.get("exit") == 0 else f"ended with {data.get('signal') or data.get('exit')}"
            how = "was stopped at its time limit," if data.get("timed_out") else how
            return f"  code {how} in {duration(float(data.get('seconds') or 0))}"
        case EventKind.TOOL_CALL if event.phase is Phase.END and data.get("ok") is False:
            return f"  {event.title} was refused: {one_line(str(data.get('result') or data.get('error') or ''), 300)}"
        case EventKind.HANDOFF:
            return f"  {event.title}: {data['why']}"
        case EventKind.PLAN:
            problems: list[str] = data.get("errors") or []
            more = [f"and {len(problems) - _PROBLEMS_TOLD} more"] if len(problems) > _PROBLEMS_TOLD else []
            return "\n  - ".join([f"  {event.title}", *problems[:_PROBLEMS_TOLD], *more])
        case EventKind.RETRY:
            return f"  {event.title}" + (f"\n{said}" if (said := likely(data)) else "")
        case EventKind.FILE_GEN | EventKind.CONFLICT:
            return f"  {event.title}"
        case _:
            return None


def dag_lines(view: RunView) -> list[str]:
    """The nodes in the plan's order, each with what it waits for."""
    names = {node.id: node.step for node in view.nodes}
    needs: dict[str, list[str]] = {}
    for edge in view.edges:
        needs.setdefault(edge.to_node, []).append(names[edge.from_node])
    lines: list[str] = []
    checked = checked_steps(view)
    for node in view.nodes:
        look = of_step(node.state, checked.get(node.id))
        after = f"  after {', '.join(needs[node.id])}" if node.id in needs else ""
        lines.append(f"{look.glyph} {node.step:<16} {look.word:<10} {node.title}{after}")
    return lines


def run_lines(view: RunView, comparison: Comparison | None = None) -> list[str]:
    """A run from its state to its files; of a replay, how they compare with those of the run that it replays."""
    run, look = view.run, of_run(view.run.state)
    attempts = {attempt.node_id: attempt for attempt in sorted(view.attempts, key=lambda one: one.number)}
    notice = RunOptions.from_json(run.options).notice
    lines = [view.session.title, f"run {short(run.id)}: {look.glyph} {look.word}"]
    if run.started_at and run.ended_at:
        lines[-1] += f" in {duration((run.ended_at - run.started_at).total_seconds())}"
    spent = used(view.cost, run.options)
    if run.options.get("max_calls") is None:
        spent.append(plural(view.cost.calls, "model call"))
    lines.append(", ".join(spent))
    if notice:
        lines.append(notice)
    lines.append("")
    checked = checked_steps(view)
    for node in view.nodes:
        lines += _node_lines(node, attempts.get(node.id), checked.get(node.id))
    unchecked = sum(not one.total for one in checked.values())
    if told := doubts(unchecked, sum(one.waived for one in checked.values())):
        lines += ["", told]
    newest: dict[str, Artifact] = {artifact.path: artifact for artifact in view.artifacts}
    if newest:
        lines += ["", f"Files, in {view.session.directory}/{short(run.id)}/control:"]
        lines += [f"  {path}  {size(artifact.size)}" for path, artifact in sorted(newest.items())[:_FILES_LISTED]]
        if len(newest) > _FILES_LISTED:
            more = f"{len(newest) - _FILES_LISTED:,} more"
            lines.append(f"  … and {more}: `cmbagent-tui show {short(run.id)} --files` lists them all")
    if comparison and run.replay_of:
        lines += ["", *file_lines(f"Compared with run {short(run.replay_of)}", comparison)]
    if run.error:
        lines += ["", f"Error: {run.error}"]
    return lines


def file_lines(heading: str, comparison: Comparison) -> list[str]:
    """How the files of two runs compare, one a line, and what counts as alike."""
    lines = [f"{heading}: {comparison.summary()}"]
    lines.append(f"  {ALIKE}")
    for file in comparison.files[:_FILES_LISTED]:
        lines.append(f"  {LIKENESS[file.likeness]:<9}  {file.path}  {file.detail}")
    rest = sum(comparison.counts.values()) - len(comparison.files[:_FILES_LISTED])
    if rest:
        lines.append(f"  … and {rest:,} more")
    return lines


def _node_lines(node: Node, attempt: Attempt | None, checked: Checked | None) -> list[str]:
    look, step = of_step(node.state, checked), node.step
    lines = [f"{look.glyph} {step:<16} {look.word:<10} {node.title}"]
    if attempt and attempt.summary and node.state is StepState.COMPLETED and step not in ("planning", "terminator"):
        lines += [f"    {line}" for line in attempt.summary.splitlines() if line.strip()][:6]
    if attempt:
        lines += [f"    {_how(check)}: {check.name}: {check.detail}" for check in attempt.checks]
    if node.error:
        lines.append(f"    {node.error}")
    return lines


def _how(check: CheckResult) -> str:
    return "ok" if check.ok else f"waived by {check.waived}" if check.waived else "FAILED"
