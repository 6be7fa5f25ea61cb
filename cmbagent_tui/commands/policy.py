"""Commands on a person's rules: list and check them, and try them on a call."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from cmbagent_tui.commands.common import out, out_json
from cmbagent_tui.options import RULES_FILE
from cmbagent_tui.settings import load
from engine.model.errors import UsageError
from engine.model.money import micro_usd
from engine.policy import Action, Policy, Rules, read_rules

_EXITS = {"allow": 0, "ask": 3, "deny": 4}


def rules(arguments: Namespace) -> int:
    """List and check the rules; with --try or --tool, say what they make of a call: exit 0 allow, 3 ask, 4 deny."""
    path = Path(arguments.file) if arguments.file else load().home / RULES_FILE
    if not path.is_file() and not arguments.file:
        raise UsageError(f"there are no rules: {path} is not there", "README.md shows what such a file says.")
    found = read_rules(path)
    if arguments.command_line is None and arguments.tool is None and arguments.path is None:
        _list(found, path, arguments.json)
        return 0
    return _judge(found, arguments)


def _list(found: Rules, path: Path, as_json: bool) -> None:
    if as_json:
        listed = [
            {"id": identity, "effect": effect, **rule.model_dump(mode="json", exclude_defaults=True)}
            for identity, effect, rule in found.listed()
        ]
        out_json({"file": str(path), "default": found.default, "rules": listed})
        return
    for identity, _, rule in found.listed():
        out(f"{identity:<9} {rule.in_words}{f'  ({rule.why})' if rule.why else ''}")
    out(f"otherwise {found.default}")


def _judge(found: Rules, arguments: Namespace) -> int:
    try:
        cost = micro_usd(arguments.cost) if arguments.cost else 0
    except ValueError as error:
        raise UsageError(str(error), "Give what is spent in USD, like 2.50.") from None
    action = Action(
        "tool",
        arguments.agent or "",
        arguments.step or "",
        arguments.tool or "",
        cost,
        (arguments.path,) if arguments.path else (),
        (arguments.command_line,) if arguments.command_line else (),
    )
    decision = Policy(found).decide(action)
    if arguments.json:
        out_json({"effect": decision.effect, "reasons": list(decision.reasons), "rules": list(decision.rules)})
    else:
        out("\n".join([decision.effect, *(f"  {reason}" for reason in decision.reasons)]))
    return _EXITS[decision.effect]
