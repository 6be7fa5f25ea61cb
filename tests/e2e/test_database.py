"""Looking after the database as a person does: while runs go on, after a crash, on a damaged disk; by command and in
the app."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import storage
from tests.support.cockpit import PATIENCE, Cockpit, Said
from tests.support.homes import picture, spoil_page, tamper
from tests.support.journals import Journal, code, says

PROGRAM = "".join(f"print('line {n}')\n" for n in range(200))


def one_shot(cockpit: Cockpit, journal: Journal, task: str) -> str:
    """A run to its end; its id."""
    said = cockpit.say("run", task, "--headless", "--json", "--mode", "one-shot", "--model", journal.model)
    assert said.code == 0, said.err
    return said.json["run_id"]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    source = f"open('table.csv', 'w').write('1,2')\n{PROGRAM}"
    return Journal(tmp_path / "story.jsonl").does("task", code(source), says("The table is there."))


@pytest.fixture(scope="session")
def a_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one finished run."""
    place = tmp_path_factory.mktemp("database")
    journal = Journal(place / "story.jsonl").does("task", code(PROGRAM), says("Done."))
    one_shot(Cockpit(place / "home"), journal, "The first question")
    return place / "home"


@pytest.fixture
def lived_in(a_home: Path, tmp_path: Path) -> Cockpit:
    home = Path(shutil.copytree(a_home, tmp_path / "home"))
    tamper(home, f"UPDATE sessions SET directory = replace(directory, '{a_home}', '{home}')")
    return Cockpit(home)


@contextmanager
def at_work(cockpit: Cockpit, tmp_path: Path) -> Iterator[Callable[[], Said]]:
    """A run that goes on until the function is called, which waits for it."""
    gate, started = tmp_path / "gate", tmp_path / "started"
    waits = (
        f"import os, time\nopen({str(started)!r}, 'w').close()\n"
        f"while not os.path.exists({str(gate)!r}): time.sleep(0.02)\nprint('through')"
    )
    journal = Journal(tmp_path / "waiting.jsonl").does("task", code(waits), says("It went on."))
    command = ("run", "Wait.", "--headless", "--mode", "one-shot", "--model", journal.model)
    process = cockpit.start(*command)
    try:
        deadline = time.monotonic() + PATIENCE
        while not started.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert started.exists(), "the code was never started"

        def go_on() -> Said:
            gate.touch()
            out, err = process.communicate(timeout=60)
            return Said(process.returncode, out, err)

        yield go_on
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.communicate()


def refused(said: Said, *words: str) -> None:
    assert said.code == 1 and said.out == "", said
    assert "Traceback" not in said.err
    for word in words:
        assert word in said.err


def test_a_backup_is_taken_and_brought_back(lived_in: Cockpit, journal: Journal, tmp_path: Path) -> None:
    before = lived_in.say("runs", "--json").json
    said = lived_in.say("db", "backup", str(tmp_path / "kept"), "--json").json
    assert (said["directory"], said["revision"]) == (str(tmp_path / "kept"), storage.revision(lived_in.home)[1])
    assert said["contents"] > 0 and said["database_bytes"] > 0
    one_shot(lived_in, journal, "The second question")
    assert len(lived_in.say("runs", "--json").json["runs"]) == 2
    said = lived_in.say("db", "restore", str(tmp_path / "kept"))
    assert said.code == 0 and f"as in {tmp_path}/kept" in said.out
    assert f"What stood before is in {lived_in.home}/backups/before-restore-" in said.err
    assert lived_in.say("runs", "--json").json == before
    run = before["runs"][0]["run_id"]
    assert "line 199" in lived_in.say("show", run, "--events", "--json").out
    assert lived_in.say("db", "check").code == 0
    kept = next((lived_in.home / "backups").glob("before-restore-*"))
    assert lived_in.say("db", "restore", str(kept), "--json").json["kept"] is not None
    assert len(lived_in.say("runs", "--json").json["runs"]) == 2
    assert lived_in.say("db", "check").code == 0


def test_a_backup_while_a_run_goes_on_is_taken_and_a_restore_refused(cockpit: Cockpit, tmp_path: Path) -> None:
    with at_work(cockpit, tmp_path) as go_on:
        said = cockpit.say("db", "backup")
        assert said.code == 0 and "Verified" in said.err
        backup = Path(said.out.strip())
        assert backup.parent == cockpit.home / "backups"
        refused(cockpit.say("db", "restore", str(backup)), "another process has", "open: process", "Quit it there")
        refused(cockpit.say("db", "downgrade"), "another process has", "open: process")
        assert cockpit.say("db", "check").code == 0
        assert cockpit.say("db", "prune", "--older-than", "0m").code == 0
        assert go_on().code == 0
    (run,) = cockpit.say("runs", "--json").json["runs"]
    assert run["state"] == "completed"
    assert cockpit.say("db", "restore", str(backup)).code == 0
    (run,) = cockpit.say("runs", "--json").json["runs"]
    assert run["state"] == "executing", "as it was when the backup was taken"
    assert cockpit.say("resume", run["run_id"], "--headless").code == 0, "and it can go on from there"
    assert cockpit.say("db", "check").code == 0


def test_after_a_kill_nothing_is_wrong_and_nothing_in_the_way(cockpit: Cockpit, tmp_path: Path) -> None:
    with at_work(cockpit, tmp_path):
        pass
    assert cockpit.say("db", "check").code == 0
    said = cockpit.say("db", "backup", "--json").json
    assert cockpit.say("db", "restore", said["directory"]).code == 0


def test_a_check_names_what_is_wrong_and_the_newest_backup(lived_in: Cockpit) -> None:
    assert lived_in.say("db", "check", "--json").json == {"ok": True, "problems": []}
    backup = lived_in.say("db", "backup").out.strip()
    blob = max((lived_in.home / "blobs").glob("??/*"), key=lambda path: path.stat().st_size)
    blob.unlink()
    blob.write_text("edited")
    said = lived_in.say("db", "check")
    assert said.code == 1 and blob.name in said.out and "was edited or damaged" in said.out
    assert backup in said.err and "db restore" in said.err
    found = lived_in.say("db", "check", "--json")
    assert found.code == 1 and found.json["newest_backup"] == backup and len(found.json["problems"]) == 1


@pytest.mark.parametrize("table", ["sessions", "clients"])
def test_a_damaged_page_that_is_met_is_said_in_words(lived_in: Cockpit, table: str) -> None:
    spoil_page(lived_in.home, table)
    words = ("cmbagent.db is damaged", "cmbagent-tui db check", "cmbagent-tui db restore")
    refused(lived_in.say("sessions"), *words)
    with lived_in.terminal(columns=200) as terminal:
        terminal.until(*words)
        terminal.keys("q")
        terminal.wait()
    assert "Traceback" not in terminal.raw.decode(errors="replace")
    said = lived_in.say("db", "check")
    assert said.code == 1 and f"(of {table})" in said.out


def test_a_log_that_is_cut_off_is_refused_until_a_backup_is_back(lived_in: Cockpit, tmp_path: Path) -> None:
    backup = lived_in.say("db", "backup").out.strip()
    with at_work(lived_in, tmp_path):
        pass
    log = lived_in.home / "cmbagent.db-wal"
    log.write_bytes(log.read_bytes()[: log.stat().st_size // 2])
    before = picture(lived_in.home, lambda path: "workers" in path.parts)
    for command in (("sessions",), ("db", "backup")):
        refused(lived_in.say(*command), "cmbagent.db-wal is cut off", "db restore")
    with lived_in.terminal(columns=250) as terminal:
        terminal.until("is cut off", "db restore", "Press q to leave")
        terminal.keys("q")
        assert terminal.wait() == 1
    said = lived_in.say("db", "check")
    assert said.code == 1 and "cmbagent.db-wal is cut off" in said.out
    assert picture(lived_in.home, lambda path: "workers" in path.parts) == before
    assert lived_in.say("db", "restore", backup).code == 0
    assert lived_in.say("db", "check").code == 0
    assert len(lived_in.say("runs", "--json").json["runs"]) == 1


def test_an_older_database_is_upgraded_when_it_is_opened_and_a_copy_kept(lived_in: Cockpit) -> None:
    said = lived_in.say("db", "downgrade", "--json").json
    assert (said["before"], said["after"]) == ("0002", "0001") and Path(said["copy"]).is_dir()
    said = lived_in.say("db", "check")
    refused(said, "is at revision '0001'", "cmbagent-tui db upgrade")
    assert lived_in.say("runs").code == 0
    assert lived_in.say("db", "check").code == 0
    assert list((lived_in.home / "backups").glob("before-upgrade-0001-*"))
    assert "is at 0002" in lived_in.say("db", "upgrade").out


def test_a_half_migrated_database_is_refused_by_everything(lived_in: Cockpit) -> None:
    tamper(lived_in.home, "ALTER TABLE nodes DROP COLUMN retry_at")
    refused(lived_in.say("sessions"), "half migrated", "nodes.retry_at", "db restore")


def test_pruning_asks_for_a_yes_where_a_person_is(lived_in: Cockpit, journal: Journal) -> None:
    second = one_shot(lived_in, journal, "The second question")
    said = lived_in.say("db", "prune", "--older-than", "0m", "--dry-run", "--json").json
    assert said["dry_run"] and len(said["runs"]) == 2 and said["sessions"] == 2
    with lived_in.terminal("db", "prune", "--older-than", "0m", columns=120) as terminal:
        terminal.until("The first question", "The second question", "would be removed", "Say it again with --yes")
        assert terminal.wait() == 2
    assert len(lived_in.say("runs", "--json").json["runs"]) == 2
    size = sum(path.stat().st_size for path in [lived_in.home / "cmbagent.db", *(lived_in.home / "blobs").glob("??/*")])
    said = lived_in.say("db", "prune", "--keep-size", f"{size - 1000}", "--json").json
    assert [run["title"] for run in said["runs"]] == ["The first question"]
    (run,) = lived_in.say("runs", "--json").json["runs"]
    assert run["run_id"] == second
    with lived_in.terminal("db", "prune", "--older-than", "0m", "--yes", columns=120) as terminal:
        terminal.until("The second question", "removed: 1 run")
        assert terminal.wait() == 0
    assert lived_in.say("sessions", "--json").json == {"sessions": []}
    assert list((lived_in.home / "sessions").iterdir()) == []
    assert lived_in.say("db", "check").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("prune", "--older-than", "soon"), "no span of time"),
        (("prune", "--keep-size", "much"), "no size"),
        (("downgrade", "9999"), "no revision before"),
        (("backup", "{home}"), "is there already"),
        (("restore", "{home}"), "where the database itself lies"),
        (("restore", "/nowhere"), "is no backup"),
        ((), "ACTION"),
    ],
)
def test_what_cannot_be_is_said(lived_in: Cockpit, arguments: tuple[str, ...], words: str) -> None:
    said = lived_in.say("db", *(one.format(home=lived_in.home) for one in arguments))
    assert said.code in (1, 2) and words in said.err and "Traceback" not in said.err


def test_a_long_text_is_stored_once(cockpit: Cockpit, tmp_path: Path) -> None:
    program = "# 'quoted' \"twice\" — é\n" + PROGRAM * 5
    run = one_shot(cockpit, Journal(tmp_path / "j.jsonl").does("task", code(program), says("Done.")), "Print.")
    holding = [blob for blob in (cockpit.home / "blobs").glob("??/*") if b"print('line 150')" in blob.read_bytes()]
    assert [blob.read_text() for blob in holding] == [program]
    for name in ("cmbagent.db", "cmbagent.db-wal"):
        path = cockpit.home / name
        assert not path.exists() or b"print('line 150')" not in path.read_bytes()
    shown = cockpit.say("show", run, "--events", "--json").json["events"]
    assert [event["data"]["code"] for event in shown if event["kind"] == "code_exec" and "code" in event["data"]] == [
        program
    ]
