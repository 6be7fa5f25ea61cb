"""What a person reads when the disk is full, the home may not be written to, or the database is another's; and that
nothing is lost of what was recorded."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.cockpit import Cockpit
from tests.support.journals import Journal, code, plan, says, step
from tests.support.mounts import mounted
from tests.support.reading import told

ELSEWHERE = "CMBAGENT_HOME or CMBAGENT_DATABASE_URL"


@dataclass(frozen=True)
class SmallDisk:
    """A program whose home is on a disk of 4 MB, with a plan whose second step fills it, unless told not to."""

    cockpit: Cockpit
    prefix: list[str]
    command: tuple[str, ...]
    modest: Path  # when this file is there, the second step needs no room

    def free(self) -> None:
        """Make room, and see that it is not taken again."""
        self.modest.touch()
        place = str(self.cockpit.home)
        subprocess.run([*self.prefix, "find", place, "-name", "big.bin", "-delete"], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    modest = tmp_path / "modest"
    fills = (
        f"import os\nif not os.path.exists({str(modest)!r}):\n"
        "    with open('big.bin', 'wb', buffering=0) as file:\n"
        "        while True: file.write(os.urandom(4096))\n"
        "print('there was room')"
    )
    journal = Journal(tmp_path / "story.jsonl")
    journal.does("one", code("open('one.txt', 'w').write('1')"), says("One is done."))
    journal.does("two", code(fills), says("Two is done."))
    journal.does("three", code("print(open('one.txt').read())"), says("Three is done."))
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan(step("one"), step("two", "one"), step("three", "two"))))
    with mounted(tmp_path / "disk", size="4m") as prefix:
        cockpit = Cockpit(tmp_path / "disk" / "home", prefix=prefix)
        yield SmallDisk(cockpit, prefix, ("run", "Fill.", "--plan", str(file), "--model", journal.model), modest)


def test_a_disk_that_gets_full_stops_the_run_and_it_goes_on_when_there_is_room(small_disk: SmallDisk) -> None:
    cockpit = small_disk.cockpit
    said = cockpit.say(*small_disk.command, "--headless")
    assert said.code == 1 and said.out == "" and "Traceback" not in said.err
    assert f"no space is left on the disk of {cockpit.home}/cmbagent.db" in said.err
    assert "Free some space, then resume the run" in said.err
    run_id = said.err.partition("cmbagent-tui resume ")[2].partition("`")[0]
    small_disk.free()
    said = cockpit.say("resume", run_id, "--headless", "--json")
    assert said.code == 0, said.err
    assert {node["state"] for node in said.json["nodes"]} == {"completed"}
    assert told(said.err, "one").count("code ran") == 1, "what was done is not done again"
    assert cockpit.say("db", "check").code == 0


def test_the_app_says_that_the_disk_is_full_and_goes_on_when_there_is_room(small_disk: SmallDisk) -> None:
    with small_disk.cockpit.terminal(*small_disk.command, columns=120, rows=40) as terminal:
        terminal.until("The run stands still.", "no space is left on the disk", "Free some space")
        small_disk.free()
        terminal.keys("p")
        terminal.until("Completed", "Three is done.")
        assert "stands still" not in terminal.text
        terminal.keys("q")
        assert terminal.wait() == 0
    assert small_disk.cockpit.say("db", "check").code == 0


def test_a_file_that_no_longer_fits_fails_its_step_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "story.jsonl")
    journal.does("large", code("import os; open('l.bin', 'wb').write(os.urandom(2_000_000))"), says("Large."))
    journal.does("small", code("open('s.txt', 'w').write('s')"), says("Small is done."))
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan(step("large"), step("small"))))
    with mounted(tmp_path / "disk", size="4m") as prefix:
        cockpit = Cockpit(tmp_path / "disk" / "home", prefix=prefix)
        said = cockpit.say("run", "x", "--headless", "--plan", str(file), "--model", journal.model)
        assert said.code == 1
        printed = told(said.err, "large")
        assert f"cannot write under {cockpit.home}/blobs: No space left on device" in printed
        assert "Free some space, then resume the run, or start it again if it failed" in printed
        assert "□ small" in said.out and "Small is done." in said.out
        assert cockpit.say("db", "check").code == 0


def test_a_disk_that_is_full_at_the_first_start(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", size="64k") as prefix:
        cockpit = Cockpit(tmp_path / "disk" / "home", prefix=prefix)
        said = cockpit.say("demo", "--headless")
        assert said.code == 1 and "Traceback" not in said.err
        assert "no space is left on the disk of" in said.err and "Free some space" in said.err
        with cockpit.terminal(columns=200) as terminal:
            terminal.until("no space is left on the disk of", "Press q to leave")
            terminal.keys("q")
            assert terminal.wait() == 1


def test_a_home_that_may_only_be_read(tmp_path: Path) -> None:
    there = Cockpit(tmp_path / "disk" / "home")
    (tmp_path / "disk").mkdir()
    assert there.say("db", "upgrade").code == 0
    with mounted(tmp_path / "disk") as prefix:
        there, new = (Cockpit(tmp_path / "disk" / name, prefix=prefix) for name in ("home", "new"))
        said = there.say("demo", "--headless")
        assert said.code == 1 and "Traceback" not in said.err
        assert f"{there.home}/cmbagent.db cannot be opened" in said.err and ELSEWHERE in said.err
        said = new.say("demo", "--headless")
        assert said.code == 1 and "Traceback" not in said.err
        assert f"cannot create {new.home}/cmbagent.db: Read-only file system" in said.err and ELSEWHERE in said.err
        with there.terminal(columns=200) as terminal:
            terminal.until("cannot be opened", "Press q to leave")
            terminal.keys("q")
            assert terminal.wait() == 1
        # The database elsewhere, only the sessions' place may not be written to.
        journal = Journal(tmp_path / "story.jsonl").does("task", says("Done."))
        command = ("run", "x", "--headless", "--mode", "one-shot", "--model", journal.model)
        said = new.say(*command, CMBAGENT_DATABASE_URL=f"sqlite:///{tmp_path}/elsewhere.db")
        assert said.code == 1 and "Traceback" not in said.err
        assert f"{new.home}: Read-only file system" in told(said.err, "task")
        assert "Check the disk that the sessions' directory is on" in told(said.err, "task")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", ("9999", "newer")),
        (None, ("cmbagent.db", "not a database", "Move it away")),
    ],
)
def test_the_app_refuses_a_database_that_it_cannot_use(
    cockpit: Cockpit, spoil: str | None, words: tuple[str, ...]
) -> None:
    database = cockpit.home / "cmbagent.db"
    if spoil is None:
        cockpit.home.mkdir()
        database.write_bytes(b"Dear diary, " * 1000)
    else:
        assert cockpit.say("db", "upgrade").code == 0
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute(spoil)
    before = database.read_bytes()
    with cockpit.terminal(columns=200) as terminal:
        terminal.until(*words, "Press q to leave")
        terminal.keys("q")
        assert terminal.wait() == 1
    assert database.read_bytes() == before, "it is left as it was"


def test_a_database_that_another_program_locks_for_long(cockpit: Cockpit, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    waits = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.02)"
    journal = Journal(tmp_path / "story.jsonl").does("task", code(waits), says("Done."))
    working = cockpit.start("run", "Wait.", "--headless", "--mode", "one-shot", "--model", journal.model)
    cockpit.until_code_runs()
    message = f"{cockpit.home}/cmbagent.db was locked by another process for 10 seconds"
    with closing(sqlite3.connect(cockpit.home / "cmbagent.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        gate.touch()
        listing = cockpit.start("sessions")
        with cockpit.terminal(columns=200) as terminal:
            terminal.until(message, "end it if it hangs, and try again", "Press q to leave")
            terminal.keys("q")
            assert terminal.wait() == 1
        _, err = listing.communicate(timeout=30)
        assert listing.returncode == 1 and message in err and "Traceback" not in err
    _, err = working.communicate(timeout=60)
    assert working.returncode == 1 and message in err and "Traceback" not in err
    (run,) = cockpit.say("runs", "--json").json["runs"]
    assert run["state"] == "paused", "nothing is wrong with the run itself"
    assert f"run paused: {message}" in cockpit.say("show", run["run_id"], "--events").out
    assert cockpit.say("resume", run["run_id"], "--headless").code == 0
    assert cockpit.say("db", "check").code == 0
