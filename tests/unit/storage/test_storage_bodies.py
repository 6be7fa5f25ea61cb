"""Bodies: whatever is packed comes back exactly, and a long text is stored once wherever it stands."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import storage
from engine.model.changes import Add
from engine.model.errors import StorageError
from engine.model.events import EventKind
from engine.model.ids import new_id
from engine.model.records import Message
from storage import bodies
from storage.blobs import FileBlobs
from storage.columns import INLINE_LIMIT

SHA = "0f" * 32


class Shelf:
    """Blobs in memory, that know what was asked for."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def put(self, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        self.held[name] = data
        return name

    def get(self, sha256: str) -> bytes:
        return self.held[sha256]


def repeated(text: str) -> str:
    return text * (bodies.LONG // max(1, len(text)) + 1)


marks = st.sampled_from(
    [
        "sha256:" + SHA,
        "parts:",
        "parts:sha256:" + SHA,
        'parts:{"a":1}',
        "sha256:",
        f'"sha256:{SHA}"',
        "\\",
        '"',
        "\ud800",
        "{",
    ]
)
short = st.text(max_size=8) | marks | st.lists(marks, max_size=4).map("".join)
texts = short | short.map(repeated)
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=8
)
quoted = st.dictionaries(short, values, max_size=3).flatmap(
    lambda value: st.sampled_from(
        [
            json.dumps(value),
            json.dumps(value, ensure_ascii=False),
            json.dumps(value, ensure_ascii=False, separators=(",", ":")),
            json.dumps(value, indent=2),
            json.dumps(json.dumps(value, separators=(",", ":"))).replace("a", "\\u0061"),
            json.dumps({"again": json.dumps(value, separators=(",", ":"))}, separators=(",", ":")),
            json.dumps(value).replace("/", "\\/") + "  ",
        ]
    )
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(value=values | quoted | st.dictionaries(short, quoted | values, max_size=4))
def test_every_value_comes_back_exactly(value: Any) -> None:
    shelf = Shelf()
    body = bodies.pack(value, shelf)  # pyright: ignore[reportArgumentType]
    assert len(body.encode()) <= INLINE_LIMIT
    assert bodies.unpack(body, shelf) == json.loads(json.dumps(value))  # pyright: ignore[reportArgumentType]
    named = set(bodies.named(body, shelf))  # pyright: ignore[reportArgumentType]
    assert named <= shelf.held.keys()
    only = Shelf()
    only.held = {name: shelf.held[name] for name in named}
    assert bodies.unpack(body, only) == bodies.unpack(body, shelf)  # pyright: ignore[reportArgumentType]


@given(value=values)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_bodies_of_former_versions_are_still_read(value: Any) -> None:
    """JSON, or the name of a blob with JSON, whatever marks stand in it."""
    shelf, text = Shelf(), json.dumps(value)
    assert bodies.unpack(text, shelf) == json.loads(text)  # pyright: ignore[reportArgumentType]
    mark = "sha256:" + shelf.put(text.encode())
    assert bodies.unpack(mark, shelf) == json.loads(text)  # pyright: ignore[reportArgumentType]
    assert list(bodies.named(mark, shelf)) == list(shelf.held)  # pyright: ignore[reportArgumentType]
    assert list(bodies.named(text, shelf)) == []  # pyright: ignore[reportArgumentType]


PROGRAM = "".join(f'print("line {n}: é", {n})\n' for n in range(200))


@pytest.mark.parametrize(
    "value",
    [
        PROGRAM,
        {"code": PROGRAM, "tool": "run_code"},
        {"calls": [{"arguments": json.dumps({"code": PROGRAM, "filename": "a.py"}, ensure_ascii=False)}]},
        {"a": [PROGRAM, PROGRAM], "b": {"c": PROGRAM}},
        {"many": list(range(9000)), "code": PROGRAM},
    ],
)
def test_a_long_text_is_one_blob_wherever_it_stands(value: Any) -> None:
    shelf = Shelf()
    body = bodies.pack(value, shelf)  # pyright: ignore[reportArgumentType]
    assert shelf.held[hashlib.sha256(PROGRAM.encode()).hexdigest()] == PROGRAM.encode()
    assert "line 7" not in body
    assert len([held for held in shelf.held.values() if b"line 7" in held]) == 1
    assert bodies.unpack(body, shelf) == value  # pyright: ignore[reportArgumentType]


async def test_the_same_text_in_several_rows_is_the_files_own_blob(home, store, research) -> None:
    r, (_, blobs) = research, storage.open_store(home)
    arguments = json.dumps({"filename": "a.py", "code": PROGRAM})
    journal = r.journal(1, {"response": {"calls": [{"arguments": arguments.encode().decode("unicode_escape")}]}})
    journal = replace(
        journal, answer={"response": {"calls": [{"arguments": json.dumps({"code": PROGRAM}, ensure_ascii=False)}]}}
    )
    event = r.event(kind=EventKind.CODE_EXEC, data={"code": PROGRAM, "file": "a.py"})
    message = Message(new_id(), r.session.id, r.run.id, None, None, None, r.at(2), "engineer", "assistant", PROGRAM)
    file = home / "a.py"
    file.write_text(PROGRAM)
    await store.commit(*r.opening(), Add(journal), Add(event), Add(message))
    sha256, _ = blobs.put_file(file)
    assert [path.name for path in (home / "blobs").glob("??/*")] == [sha256]
    reads = store.reads(r.session.id)
    assert (await reads.events(r.run.id))[0].data == event.data
    assert await reads.messages(r.run.id) == [message]
    assert await reads.journal(r.attempt.id) == [journal]
    with closing(sqlite3.connect(home / "cmbagent.db")) as raw:
        assert raw.execute("SELECT max(length(data)) FROM events").fetchone()[0] < 200


def test_what_names_a_lost_text_is_refused(tmp_path) -> None:
    blobs = FileBlobs(tmp_path)
    body = bodies.pack({"code": PROGRAM}, blobs)
    (name,) = bodies.named(body, blobs)
    blobs.path(name).unlink()
    with pytest.raises(StorageError, match=name):
        bodies.unpack(body, blobs)
