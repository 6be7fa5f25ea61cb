"""What a run goes by when an agent is about to do something: rules and grants as one list, in the order in which they
are judged, and what they make of something that a person tries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cmbagent_tui import words
from cmbagent_tui.look import Tone
from engine.model.grants import Grant, Scope
from engine.model.options import ApprovalMode
from engine.model.text import one_line
from engine.policy import Action, Policy, Rules

MODES: tuple[tuple[ApprovalMode, str], ...] = (
    (ApprovalMode.NONE, "nothing is asked"),
    (ApprovalMode.AFTER_PLANNING, "the plan, before it runs"),
    (ApprovalMode.BEFORE_EACH_STEP, "each step, with what it starts from"),
    (ApprovalMode.ON_ERROR, "what failed and is not tried again by itself"),
    (ApprovalMode.CUSTOM, "what your rules say, tool calls too"),
    (ApprovalMode.MANUAL, "plan, steps and errors; or every turn"),
)
TONES = {"deny": Tone.FAILED, "ask": Tone.WAITING, "allow": Tone.OK, "grant": Tone.OK}
_WORDS = 300  # characters


@dataclass(frozen=True, slots=True)
class Ruling:
    """One line of the list. `name` is a rule's id; `grant` is what can be taken back, for that is what it is."""

    effect: str  # "deny", "ask", "grant", "allow", or "" for what counts where nothing else does
    name: str
    what: str
    why: str = ""
    grant: Grant | None = None


def rulings(rules: Rules | None, grants: Iterable[Grant]) -> list[Ruling]:
    """What is denied; what is asked about; what people allowed for good, which counts where it would be asked; what is
    allowed; and what counts for the rest."""
    by_effect: dict[str, list[Ruling]] = {"deny": [], "ask": [], "allow": []}
    for name, effect, rule in rules.listed() if rules else ():
        by_effect[effect].append(Ruling(effect, name, rule.in_words, one_line(rule.why, _WORDS)))
    given = [
        Ruling("grant", "always", one_line(one.words, _WORDS), f"{_scope(one)}, by {one_line(one.given_by, 60)}", one)
        for one in grants
        if not one.revoked_by
    ]
    rest = [Ruling("", "otherwise", rules.default, "where no rule fits")] if rules else []
    return [*by_effect["deny"], *by_effect["ask"], *given, *by_effect["allow"], *rest]


def _scope(grant: Grant) -> str:
    return "in this session" if grant.scope is Scope.SESSION else "in this run"


@dataclass(frozen=True, slots=True)
class Tried:
    """What is made of something that a person tries: as a whole, and of each of its parts, with its tone."""

    effect: str
    said: tuple[tuple[str, Tone], ...]


def action_of(text: str) -> Action:
    """What a person means by a line: a shell command, behind words like `path:`, `tool:`, `agent:` and `step:` that say
    more of it."""
    known: dict[str, str] = {}
    rest = text.strip()
    while (head := rest.split(maxsplit=1)) and (name := head[0].partition(":")[0]) in ("path", "tool", "agent", "step"):
        if ":" not in head[0]:
            break
        known[name] = head[0].partition(":")[2]
        rest = head[1] if len(head) > 1 else ""
    paths = (known["path"],) if known.get("path") else ()
    commands = (rest,) if rest else ()
    return Action("tool", known.get("agent", ""), known.get("step", ""), known.get("tool", ""), 0, paths, commands)


def tried(rules: Rules, grants: Sequence[Grant], text: str) -> Tried:
    """What the rules make of a line that a person typed, part by part, and whether it was allowed for good."""
    policy, action = Policy(rules), action_of(text)
    decision = policy.decide(action)
    effect = decision.effect
    said = list(dict.fromkeys(policy.parts(action)))
    lines = [
        (one_line(f"{one.part or 'as a whole'}: {'; '.join(one.decision.reasons)}", _WORDS), one.decision.effect)
        for one in said
    ]
    lines = [(f"{of_part:<5}  {text}", TONES[of_part]) for text, of_part in lines]
    if effect == "ask":
        lines += [(f"but allowed for good: {one_line(one.words, _WORDS)}", Tone.OK) for one in _fitting(grants, action)]
    parts = f" ({words.plural(len(said), 'part')}; the strictest counts)" if len(said) > 1 else ""
    return Tried(effect, ((f"{effect}{parts}", TONES[effect]), *lines))


def _fitting(grants: Iterable[Grant], action: Action) -> list[Grant]:
    """The grants of exactly this command or path, whichever tool they are for."""
    from engine.policy.shell import take_apart

    found: list[Grant] = []
    for one in grants:
        if one.revoked_by or (action.tool and one.of.get("tool") != action.tool):
            continue
        command, path = one.of.get("command"), one.of.get("path")
        scripts = [(text, take_apart(text)) for text in action.commands]
        same = any(
            command == text or (len(script.parts) == 1 and command == list(script.parts[0].argv))
            for text, script in scripts
        )
        if same or (path and "code" not in one.of and action.paths == (path,)):
            found.append(one)
    return found
