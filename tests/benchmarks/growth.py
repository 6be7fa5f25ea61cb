"""What kills cost on the disk: bytes of the database and the contents for each time that a run loses its process.

A plan of steps with programs of 3 KB and outputs of as much is carried out by real workers, with answers from a
journal: once undisturbed, and once with kill -9 of the whole program at seeded moments, resumed each time. What the
second home has more than the first is what the kills have cost. A number as the first argument: so many kills.
"""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import storage
from tests.support.cockpit import Cockpit
from tests.support.journals import Journal, code, plan, says, step

SEED = 20310506
KILLS = 100
STEPS = 12
SPAN = (0.4, 4.0)  # seconds that a process lives, from its start on


def begin(home: Path, script: Path, file: Path) -> str:
    """Write a run down that nobody drives yet; its id."""
    cockpit = Cockpit(home)
    process = cockpit.start("run", "Grow.", "--headless", "--plan", str(file), "--model", f"journal:{script}")
    while not (runs := known(home)):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return runs[-1][0]


def known(home: Path) -> list[tuple[str, str]]:
    """The runs of a home and their states, oldest first."""
    path = home / "cmbagent.db"
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return database.execute("SELECT id, state FROM runs ORDER BY id").fetchall()
    except sqlite3.OperationalError:  # it is just being made
        return []


def carry_out(home: Path, run: str) -> None:
    """Resume a run and let it come to its end."""
    said = Cockpit(home).say("resume", run, "--headless", "--json", timeout=600)
    assert said.code == 0, said.err


def bytes_of(home: Path) -> dict[str, int]:
    """What a home's database uses and its contents take, and what else lies there."""
    with closing(sqlite3.connect(home / "cmbagent.db")) as database:
        page, count, free = (
            database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count", "freelist_count")
        )
        events = database.execute("SELECT count(*) FROM events").fetchone()[0]
    contents = [path.stat().st_size for path in (home / "blobs").glob("??/*")]
    files = [path.stat().st_size for path in (home / "sessions").rglob("*") if path.is_file()]
    return {
        "database": (count - free) * page,
        "contents": sum(contents),
        "files": sum(files),
        "blobs": len(contents),
        "events": events,
    }


def story(place: Path) -> tuple[Path, Path]:
    """The journal and the plan."""
    journal = Journal(place / "story.jsonl")
    names = [f"s{number}" for number in range(STEPS)]
    for number, name in enumerate(names):
        lines = "".join(f"print('step {number}, line {line}: ' + 'x' * 20)\n" for line in range(60))
        pause = "import time\ntime.sleep(0.3)\n"
        source = f"{pause}{lines}open('{name}.csv', 'w').write('{number},' * 2000)\n"
        journal.does(name, code(source), says(f"Step {number} is done."))
    file = place / "plan.json"
    steps = [step(name, *names[number - 1 : number]) for number, name in enumerate(names)]
    file.write_text(json.dumps(plan(*steps)))
    return journal.path, file


def main() -> None:
    """Print the sizes, and what one kill has cost, as one JSON object."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else KILLS
    rng, done, runs = random.Random(SEED), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        script, file = story(Path(folder))
        killed, quiet = Path(folder) / "killed", Path(folder) / "quiet"
        while done < kills:
            run = begin(killed, script, file)
            runs += 1
            while done < kills and dict(known(killed))[run] not in ("completed", "failed", "cancelled"):
                process = Cockpit(killed).start("resume", run, "--headless")
                try:
                    process.communicate(timeout=rng.uniform(*SPAN))
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.communicate()
                    done += 1
            if dict(known(killed))[run] != "completed":
                carry_out(killed, run)
        for _ in range(runs):
            carry_out(quiet, begin(quiet, script, file))
        assert storage.check(killed) == [] and storage.check(quiet) == []
        states = {state for home in (killed, quiet) for _, state in known(home)}
        assert states == {"completed"}, states
        after, undisturbed = bytes_of(killed), bytes_of(quiet)
    a_kill = {f"{name}_a_kill": round((after[name] - undisturbed[name]) / done, 1) for name in after}
    report = {"benchmark": "growth", "seed": SEED, "kills": done, "runs": runs, "steps": STEPS}
    print(json.dumps({**report, "killed": after, "undisturbed": undisturbed, **a_kill}))


if __name__ == "__main__":
    main()
