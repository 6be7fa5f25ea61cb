"""A host as a program, which the tests kill: `python -m tests.engine.host.hosting KIND WORKDIR DO [TOLD]`.

Prints one JSON line when its worker has said hello (and, if it begets, has done so), then waits.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from tests.engine.host.helpers import launcher_of, run, spec_of, until_event, zygotes


async def main(kind: str, workdir: Path, do: str, told: dict[str, object]) -> None:
    launcher = launcher_of(kind)
    await launcher.open()
    worker = await launcher.start(spec_of(workdir, do, **told))
    if do == "beget":
        await until_event(worker, "born")
    else:
        await run(worker)
    parents = [process.pid for process in zygotes()]
    print(json.dumps({"host": os.getpid(), "worker": worker.pid, "zygotes": parents}), flush=True)
    if do == "beget":
        await asyncio.sleep(600)
    await launcher.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], json.loads((sys.argv[4:] or ["{}"])[0])))
