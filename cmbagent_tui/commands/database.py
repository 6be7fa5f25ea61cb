"""Commands that look after the database: db upgrade, downgrade, backup, restore, check, prune."""

from __future__ import annotations

import sys
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cmbagent_tui.amounts import size_of, span_of
from cmbagent_tui.commands.common import note, out, out_json, telling
from cmbagent_tui.settings import Settings, load
from cmbagent_tui.words import plural, size
from engine.model.errors import UsageError
from engine.model.ids import short
from engine.model.text import one_line

if TYPE_CHECKING:
    from cmbagent_tui.wiring import Migrated, Pruned


def upgrade(arguments: Namespace) -> int:
    """Bring the database up to this program."""
    from cmbagent_tui.wiring import upgrade_database

    done = upgrade_database(load())
    same = f"the database is at {done.after}"
    _say_moved(arguments, done, same if done.before == done.after else f"upgraded from {done.before} to {done.after}")
    return 0


def downgrade(arguments: Namespace) -> int:
    """Take the database back, for an older version of the program."""
    from cmbagent_tui.wiring import downgrade_database

    done = downgrade_database(load(), arguments.revision)
    _say_moved(arguments, done, f"taken back from {done.before} to {done.after}")
    note("The next opening by this version upgrades it again: install the older one first.")
    return 0


def backup(arguments: Namespace) -> int:
    """Back the database up with all that it refers to, while runs go on."""
    from cmbagent_tui.wiring import back_up_database

    done = back_up_database(load(), Path(arguments.directory) if arguments.directory else None, telling())
    if arguments.json:
        out_json(
            {
                "directory": str(done.directory),
                "revision": done.revision,
                "database_bytes": done.database,
                "contents": done.blobs,
                "contents_bytes": done.contents,
            }
        )
        return 0
    out(str(done.directory))
    contents = f"{plural(done.blobs, 'content')} of {size(done.contents)}"
    note(f"Verified: the database of {size(done.database)}, {contents}. `cmbagent-tui db restore` brings it back.")
    return 0


def restore(arguments: Namespace) -> int:
    """Bring a backup back; what stood before is kept."""
    from cmbagent_tui.wiring import restore_database

    done = restore_database(load(), Path(arguments.directory), telling())
    if arguments.json:
        kept = str(done.kept) if done.kept else None
        out_json({"directory": str(done.directory), "revision": done.revision, "kept": kept})
        return 0
    out(f"the database is as in {done.directory}")
    if done.kept:
        note(f"What stood before is in {done.kept}")
    return 0


def check(arguments: Namespace) -> int:
    """Look everything over; exit 1 when something is wrong."""
    from cmbagent_tui.wiring import check_database

    settings = load()
    problems = check_database(settings, telling())
    newest = _newest_backup(settings) if problems else None
    if arguments.json:
        backup_json = str(newest) if newest else None
        out_json({"ok": not problems, "problems": problems, **({"newest_backup": backup_json} if problems else {})})
    elif not problems:
        out("the database is sound: integrity, references, states and contents")
    else:
        out("\n".join(problems))
        note(
            f"{plural(len(problems), 'problem')}. Nothing was changed. `cmbagent-tui db restore DIRECTORY` brings a "
            f"backup back; {f'the newest is {newest}' if newest else 'there is none in the home'}."
        )
    return 1 if problems else 0


def prune(arguments: Namespace) -> int:
    """Remove runs that are over and old, or that there is no room for, and what nothing refers to any more."""
    from cmbagent_tui.wiring import prune_database

    settings = load()
    older_than = span_of(arguments.older_than) if arguments.older_than else None
    keep_size = size_of(arguments.keep_size) if arguments.keep_size else None
    ask = sys.stdin.isatty() and not arguments.yes and not arguments.dry_run
    dry = arguments.dry_run or ask
    done = prune_database(settings, datetime.now(UTC), older_than, keep_size, dry, telling())
    if arguments.json:
        out_json(_pruned_json(done, dry=dry))
    else:
        _say_pruned(done, dry=dry)
    if ask and (done.runs or done.sessions or done.blobs):
        raise UsageError("nothing was removed yet", "Say it again with --yes to remove this.")
    return 0


def _say_moved(arguments: Namespace, done: Migrated, words: str) -> None:
    copy = str(done.copy) if done.copy else None
    if arguments.json:
        out_json({"before": done.before, "after": done.after, "copy": copy})
        return
    out(words.replace("from None", "from nothing"))
    if copy:
        note(f"As it was before: {copy}")


def _say_pruned(done: Pruned, *, dry: bool) -> None:
    for one in done.runs:
        ended = datetime.fromtimestamp(one.ended_at / 1e6, UTC)
        out(f"{short(one.run_id)}  {one.state:<9}  {ended:%Y-%m-%d}  {size(one.size):>8}  {one_line(one.title, 60)}")
    would = "would be removed" if dry else "removed"
    runs = f"{plural(len(done.runs), 'run')} and {plural(done.sessions, 'session')}, about {size(done.database)}"
    note(f"{would}: {runs} of the database; {plural(done.blobs, 'content')} of {size(done.contents)}")
    for reason in done.kept:
        note(f"kept: {reason}")
    if done.compacted:
        note("the database's file was compacted")


def _pruned_json(done: Pruned, *, dry: bool) -> dict[str, object]:
    return {
        "dry_run": dry,
        "runs": [
            {
                "run_id": one.run_id,
                "session_id": one.session_id,
                "title": one.title,
                "state": one.state,
                "ended_at": datetime.fromtimestamp(one.ended_at / 1e6, UTC).isoformat(),
                "bytes": one.size,
                "why": one.why,
            }
            for one in done.runs
        ],
        "sessions": done.sessions,
        "contents": done.blobs,
        "contents_bytes": done.contents,
        "database_bytes": done.database,
        "compacted": done.compacted,
        "kept": list(done.kept),
    }


def _newest_backup(settings: Settings) -> Path | None:
    """The newest verified backup in the home."""
    found = [one for one in (settings.home / "backups").glob("[0-9]*") if one.is_dir()]
    return max(found, key=lambda one: one.name, default=None)
