"""The keys, listed, with what is wrong with a person's own."""

from __future__ import annotations

from argparse import Namespace

from cmbagent_tui.commands.common import note, out, out_json
from cmbagent_tui.settings import load


def keys(arguments: Namespace) -> int:
    """List every key with its id, what it does and where; exit 1 when `[keys]` in config.toml has faults."""
    from cmbagent_tui.keymap.catalogue import every_key
    from cmbagent_tui.keymap.check import checked

    taken, faults = checked(load().keys)
    found = every_key(taken)
    if arguments.json:
        rows = [
            {"id": one.id, "keys": list(one.keys), "default": list(one.default), "what": one.what, "where": one.where}
            for one in found
        ]
        out_json({"keys": rows, "faults": [{"id": one.id, "detail": one.words} for one in faults]})
    else:
        for one in found:
            changed = "*" if one.keys != one.default else " "
            out(f"{one.id:<22} {changed} {one.written:<18} {one.where:<18}  {one.what}")
        for fault in faults:
            note(str(fault))
    return 1 if faults else 0
