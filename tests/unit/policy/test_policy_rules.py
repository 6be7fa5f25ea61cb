"""Rules: what a person's file may say, and what each rule fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.model.errors import UsageError
from engine.policy import Action, Policy, Rules, read_rules, tool_action


def effect(rules: dict[str, object], action: Action) -> str:
    return Policy(Rules.parse(rules)).decide(action).effect


def shell(command: str, **more: object) -> Action:
    return tool_action("engineer", "Fit", "shell", {"command": command}, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("default = 'deny'", "default: Input should be 'ask' or 'allow'"),
        ("[[deny]]\ncomand = 'rm'", "deny 1: comand: there is no such key"),
        ("[[ask]]\ntool = 'x'\n[[ask]]\npath = ''", "ask 2: path: it says nothing"),
        ("[[allow]]\nwhat = 'everything'", "allow 1: what: 0"),
        ("[[ask]]\ncost_over = -1", "ask 1: cost_over"),
        ("[[ask]", "it is not TOML"),
        ("other = 1", "other: there is no such key"),
    ],
)
def test_a_file_that_is_wrong_says_where(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as error:
        read_rules(file)
    assert said in error.value.cause and str(file) in error.value.cause


def test_a_file_that_is_not_there_or_no_text_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_rules(tmp_path / "none.toml")
    (tmp_path / "raw.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not text"):
        read_rules(tmp_path / "raw.toml")


def test_deny_goes_before_ask_and_ask_before_allow_whatever_their_order() -> None:
    rules = {
        "allow": [{"tool": "*"}],
        "ask": [{"agent": "engineer", "why": "Look first."}],
        "deny": [{"step": "Publish*", "why": "Nothing is published."}],
    }
    policy = Policy(Rules.parse(rules))
    decision = policy.decide(Action("tool", "engineer", "Publish it", "write_text"))
    assert (decision.effect, decision.reasons) == ("deny", ("deny 1: Nothing is published.",))
    decision = policy.decide(Action("tool", "engineer", "Fit", "write_text"))
    assert (decision.effect, decision.rules) == ("ask", ("ask 1",))
    assert policy.decide(Action("tool", "researcher", "Fit", "write_text")).effect == "allow"


def test_where_no_rule_fits_the_default_decides_and_that_is_to_ask() -> None:
    assert effect({}, Action("step", "engineer", "Fit")) == "ask"
    assert effect({"default": "allow"}, Action("step", "engineer", "Fit")) == "allow"


@pytest.mark.parametrize(
    ("rule", "fits", "does_not"),
    [
        ({"agent": "eng*"}, Action("tool", "engineer"), Action("tool", "researcher")),
        ({"what": "plan"}, Action("plan"), Action("step")),
        ({"what": ["step", "error"]}, Action("error"), Action("tool")),
        ({"tool": "run_code"}, Action("tool", tool="run_code"), Action("plan")),
        ({"step": "Fit *"}, Action("step", step="Fit it"), Action("step", step="Plot")),
        ({"cost_over": 1.5}, Action("tool", cost_micro=1_500_000), Action("tool", cost_micro=1_499_999)),
        ({"path": "data/*"}, Action("tool", paths=("figures/../data/x",)), Action("tool", paths=("figures/x",))),
        ({"package": "Scikit_Learn"}, shell("pip install 'scikit-learn[all]>=1'"), shell("pip install numpy")),
        ({"package": "*"}, shell("python3 -m pip install -r x.txt"), shell("pip list")),
        ({"command": "git push"}, shell("git -C /x push origin"), shell("git pull")),
        ({"command": "rm -rf"}, shell("/bin/rm -f -r x"), shell("rm x")),
        ({"tool": "shell", "agent": "engineer"}, shell("ls"), Action("tool", "engineer", tool="run_code")),
    ],
)
def test_what_a_rule_names_must_fit_altogether(rule: dict[str, object], fits: Action, does_not: Action) -> None:
    for one in ("deny", "ask"):
        rules = {"default": "allow", one: [rule]}
        assert effect(rules, fits) == one
        assert effect(rules, does_not) == "allow"


@pytest.mark.parametrize(
    ("rule", "fits", "does_not"),
    [
        ({"command": "git status"}, "git status", "git status -s"),
        ({"command": "git log *"}, "git log --oneline", "git push"),
        ({"command": "ls *"}, "ls", "/tmp/ls"),
        ({"command": "ls *"}, "ls -l | ls", "ls | wc"),
        ({"command": "ls *"}, "LANG=C ls", "LD_PRELOAD=x ls"),
        ({"command": "ls *"}, "ls 2>/dev/null", "ls > x"),
        ({"command": "ls *"}, "ls 'a b'", "ls $HOME"),
        ({"command": ["ls *", "sh *"]}, "sh -c 'ls; ls'", "sh -c 'ls; id'"),
        ({"command": ["ls *", "timeout *"]}, "timeout -k 5 10 ls", "timeout 10 id"),
        ({"command": ["ls *", "sudo *"]}, "sudo -u me ls", "sudo --user me ls"),
        ({"command": ["ls *", "xargs *"]}, "ls", "xargs ls"),
        ({"command": "find *"}, "find . -name x", "find . -exec ls ;"),
        ({"package": ["numpy", "scipy"]}, "pip install numpy scipy", "pip install numpy evil"),
        ({"package": "numpy"}, "pip install numpy==2", "pip install ./numpy"),
    ],
)
def test_to_allow_a_command_all_of_it_must_be_allowed(rule: dict[str, object], fits: str, does_not: str) -> None:
    assert effect({"allow": [rule]}, shell(fits)) == "allow"
    assert effect({"allow": [rule]}, shell(does_not)) == "ask"


def test_a_tool_that_is_allowed_as_such_may_do_what_is_not_understood_unless_a_rule_may_be_hidden_from() -> None:
    rules = {"allow": [{"tool": "shell"}]}
    assert effect(rules, shell("$X; ls > y")) == "allow"
    assert effect({**rules, "deny": [{"command": "rm"}]}, shell("$X; ls")) == "ask"
    assert effect({**rules, "deny": [{"command": "rm"}]}, shell("ls; cat x")) == "allow"
    assert effect({**rules, "deny": [{"command": "rm", "tool": "other"}]}, shell("$X")) == "allow"


def test_what_a_program_starts_is_judged_too() -> None:
    rules = {"default": "allow", "deny": [{"command": "rm"}, {"package": "evil"}]}

    def program(code: str) -> str:
        return effect(rules, tool_action("engineer", "Fit", "run_code", {"filename": "x.py", "code": code}))

    assert program("import os\nos.system('ls; rm -rf /')") == "deny"
    assert program("import subprocess as s\ns.run(['rm', 'x'])") == "deny"
    assert program("from subprocess import run as go\ngo(['pip', 'install', 'evil'])") == "deny"
    assert program("import subprocess\nsubprocess.run(words)") == "ask"
    assert program("import os\nf = os.system\nf('rm x')") == "ask"
    assert program("__import__('os').system('rm x')") == "deny"
    assert program("eval('1')") == "ask"
    assert program("model.run(data)\nprint('rm')") == "allow"
    assert program("this is no Python") == "allow"


def test_the_arguments_of_a_tool_say_what_it_does() -> None:
    action = tool_action("a", "s", "run_code", {"filename": "fit.py", "code": "1", "explanation": "e"}, 7)
    assert (action.paths, action.code, action.cost_micro) == (("codebase/fit.py",), "1", 7)
    assert tool_action("a", "s", "run", {"argv": ["rm", "a b"]}).commands == ("rm 'a b'",)
    assert tool_action("a", "s", "install", {"packages": ["x", "y"]}).packages == ("x", "y")
