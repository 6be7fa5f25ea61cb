"""Text that a terminal or a widget would obey, put wherever a model, a tool, a file or a person can put text: what
reaches the terminal of it is words."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.cockpit import Cockpit, Said, Terminal
from tests.support.journals import Journal, code, plan, says, step
from tests.support.openai_server import OpenAIServer, call, calls, review, text
from tests.support.openai_server import plan as planned
from tests.support.reading import obeyed

# Copies to the clipboard, clears, names the window, makes a link, asks the terminal for an answer, colours.
ESCAPES = (
    "\x1b]52;c;SE9TVElMRQ==\x07\x1b[2J\x1b[3J\x1b]0;OWNED\x07\x1b]2;OWNED\x1b\\\x1b]8;;https://owned.example\x07"
    '\x1bP$q"p\x1b\\\x1b[c\x1b[31;47m\x1bc\x9b2J\x9d0;OWNED\x9c\x90q\x9c\r\b\x00\x7f'
)
TURNS = "\u202ednE\u2066\u200f\u2028\ufeff\U000e0041"
MARKUP = "[bold red]BOLD[/bold red] [/] [/nope] [link=https://owned.example]LINK[/link] [@click=app.quit]QUIT[/]"
EVIL = f"{ESCAPES}{TURNS} {MARKUP}"
HALF = "\ud800"  # what no UTF-8 stream can carry

CODE = f"""
import os, sys
evil = {EVIL!r}
plain = evil.replace(chr(0), "")  # with which a file counts as text
sys.stdout.write(evil + "\\n")
sys.stdout.buffer.write(b"\\x1b[2J\\xff\\xfe\\x9b3J\\n")
sys.stderr.write(evil + "\\n")
open("[bold]bracket[link=y].txt", "w").write(plain)
open("table.csv", "w").write("a,b\\n" + plain + ",2\\n")
open("data.json", "w").write('{{"a": "' + {MARKUP!r} + '"}}')
open("caf\\u00e9\\x1b[2J.txt", "w").write("x")
open("\\u202etxt.exe", "w").write("x")
"""
FAILS = f"raise ValueError({EVIL!r})"
PLAN = plan(
    step(
        "first",
        title=f"First {EVIL}",
        instructions=[f"Do {EVIL}"],
        outputs=["[bold]bracket[link=y].txt"],
        checks=[{"kind": "text_contains", "name": f"Check {EVIL}", "path": "data.json", "pattern": "BOLD"}],
    ),
    step("second", title=f"Second {EVIL}"),
    title=f"Plan {EVIL}",
)
OSC = re.compile(rb"\x1b\](\d*)")


def script(server: OpenAIServer) -> None:
    """Queue the answers of one run."""
    server.always(planned(PLAN), role="planner")
    server.always(review(f"Remark {EVIL}", approved=False), role="plan_reviewer")
    server.answer(
        calls(
            call("run_code", filename="evil.py", code=CODE, explanation=f"Explained {EVIL}"),
            call(f"tool{EVIL}", argument=EVIL),
            call("read_file", path=f"missing{EVIL}"),
            call(
                "write_text", path=f"written{MARKUP}.md".replace("/", ""), text=f"# Written {EVIL}\n".replace("\0", "")
            ),
        ),
        text(f"First is done. {EVIL}{HALF}", pause=0.002),
        role="engineer",
        about="First ",
    )
    server.answer(
        call("run_code", filename="fails.py", code=FAILS, explanation=EVIL),
        text(f"Second was not done. {EVIL}"),
        role="engineer",
        about="Second ",
    )


def only_words(printed: Said) -> None:
    for one in (printed.out, printed.err):
        assert not obeyed(one), obeyed(one)


def only_the_apps_own(terminal: Terminal) -> None:
    """Nothing of what was put in is in the bytes that the terminal got, as anything but words."""
    raw = bytes(terminal.raw)
    assert set(OSC.findall(raw)) <= {b"2", b"22"}, "the app names the window and shapes the pointer, and nothing else"
    assert not any(title.startswith(b"OWNED") for title in re.findall(rb"\x1b\]2;([^\x07\x1b]*)", raw))
    for sequence in (b"\x1b[2J", b"\x1b[3J", b"\x1bP$q", b"\x1b[c", b"\x1bc", b"\x1b[31;47m"):
        assert sequence not in raw, sequence
    painted = raw.decode("utf-8")  # whole characters alone
    assert obeyed(painted) <= {"\x1b", "\r", "\x07"}
    assert b"MarkupError" not in raw


@dataclass(frozen=True)
class Played:
    """A home in which one run was approved and carried out in a terminal, and looked at from all sides, and another
    without a terminal. `seen` is all that the terminal's screen ever showed of the first."""

    cockpit: Cockpit
    terminal: Terminal
    headless: Said
    seen: str


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    root = tmp_path_factory.mktemp("hostile")
    cockpit = Cockpit(root / "home")
    (cockpit.home / "agents").mkdir(parents=True)
    for name in ("engineer", "planner"):
        told = {"description": f"Describes {EVIL}", "prompt": f"You are told {EVIL}"}
        lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in told.items()]
        path = cockpit.home / "agents" / f"{name}.toml"
        path.write_text("".join(lines).replace("\x7f", "\\u007f"), encoding="utf-8")
    (cockpit.home / "config.toml").write_text("retries = 0\n")
    task = f"Task {EVIL}".replace("\x00", "")  # which no argument can hold
    with OpenAIServer() as server:
        environ = {
            "OPENAI_API_KEY": server.key,
            "OPENAI_BASE_URL": server.base_url,
            "CMBAGENT_MODEL": "openai:test-model",
            "PAGER": "cat",
        }
        script(server)
        headless = cockpit.say("run", task, "--headless", "--approval", "none", **environ)
        script(server)
        with cockpit.terminal("run", task, columns=120, rows=40, environ=environ) as terminal:
            seen = look_at_everything(terminal)
    return Played(cockpit, terminal, headless, seen)


def look_at_everything(terminal: Terminal) -> str:
    """Approve the plan, then show every tab of every step, some events, a file in the pager, and the home screen."""
    seen = [terminal.until("Shall this run?", "First ")]
    terminal.screen_settles()
    terminal.keys("a")
    seen.append(terminal.until("Failed in", "✓ first", "✗ second"))

    def press(*keys: str) -> None:
        terminal.keys(*keys)
        terminal.screen_settles(0.1)
        seen.append(terminal.text)

    terminal.keys("1", *"kkkkk", "j", "j", "9")
    seen.append(terminal.until("engineer  assistant"))  # the conversation opens at its end
    terminal.keys("3", "g")
    seen.append(terminal.until("You are told"))
    terminal.keys("1")
    shows = {"4": "Check ", "5": "leaves", "6": "evil.py", "7": "Explained", "8": "table.csv"}
    for tab, words in shows.items():
        terminal.keys(tab)
        seen.append(terminal.until(words))
    for _ in range(4):
        press("j")
    seen.append(terminal.until(".md  ", "Written"))
    before = len(terminal.raw)
    terminal.keys("o")
    terminal.screen_settles()
    assert b"# Written " in terminal.raw[before:].partition(b"\x1b[?1049l")[2], "the pager has shown the file"
    press("1", "l")
    for tab in "79":
        press(tab)
    press("2", "G")
    for _ in range(8):
        press(*"kkkk", "enter")
        press("2")
    press("escape", "escape", "escape")
    seen.append(terminal.until("Task 52;c;SE9TVElMRQ=="))
    terminal.keys("q")
    assert terminal.wait() == 0
    return "\n".join(seen)


def test_nothing_that_was_put_in_reaches_the_terminal_but_as_words(played: Played) -> None:
    only_the_apps_own(played.terminal)


@pytest.mark.parametrize(
    "words",
    [
        "Plan 52;c;SE9TVElMRQ==",
        "First ",
        "Second ",
        "Check ",
        "[bold red]BOLD[/bold red] [/] [/nope]",
        "[link=https://owned.example]LINK[/link]",
        "[@click=app.quit]QUIT[/]",
        "[bold]bracket[link=y].txt",
        "written[bold red]BOLD",
        "table.csv",
        "Explained",
        "You are told",
    ],
)
def test_what_was_put_in_is_shown_as_it_is_spelled(played: Played, words: str) -> None:
    assert words in played.seen


def test_a_headless_run_prints_words_alone(played: Played) -> None:
    said = played.headless
    assert said.code == 1
    only_words(said)
    assert "second: codebase/fails.py ended with exit code 1" in said.out
    for words in ("[bold red]BOLD[/bold red] [/] [/nope]", "[link=https://owned.example]LINK[/link]"):
        assert words in said.out and words in said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("sessions",),
        ("runs",),
        ("show", "{run}"),
        ("show", "{run}", "--events"),
        ("show", "{run}", "--files"),
        ("show", "{run}", "--messages", "--json"),
        ("export", "{run}"),
        ("export", "{run}", "--as", "mermaid"),
        ("export", "{run}", "--as", "dot"),
        ("export", "{run}", "--as", "html"),
    ],
    ids=" ".join,
)
def test_every_command_prints_words_alone(played: Played, arguments: tuple[str, ...]) -> None:
    run_id = played.cockpit.say("runs", "--json").json["runs"][0]["run_id"]
    said = played.cockpit.say(*(one.format(run=run_id) for one in arguments))
    assert said.code == 0
    only_words(said)


ARGUMENT = f"x{EVIL}".replace("\x00", "")


@pytest.mark.parametrize(
    "arguments",
    [
        (ARGUMENT,),
        ("sessions", ARGUMENT),
        ("show", ARGUMENT),
        ("approve", ARGUMENT),
        ("demo", ARGUMENT, "--headless"),
        ("run", "x", "--headless", "--mode", ARGUMENT),
        ("run", "x", "--headless", "--model", f"journal:{ARGUMENT}"),
        ("run", "x", "--headless", "--plan", ARGUMENT.replace("/", "")),
        ("run", "x", "--headless", "--max-parallel", ARGUMENT),
    ],
)
def test_an_argument_that_is_repeated_is_words_alone(cockpit: Cockpit, arguments: tuple[str, ...]) -> None:
    said = cockpit.say(*arguments)
    assert said.code == 2
    only_words(said)


def test_files_that_are_wrong_are_quoted_in_words_alone(cockpit: Cockpit, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    evil = {"title": EVIL, EVIL: 1, "steps": [step(EVIL, EVIL, agent=EVIL, outputs=[EVIL]), {EVIL: EVIL}]}
    file.write_text(json.dumps(evil))
    said = cockpit.say("run", "x", "--headless", "--plan", str(file), "--model", "journal:x")
    assert said.code == 2 and "unknown key" in said.err
    only_words(said)
    cockpit.home.mkdir()
    for content in (f"{json.dumps(EVIL)} = 1", f"model = '{EVIL}'", f"theme = [{EVIL}"):
        (cockpit.home / "config.toml").write_text(content, encoding="utf-8")
        said = cockpit.say("demo", "--headless")
        assert said.code == 2 and "config.toml" in said.err
        only_words(said)


def test_places_with_such_names_are_named_in_words_alone(tmp_path: Path) -> None:
    place = tmp_path / f"place{EVIL}".replace("/", "").replace("\0", "")
    cockpit = Cockpit(place / "home")
    (cockpit.home / "agents").mkdir(parents=True)
    for name in ("config.toml", "agents/engineer.toml"):
        (cockpit.home / name).write_text("nonsense")
        said = cockpit.say("sessions")
        assert said.code == 2 and name in said.err
        only_words(said)
        (cockpit.home / name).unlink()
    journal = Journal(place / "story.jsonl").does("task", code("print(1)"), says("Done."))
    command = ("run", "x", "--mode", "one-shot", "--model", journal.model)
    said = cockpit.say(*command, "--headless")
    assert said.code == 0
    only_words(said)
    with cockpit.terminal(*command, columns=120, rows=40) as terminal:
        terminal.until("Completed in", "Done.", "home/sessions", "[@click=app.quit]QUIT[]")
        terminal.keys("q")
        assert terminal.wait() == 0
    only_the_apps_own(terminal)
