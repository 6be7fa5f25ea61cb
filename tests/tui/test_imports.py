"""The terminal's process stays light: what a person waits for before the first paint is read from sys.modules."""

from __future__ import annotations

import subprocess
import sys

NEVER = {"ag2", "autogen", "numpy", "scipy", "matplotlib", "networkx", "sqlalchemy", "alembic", "pydantic", "yaml"}


def test_the_first_paint_waits_for_nothing_heavy() -> None:
    code = "import sys, cmbagent_tui.app; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not NEVER & {name.partition(".")[0] for name in loaded}


def test_no_screen_or_widget_loads_what_belongs_to_the_worker() -> None:
    code = (
        "import sys, pkgutil, importlib, cmbagent_tui.screens, cmbagent_tui.widgets\n"
        "for package in (cmbagent_tui.screens, cmbagent_tui.widgets):\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        importlib.import_module(module.name)\n"
        "print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not (NEVER - {"pydantic"}) & {name.partition(".")[0] for name in loaded}
