"""Permits: what becomes of a tool call that an agent is about to make, before it is made.

The worker waits for the acknowledgement of its intent. Where a person has to be asked none comes: the worker ends, and
when the answer is there the agent is brought back by its journal, intends the same call again, and is answered from the
rows.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Iterable
from typing import Any

from engine.model.frames import JournalFrame, Permit
from engine.model.grants import grant_in
from engine.model.options import ApprovalMode
from engine.model.records import Approval, ApprovalState, Attempt, Json, Node
from engine.model.text import clean, one_line
from engine.policy import Decision
from engine.policy.shell import take_apart
from engine.ports import SessionReads
from engine.runs.control import Asked
from engine.runs.gate import Gate, refusal
from engine.runs.recorder import safe

ASK_PERSON = "ask_person"  # the tool by which an agent asks
_A = ApprovalState
_ALONE = "Decide by yourself, and say at the end what you assumed."
_CODE, _COMMANDS, _PATHS = ("code",), ("command", "cmd"), ("path", "filename")


class Permits:
    """Decides on the calls of one attempt."""

    def __init__(
        self, gate: Gate, node: Node, attempt: Attempt, reads: SessionReads, approvals: Iterable[Approval]
    ) -> None:
        self._gate, self._node, self._attempt, self._reads = gate, node, attempt, reads
        mine = [one for one in approvals if one.shown.get("attempt_id") == attempt.id and one.kind in _OF_CALLS]
        # Of a call that was in doubt and then asked about, both approvals are here: what was asked before it counts.
        self._asked = {_key(one.shown): one for one in mine if one.kind == "question" or "arguments" in one.shown}

    async def __call__(self, frame: JournalFrame) -> Permit | None:
        """How a call may be made; None: as it is.

        Raises:
            Asked: a person has to be asked first.
        """
        arguments = frame.arguments or {}
        known = self._asked.get((frame.agent, frame.sequence))
        if frame.name == ASK_PERSON:
            return self._question(frame, known)
        if known is not None and known.shown["arguments"] == safe(arguments):
            return _answered(known, arguments)
        decision = self._gate.call(frame.agent, self._node, frame.name, arguments)
        if decision.effect == "deny":
            said = f"{refusal(decision)}. The call was not made. Do not try to get around it."
            return Permit(instead={"ok": False, "result": said[:1].upper() + said[1:]})
        if decision.effect == "ask":
            of, words = granted(frame.name, frame.source, arguments)
            given = [grant_in(one) for one in await self._reads.approvals(state=_A.APPROVED)]
            if not any(one and one.covers(self._node.run_id, of) for one in given):
                raise Asked("tool", f"{frame.agent} wants to {_doing(frame)}", self._shown(frame, decision, of, words))
        return None

    def _shown(self, frame: JournalFrame, decision: Decision, of: Json, words: str) -> Json:
        arguments = frame.arguments or {}
        shown: Json = {
            "tool": frame.name,
            "agent": frame.agent,
            "in_step": self._node.step,
            "arguments": safe(arguments),
            "why": list(decision.reasons),
            "always": words,
            "grant": of,
            **self._place(frame),
        }
        if shown["arguments"] != arguments:
            shown["left_out"] = "characters that cannot be shown: approved, the call is made without them"
        return shown

    def _place(self, frame: JournalFrame) -> Json:
        return {"attempt": self._attempt.number, "attempt_id": self._attempt.id, "sequence": frame.sequence}

    def _question(self, frame: JournalFrame, known: Approval | None) -> Permit:
        question = clean(str((frame.arguments or {}).get("question", "")))
        if known is None and self._gate.options.approval is ApprovalMode.NONE:
            return Permit(instead={"ok": True, "result": f"Nobody is asked in this run. {_ALONE}"})
        if known is None or known.state is _A.PENDING:
            shown: Json = {"question": question, "agent": frame.agent, "in_step": self._node.step, **self._place(frame)}
            raise Asked("question", f"{frame.agent} asks: {question}", shown if known is None else None)
        if known.state is _A.APPROVED and known.feedback:
            return Permit(instead={"ok": True, "result": f"The person answers: {known.feedback}"})
        return Permit(instead={"ok": True, "result": f"The person gives no answer. {_ALONE}"})


_OF_CALLS = frozenset({"tool", "question"})


def _key(shown: Json) -> tuple[Any, Any]:
    return shown.get("agent"), shown.get("sequence")


def _answered(known: Approval, arguments: Json) -> Permit | None:
    """What a person has made of a call."""
    said = f"They say: {known.feedback}" if known.feedback else ""
    match known.state:
        case _A.PENDING:
            raise Asked(known.kind, known.title, None)
        case _A.APPROVED:
            shown = known.shown["arguments"]
            note = f"The person who approved this call says: {known.feedback}" if known.feedback else ""
            different = shown if shown != arguments else None
            return Permit(arguments=different, note=note) if different is not None or note else None
        case _A.MODIFIED if known.answer:
            note = f"A person changed this call before it was made. What was changed:\n{known.answer['difference']}"
            return Permit(arguments=known.answer["arguments"], note="\n".join(filter(None, (note, said))))
        case _A.SKIP:
            result = f"This call was not made: a person wants you to go on without it. {said}"
        case _:
            result = f"This call was not made: a person did not allow it. {said}"
    return Permit(instead={"ok": False, "result": result.strip()})


def granted(tool: str, source: str, arguments: Json) -> tuple[Json, str]:
    """What "always" means for a call: exactly its tool, as it is made, with this program, command or path; and the same
    in words."""
    of: Json = {"tool": tool, "source": source}
    if code := _text(arguments, _CODE):
        file = _text(arguments, _PATHS)
        of |= {"code": hashlib.sha256(code.encode(errors="surrogatepass")).hexdigest(), "path": _path(file)}
        return of, f"{tool} of exactly this program{f' as {file}' if file else ''}"
    if command := _text(arguments, _COMMANDS):
        script = take_apart(command)
        exact = not script.doubts and len(script.parts) == 1
        of["command"] = list(script.parts[0].argv) if exact else command
        return of, f"{tool} with exactly the command {one_line(command, 120)}"
    if path := _text(arguments, _PATHS):
        of["path"] = _path(path)
        return of, f"{tool} on {one_line(_path(path), 120)}, whatever is written there"
    canonical = json.dumps(arguments, sort_keys=True, default=str)
    of["arguments"] = hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()
    return of, f"{tool} with exactly these arguments"


def _text(arguments: Json, names: tuple[str, ...]) -> str:
    return next((str(arguments[name]) for name in names if isinstance(arguments.get(name), str)), "")


def _path(path: str) -> str:
    return posixpath.normpath(path) if path else ""


def _doing(frame: JournalFrame) -> str:
    arguments = frame.arguments or {}
    what = _text(arguments, _COMMANDS) or _text(arguments, _PATHS)
    return f"{frame.name.replace('_', ' ')} {one_line(what, 80)}".strip()
