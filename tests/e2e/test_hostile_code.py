"""What a person reads when the agents' code does what no code should, and what is left of it afterwards.

Every misdeed is one step of one plan, so that a single run shows all of them; none of them may spoil another.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.cockpit import Cockpit, Said
from tests.support.journals import Journal, Json, code, plan, says, step
from tests.support.processes import Memory, wait_until_gone
from tests.support.reading import obeyed, told

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the guards and the looks into /proc are Linux's")

MARK = "631.0625"  # seconds that strays would sleep: found in the list of processes
SPAWNS = f"""
import os, subprocess, sys
subprocess.Popen(["sleep", "{MARK}"])
subprocess.Popen(["sleep", "{MARK}"], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.environ.clear()
        os.execve("/bin/sleep", ["sleep", "{MARK}"], {{}})
    os._exit(0)
print("four of us")
"""
SLEEPS = f"""
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.setsid() if os.getpid() != os.getsid(0) else None
if os.fork() == 0:
    os.setsid()
    os.execv("/bin/sleep", ["sleep", "{MARK}"])
print("dozing", flush=True)
time.sleep({MARK})
"""
NAMES = [
    b"new\nline.txt",
    b"title\x1b]0;mine\x07.txt",
    b"c1\xc2\x9b2J.txt",
    "bidi\u202etxt.exe".encode(),
    b"bad\xff\xfe.txt",
    b" blank.txt",
    b"back\\slash.txt",
]
KEPT = [b"n" * 255, b"[bold]markup[link=x].txt", b"$(reboot) & .txt", b"-rf", "\u4e2d\u6587 caf\u00e9.txt".encode()]
NAMED = f"for name in {NAMES + KEPT!r}: open(name, 'wb').write(name)"
ODD = """
import os, socket
os.mkfifo("pipe")
socket.socket(socket.AF_UNIX).bind("socket")
os.symlink("/etc/passwd", "passwd")
os.symlink("/etc", "etc")
os.symlink("nowhere", "nowhere")
os.symlink("self", "self")
os.symlink("plain.txt", "alias.txt")
open("plain.txt", "w").write("plain")
"""
MANY = "import os\nos.mkdir('d')\nfor n in range(10_000): open(f'd/{n}.txt', 'w').write(str(n % 100))\nprint('made')"
OUTSIDE = "open('../up.txt', 'w').write('outside'); open('../../higher.txt', 'w').write('outside')"
SWAPS = "import os\nhere = os.getcwd()\nos.rename(here, here + '.moved')\nos.symlink('/etc', here)\nprint('swapped')"
DELETES = "import os, shutil\nshutil.rmtree(os.getcwd())\nprint('gone')"
SHOUTS = (
    "import sys\nfor out in (sys.stdout.buffer, sys.stderr.buffer):\n"
    "    out.write(b'caf\\xe9 \\xff\\xfe\\x00 \\x1b[2J\\x1b]52;c;QQ==\\x07 \\xc2\\x9b3J \\xe2\\x80\\xae end\\n')"
)
CODE: dict[str, list[str]] = {
    "shouts": [SHOUTS],
    "spawns": [SPAWNS],
    "sleeps": [SLEEPS],
    "crashes": ["import os, signal\nprint('before', flush=True)\nos.kill(os.getpid(), signal.SIGSEGV)"],
    "outside": [OUTSIDE],
    "deletes": [DELETES, "open('again.txt', 'w').write('here')"],
    "swaps": [SWAPS],
    "many": [MANY],
    "odd": [ODD],
    "linked": [ODD],
    "named": [NAMED],
}
OUTPUTS = {"outside": ["up.txt"], "linked": ["passwd", "pipe", "alias.txt"], "swaps": ["hostname"]}


@dataclass(frozen=True)
class Seen:
    """The one run, as its command printed it and as it is remembered."""

    said: Said
    run: Json
    files: dict[str, list[str]]
    tools: dict[str, str]
    directory: Path

    def step(self, name: str) -> Json:
        return next(one for one in self.run["nodes"] if one["step"] == name)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    root = tmp_path_factory.mktemp("hostile")
    cockpit = Cockpit(root / "home")
    cockpit.home.mkdir()
    (cockpit.home / "config.toml").write_text("code_timeout = 3\nmax_parallel = 3\nretries = 0\n")
    journal = Journal(root / "story.jsonl")
    for name, programs in CODE.items():
        journal.does(name, *(code(one, f"{name}{n}.py") for n, one in enumerate(programs)), says(f"Did {name}."))
    steps = [step(name, outputs=OUTPUTS.get(name, [])) for name in CODE]
    (root / "plan.json").write_text(json.dumps(plan(*steps)))
    said = cockpit.say("run", "Misbehave.", "--headless", "--plan", str(root / "plan.json"), "--model", journal.model)
    wait_until_gone(MARK)
    wait_until_gone(str(cockpit.home))
    assert "Traceback (most recent call last)" not in said.err + said.out
    assert not obeyed(said.err + said.out)

    run_id = cockpit.say("runs", "--json").json["runs"][0]["run_id"]
    run = cockpit.say("show", run_id, "--json").json
    names = {node["id"]: node["step"] for node in run["nodes"]}
    files: dict[str, list[str]] = {name: [] for name in CODE}
    for one in cockpit.say("show", run_id, "--files", "--json").json["files"]:
        files[names[one["node_id"]]].append(one["path"])
    tools: dict[str, Any] = dict.fromkeys(CODE, "")
    for one in cockpit.say("show", run_id, "--messages", "--json").json["messages"]:
        if one["role"] == "tool":
            tools[names[one["node_id"]]] += one["content"]
    checked = cockpit.say("db", "check")
    assert checked.code == 0, checked.out
    assert (cockpit.home / "cmbagent.db").stat().st_size < 20_000_000
    return Seen(said, run, files, tools, Path(run["directory"]))


def test_the_run_says_which_steps_failed_and_why(seen: Seen) -> None:
    assert seen.said.code == 1
    states = {one["step"]: one["state"] for one in seen.run["nodes"]}
    failed = {"sleeps", "crashes", "outside", "swaps", "linked"}
    assert {name for name, state in states.items() if state == "failed"} == failed
    assert {name for name, state in states.items() if state == "completed"} == CODE.keys() - failed
    error = seen.said.out.rpartition("Error: ")[2]
    assert all(f"step {name}: " in error for name in failed)


def test_bytes_that_are_no_text_are_replaced_and_controls_dropped(seen: Seen) -> None:
    assert "caf\ufffd \ufffd\ufffd" in seen.tools["shouts"]
    assert not obeyed(seen.tools["shouts"])
    assert seen.tools["shouts"].count("end\n") == 2, "what was printed after the controls is there"


def test_children_that_are_left_behind_are_ended_with_the_program(seen: Seen) -> None:
    # That none survives is waited for where the run is made.
    assert "code ran" in told(seen.said.err, "spawns")
    assert "four of us" in seen.tools["spawns"]


def test_code_that_sleeps_for_ever_is_stopped(seen: Seen) -> None:
    printed = told(seen.said.err, "sleeps")
    assert "code was stopped at its time limit" in printed
    assert "codebase/sleeps0.py was stopped: it exceeded the time limit of 3 s" in printed
    assert "dozing" in seen.tools["sleeps"], "what it printed is not lost"


def test_a_signal_is_named(seen: Seen) -> None:
    printed = told(seen.said.err, "crashes")
    assert "code ended with SIGSEGV" in printed
    assert "codebase/crashes0.py was ended by SIGSEGV" in printed
    assert "before" in seen.tools["crashes"]


def test_what_is_written_outside_lands_there_but_counts_for_nothing(seen: Seen) -> None:
    # The tier that only limits does not forbid it, and says so: `doctor`, and the status line's "sandbox: limits".
    work = seen.directory.glob("*/work/**/*.txt")
    assert {"up.txt", "higher.txt"} <= {one.name for one in work}
    assert "engineer ended the step without leaving behind up.txt" in told(seen.said.err, "outside")
    assert seen.files["outside"] == ["codebase/outside0.py"]
    control = {one.name for one in seen.directory.glob("*/control/**/*")}
    assert "again.txt" in control and not {"up.txt", "higher.txt"} & control


def test_a_directory_that_was_deleted_is_there_again_for_the_next_program(seen: Seen) -> None:
    assert "deleted codebase/deletes0.py" in told(seen.said.err, "deletes")
    assert "added again.txt" in told(seen.said.err, "deletes")


def test_a_directory_that_was_exchanged_for_a_link_gives_nothing_from_there(seen: Seen) -> None:
    assert "put a link in the place of the step's directory, so nothing in it counts" in told(seen.said.err, "swaps")
    assert seen.files["swaps"] == ["codebase/swaps0.py"]


def test_ten_thousand_files_are_kept_and_told_in_a_few_lines(seen: Seen) -> None:
    assert len(seen.files["many"]) == 10_001
    printed = told(seen.said.err, "many").splitlines()
    assert len(printed) < 40 and any("more files, which are not told one by one" in line for line in printed)
    assert "--files` lists them all" in seen.said.out
    assert len(seen.said.out.splitlines()) < 300


def test_what_is_no_plain_file_inside_is_named_and_left_out(seen: Seen) -> None:
    printed = told(seen.said.err, "odd")
    for name, why in (
        ("pipe", "neither a file nor a directory"),
        ("socket", "neither a file nor a directory"),
        ("passwd", "a link that leads outside the directory"),
        ("etc", "a link that leads outside the directory"),
        ("nowhere", "a link that leads nowhere"),
        ("self", "a link that leads nowhere"),
    ):
        assert f"'{name}' is not kept: it is {why}" in printed
    assert seen.files["odd"] == ["codebase/odd0.py", "alias.txt", "plain.txt"]


def test_an_output_that_is_not_kept_is_not_left_behind(seen: Seen) -> None:
    assert "ended the step without leaving behind passwd, pipe\n" in told(seen.said.err, "linked") + "\n"


def test_names_that_no_screen_should_show_are_left_out(seen: Seen) -> None:
    assert seen.files["named"][1:] == sorted(os.fsdecode(name) for name in KEPT)
    printed = told(seen.said.err, "named")
    assert printed.count("its name has characters that cannot be shown or used safely") == len(NAMES)
    for shown in ("'new line.txt'", "'title0;mine.txt'", "'c1", "'biditxt.exe'", "'bad.txt'"):
        assert shown in printed, "it is told which"
    assert "[bold]markup[link=x].txt" in seen.said.out


def test_tens_of_megabytes_of_output_stay_small_everywhere(cockpit: Cockpit, tmp_path: Path) -> None:
    line = r"b'\x1b[31m' + b'x' * 90 + b'\xff\n'"
    prints = f"import sys\nfor _ in range(400): sys.stdout.buffer.write(({line}) * 1042)\nprint('the end of it')"
    journal = Journal(tmp_path / "story.jsonl").does("task", code(prints), says("It was long."))
    command = ("run", "Print.", "--mode", "one-shot", "--model", journal.model)
    with cockpit.terminal(*command, columns=120, rows=40) as terminal, Memory(terminal.pid) as memory:
        terminal.until("Completed", "It was long.")
        terminal.keys("1", "k")  # the cursor may have gone on to the node that gathers the results
        terminal.until("3 task")
        terminal.keys("7")
        terminal.until("xxxxx")
        terminal.keys("G")
        terminal.until("the end of it")
        terminal.keys("q")
        assert terminal.wait() == 0
    assert memory.peak < 260_000_000, f"{memory.peak:,} bytes, by all processes together"
    assert len(terminal.raw) < 1_000_000
    assert b"\x1b[31mxxx" not in terminal.raw
    assert sum(one.stat().st_size for one in cockpit.home.rglob("*") if one.is_file()) < 3_000_000
    run_id = cockpit.say("runs", "--json").json["runs"][0]["run_id"]
    messages = cockpit.say("show", run_id, "--messages").out
    assert "it printed 40429614 bytes" in messages and "the end of it" in messages
