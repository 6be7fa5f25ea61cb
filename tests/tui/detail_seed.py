"""Steps with everything that the detail pane shows: conversations, long outputs, a journal, pictures, two attempts."""

from __future__ import annotations

import struct
import zlib
from datetime import timedelta
from typing import Any

from engine.model.changes import Add
from engine.model.events import EventKind, Phase
from engine.model.ids import new_id
from engine.model.records import Artifact, JournalEntry, Message
from engine.model.states import StepState
from engine.runs.moves import move_node
from tests.tui.seed import PERSON, Seed

MARKDOWN = """\
## What I did

The fit **converged**; `gamma` is *0.137*:

1. read `data/oscillation.csv`
2. fit
   - weighted
   - two parameters

| model | chi2 | dof |
| --- | --- | --- |
| damped | 49.1 | 47 |
| undamped | 311.0 | 48 |

> A small residual is left, see [the note](https://example.org/note).

```python
def chi2(y, model, sigma):
    return sum(((y - model) / sigma) ** 2)
```

---
Done.
"""


def png(width: int, height: int) -> bytes:
    """A picture: red above, blue below, a white stripe on the left."""
    rows = b""
    for y in range(height):
        colour = b"\xd0\x20\x20" if y < height // 2 else b"\x20\x20\xd0"
        rows += b"\0" + b"\xff\xff\xff" * (width // 4) + colour * (width - width // 4)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


async def say(seed: Seed, step: str, role: str, content: str, sender: str | None = None) -> None:
    """One message of a step's conversation, and the event that tells of it."""
    node, attempt = seed.nodes[step], seed.attempts[step]
    message = Message(
        new_id(), node.session_id, node.run_id, node.id, attempt.id, None, seed.pass_time(0.5), sender or role, role,
        content,
    )  # fmt: skip
    data = {"message": message.id, "sender": message.sender, "role": role, "characters": len(content)}
    await seed._event(EventKind.MESSAGE, "", data, step, also=[Add(message)])


async def ran(seed: Seed, step: str, printed: str) -> None:
    """A run of code whose output lies in the blob store."""
    start = await seed._event(EventKind.CODE_EXEC, "long.py", {"command": "python long.py"}, step, Phase.START)
    data = printed.encode()
    body = {"blob": seed.blobs.put(data), "size": len(data)}
    outcome = {"exit": 0, "seconds": 1.0, "stdout": body, "stderr": "", "timed_out": False, "truncated": False}
    await seed._event(EventKind.CODE_EXEC, "long.py", outcome, step, Phase.END, span=start.id)


async def wrote(seed: Seed, step: str, path: str, kind: str, data: bytes) -> Artifact:
    """A file of a step."""
    node, attempt = seed.nodes[step], seed.attempts[step]
    artifact = Artifact(
        new_id(), node.session_id, node.run_id, node.id, attempt.id, None, seed.now, node.agent or "", path,
        seed.blobs.put(data), len(data), kind,
    )  # fmt: skip
    about = {"artifact": artifact.id, "path": path, "sha256": artifact.sha256, "size": len(data), "kind": kind}
    await seed._event(EventKind.FILE_GEN, path, {**about, "change": "added"}, step, also=[Add(artifact)])
    return artifact


async def recorded(seed: Seed, step: str, sequence: int, **rest: Any) -> None:
    """An entry of a step's journal; `replayed` says so in the event of the call."""
    node, attempt = seed.nodes[step], seed.attempts[step]
    kind = rest.get("kind", "model")
    entry = JournalEntry(
        node.session_id,
        node.run_id,
        attempt.id,
        node.agent or "",
        sequence,
        kind,
        "ab" * 32,
        [f"user 1200 {'0' * 32} Fit the damped model, please."],
        rest.get("answer", {"text": f"answer {sequence}"}),
        seed.now + timedelta(seconds=sequence),
        rest.get("name", "openai:gpt-5"),
    )
    call = EventKind.MODEL_CALL if kind == "model" else EventKind.TOOL_CALL
    data = {"sequence": sequence, "model": entry.name, "tool": entry.name, "replayed": rest.get("replayed", False)}
    await seed.store.commit(Add(entry))
    await seed._event(call, entry.name, data, step, Phase.START)


async def again(seed: Seed, step: str) -> None:
    """A person has a step done again."""
    _, moved = move_node(seed.nodes[step], StepState.PENDING, PERSON, seed.pass_time(1))
    await seed._commit(moved)


async def tried_twice(seed: Seed) -> None:
    """The step `data` fails, is redone with other code, and completes."""
    await seed.approve()
    await seed.run_node("data", fails="the file is not there")
    await again(seed, "data")
    await seed.run_node("data", end=False)
    await wrote(seed, "data", "codebase/data.py", "code", b'"""Simulate."""\n\nprint("other")\n')
    await wrote(seed, "data", "data/more.csv", "data", b"a,b\n1,2\n")
    await seed.end_node("data", "The data are there now.\nFifty rows.")
