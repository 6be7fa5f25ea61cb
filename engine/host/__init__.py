"""The engine's end of its workers: starts them, speaks the frame protocol, and ends them with all that they started."""

from engine.host.command import CommandLauncher
from engine.host.sweep import kill_tagged
from engine.host.warm import ZygoteLauncher

__all__ = ["CommandLauncher", "ZygoteLauncher", "kill_tagged"]
