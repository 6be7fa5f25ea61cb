"""How each part of what is about to be done is judged by itself; the rules and grants of a run as one list."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cmbagent_tui.state.rules import action_of, rulings, tried
from engine.model.grants import Grant, Scope
from engine.policy import Action, Policy, Rules

RULES = Rules.parse(
    {
        "deny": [{"command": ["rm", "sudo"], "why": "Nothing is removed."}],
        "ask": [{"tool": "write_text", "path": "paper/*"}],
        "allow": [{"command": "ls *"}, {"tool": "write_text"}],
    }
)


def grant(**more: object) -> Grant:
    values = {"of": {"tool": "run_shell", "source": "", "command": ["git", "push"]}, "words": "run_shell with git push"}
    at = datetime(2031, 5, 6, tzinfo=UTC)
    return Grant("g", "s", "r", **{"scope": Scope.RUN, **values, "given_by": "ada", "given_at": at, **more})  # type: ignore[arg-type]


def judged(command: str) -> list[tuple[str, str, tuple[str, ...]]]:
    parts = Policy(RULES).parts(Action("tool", commands=(command,)))
    return list(dict.fromkeys((one.part, one.decision.effect, one.decision.rules) for one in parts))


def test_each_part_of_a_command_is_judged_by_the_rule_that_fits_it() -> None:
    assert judged("ls -l && git push; sudo rm x") == [
        ("ls -l", "allow", ("allow 1",)),
        ("git push", "ask", ()),
        ("sudo rm x", "deny", ("deny 1",)),
        ("rm x", "deny", ("deny 1",)),
    ]
    assert judged("ls") == [("ls", "allow", ("allow 1",))]
    hidden = judged("ls $(cat list)")
    assert ("cat list", "ask", ()) in hidden


@pytest.mark.parametrize("command", ["ls", "ls; rm x", "eval $x", "echo `sudo x` > paper/a", "for", ""])
def test_the_strictest_part_is_the_judgement_of_the_whole(command: str) -> None:
    action, order = Action("tool", commands=(command,)), ("allow", "ask", "deny")
    parts = [one.decision.effect for one in Policy(RULES).parts(action)]
    assert Policy(RULES).decide(action).effect == max(parts, key=order.index)


def test_the_list_goes_as_it_is_judged() -> None:
    listed = rulings(
        RULES, [grant(), grant(revoked_by="ada"), grant(scope=Scope.SESSION, words="write_text on \x1b[1mx")]
    )
    assert [(one.effect, one.name, one.what) for one in listed] == [
        ("deny", "deny 1", "command rm or sudo"),
        ("ask", "ask 1", "tool write_text, path paper/*"),
        ("grant", "always", "run_shell with git push"),
        ("grant", "always", "write_text on x"),
        ("allow", "allow 1", "command ls *"),
        ("allow", "allow 2", "tool write_text"),
        ("", "otherwise", "ask"),
    ]
    assert [one.why for one in listed[2:4]] == ["in this run, by ada", "in this session, by ada"]
    assert rulings(None, []) == []


def test_what_is_tried_says_which_part_is_judged_how_and_by_which_rule() -> None:
    found = tried(RULES, [], "ls -l && rm '\x07x'")
    assert [text for text, _ in found.said] == [
        "deny (2 parts; the strictest counts)",
        "allow  ls -l: allow 1: command ls *",
        "deny   rm 'x': deny 1: Nothing is removed.",
    ]
    assert tried(RULES, [], "tool:write_text path:paper/a.md").effect == "ask"
    assert tried(RULES, [], "tool:write_text path:data/a.md").effect == "allow"


def test_what_was_allowed_for_good_is_said_where_it_would_be_asked() -> None:
    said = [text for text, _ in tried(RULES, [grant()], "git push").said]
    assert said[-1] == "but allowed for good: run_shell with git push"
    assert len(tried(RULES, [grant()], "git push --force").said) == 2
    assert len(tried(RULES, [grant(revoked_by="ada")], "git push").said) == 2
    of_path = grant(of={"tool": "write_text", "source": "", "path": "paper/a.md"}, words="write_text on paper/a.md")
    said = [text for text, _ in tried(RULES, [of_path], "tool:write_text path:paper/a.md").said]
    assert said[-1] == "but allowed for good: write_text on paper/a.md"


def test_words_before_a_command_say_more_of_it() -> None:
    assert action_of("agent:engineer tool:run_shell git push") == Action(
        "tool", "engineer", "", "run_shell", commands=("git push",)
    )
    assert action_of("path:data/x.csv") == Action("tool", paths=("data/x.csv",))
    assert action_of("path ls") == Action("tool", commands=("path ls",))
    assert action_of("  ") == Action("tool")
