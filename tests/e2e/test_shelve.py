"""Putting sessions in order from the command line."""

from __future__ import annotations

from pathlib import Path

from tests.support.cockpit import Cockpit
from tests.support.journals import Journal, says


def test_a_script_puts_sessions_in_order(cockpit: Cockpit, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "story.jsonl").does("task", says("done"))
    for title in ("Does the lens agree?", "Is it damped?"):
        ran = cockpit.say("run", "Go.", "--mode", "one-shot", "--model", journal.model, "--title", title, "--headless")
        assert ran.code == 0, ran.err
    damped, lens = (one["session_id"] for one in cockpit.say("sessions", "--json").json["sessions"])

    assert cockpit.say("rename", lens, "Lensing").out.endswith("Lensing\n")
    assert cockpit.say("tag", lens, "paper", "x").out.endswith("Lensing  #paper  #x\n")
    assert cockpit.say("tag", lens, "--remove", "X", "--json").json["sessions"][0]["tags"] == ["paper"]
    refused = cockpit.say("tag", lens, "--remove", "nothing")
    assert refused.code == 2 and "no tag 'nothing'" in refused.err and "paper" in refused.err

    def titles(*options: str) -> list[str]:
        return [one["title"] for one in cockpit.say("sessions", "--json", *options).json["sessions"]]

    assert titles("--sort", "title", "--tag", "paper") == ["Lensing"]
    assert titles("--match", "lnsing") == titles("--match", "mode:one state:completed lens") == ["Lensing"]
    assert titles("--sort", "title") == ["Is it damped?", "Lensing"]
    assert titles("--sort", "title", "--reverse", "--limit", "1") == ["Lensing"]
    unknown = cockpit.say("sessions", "--match", "state:odd")
    assert unknown.code == 2 and "there is no state:odd" in unknown.err

    assert cockpit.say("archive", lens).code == 0
    assert titles() == ["Is it damped?"] and titles("--archived") == ["Lensing"]
    deleted = cockpit.say("delete", damped, "--json").json["sessions"]
    assert deleted[0]["deleted_at"]
    assert titles() == [] and titles("--deleted") == ["Is it damped?"] and len(titles("--all")) == 2
    assert "deleted Is it damped?" in cockpit.say("sessions", "--deleted").out
    assert cockpit.say("restore", lens, damped).code == 0
    assert len(titles()) == 2
    assert cockpit.say("archive", "ffffffff").code == 2


def test_a_person_is_asked_before_something_is_deleted(cockpit: Cockpit, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "story.jsonl").does("task", says("done"))
    cockpit.say("run", "Go.", "--mode", "one-shot", "--model", journal.model, "--headless")
    (one,) = cockpit.say("sessions", "--json").json["sessions"]
    for answer, left in (("n", 1), ("y", 0)):
        with cockpit.terminal("delete", one["session_id"]) as terminal:
            terminal.until("Delete 1 session?")
            terminal.keys(answer, "enter")
            terminal.wait()
        assert len(cockpit.say("sessions", "--json").json["sessions"]) == left
