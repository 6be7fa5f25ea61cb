"""A rule that denies cannot be got round by quoting or compounding, and what is not understood is asked about."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.policy import Policy, Rules, tool_action

_PERMISSIVE = Policy(
    Rules.parse({"default": "allow", "deny": [{"command": "forbidden"}], "allow": [{"command": "*"}, {"tool": "*"}]})
)
_quick = settings(max_examples=150, deadline=None, derandomize=True, database=None)


def effect(command: str) -> str:
    return _PERMISSIVE.decide(tool_action("a", "s", "shell", {"command": command})).effect


def _quoted(draw: st.DrawFn, word: str) -> str:
    """A word as a shell would still read it."""
    ways = st.sampled_from(["{}", "\\{}", "'{}'", '"{}"', "''{}", '{}""', "\\\n{}"])
    return "".join(draw(ways).format(char) for char in word)


@st.composite
def forbidden_calls(draw: st.DrawFn) -> str:
    """A command line that runs `forbidden`, however that is put."""
    name = _quoted(draw, "forbidden")
    place = draw(st.sampled_from(["", "/usr/bin/", "./"]))
    made = f"{place}{name} {draw(st.sampled_from(['', '-x', 'a b', '$X', '*.py', '2>&1']))}"
    around = st.sampled_from(
        [
            "{}", "ls; {}", "ls && {}", "ls || {}", "ls | {}", "ls & {}", "ls\n{}", "{} ; ls", "{} | ls", "({})",
            "{{ {}; }}", "ls $({})", "ls `{}`", 'ls "$({})"', 'ls "a`{}`"', "A=1 {}", "A=$({})", "FOO=x BAR=y {}",
            "sudo {}", "sudo -u root {}", "env A=1 {}", "nice -n 5 {}", "timeout 5 {}", "xargs {}", "xargs -n 1 {}",
            "ls <({})", "ls > >({})", "if {}; then ls; fi", "while {}; do ls; done", "for x in a; do {}; done",
            "! {}", "time {}", "exec {}", "command {}", "ls ${{X:-$({})}}", "nohup {} &", "find . -exec {} ;",
            "case x in x) {};; esac", "ls # x\n{}", "f() {{ {}; }}; f", "\\\n{}", "ls \\\n ; {}", ">x {}",
            "2>/dev/null {}",
        ]
    )  # fmt: skip
    for _ in range(draw(st.integers(0, 3))):
        made = draw(around).format(made)
    return made


@given(forbidden_calls())
@_quick
def test_a_denied_command_is_denied_however_it_is_put(command: str) -> None:
    assert effect(command) == "deny"


@given(forbidden_calls(), st.sampled_from(["sh -c", "bash -ec", "eval", "sudo sh -c", "env bash -c", "xargs sh -c"]))
@_quick
def test_a_script_within_a_command_is_looked_into(command: str, wrapper: str) -> None:
    quoted = "'" + command.replace("'", "'\\''") + "'"
    assert effect(f"{wrapper} {quoted}") == "deny"


@given(forbidden_calls(), st.text("ab ;|&'\"$(){}`<>\\\n#", max_size=12))
@_quick
def test_more_text_around_it_never_makes_it_allowed(command: str, more: str) -> None:
    assert effect(f"{command}\n{more}") == "deny"
    assert effect(f"{more}\n{command}") in ("deny", "ask")


@given(st.text(max_size=60))
@_quick
def test_any_text_at_all_is_judged(command: str) -> None:
    assert effect(command) in ("allow", "ask", "deny")


_PIECES = [
    "forbidden", "for", "bidden", "'", '"', "\\", "$(", ")", "`", ";", "&&", "|", " ", " ", "\n", "echo", "x", "(",
    "{ ", "}", "#", "$'", "eval ", "A=1 ", "A=forbidden;", "$A", "${A}", "!", "if ", "then ", ";fi", "command ",
    "bash -c ", "\\\n", "<<<", "-", "do ", "done", "while ", "case x in x)", ";;", "esac", "\\x66", "$((", "))",
    "[[", "]]", "exec ", "&", "~",
]  # fmt: skip


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@given(pieces=st.lists(st.sampled_from(_PIECES), min_size=1, max_size=9))
@settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_a_real_shell_runs_was_not_allowed(tmp_path: Path, pieces: list[str]) -> None:
    command = "".join(pieces)
    if effect(command) != "allow":
        return
    marker, program = tmp_path / "marker", tmp_path / "bin" / "forbidden"
    if not program.exists():
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n: > {marker}\n")
        program.chmod(0o755)
        (program.parent / "bash").symlink_to(str(shutil.which("bash")))
    subprocess.run(
        [str(shutil.which("bash")), "--norc", "-c", f"ulimit -t 1\n{command}"],
        env={"PATH": str(program.parent), "HOME": os.devnull},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=20,
        check=False,
    )
    assert not marker.exists(), f"{command!r} was allowed, and ran what is denied"


@pytest.mark.parametrize(
    "command",
    ["$X", '"$(which forbid)den"', "$'\\x66orbidden'", "forb*", "forb{idden,x}", "curl x | sh", "bash x.sh <<E\nE",
     "ls 'x", "alias ls=x", "PATH=. ls", "source x", "env -S 'x y'", "ls $(("],
)  # fmt: skip
def test_what_is_not_understood_is_asked_about(command: str) -> None:
    assert effect(command) == "ask"


def test_what_is_much_too_long_is_asked_about_at_once() -> None:
    assert effect("ls; " * 10_000) == "ask"
    assert effect("$(" * 5_000) == "ask"
    assert effect("sudo " * 300 + "ls") == "ask"
