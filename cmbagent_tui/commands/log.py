"""The log, printed."""

from __future__ import annotations

from argparse import Namespace

from cmbagent_tui.commands.common import out, out_json
from cmbagent_tui.log import log_file, tail
from cmbagent_tui.settings import load


def log(arguments: Namespace) -> int:
    """Print the last lines of the log."""
    file = log_file(load().home)
    lines = tail(file)[-arguments.limit :]
    if arguments.json:
        out_json({"file": str(file), "lines": list(lines)})
    else:
        for line in lines:
            out(line)
    return 0
