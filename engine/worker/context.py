"""What the parts of one attempt share."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from engine.model.frames import WorkerSpec
from engine.worker.capture import Capture
from engine.worker.journal import Journal
from engine.worker.workdir import Workdir


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt under way. What has to be closed when the work is over (connections) is put on `closing`."""

    spec: WorkerSpec
    workdir: Workdir
    journal: Journal
    capture: Capture
    closing: AsyncExitStack
