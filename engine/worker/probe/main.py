"""The program's start: checks as JSON in, verdicts as JSON lines out."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys

from engine.worker.probe.assertions import run_assertions
from engine.worker.probe.base import Bad, Job
from engine.worker.probe.files import look_at_csv, look_at_json, look_at_npz, look_at_text
from engine.worker.probe.pictures import look_at_image
from engine.worker.probe.quoted import look_at_numbers

MEMORY_BYTES = 4 * 1024 * 1024 * 1024  # for a look at one file

_LOOKS = {
    "csv": look_at_csv,
    "json_value": look_at_json,
    "npz": look_at_npz,
    "image": look_at_image,
    "text_contains": look_at_text,
    "numbers": look_at_numbers,
}


def main(jobs: list[str]) -> None:
    """Carry out the checks in order.

    Each verdict is one JSON line on stdout, written as soon as it is known; whatever else is printed goes to stderr.
    """
    verdicts = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    sys.path.append(os.getcwd())  # noqa: PTH109 (a text); last: modules of the interpreter go before the agents'
    for text in jobs:
        ok, detail = _judge(json.loads(text))
        verdicts.write(json.dumps({"ok": ok, "detail": detail}) + "\n")
        verdicts.flush()
    # Threads and exit handlers that checked code left behind have no say any more.
    os._exit(0)


def _judge(job: Job) -> tuple[bool, str]:
    if job["kind"] == "python":
        return run_assertions(job["code"])
    _limit(job["seconds"])
    try:
        return True, _LOOKS[job["kind"]](job)
    except Bad as error:
        return False, str(error)
    except MemoryError:
        return False, "it takes more memory than a check may use"
    except Exception as error:
        return False, f"it cannot be read: {type(error).__name__}: {error}"


def _limit(seconds: float) -> None:
    """End this process by SIGALRM when the check takes longer, and refuse it more memory, than it may have."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    with contextlib.suppress(ImportError, OSError, ValueError):  # where the system has no such limit
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))
