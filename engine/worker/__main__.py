"""A worker started cold: `python -m engine.worker`, with frames on stdin and stdout.

Started by itself, or behind a prefix such as `srun` or `ssh host`. The first process only keeps watch: it has no other
parent near it that would clean up, and it notices when the connection closes even if the worker hangs.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
from contextlib import suppress

from engine.worker.guard import TERM, adopt_orphans, kill_group, watch


def main() -> None:
    """Run as a program; ends as the worker ended: with its exit code, or by the same signal."""
    parser = argparse.ArgumentParser(prog="python -m engine.worker")
    parser.add_argument("--tag", required=True, help="what its processes are tagged with")
    parser.add_argument("--entry", default=None, help="module:function that the worker runs")
    options = parser.parse_args()
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)  # whatever is printed is no frame
    os.close(nothing)
    adopt_orphans()
    parent = os.getpid()
    worker = os.fork()
    if worker == 0:
        from engine.worker import process

        process.main(incoming, outgoing, parent=parent, tag=options.tag, entry=options.entry or process.ENTRY)
    os.close(outgoing)

    def pass_on(number: int, frame: object) -> None:
        kill_group(worker, TERM)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    status = watch(worker, incoming, grace=0.0, talks=False)
    if os.WIFSIGNALED(status):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with suppress(OSError):  # nobody may handle SIGKILL, so nobody does
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    sys.exit(os.WEXITSTATUS(status))


if __name__ == "__main__":
    main()
