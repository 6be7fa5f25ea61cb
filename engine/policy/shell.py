"""Shell commands taken apart, so that each part can be judged by itself.

What may run is found generously: a part too many only means that a rule which denies or asks is met sooner. Whatever is
not read for certain is a doubt, and a command with doubts is never allowed by a rule that speaks of commands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from engine.policy.wrappers import RENAMING, WRAPPERS, inner_of

_LONGEST = 20_000  # characters
_DEEPEST = 12  # scripts within scripts
_MOST_WORDS = 200  # of one wrapped command that are looked at as the beginning of another
_SKIPPED = frozenset(
    {"if", "then", "else", "elif", "while", "until", "do", "!", "{", "time", "fi", "done", "esac", "}"}
)
_DOUBTFUL = frozenset({"for", "case", "select", "function", "coproc", "in", "[["})
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(?:\[[^]]*\])?\+?=")
_HARMLESS = re.compile(
    r"LANG|LC_[A-Z]+|TZ|TERM|COLUMNS|LINES|NO_COLOR|SEED|MPLBACKEND|PYTHONHASHSEED|CUDA_VISIBLE_DEVICES|[A-Z]+_NUM_THREADS"
)
_ENDS = frozenset(" \t\n;&|()<>")
_QUIET_TARGETS = frozenset({"/dev/null", "/dev/stdout", "/dev/stderr"})


@dataclass(frozen=True, slots=True)
class Part:
    """One simple command. Not `certain`: nothing says that it runs, but it might."""

    argv: tuple[str, ...]
    certain: bool = True


@dataclass(slots=True)
class Script:
    """All that a command line may run, the files that it names for its output and input, and why it is not understood
    (nothing: it is)."""

    parts: list[Part] = field(default_factory=list[Part])
    files: list[str] = field(default_factory=list[str])
    doubts: list[str] = field(default_factory=list[str])


def take_apart(command: str) -> Script:
    """The parts of a command line, whatever it is: nothing is raised."""
    script = Script()
    _read(command, script, 0)
    return script


def judge_argv(argv: tuple[str, ...], script: Script) -> None:
    """Add a command whose words are known to a script."""
    _emit([(word, True) for word in argv], script, 0)


def _read(command: str, script: Script, depth: int, certain: bool = True) -> None:
    if len(command) > _LONGEST or depth > _DEEPEST:
        script.doubts.append("it is too long or too deeply nested to be read")
        return
    reader = _Reader(command, script, depth, certain)
    while reader.at < len(command):
        reader.script(None)


class _Reader:
    """Reads one text as a shell would, without expanding anything."""

    def __init__(self, text: str, script: Script, depth: int, certain: bool) -> None:
        self.text, self.found, self.depth, self.certain = text, script, depth, certain
        self.at = 0

    def script(self, end: str | None) -> None:
        """Read commands up to `end` or the end of the text."""
        words: list[tuple[str, bool]] = []
        while True:
            self._skip_blanks()
            char = self._peek()
            if not char or char == end:
                if not char and end:
                    self._doubt(f"there is no {end} where one is needed")
                self.at += 1
                break
            if char in ";|\n" or (char == "&" and not self._is("&>")):
                self.at += 1
                words = self._finish(words)
            elif char == "(":
                if words:
                    self._doubt("it defines something")
                    words = self._finish(words)
                self.at += 1
                self._within(")")
            elif char == ")":
                self._doubt("it has a ) that closes nothing")
                self.at += 1
                words = self._finish(words)
            elif char in "<>&":
                self._redirection(words)
            elif char == "#":
                self._doubt("it has a comment")
                self.at += 1
            else:
                self._take(words)
        self._finish(words)

    def _take(self, words: list[tuple[str, bool]]) -> None:
        """Read a word and add it, unless it is the shell's own."""
        begin = self.at
        word, known = self._word()
        raw = self.text[begin : self.at]
        if not words and raw in _SKIPPED:
            return
        if not words and raw in _DOUBTFUL:
            self._doubt(f"it has the shell's {raw}")
            return
        assigned = _ASSIGNMENT.match(word)
        if not words and assigned:
            if not _HARMLESS.fullmatch(assigned[1]) or not known:
                self._doubt(f"it sets {assigned[1]}")
            return
        if self._peek() in ("<", ">") and word.isdigit():
            return  # a descriptor
        words.append((word, known))

    def _finish(self, words: list[tuple[str, bool]]) -> list[tuple[str, bool]]:
        if words:
            _emit(words, self.found, self.depth, self.certain)
        return []

    def _within(self, end: str) -> None:
        """A script within this one."""
        if self.depth >= _DEEPEST:
            self._doubt("it is too deeply nested to be read")
            self.at = len(self.text)
            return
        self.depth += 1
        self.script(end)
        self.depth -= 1

    def _redirection(self, words: list[tuple[str, bool]]) -> None:
        if self._is("<(") or self._is(">("):
            self.at += 2
            self._within(")")
            words.append(("", False))
            return
        here = self._is("<<") and not self._is("<<<")
        while self._peek() and self._peek() in "<>&|":
            self.at += 1
        self._skip_blanks()
        if here:
            self._doubt("it has text for its input in it")
        before = self.at
        target, known = self._word()
        if self.at == before and self._peek():
            self._doubt("it redirects to nothing")
        if target.isdigit() or target == "-" or target in _QUIET_TARGETS:
            return
        self.found.files.append(target)
        self._doubt(f"it reads or writes {target}" if known else "it redirects to what is not known")

    def _word(self) -> tuple[str, bool]:
        """A word without its quotes, and whether it is known for certain what it will be."""
        made: list[str] = []
        known, first = True, True
        while char := self._peek():
            if char in _ENDS:
                break
            self.at += 1
            if char == "'":
                made.append(self._until("'"))
            elif char == '"':
                known &= self._double(made)
            elif char == "\\":
                follows = self._peek()
                self.at += 1
                if follows != "\n":
                    made.append(follows)
            elif char == "$":
                known &= self._dollar(made)
            elif char == "`":
                self._backticks()
                known = False
            else:
                if char in "*?[{" or (char == "~" and first) or char == "\r":
                    known = known and first and char == "{" and self._peek() in ("", " ", "\n", "\t")
                made.append(char)
            first = False
        return "".join(made), known

    def _double(self, made: list[str]) -> bool:
        known = True
        while char := self._peek():
            self.at += 1
            if char == '"':
                return known
            if char == "\\" and self._peek() and self._peek() in '$`"\\\n':
                follows = self._peek()
                self.at += 1
                made.append("" if follows == "\n" else follows)
            elif char == "$" and self._peek() not in ("'", '"'):
                known &= self._dollar(made)
            elif char == "`":
                self._backticks()
                known = False
            else:
                made.append(char)
        self._doubt("a quotation mark is not closed")
        return False

    def _dollar(self, made: list[str]) -> bool:
        """What follows a $; whether it stands for itself."""
        char = self._peek()
        if char == "(":
            self.at += 1
            self._within(")")
        elif char == "{":
            self.at += 1
            self._braces()
        elif char == "'":
            self.at += 1
            made.append(self._until("'"))
            self._doubt("it has a text in the shell's own notation")
        elif char == '"':
            self.at += 1
            self._double(made)
        elif char == "[":
            pass
        elif not re.match(r"[A-Za-z0-9_@*#?$!-]", char):
            made.append("$")
            return True
        else:
            self.at += 1
            while re.match(r"\w", self._peek()):
                self.at += 1
        return False

    def _braces(self) -> None:
        """What stands in ${…} may have scripts in it: it is read as one."""
        begin, level = self.at, 1
        while level and self._peek():
            level += {"{": 1, "}": -1}.get(self._peek(), 0)
            self.at += 1
        _read(self.text[begin : self.at - (not level)], self.found, self.depth + 1, certain=False)
        self._doubt("it has a value that is only known when it runs")

    def _backticks(self) -> None:
        made: list[str] = []
        while char := self._peek():
            self.at += 1
            if char == "`":
                break
            if char == "\\" and self._peek() and self._peek() in "`\\$":
                char = self._peek()
                self.at += 1
            made.append(char)
        else:
            self._doubt("a backtick is not closed")
        _read("".join(made), self.found, self.depth + 1, self.certain)

    def _until(self, quote: str) -> str:
        end = self.text.find(quote, self.at)
        if end < 0:
            self._doubt("a quotation mark is not closed")
            end = len(self.text)
        taken, self.at = self.text[self.at : end], end + 1
        return taken

    def _skip_blanks(self) -> None:
        while True:
            if self._peek() in (" ", "\t"):
                self.at += 1
            elif self._is("\\\n"):
                self.at += 2
            else:
                return

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _is(self, text: str) -> bool:
        return self.text.startswith(text, self.at)

    def _doubt(self, why: str) -> None:
        self.found.doubts.append(why)


def _emit(words: list[tuple[str, bool]], script: Script, depth: int, certain: bool = True) -> None:
    """Add a simple command, and what it may run in its turn."""
    argv = tuple(word for word, _ in words)
    name = argv[0].rpartition("/")[2]
    if not words[0][1] or not name:
        script.doubts.append("which program it runs is only known when it runs")
    elif not all(known for _, known in words):
        script.doubts.append(f"what {name} is given is only known when it runs")
    script.parts.append(Part(argv, certain))
    if name in RENAMING:
        script.doubts.append(f"{name} may change what other commands mean")
    if name not in WRAPPERS:
        return
    rest = words[1:]
    if len(rest) > _MOST_WORDS or depth > _DEEPEST:
        script.doubts.append(f"{name} is given too much to be read")
        return
    inner = inner_of(name, [word for word, _ in rest])
    if inner == len(rest):
        return  # it runs nothing
    for number, (word, _) in enumerate(rest):
        script.parts.append(Part(tuple(one for one, _ in rest[number:]), certain=False))
        if not word.isalnum():
            _read(word, Script(script.parts, script.files), depth + 1, certain=False)
    if name == "eval":
        _read(" ".join(word for word, _ in rest), script, depth + 1, certain)
    elif inner is None:
        script.doubts.append(f"what {name} runs is not known for certain")
    elif isinstance(inner, str):
        _read(inner, script, depth + 1, certain)
    elif inner < len(rest):
        _emit(rest[inner:], script, depth + 1, certain)
