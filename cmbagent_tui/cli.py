"""The command line. Parsing and dispatch only: every command's own module is imported when it is called.

Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 the run failed, 2 wrong usage, 3 waiting for a
person, 4 refused by policy or budget, 130 interrupted.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NoReturn

from engine.model.errors import CockpitError
from engine.model.text import clean

_RUN = "a run's id, or any unique prefix of it, or the short form that is shown"
_SESSION = "a session's id, in the same ways"

_MODES = "none, after_planning, before_each_step, on_error, custom or manual"

_COLLECT_AFTER = 10_000  # new objects; to load the modules makes hundreds of thousands, and they stay


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    start_quickly()
    arguments = _parser().parse_args(argv)
    if arguments.version:
        from importlib.metadata import version

        print(f"cmbagent-tui {version('cmbagent-tui')}")  # noqa: T201
        return 0
    module, function = arguments.command_function.split(":")
    try:
        return getattr(import_module(f"cmbagent_tui.commands.{module}"), function)(arguments)
    except CockpitError as error:
        print(f"cmbagent-tui: {error.cause}", file=sys.stderr)  # noqa: T201
        if error.hint:
            print(error.hint, file=sys.stderr)  # noqa: T201
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader of stdout has gone: nobody is left to tell
        return 0


def start_quickly() -> None:
    """Spare the process what Python and pydantic would do by default while modules are loaded, to no use here."""
    gc.set_threshold(_COLLECT_AFTER)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # else it reads every installed package's metadata


class _Parser(argparse.ArgumentParser):
    """Repeats a wrong argument as words, whatever characters are in it."""

    def error(self, message: str) -> NoReturn:
        super().error(clean(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="cmbagent-tui", description="A terminal cockpit for autonomous research. With no command: opens the app."
    )
    parser.add_argument("--version", action="store_true", help="say the version")
    parser.add_argument("--ascii", action="store_true", default=None, help="draw with ASCII alone")
    parser.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal, to select text with")
    parser.set_defaults(command_function="start:app")
    commands = parser.add_subparsers(metavar="COMMAND")

    def command(name: str, function: str, help_text: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".")
        one.set_defaults(command_function=function)
        one.add_argument("--json", action="store_true", help="print JSON")
        return one

    demo = command("demo", "start:demo", "the shipped research session, offline")
    demo.add_argument("name", nargs="?", default="oscillator", metavar="NAME")
    demo.add_argument("--headless", action="store_true", help="no app: progress on stderr, the result on stdout")
    demo.add_argument("--ascii", action="store_true", default=None, help="draw with ASCII alone")

    run = command("run", "start:run", "work on a task")
    run.add_argument("task", metavar="TASK", help="the question, in plain words; - reads it from standard input")
    run.add_argument(
        "--mode", metavar="MODE", default="planning-control", help="one-shot, planning-control or human-in-the-loop"
    )
    run.add_argument("--headless", action="store_true", help="no app: progress on stderr, the result on stdout")
    run.add_argument("--plan", metavar="FILE", help="carry out this plan (JSON or YAML) instead of making one")
    run.add_argument("--approval", metavar="MODE", help=f"when it asks you: {_MODES} (after_planning)")
    run.add_argument("--deadline", metavar="DURATION", help="how long a question waits for you, like 45m (for ever)")
    run.add_argument("--on-expiry", metavar="WHAT", help="then: approve, reject, skip or abort (else it is a no)")
    run.add_argument("--rules", metavar="FILE", help="of --approval custom, instead of the home's rules.toml")
    _ceilings(run)
    run.add_argument("--retries", metavar="N", type=int, help="how often a step that failed is tried again (2)")
    run.add_argument("--max-parallel", metavar="N", type=int, help="how many steps run at once")
    run.add_argument("--model", metavar="M", help="provider:model, or journal:FILE")
    run.add_argument("--agent", metavar="A", help="who does a one-shot task (engineer)")
    run.add_argument("--title", metavar="T", help="the session's title")
    run.add_argument("--detach", action="store_true", help="leave it to a process that needs no terminal")
    run.add_argument(
        "--attach",
        metavar="FILE",
        action="append",
        default=[],
        help="a file that every step finds in inputs/ (repeatable)",
    )
    run.add_argument("--session", metavar="SESSION", help="go on in this session instead of a new one")

    sessions = command("sessions", "look:sessions", "list sessions, those last at work first")
    sessions.add_argument("--limit", type=int, default=50)
    shelf = sessions.add_mutually_exclusive_group()
    shelf.add_argument("--archived", action="store_true", help="those that are archived")
    shelf.add_argument("--deleted", action="store_true", help="those that are deleted, and not pruned yet")
    shelf.add_argument("--all", action="store_true", help="all of them")
    sessions.add_argument("--tag", metavar="TAG", action="append", default=[], help="those with this tag (repeatable)")
    sessions.add_argument(
        "--match", metavar="QUERY", help="as the home screen's: state:failed mode:one-shot since:7d …"
    )
    sessions.add_argument("--sort", metavar="BY", default="updated", help="updated, created, title, cost or state")
    sessions.add_argument("--reverse", action="store_true", help="the other way round")
    runs = command("runs", "look:runs", "list runs, newest first")
    runs.add_argument("session", nargs="?", metavar="SESSION")
    runs.add_argument("--limit", type=int, default=50)

    show = command("show", "look:show", "show a run")
    show.add_argument("run", metavar="RUN", help=_RUN)
    what = show.add_mutually_exclusive_group()
    for name in ("events", "dag", "cost", "files", "messages"):
        what.add_argument(f"--{name}", dest="what", action="store_const", const=name)
    show.add_argument("--follow", action="store_true", help="go on until the run is over")

    costs = command("costs", "costs:costs", "say what was spent, on what, and what is left of a budget")
    costs.add_argument("--by", metavar="BY", help="session, run, step, agent, model or day (of UTC)")
    whose = costs.add_mutually_exclusive_group()
    whose.add_argument("--run", metavar="RUN", help=f"what one run cost; {_RUN}")
    whose.add_argument("--session", metavar="SESSION", help=f"what one session cost; {_SESSION}")
    costs.add_argument(
        "--limit", type=int, default=200, metavar="N", help="how many lines; the others are summed (200)"
    )

    command("retries", "retries:retries", "count what failed by category, and how often trying again helped")

    command("approvals", "look:approvals", "list what waits for a person")
    approve = command("approve", "approve:approve", "settle an approval; with no option: approve it")
    approve.add_argument("id", metavar="ID", help="an approval's id, or the run's that waits for it")
    how = approve.add_mutually_exclusive_group()
    how.add_argument(
        "--reject", action="store_true", help="no: a plan is made anew, a step or error has failed, a call is not made"
    )
    how.add_argument("--edit", metavar="FILE", help="approve this plan, step, call, code or command instead")
    how.add_argument("--abort", action="store_true", help="give the run up")
    how.add_argument("--retry", action="store_true", help="do again what failed, or a call whose outcome is not known")
    how.add_argument("--skip", action="store_true", help="go on without it")
    how.add_argument(
        "--waive", metavar="CHECK", action="append", help="let the step's result stand although this check fails"
    )
    approve.add_argument(
        "--feedback",
        metavar="TEXT",
        help="what to tell the agents, or the answer; alone it means --reject of a plan or call, --retry of an error",
    )

    approve.add_argument("--agent", metavar="A", help="who takes the next turn, with --feedback as its instruction")
    approve.add_argument(
        "--always",
        metavar="SCOPE",
        choices=("run", "session"),
        help="allow such calls for good, in this run or session",
    )
    grants = command("grants", "approve:grants", "list what you allowed for good, or take it back")
    grants.add_argument("run", metavar="RUN", nargs="?", help="what counts in this run alone")
    grants.add_argument("--revoke", metavar="ID", help="ask about such calls again")

    mode = command("mode", "approve:mode", "say when a run asks you, or change it while it runs")
    mode.add_argument("run", metavar="RUN", help=_RUN)
    mode.add_argument("mode", metavar="MODE", nargs="?", help=_MODES)
    mode.add_argument("--rules", metavar="FILE", help="of the mode custom, instead of the home's rules.toml")

    rules = command("rules", "policy:rules", "list and check your rules, or try them: exit 0 allow, 3 ask, 4 deny")
    rules.add_argument("--file", metavar="FILE", help="these instead of the home's rules.toml")
    rules.add_argument("--try", dest="command_line", metavar="COMMAND", help="judge this shell command")
    rules.add_argument("--tool", metavar="T", help="judge a call of this tool")
    rules.add_argument("--path", metavar="P", help="… on this path")
    rules.add_argument("--agent", metavar="A", help="… by this agent")
    rules.add_argument("--step", metavar="TITLE", help="… in a step of this title")
    rules.add_argument("--cost", metavar="USD", help="… when so much is spent")

    pause = command("pause", "steer:pause", "hold a run: what it has asked is answered, and then it stays where it is")
    pause.add_argument("run", metavar="RUN", help=_RUN)
    pause.add_argument("--now", action="store_true", help="do not wait for what runs: stop it")
    command("cancel", "steer:cancel", "end a run").add_argument("run", metavar="RUN", help=_RUN)
    resume = command("resume", "start:resume", "go on with a run, also one whose process died")
    resume.add_argument("run", metavar="RUN", help=_RUN)
    resume.add_argument("--headless", action="store_true", help="no app: progress on stderr, the result on stdout")

    redo = command("redo", "again:redo", "do a step again, and all that builds on it")
    redo.add_argument("run", metavar="RUN", help=_RUN)
    redo.add_argument("step", metavar="STEP", help="a step's id in the plan, or its node's")
    redo.add_argument("--feedback", metavar="TEXT", help="what to tell the step's agent")
    redo.add_argument("--instructions", metavar="FILE", help="the step's instructions from now on, a line each")
    redo.add_argument("--code", metavar="FILE", help="what its agent runs first, instead of its last program")
    redo.add_argument("--headless", action="store_true", help="no app: progress on stderr, the result on stdout")
    waive = command("waive", "again:waive", "let a step's result stand although a check of it fails")
    waive.add_argument("run", metavar="RUN", help=_RUN)
    waive.add_argument("step", metavar="STEP", help="a step's id in the plan, or its node's")
    waive.add_argument("checks", metavar="CHECK", nargs="+", help="the name of a check")
    waive.add_argument("--feedback", metavar="TEXT", help="why: it is kept with the check")
    waive.add_argument("--headless", action="store_true", help="no app: progress on stderr, the result on stdout")
    branch = command("branch", "again:branch", "go another way on from a step, in a run of its own")
    branch.add_argument("run", metavar="RUN", help=_RUN)
    branch.add_argument("step", metavar="STEP", help="a step's id in the plan, or its node's")
    branch.add_argument("--name", metavar="N", required=True, help="what to call it")
    branch.add_argument("--hypothesis", metavar="H", help="what it is to show")
    branch.add_argument("--feedback", metavar="TEXT", help="what to tell the step's agent")
    branch.add_argument(
        "--set",
        dest="variables",
        metavar="K=V",
        action="append",
        default=[],
        help="a variable that every step of it is told; V is JSON, or else a text (repeatable)",
    )
    branch.add_argument("--edit-plan", metavar="FILE", help="carry out this plan; what the step builds on must stay")
    branch.add_argument("--headless", action="store_true", help="no app: progress on stderr, the result on stdout")
    play = command("play-from", "again:play_from", "play a run again from a step on, in a run of its own")
    play.add_argument("run", metavar="RUN", help=_RUN)
    play.add_argument("step", metavar="STEP", help="a step's id in the plan, or its node's")
    play.add_argument("--headless", action="store_true", help="no app: progress on stderr, the result on stdout")

    tree = command("branch-tree", "beside:branch_tree", "show a session's runs, each under the one that it comes from")
    tree.add_argument("run", metavar="RUN", help=_RUN)
    compare = command("compare", "beside:compare", "show two runs side by side; exit 1 when their files differ")
    compare.add_argument("run", metavar="RUN", help=_RUN)
    compare.add_argument("other", metavar="RUN", help=_RUN)

    _shelving(command)
    attach = command("attach", "start:attach", "open the app on a run, whoever drives it")
    attach.add_argument("run", metavar="RUN", help=_RUN)

    export = command(
        "export", "carry:export", "export a run as JSON, a graph or a page, or its session as a zip that import takes"
    )
    export.add_argument("run", metavar="RUN", help=f"{_RUN}; with --as zip also a session's")
    export.add_argument("--as", dest="form", choices=("json", "mermaid", "dot", "html", "zip"), default="json")
    export.add_argument("--output", metavar="FILE", help="where the zip is written (./<title>-<id>.zip), or the page")
    bring_in = command("import", "carry:bring_in", "take in a session that was exported as a zip")
    bring_in.add_argument("file", metavar="FILE")
    bring_in.add_argument("--max-size", metavar="SIZE", help="what it may unpack to, like 40GB (20GB)")

    replay = command("replay", "replay:replay", "run a run again with its recorded answers, and compare its files")
    replay.add_argument("run", metavar="RUN", help=_RUN)
    replay.add_argument("--strict", action="store_true", help="stop at the first request that is not the recorded one")
    replay.add_argument("--headless", action="store_true", help="no app: progress on stderr, the result on stdout")

    settings = command("settings", "settings:settings", "list every setting and where it came from, or set one")
    settings.add_argument("name", nargs="?", metavar="NAME")
    settings.add_argument("value", nargs="?", metavar="VALUE", help="written into config.toml")
    settings.add_argument("--unset", action="store_true", help="take NAME out of config.toml")
    log = command("log", "log:log", "print the last lines of the cockpit's log")
    log.add_argument("--limit", type=int, default=200, metavar="N", help="how many (200)")
    command("keys", "keys:keys", "list every key, its id for [keys] in config.toml, and what it does")
    command("doctor", "care:doctor", "say whether everything that is needed is there")
    _database(commands.add_parser("db", help="look after the database", description="Look after the database."))
    return parser


def _ceilings(run: argparse.ArgumentParser) -> None:
    run.add_argument("--budget", metavar="USD", help="what it may spend: no model call is made that could pass it")
    run.add_argument("--max-tokens", metavar="N", type=int, help="tokens that it may use, of requests and answers")
    run.add_argument("--max-calls", metavar="N", type=int, help="how often it may ask a model")
    run.add_argument("--max-time", metavar="DURATION", help="how long it may be at work, like 45m or 12h")
    run.add_argument(
        "--max-answer", metavar="N", type=int, help="tokens of one answer, where USD or tokens have a ceiling (16000)"
    )


def _shelving(command: Callable[[str, str, str], argparse.ArgumentParser]) -> None:
    rename = command("rename", "shelve:rename", "give a session another title")
    rename.add_argument("session", metavar="SESSION", help=_SESSION)
    rename.add_argument("title", metavar="TITLE")
    tag = command("tag", "shelve:tag", "tag a session; with no tag: list its tags")
    tag.add_argument("session", metavar="SESSION", help=_SESSION)
    tag.add_argument("tags", nargs="*", metavar="TAG", help="a tag to add")
    tag.add_argument("--remove", metavar="TAG", action="append", default=[], help="a tag to remove (repeatable)")
    for name, help_text in (
        ("archive", "put sessions out of sight"),
        ("delete", "delete sessions whose runs are over; `restore` brings them back until they are pruned"),
        ("restore", "bring sessions back that were archived or deleted"),
    ):
        one = command(name, f"shelve:{name}", help_text)
        one.add_argument("sessions", nargs="+", metavar="SESSION", help=_SESSION)
        if name == "delete":
            one.add_argument("--yes", action="store_true", help="delete, although a person is there who could be asked")


def _database(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True)

    def action(name: str, help_text: str) -> argparse.ArgumentParser:
        one = actions.add_parser(name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".")
        one.set_defaults(command_function=f"database:{name}")
        one.add_argument("--json", action="store_true", help="print JSON")
        return one

    action("check", "look everything over, changing nothing; exit 1 when something is wrong")
    backup = action("backup", "back up the database and all that it refers to, while runs go on")
    backup.add_argument("directory", nargs="?", metavar="DIRECTORY", help="a new one (in the home's backups)")
    restore = action("restore", "bring a backup back; what stood before is kept")
    restore.add_argument("directory", metavar="DIRECTORY")
    prune = action("prune", "remove runs that are over, and what nothing refers to any more")
    prune.add_argument("--older-than", metavar="AGE", help="runs that ended longer ago than this, like 30d or 12h")
    prune.add_argument("--keep-size", metavar="SIZE", help="the oldest, until what is left fits, like 5GB")
    prune.add_argument("--dry-run", action="store_true", help="only say what would go")
    prune.add_argument("--yes", action="store_true", help="remove it, although a person is there who could be asked")
    action("upgrade", "bring the database up to this version, with a copy taken first")
    downgrade = action("downgrade", "take the database back for an older version, with a copy taken first")
    downgrade.add_argument("revision", nargs="?", metavar="REVISION", help="how far back (by one)")
