"""An archive that anyone may have made: what is wrong with it is named, it is refused, and nothing of it is left."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

import storage
from engine.model.changes import Add
from engine.model.errors import CockpitError, StorageError, UsageError
from engine.model.ids import new_id
from storage.archive.content import moving
from storage.blobs import FileBlobs
from tests.support.archives import Parts
from tests.support.carried import PLAN, import_from

Change = Callable[[Parts], object]


def looks_of(home: Path) -> dict[str, tuple[int, str]]:
    """Every file of a home, with its mode and content. The log's index beside the database is no content."""
    return {
        str(path.relative_to(home)): (path.stat().st_mode, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(home.rglob("*"))
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


def refused(file: Path, home: Path, *words: str, max_size: int | None = None) -> None:
    before = looks_of(home)
    with pytest.raises(UsageError) as error:
        import_from(file, home, max_size)
    for word in words:
        assert word in error.value.cause, error.value.cause
    assert looks_of(home) == before
    assert storage.check(home) == []


def row_of(table: str, change: Callable[[dict[str, Any]], object], number: int = 0) -> Change:
    """Changes one row."""

    def changed(parts: Parts) -> None:
        rows = parts.rows(table)
        change(rows[number])
        parts.put_rows(table, rows)

    return changed


def put(**values: Any) -> Callable[[dict[str, Any]], object]:
    return lambda row: row.update(values)


def member(name: str, data: bytes = b"x") -> Change:
    return lambda parts: parts.members.update({name: data})


def event_of(kind: str, data: object) -> Change:
    """Gives the first event of a kind other data."""

    def changed(parts: Parts) -> None:
        rows = parts.rows("events")
        next(row for row in rows if row["kind"] == kind)["data"] = json.dumps(data)
        parts.put_rows("events", rows)

    return changed


def drop_blob(parts: Parts) -> None:
    name = max((name for name in parts.members if name.startswith("blobs/")), key=lambda name: len(parts.members[name]))
    del parts.members[name]


def another_blob(parts: Parts) -> None:
    name = next(name for name in parts.members if name.startswith("blobs/"))
    parts.members[name] = parts.members[name][::-1]
    parts.listed[name] = [len(parts.members[name]), name.removeprefix("blobs/")]


def listed_otherwise(parts: Parts) -> None:
    parts.listed["records/runs.jsonl"] = [len(parts.members["records/runs.jsonl"]), "00" * 32]


def listed_shorter(parts: Parts) -> None:
    parts.listed["records/runs.jsonl"] = [3, "00" * 32]


def link(parts: Parts) -> None:
    name = next(name for name in parts.members if name.startswith("blobs/"))
    parts.links.add(name)


def unlisted(parts: Parts) -> None:
    sha256 = parts.put_blob(b"a stowaway")
    parts.unlisted.add(f"blobs/{sha256}")


def tree_of(path: str) -> Change:
    def changed(parts: Parts) -> None:
        rows = parts.rows("checkpoints")
        tree = json.loads(rows[0]["tree"])
        tree[0][0] = path
        rows[0]["tree"] = json.dumps(tree)
        parts.put_rows("checkpoints", rows)

    return changed


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


BAD_PLAN = json.dumps({**PLAN, "steps": [{**PLAN["steps"][0], "outputs": ["../../.bashrc"]}]})

REFUSALS: dict[str, tuple[Change, tuple[str, ...]]] = {
    # the zip
    "a name that leads out": (member("blobs/../../../evil"), ("evil", "outside")),
    "a name that leads out the other way": (member("..\\evil"), ("evil", "outside")),
    "an absolute name": (member("/etc/cron.d/evil"), ("/etc/cron.d/evil", "outside")),
    "a drive's name": (member("C:evil"), ("evil", "outside")),
    "a symbolic link": (link, ("symbolic link",)),
    "a directory": (member("records/", b""), ("does not belong",)),
    "a stranger": (member("setup.py"), ("setup.py", "does not belong")),
    "a stranger among the blobs": (member("blobs/hello"), ("hello", "does not belong")),
    "rows of another table": (member("records/alembic_version.jsonl", b"{}\n"), ("alembic_version", "no session")),
    "rows of the clients": (member("records/clients.jsonl", b"{}\n"), ("clients", "no session")),
    "not in the manifest": (unlisted, ("is not in its manifest",)),
    "in the manifest alone": (lambda p: p.listed.update({"blobs/" + "0" * 64: [1, "0" * 64]}), ("not there",)),
    "another size": (listed_shorter, ("records/runs.jsonl", "instead of 3")),
    "another hash": (listed_otherwise, ("records/runs.jsonl", "SHA-256 is another")),
    "another content": (another_blob, ("SHA-256 is another",)),
    # the manifest
    "another format": (lambda p: p.manifest.update(format=2), ("format '2'", "reads format 1")),
    "no format": (lambda p: p.manifest.pop("format"), ("format",)),
    "a newer schema": (lambda p: p.manifest.update(schema="9999", program="7.1"), ("newer", "9999", "7.1")),
    "a schema that is no text": (lambda p: p.manifest.update(schema=2), ("manifest.json", "says what cannot be")),
    "an id that is none": (lambda p: p.manifest.update(session={"id": "../x", "title": ""}), ("no id",)),
    "another session": (lambda p: p.manifest["session"].update(id=new_id()), ("belongs to another session",)),
    "sizes below nothing": (lambda p: p.listed.update({"records/runs.jsonl": [-1, "0" * 64]}), ("no size",)),
    # the rows
    "no table": (
        lambda p: p.members.pop("records/costs.jsonl", 0) or p.members.pop("records/cost_records.jsonl"),
        ("cost_records", "missing"),
    ),
    "an unknown column": (row_of("runs", put(evil=1)), ("line 1 of records/runs.jsonl", "unknown column", "evil")),
    "no column": (row_of("runs", lambda row: row.pop("task")), ("no column 'task'",)),
    "a row of another session": (row_of("events", put(session_id=new_id())), ("events", "another session")),
    "two sessions": (
        lambda p: p.put_rows("sessions", [*p.rows("sessions"), {**p.rows("sessions")[0], "id": new_id()}]),
        ("another session",),
    ),
    "the session twice": (lambda p: p.put_rows("sessions", p.rows("sessions") * 2), ("line 2", "not allowed")),
    "no session": (lambda p: p.put_rows("sessions", []), ("no session",)),
    "no JSON": (member("records/nodes.jsonl", b"{'id': 1}\n"), ("line 1 of records/nodes.jsonl", "not JSON")),
    "no row": (member("records/nodes.jsonl", b"[1]\n"), ("no row",)),
    "half a row": (member("records/nodes.jsonl", b'{"id"'), ("middle of a line",)),
    "no text": (member("records/nodes.jsonl", b'{"\xff": 1}\n'), ("not JSON",)),
    "a state that there is not": (row_of("runs", put(state="sleeping")), ("not allowed", "state")),
    "a list in a column": (row_of("runs", put(task=[1])), ("no column can",)),
    "a number too large": (row_of("nodes", put(position=2**70)), ("no column can",)),
    "an attached file that leads out": (
        row_of("runs", put(options=json.dumps({"inputs": [{"path": "../../evil", "sha256": "0" * 64, "size": 1}]}))),
        ("evil",),
    ),
    "an attached file that is not there": (
        row_of("runs", put(options=json.dumps({"inputs": [{"path": "inputs/a", "sha256": "0" * 64, "size": 1}]}))),
        ("not in the archive",),
    ),
    "an attached file that is none": (
        row_of("runs", put(options=json.dumps({"inputs": [{"path": 1, "sha256": 2, "size": "3"}]}))),
        ("options are none",),
    ),
    "half a character": (row_of("sessions", put(title="\ud800")), ("no column can",)),
    "a text for a number": (row_of("nodes", put(position="first")), ("position", "another type")),
    "a time that is none": (row_of("runs", put(created_at=2**62)), ("runs", "cannot be read")),
    "no JSON in a body": (row_of("runs", put(options="{")), ("runs", "cannot be")),
    "a body of another type": (row_of("runs", put(task="5")), ("task", "another type")),
    "a body that is nested deeply": (row_of("runs", put(options=nested(200))), ("nested too deeply",)),
    "a body that is nested beyond all bounds": (row_of("runs", put(options=nested(3000))), ("runs",)),
    "options that are none": (row_of("runs", put(options='{"max_parallel":"many"}')), ("options",)),
    "a budget that is none": (row_of("runs", put(options='{"budget_micro":"all"}')), ("options",)),
    "an id that is a path": (row_of("messages", put(id="../../../..")), ("no id",)),
    "a run that is none": (row_of("runs", put(replay_of="../x"), 1), ("no id",)),
    "a node of nowhere": (row_of("events", put(node_id=new_id())), ("missing row of nodes",)),
    "a gap in the events": (row_of("events", put(seq=77)), ("numbered",)),
    "an event of nowhere": (row_of("messages", put(event_id=new_id())), ("names the event",)),
    "a state out of the blue": (row_of("runs", put(state="completed")), ("its history ends in executing",)),
    "a move that is forbidden": (row_of("state_history", put(after="completed")), ("cannot become completed",)),
    "a state event of nothing": (event_of("run_state", {}), ("data are not those of a run_state",)),
    # content
    "lost content": (drop_blob, ()),
    "content of another size": (row_of("artifacts", put(size=1)), ("another size",)),
    "content that has no name": (row_of("artifacts", put(sha256="../../etc/passwd")), ("not in the archive",)),
    "a body that is no content": (row_of("runs", put(task="sha256:../../etc/passwd")), ("names no stored content",)),
    "a file event without content": (
        event_of("file_gen", {"path": "f.png", "sha256": "0" * 64, "size": 1}),
        ("not in the archive",),
    ),
    # places
    "an artifact that leads out": (row_of("artifacts", put(path="../../.ssh/authorized_keys")), (".ssh", "outside")),
    "an absolute artifact": (row_of("artifacts", put(path="/etc/passwd")), ("/etc/passwd", "outside")),
    "a tree that leads out": (tree_of("data/../../../evil"), ("evil", "outside")),
    "an absolute tree": (tree_of("/evil"), ("/evil", "outside")),
    "a step that leads out": (row_of("nodes", put(step="../../..")), ("../../..", "outside")),
    "a work directory that leads out": (row_of("attempts", put(workdir="../../../home")), ("outside",)),
    "an absolute work directory": (row_of("attempts", put(workdir="/home/me")), ("/home/me", "outside")),
    "no work directory": (row_of("attempts", put(workdir=None)), ("running nowhere",)),
    "a plan that leads out": (row_of("runs", put(plan=BAD_PLAN)), (".bashrc", "outside")),
    "an approval of such a plan": (
        row_of("approvals", put(shown=json.dumps({"plan": json.loads(BAD_PLAN)}))),
        (".bashrc", "outside"),
    ),
    "an approval of no plan": (row_of("approvals", put(shown="{}")), ("Approval",)),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_what_is_wrong_is_named_and_nothing_is_left(carried, elsewhere, tmp_path, what):
    change, words = REFUSALS[what]
    parts = Parts(carried.archive)
    change(parts)
    refused(parts.write(tmp_path / "changed.zip"), elsewhere, *words)


def test_the_archive_itself_is_taken(carried, elsewhere, tmp_path):
    """So that what is refused above is refused for what was changed."""
    import_from(Parts(carried.archive).write(tmp_path / "same.zip"), elsewhere)
    assert storage.check(elsewhere) == []


@pytest.mark.parametrize("share", [0.0, 0.2, 0.9, 0.999])
def test_a_file_that_is_cut_off(carried, elsewhere, share):
    data = carried.archive.read_bytes()
    carried.archive.write_bytes(data[: int(len(data) * share)])
    refused(carried.archive, elsewhere, "cut off" if share else "no zip")


@pytest.mark.parametrize("seed", range(20))
def test_a_file_with_flipped_bits(carried, elsewhere, seed):
    """Wherever they are: in what is listed, in the list, in what says where things are."""
    data = bytearray(carried.archive.read_bytes())
    place = (seed * 7919 + 13) * len(data) // (20 * 7919) % len(data)
    data[place] ^= 0x55
    carried.archive.write_bytes(bytes(data))
    before = looks_of(elsewhere)
    try:
        import_from(carried.archive, elsewhere)
    except CockpitError:
        assert looks_of(elsewhere) == before
    assert storage.check(elsewhere) == []  # a bit of a zip that nobody reads does no harm


@pytest.mark.parametrize("content", [b"", b"PK", b"Dear diary, " * 1000, b"PK\x05\x06" + bytes(18)])
def test_a_file_that_is_no_archive(elsewhere, tmp_path, content):
    (tmp_path / "file.zip").write_bytes(content)
    refused(tmp_path / "file.zip", elsewhere, "it")


def test_what_is_no_file(elsewhere, tmp_path):
    refused(tmp_path, elsewhere, "no regular file")
    refused(tmp_path / "nothing.zip", elsewhere, "nothing.zip", "No such file")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", elsewhere, "no regular file")


def test_another_zip(elsewhere, tmp_path):
    with ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("records/runs.jsonl", "")
    refused(tmp_path / "other.zip", elsewhere, "no manifest.json")


def test_a_name_that_is_there_twice(carried, elsewhere):
    with ZipFile(carried.archive, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("records/runs.jsonl", "")
    refused(carried.archive, elsewhere, "there twice")


def test_a_zip_that_says_that_it_is_encrypted(carried, elsewhere):
    data = carried.archive.read_bytes()
    first = data.index(b"PK\x01\x02")
    carried.archive.write_bytes(data[: first + 8] + b"\x01\x00" + data[first + 10 :])
    refused(carried.archive, elsewhere, "encrypted")


def test_more_than_is_wanted(carried, elsewhere):
    refused(carried.archive, elsewhere, "at most 100,000 are taken", max_size=100_000)


def test_a_bomb_that_says_how_large_it_is(carried, elsewhere, tmp_path):
    parts = Parts(carried.archive)
    parts.put_blob(bytes(50_000_000))
    bomb = parts.write(tmp_path / "bomb.zip")
    assert bomb.stat().st_size < 1_000_000
    refused(bomb, elsewhere, "would unpack to", max_size=10_000_000)


def test_a_bomb_that_lies_about_its_size(carried, elsewhere, tmp_path):
    """What is behind the declared end is never read."""
    parts = Parts(carried.archive)
    sha256 = parts.put_blob(bytes(5_000_000))
    bomb = parts.write(tmp_path / "bomb.zip")
    data = bytearray(bomb.read_bytes())
    at = data.index(f"blobs/{sha256}".encode(), data.index(b"PK\x01\x02"))
    assert struct.unpack_from("<L", data, at - 22) == (5_000_000,)
    struct.pack_into("<L", data, at - 22, 1000)
    bomb.write_bytes(bytes(data))
    refused(bomb, elsewhere, "1,000 bytes instead of 5,000,000", max_size=1_000_000)


def test_a_list_of_members_beyond_all_bounds(carried, elsewhere):
    data = bytearray(carried.archive.read_bytes())
    end = len(data) - 22
    struct.pack_into("<L", data, end + 12, 0xF0000000)
    carried.archive.write_bytes(bytes(data))
    refused(carried.archive, elsewhere, "claims to have")


def test_a_body_that_names_the_same_content_again_and_again(carried, elsewhere, tmp_path):
    """A few bytes of a row that would be read as gigabytes."""
    parts = Parts(carried.archive)
    sha256 = parts.put_blob(b"a" * 3_000_000)
    parts.rows("sessions", put(tags="parts:" + json.dumps([f"sha256:{sha256}"] * 200)))
    refused(parts.write(tmp_path / "many.zip"), elsewhere, "tags of more than")


def test_a_session_that_is_here_already(carried, elsewhere):
    import_from(carried.archive, elsewhere)
    before = looks_of(elsewhere)
    with pytest.raises(StorageError, match="is here already"):
        import_from(carried.archive, elsewhere)
    assert looks_of(elsewhere) == before


def test_a_session_that_claims_what_is_anothers(carried, elsewhere, tmp_path):
    """Its ids are those of a session that is here, but for its own."""
    import_from(carried.archive, elsewhere)
    parts, mine = Parts(carried.archive), new_id()
    parts.manifest["session"]["id"] = mine
    for name in parts.members:
        if name.startswith("records/"):
            parts.rows(name.removeprefix("records/").removesuffix(".jsonl"), put(session_id=mine))
    parts.rows("sessions", lambda row: (row.pop("session_id"), row.update(id=mine)))
    refused(parts.write(tmp_path / "claims.zip"), elsewhere, "here already, in another session")


def test_texts_are_as_clean_as_if_they_had_been_written_here(carried, elsewhere, tmp_path):
    evil = "\x1b]0;owned\x07\x9b31mred\u202eder\x00"
    parts = Parts(carried.archive)
    parts.rows("sessions", put(title=evil, tags=json.dumps([evil])))
    parts.rows("nodes", put(title=evil, agent=evil))
    parts.rows("runs", put(task=json.dumps(evil), branch_name=evil))
    parts.rows("events", put(title=evil, agent=evil))
    body = parts.put_blob(json.dumps(evil * 2000).encode())
    parts.rows("messages", put(sender=evil, content=f"sha256:{body}"))
    parts.rows("state_history", put(who=evil, why=json.dumps(evil)))
    parts.rows("approvals", put(title=evil, shown=json.dumps({"plan": PLAN, evil: [evil]})))
    import_from(parts.write(tmp_path / "evil.zip"), elsewhere)
    text = b"".join(path.read_bytes() for path in elsewhere.glob("cmbagent.db*"))
    text += b"".join(path.read_bytes() for path in elsewhere.glob("blobs/??/*") if path.stem != carried.noise)
    for escape in (b"\x1b]", b"\\u001b]", b"\xc2\x9b", "\u202e".encode(), b"\\u202e"):
        assert escape not in text
    assert b"owned" in text
    assert storage.check(elsewhere) == []


async def test_what_it_asks_waits_for_a_person_whatever_it_says(carried, elsewhere, tmp_path):
    """An open app would settle what is overdue by the rule that came along, and carry the plan out."""
    parts = Parts(carried.archive)
    parts.rows("approvals", put(deadline_at=1, on_expiry="approved"))
    import_from(parts.write(tmp_path / "overdue.zip"), elsewhere)
    store, _ = storage.open_store(elsewhere)
    await store.open()
    (approval,) = await store.approvals(pending=True)
    await store.close()
    assert (approval.deadline_at, approval.on_expiry) == (None, None)


def test_recorded_answers_stay_as_they_were(carried, elsewhere, tmp_path):
    import_from(carried.archive, elsewhere)
    mine = Parts(carried.archive).rows("journal_entries")
    storage.export_session(elsewhere, None, carried.research.session.id, tmp_path / "x.zip", "test", lambda *_: None)
    assert Parts(tmp_path / "x.zip").rows("journal_entries") == mine
    assert "\\u001b[31m" in json.dumps(mine)


def test_blobs_that_came_for_nothing_go_again(tmp_path):
    source, target = FileBlobs(tmp_path / "source"), FileBlobs(tmp_path / "target")
    both, new = source.put(b"both"), source.put(b"new")
    target.put(b"both")
    with pytest.raises(KeyError), moving(source, target, [both, new]):
        assert target.get(new) == b"new"
        raise KeyError
    assert target.get(both) == b"both"
    assert not target.has(new)


async def test_a_row_that_came_in_meanwhile_undoes_all_of_it(carried, elsewhere):
    """The session arrives by another process while the archive is looked over."""
    before = set((elsewhere / "blobs").glob("??/*"))
    told: list[int] = []

    def meanwhile(what: str, done: int, total: int) -> None:
        if not told:
            told.append(done)
            import_from(carried.archive, elsewhere)

    with pytest.raises(StorageError, match="is here already"):
        storage.import_session(elsewhere, None, carried.archive, elsewhere / "sessions", meanwhile)
    assert set((elsewhere / "blobs").glob("??/*")) > before
    assert storage.check(elsewhere) == []
    assert list((elsewhere / "blobs" / "tmp").iterdir()) == []


async def test_a_session_that_is_here_and_deleted_is_called_so(carried, tmp_path):
    from engine.model.changes import Shelve

    store, _ = storage.open_store(carried.home)
    await store.open()
    await store.commit(
        Shelve(carried.research.session.id, (), None, carried.research.at(9)), Add(carried.newcomer.session)
    )
    await store.close()
    with pytest.raises(StorageError, match="among the deleted"):
        import_from(carried.archive, carried.home)


def test_an_archive_without_compression_is_one_too(carried, elsewhere, tmp_path):
    """Zipped again by another program, with the same members."""
    with ZipFile(carried.archive) as old, ZipFile(tmp_path / "again.zip", "w", ZIP_DEFLATED, compresslevel=1) as new:
        for name in reversed(old.namelist()):
            new.writestr(name, old.read(name))
    import_from(tmp_path / "again.zip", elsewhere)
    assert storage.check(elsewhere) == []
