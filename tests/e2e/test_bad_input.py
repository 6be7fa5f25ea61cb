"""What a person reads when something is wrong: the cause, the next step, and never a traceback."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.support.cockpit import Cockpit, Said

JOURNAL = '{"journal": 1, "title": "empty"}\n'


@pytest.fixture
def journal(tmp_path: Path) -> str:
    path = tmp_path / "empty.jsonl"
    path.write_text(JOURNAL)
    return f"journal:{path}"


def refused(said: Said, code: int, *words: str) -> None:
    """The command failed with this code, said all of these words on stderr, printed no data and no traceback."""
    assert said.code == code, said
    assert said.out == "", said.out
    for word in words:
        assert word in said.err, f"{word!r} is not in:\n{said.err}"
    assert "Traceback" not in said.err


@pytest.mark.parametrize("task", ["", "   \n", "\x1b[2J\u202e"])
def test_an_empty_task(cockpit: Cockpit, journal: str, task: str) -> None:
    refused(cockpit.say("run", task, "--headless", "--model", journal), 2, "the task is empty")


def test_a_task_of_a_megabyte(cockpit: Cockpit, journal: str) -> None:
    said = cockpit.say("run", "-", "--headless", "--model", journal, stdin="x" * 1_000_000)
    refused(said, 2, "1,000,000 characters", "name the file in the task")
    assert cockpit.say("sessions", "--json").json == {"sessions": []}


def test_no_model_and_no_key(cockpit: Cockpit) -> None:
    said = cockpit.say("run", "Is it damped?", "--headless")
    refused(said, 2, "no model is set", "OPENAI_API_KEY", "cmbagent-tui demo")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--mode", "sideways"), ("unknown mode 'sideways'", "planning-control")),
        (("--model", "gpt-5"), ("does not name a model", "provider:model")),
        (("--model", "acme:large"), ("unknown model provider 'acme'", "OPENAI_BASE_URL")),
        (("--model", "journal:/nowhere/at/all.jsonl"), ("there is no journal at '/nowhere/at/all.jsonl'",)),
        (("--model", "openai:gpt-5"), ("OPENAI_API_KEY",)),
        (("--approval", "perhaps"), ("unknown approval mode 'perhaps'",)),
        (("--budget", "lots"), ("not an amount of money",)),
        (("--mode", "one-shot", "--agent", "astrologer"), ("unknown agent 'astrologer'", "engineer")),
        (("--session", "abcdef12"), ("there is no session 'abcdef12'",)),
        (("--max-parallel", "0"), ("max_parallel must be more than 0",)),
    ],
)
def test_a_wrong_option(cockpit: Cockpit, journal: str, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    model = () if "--model" in arguments else ("--model", journal)
    refused(cockpit.say("run", "Is it damped?", "--headless", *model, *arguments), 2, *words)


STEP = {"id": "a", "title": "A", "agent": "engineer"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ("it is empty",)),
        (b"\x00\xff\xfe\x80binary", ("not text",)),
        (b"{not json", ("not JSON",)),
        (b"[1, 2]", ("not an object",)),
        (b'{"recipe": "soup"}', ("steps is missing", "unknown key 'recipe'")),
        ({"title": "t", "steps": []}, ("no steps",)),
        ({"title": "t", "steps": [{**STEP, "colour": "red"}]}, ("unknown key 'steps.0.colour'",)),
        ({"title": "t", "steps": [STEP, STEP]}, ("used twice",)),
        ({"title": "t", "steps": [{**STEP, "agent": "astrologer"}]}, ("unknown agent 'astrologer'",)),
        ({"title": "t", "steps": [{**STEP, "depends_on": ["b"]}]}, ("depends on 'b'",)),
        ({"title": "t", "steps": [{**STEP, "outputs": ["../../etc/passwd"]}]}, ("outside the work directory",)),
        (
            {"title": "t", "steps": [{**STEP, "depends_on": ["b"]}, {**STEP, "id": "b", "depends_on": ["a"]}]},
            ("circle: a → b → a",),
        ),
        ({"title": "t", "steps": [{**STEP, "id": f"s{n}"} for n in range(10_000)]}, ("10000 steps",)),
        (
            {"title": "t", "steps": [{**STEP, "id": f"s{n}", "agent": "nobody"} for n in range(2_000)]},
            ("step 's29': unknown agent 'nobody'", "and 1,970 more"),
        ),
    ],
)
def test_a_plan_that_cannot_run(
    cockpit: Cockpit, journal: str, tmp_path: Path, content: object, words: tuple[str, ...]
) -> None:
    plan = tmp_path / "plan.json"
    plan.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    said = cockpit.say("run", "Is it damped?", "--headless", "--model", journal, "--plan", str(plan))
    refused(said, 2, *words)
    assert cockpit.say("runs", "--json").json == {"runs": []}


def test_a_plan_that_is_not_there(cockpit: Cockpit, journal: str) -> None:
    said = cockpit.say("run", "x", "--headless", "--model", journal, "--plan", "nowhere.json")
    refused(said, 2, "nowhere.json", "No such file")


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "abcd"),
        ("pause", "abcd"),
        ("cancel", "abcd"),
        ("resume", "abcd"),
        ("export", "abcd"),
        ("show", "zz/.."),
    ],
)
def test_an_unknown_run(cockpit: Cockpit, arguments: tuple[str, ...]) -> None:
    refused(cockpit.say(*arguments), 2, f"there is no run {arguments[1]!r}")


def test_an_unknown_approval(cockpit: Cockpit) -> None:
    refused(cockpit.say("approve", "abcd"), 2, "there is no approval 'abcd'")


def test_an_unknown_command(cockpit: Cockpit) -> None:
    said = cockpit.say("dance")
    assert said.code == 2
    assert "dance" in said.err


def test_an_unknown_demo(cockpit: Cockpit) -> None:
    refused(cockpit.say("demo", "unicorn", "--headless"), 2, "there is no demo 'unicorn'", "oscillator")


def test_the_app_without_a_terminal(cockpit: Cockpit) -> None:
    refused(cockpit.say(), 2, "needs a terminal")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("model = ", ("config.toml", "not TOML")),
        ("modle = 'openai:x'", ("config.toml", "unknown key 'modle'")),
        ("max_parallel = 'many'", ("max_parallel", "must be a whole number")),
    ],
)
def test_a_broken_settings_file(cockpit: Cockpit, content: str, words: tuple[str, ...]) -> None:
    cockpit.home.mkdir()
    (cockpit.home / "config.toml").write_text(content)
    refused(cockpit.say("demo", "--headless"), 2, *words)


def test_a_broken_agent_file(cockpit: Cockpit) -> None:
    (cockpit.home / "agents").mkdir(parents=True)
    (cockpit.home / "agents" / "engineer.toml").write_text("name = 'engineer'\nprompt = [")
    refused(cockpit.say("sessions"), 2, "engineer.toml")


def test_a_project_file_may_not_choose_what_is_run(cockpit: Cockpit, tmp_path: Path) -> None:
    (tmp_path / ".cmbagent.toml").write_text("python = '/tmp/evil'")
    cockpit.environ["PWD"] = str(tmp_path)
    import subprocess

    from tests.support.cockpit import PROGRAM

    done = subprocess.run(
        [*PROGRAM, "demo", "--headless"],
        capture_output=True,
        text=True,
        env=cockpit.environ,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    refused(Said(done.returncode, done.stdout, done.stderr), 2, "unknown key 'python'", "user's own file")


def test_a_database_that_is_none(cockpit: Cockpit) -> None:
    cockpit.home.mkdir()
    (cockpit.home / "cmbagent.db").write_bytes(b"Dear diary, " * 1000)
    refused(cockpit.say("sessions"), 1, "cmbagent.db", "not a database")


def test_a_database_of_a_newer_version(cockpit: Cockpit) -> None:
    assert cockpit.say("db", "upgrade").code == 0
    with sqlite3.connect(cockpit.home / "cmbagent.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    refused(cockpit.say("sessions"), 1, "9999", "newer")


def test_a_home_that_cannot_be_made(cockpit: Cockpit, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    said = cockpit.say("sessions", CMBAGENT_HOME=str(tmp_path / "file" / "home"))
    refused(said, 1, "file", "CMBAGENT_HOME")
