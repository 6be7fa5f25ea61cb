"""The rules on the command line: listed, checked, and tried."""

from __future__ import annotations

from tests.support.cockpit import Cockpit


def test_rules_are_listed_checked_and_tried(cockpit: Cockpit) -> None:
    absent = cockpit.say("rules")
    assert absent.code == 2 and "rules.toml is not there" in absent.err
    cockpit.home.mkdir(parents=True, exist_ok=True)
    file = cockpit.home / "rules.toml"
    file.write_text('[[deny]]\ncommand = "rm"\nwhy = "Nothing goes."\n[[allow]]\ncommand = "ls *"\n')
    listed = cockpit.say("rules")
    assert listed.code == 0
    assert listed.out.splitlines() == [
        "deny 1    command rm  (Nothing goes.)",
        "allow 1   command ls *",
        "otherwise ask",
    ]
    assert cockpit.say("rules", "--json").json["rules"][0] == {
        "id": "deny 1", "effect": "deny", "command": ["rm"], "why": "Nothing goes."
    }  # fmt: skip
    assert cockpit.say("rules", "--try", "ls -l").code == 0
    assert cockpit.say("rules", "--try", "ls -l > x").code == 3
    denied = cockpit.say("rules", "--try", "ls $(r''m x)", "--json")
    assert (denied.code, denied.json["reasons"]) == (4, ["deny 1: Nothing goes."])
    file.write_text("[[deny]]\ncomand = 'rm'\n")
    wrong = cockpit.say("rules")
    assert wrong.code == 2 and "deny 1: comand: there is no such key" in wrong.err
