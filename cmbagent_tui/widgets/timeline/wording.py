"""One line for an event: its mark, its words, and whether it went well."""

from __future__ import annotations

from typing import Any

from cmbagent_tui import look, words
from cmbagent_tui.look import Mark, Tone
from cmbagent_tui.widgets.timeline.kinds import of_approval, of_kind
from engine.model.checked import Checked
from engine.model.events import Event, EventKind, Phase
from engine.model.records import ApprovalState
from engine.model.states import RunState, StepState


def mark_of(event: Event) -> Mark:
    """The glyph and tone of an event: its kind's, coloured by how it ended."""
    data = event.data
    mark = of_kind(event.kind)
    if event.kind is EventKind.RUN_STATE:
        return look.of_run(RunState(data["after"]))
    if event.kind is EventKind.NODE_STATE:
        return look.of_step(StepState(data["after"]), _checked(data))
    if event.kind is EventKind.CHECK:
        return look.of_check(bool(data.get("ok")), data.get("waived"))
    if event.kind is EventKind.APPROVAL:
        return Mark(mark.glyph, mark.plain, mark.word, of_approval(ApprovalState(data.get("state", "pending"))))
    if event.phase is Phase.END:
        return look.OK if went_well(event) else look.BAD
    if event.phase is Phase.START:
        return Mark(mark.glyph, mark.plain, mark.word, Tone.RUNNING)
    return mark


def went_well(event: Event) -> bool:
    """Whether the end of something says that it succeeded."""
    data = event.data
    if event.kind is EventKind.CODE_EXEC:
        return data.get("exit") == 0 and not data.get("timed_out")
    return bool(data.get("ok", not data.get("error")))


def words_of(event: Event) -> str:
    """What happened, on one line. The texts in it were cleaned where they entered."""
    data = event.data
    match event.kind:
        case EventKind.RUN_STATE:
            text = f"run {_spaced(data['after'])}{_why(data)}"
        case EventKind.NODE_STATE:
            state = _spaced(data["after"])
            if (checked := _checked(data)) is not None:
                state = look.word_of(look.of_step(StepState(data["after"]), checked))
            text = f"{event.title.rpartition(' ')[0] or 'step'} {state}{_why(data)}"
        case EventKind.FILE_GEN:
            size = data.get("size")
            text = f"{data.get('path', '')}{f'  {words.size(size)}' if isinstance(size, int) else ''}"
            text += "" if data.get("change") in (None, "added") else f"  {data['change']}"
        case EventKind.CHECK:
            text = f"check {data.get('name', '')}: {data.get('detail', '')}"
        case EventKind.COST:
            amount = data.get("usd_micro")
            used = (data.get("prompt_tokens") or 0) + (data.get("completion_tokens") or 0)
            price = words.UNKNOWN if amount is None else words.dollars(amount)
            text = f"{words.tokens(used)} tokens  {price}  {words.model(str(data.get('model', '')))}"
        case EventKind.MESSAGE:
            text = event.title or f"{data.get('sender', '')}: {_inline(data.get('content'))}"
        case EventKind.APPROVAL:
            text = f"{data.get('title') or event.title}: {data.get('state', 'pending')}"
        case EventKind.ERROR:
            text = f"{data.get('message') or event.title}"
        case EventKind.RETRY if data.get("category") == "redo" or data.get("waived"):
            text = event.title
        case EventKind.RETRY:
            text = f"again ({data.get('attempt', '?')} of {data.get('of', '?')}): {data.get('category', '')}"
            text += f"; {likely}" if (likely := words.likely(data)) else ""
        case EventKind.OUTPUT:
            text = _inline(data.get("text"))
        case _ if event.phase is Phase.END:
            text = _ended(event)
        case _:
            text = _began(event)
    return " ".join(text.split())


def _began(event: Event) -> str:
    data = event.data
    match event.kind:
        case EventKind.MODEL_CALL:
            return f"asks {words.model(str(data.get('model') or event.title))}"
        case EventKind.TOOL_CALL:
            return f"{data.get('tool') or event.title}({_inline(data.get('arguments'))})"
        case EventKind.CODE_EXEC:
            command = data.get("command")
            return event.title or (" ".join(map(str, command)) if isinstance(command, list) else _inline(command))
        case EventKind.HANDOFF:
            return f"hands over to {data.get('to', '?')}: {data.get('why', '')}"
        case EventKind.CONFLICT:
            return f"{data.get('path', '')} was written by several steps"
        case _:
            return event.title or event.kind.value.replace("_", " ")


def _ended(event: Event) -> str:
    data = event.data
    error = data.get("error")
    match event.kind:
        case EventKind.CODE_EXEC:
            if data.get("timed_out"):
                return f"{event.title or 'code'} ran out of time"
            outcome = f"signal {data['signal']}" if data.get("signal") else f"exit {data.get('exit', '?')}"
            return f"{event.title or 'code'} {outcome}"
        case EventKind.MODEL_CALL:
            said = _inline(data.get("text")) or _calls(data.get("tool_calls"))
            return f"error: {_inline(error)}" if error else said or "answered"
        case EventKind.TOOL_CALL:
            return f"error: {_inline(error)}" if error else _inline(data.get("result")) or "done"
        case _:
            return f"error: {_inline(error)}" if error else _inline(data.get("summary")) or event.title or "done"


def _calls(value: object) -> str:
    if not isinstance(value, list):
        return ""
    names = [str(one.get("name", "?")) if isinstance(one, dict) else str(one) for one in value]
    return "calls " + ", ".join(names) if names else ""


def _inline(value: object) -> str:
    """A value short enough for a line; a body that lies in the blob store shows its size."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value[:400]
    if isinstance(value, dict):
        if "blob" in value and isinstance(size := value.get("size"), int):
            return f"({words.size(size)})"
        return ", ".join(f"{key}={_inline(item)[:60]}" for key, item in list(value.items())[:6])
    if isinstance(value, list):
        return ", ".join(_inline(item)[:60] for item in value[:6])
    return str(value)


def _checked(data: dict[str, Any]) -> Checked | None:
    return Checked.from_json(data["checks"]) if data.get("checks") else None


def _why(data: dict[str, object]) -> str:
    reason = data.get("error") or data.get("why")
    return f": {reason}" if reason else ""


def _spaced(value: object) -> str:
    return str(value).replace("_", " ")
