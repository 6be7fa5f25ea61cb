"""What the program does: the engine behind the screens, the command line and every other face.

`Engine` is the facade. It is looked up lazily, so that naming a value type does not load the scheduler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.hub import Subscription
    from engine.model.options import EngineSettings, RunOptions

__all__ = ["Engine", "EngineSettings", "RunOptions", "Subscription"]

_HOMES = {
    "Engine": "engine.engine",
    "Subscription": "engine.hub",
    "EngineSettings": "engine.model.options",
    "RunOptions": "engine.model.options",
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
