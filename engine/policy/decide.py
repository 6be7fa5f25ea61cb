"""Decisions: an action against rules. The parts of a command are judged each by itself; the strictest judgement counts.

A rule that denies or asks is met generously: by any path or package, by a program's name without its directory, by
words that stand apart or options that are grouped otherwise. One that allows is met by all paths and packages, and by
the very words; and not at all by a command that is not understood, if there are rules which that may hide from.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import translate

from engine.model.text import clean, one_line
from engine.policy.actions import Action
from engine.policy.packages import named, packages_of
from engine.policy.programs import commands_of
from engine.policy.rules import Effect, Rule, Rules
from engine.policy.shell import Part, Script, take_apart

_SEVERITY: dict[Effect, int] = {"allow": 0, "ask": 1, "deny": 2}


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done about an action, and why: `rules` are the ids of those that said so (none: the default)."""

    effect: Effect
    reasons: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """A part of an action on one line ("": the action as a whole), and what is to be done about it."""

    part: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class _Piece:
    """What a rule looks at: one part of a command, with what it names; or an action that runs no command."""

    argv: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    certain: bool = True

    @property
    def shown(self) -> str:
        """The part on one line."""
        return one_line(shlex.join(self.argv) if self.argv else ", ".join((*self.paths, *self.packages)), 120)


class Policy:
    """Rules made ready to decide by."""

    def __init__(self, rules: Rules) -> None:
        self._default: Effect = rules.default
        self._rules = [_Ready(identity, effect, rule) for identity, effect, rule in rules.listed()]

    def decide(self, action: Action) -> Decision:
        """Judge one action. Never raises for what an agent says."""
        found = [one.decision for one in self.parts(action)]
        strictest = max(_SEVERITY[one.effect] for one in found)
        counted = [one for one in found if _SEVERITY[one.effect] == strictest]
        return Decision(
            counted[0].effect,
            tuple(dict.fromkeys(reason for one in counted for reason in one.reasons)),
            tuple(dict.fromkeys(rule for one in counted for rule in one.rules)),
        )

    def parts(self, action: Action) -> list[Judged]:
        """How each part of an action is judged by itself; the strictest judgement is the action's."""
        applying = [one for one in self._rules if one.applies(action)]
        script = _script_of(action)
        pieces = _pieces(action, script)
        found = [Judged(piece.shown, self._judge(piece, applying)) for piece in pieces if piece.certain]
        for one in applying:
            met = (piece for piece in pieces if not piece.certain and one.effect != "allow" and one.meets(piece))
            if piece := next(met, None):
                found.append(Judged(piece.shown, one.decision))
        hiding = [one for one in applying if one.effect != "allow" and one.is_about_content]
        allowing = [one for one in applying if one.effect == "allow" and not one.is_about_content]
        if script.doubts and (hiding or not allowing):
            doubts = [f"not understood: {one_line(doubt)}" for doubt in dict.fromkeys(script.doubts)][:5]
            found.append(Judged("", Decision("ask", tuple(doubts))))
        return found

    def _judge(self, piece: _Piece, applying: Sequence[_Ready]) -> Decision:
        """The first rule that fits one piece, or the default."""
        for one in applying:
            if one.meets(piece):
                return one.decision
        said = f"no rule speaks of {piece.shown}" if piece.argv else "no rule speaks of it"
        return Decision(self._default, (said,))


class _Ready:
    """One rule, its patterns compiled."""

    def __init__(self, identity: str, effect: Effect, rule: Rule) -> None:
        self.effect: Effect = effect
        self.decision = Decision(effect, (f"{identity}: {clean(rule.why) or rule.in_words}",), (identity,))
        self._rule = rule
        self._about = [(name, _any(getattr(rule, name))) for name in ("agent", "tool", "step") if getattr(rule, name)]
        self._path = _any(rule.path) if rule.path else None
        self._package = _any([named(one) for one in rule.package]) if rule.package else None
        self._commands = [_Words(pattern, strict=effect == "allow") for pattern in rule.command]
        self._cost = None if rule.cost_over is None else round(rule.cost_over * 1_000_000)

    @property
    def is_about_content(self) -> bool:
        """Whether it speaks of what a command may hide."""
        return bool(self._path or self._package or self._commands)

    def applies(self, action: Action) -> bool:
        """Whether it may fit the action, whatever its parts are."""
        rule = self._rule
        if rule.what and action.what not in rule.what:
            return False
        if action.what != "tool" and (self.is_about_content or rule.tool):
            return False
        if self._cost is not None and action.cost_micro < self._cost:
            return False
        return all(matches(getattr(action, name)) for name, matches in self._about)

    def meets(self, piece: _Piece) -> bool:
        """Whether it fits a piece of an action to which it applies."""
        strict = self.effect == "allow"
        for matches, values in ((self._path, piece.paths), (self._package, piece.packages)):
            if matches is not None:
                met = [matches(value) for value in values]
                if not met or not (all(met) if strict else any(met)):
                    return False
        return not self._commands or any(one.meet(piece.argv) for one in self._commands)


class _Words:
    """A command's pattern."""

    def __init__(self, pattern: str, *, strict: bool) -> None:
        words = pattern.split()
        self._strict = strict
        self._open = words[-1] == "*"
        words = words[:-1] if self._open and len(words) > 1 else words
        self._words = [_one(word) for word in words if strict or not _is_option(word)]
        self._options = [_one(one) for word in words[1:] if _is_option(word) for one in _options(word)]
        self._first = _one(words[0])

    def meet(self, argv: Sequence[str]) -> bool:
        if not argv:
            return False
        if self._strict:
            count = len(self._words)
            fits = len(argv) >= count if self._open else len(argv) == count
            return fits and all(matches(word) for matches, word in zip(self._words, argv, strict=False))
        if not self._first(argv[0]) and not self._first(argv[0].rpartition("/")[2]):
            return False
        given = [one for word in argv[1:] if _is_option(word) for one in _options(word)]
        if not all(any(matches(one) for one in given) for matches in self._options):
            return False
        rest = iter(argv[1:])
        return all(any(matches(word) for word in rest) for matches in self._words[1:])


def _script_of(action: Action) -> Script:
    script = Script()
    found = [take_apart(command) for command in action.commands]
    if action.code:
        found.append(commands_of(action.code))
    for one in found:
        script.parts += one.parts
        script.files += one.files
        script.doubts += one.doubts
    return script


def _pieces(action: Action, script: Script) -> list[_Piece]:
    pieces: list[_Piece] = []
    own = tuple(_normal(path) for path in action.paths)
    packages = tuple(named(one) for one in action.packages)
    if own or packages or not any(part.certain for part in script.parts):
        pieces.append(_Piece((), own, packages))
    for part in script.parts:
        pieces.append(_Piece(part.argv, tuple(_paths(part)), packages_of(part.argv), part.certain))
    if script.files:
        pieces.append(_Piece((), tuple(_normal(path) for path in script.files), certain=False))
    return pieces


def _paths(part: Part) -> Iterable[str]:
    for word in part.argv[1:]:
        yield _normal(word)
        if "=" in word:
            yield _normal(word.partition("=")[2])


def _normal(path: str) -> str:
    return posixpath.normpath(path.replace("\\", "/")) if path else path


def _is_option(word: str) -> bool:
    return len(word) > 1 and word.startswith("-")


def _options(word: str) -> list[str]:
    """Options that are grouped, each by itself."""
    return [f"-{letter}" for letter in word[1:]] if re.fullmatch(r"-[A-Za-z]+", word) else [word.partition("=")[0]]


def _one(pattern: str) -> Callable[[str], object]:
    return re.compile(translate(pattern)).match


def _any(patterns: Iterable[str]) -> Callable[[str], object]:
    return re.compile("|".join(f"(?:{translate(pattern)})" for pattern in patterns)).match
