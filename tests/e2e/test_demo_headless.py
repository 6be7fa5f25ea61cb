"""The shipped session from its first frame to its last, without a terminal: real processes, real code, real checks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cmbagent_tui.demos import demo
from tests.support.cockpit import Cockpit, Said


def hastened(target: Path, change: Callable[[dict[str, Any]], None] = lambda answer: None) -> Path:
    """The demo's journal without its pauses, each answer changed."""
    header, *answers = demo().script.read_text(encoding="utf-8").splitlines()
    lines = [header]
    for text in answers:
        answer = json.loads(text)
        answer["delay"] = 0
        change(answer)
        lines.append(json.dumps(answer))
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return target


def run(cockpit: Cockpit, journal: Path) -> Said:
    return cockpit.say(
        *("run", demo().task, "--model", f"journal:{journal}", "--approval", "none", "--headless", "--json"),
        timeout=100,
    )


def by_step(said: Said) -> dict[str, dict[str, Any]]:
    return {node["step"]: node for node in said.json["nodes"]}


def written(said: Said, name: str) -> list[Path]:
    """The session's files of this name, in the merged result."""
    return [path for path in Path(said.json["directory"]).rglob(name) if "control" in path.parts]


def test_the_demo_as_it_is_shipped(cockpit: Cockpit) -> None:
    said = cockpit.say("demo", "--headless", "--json", timeout=110)
    assert said.code == 0, said.err
    assert said.json["state"] == "completed"
    assert "'oscillator'" in said.json["notice"]
    steps = by_step(said)
    assert {"data", "fit_undamped", "fit_damped", "compare", "residuals", "figure", "report"} <= set(steps)
    assert all(node["state"] == "completed" for node in steps.values())
    assert all(check["ok"] for node in steps.values() for check in node["checks"])
    assert sum(len(node["checks"]) for node in steps.values()) == 21
    one, other = steps["fit_undamped"], steps["fit_damped"]
    assert one["started_at"] < other["ended_at"]
    assert other["started_at"] < one["ended_at"]
    (report,) = written(said, "report.md")
    assert "γ = 0.137 ± 0.018" in report.read_text(encoding="utf-8")
    (figure,) = written(said, "oscillator.png")
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert said.err.splitlines()[-1].split()[1:] == ["run", "completed"]


def test_a_program_that_fails_first_is_seen_failing_and_mended(cockpit: Cockpit, tmp_path: Path) -> None:
    said = run(cockpit, hastened(tmp_path / "journal.jsonl"))
    assert said.code == 0, said.err
    listed = cockpit.say("show", said.json["run_id"], "--events", "--json")
    events = [event for line in listed.out.splitlines() for event in json.loads(line).get("events", [json.loads(line)])]
    node = by_step(said)["fit_undamped"]["id"]
    ran = [
        event["data"]
        for event in events
        if event["kind"] == "code_exec" and event["phase"] == "end" and event["node_id"] == node
    ]
    assert [one["exit"] for one in ran] == [1, 0]
    assert "ended in a wrong valley" in ran[0]["stderr"]


def test_a_report_with_a_number_that_nobody_measured_fails_the_run(cockpit: Cockpit, tmp_path: Path) -> None:
    def lie(answer: dict[str, Any]) -> None:
        for call in answer.get("tool_calls", ()):
            if call["name"] == "write_text":
                call["arguments"]["text"] = call["arguments"]["text"].replace("51.8 / 47", "47.0 / 47")

    said = run(cockpit, hastened(tmp_path / "journal.jsonl", lie))
    assert said.code == 1
    assert said.json["state"] == "failed"
    report = by_step(said)["report"]
    assert report["state"] == "failed"
    assert "the table says what was measured" in report["error"]
    assert "47.0 / 47" in report["error"]
    assert by_step(said)["compare"]["state"] == "completed"


def test_a_fit_with_a_wrong_result_fails_although_its_program_ran(cockpit: Cockpit, tmp_path: Path) -> None:
    def falsify(answer: dict[str, Any]) -> None:
        for call in answer.get("tool_calls", ()):
            if call["arguments"].get("filename") == "fit_damped.py":
                call["arguments"]["code"] = call["arguments"]["code"].replace(
                    "map(float, best)", "map(float, 2 * best)"
                )

    said = run(cockpit, hastened(tmp_path / "journal.jsonl", falsify))
    assert said.code == 1
    steps = by_step(said)
    assert steps["fit_damped"]["state"] == "failed"
    assert "gamma near 0.15" in steps["fit_damped"]["error"]
    assert "parameters/gamma = 0.273883, outside 0.15 ± 0.04" in steps["fit_damped"]["error"]
    assert steps["fit_undamped"]["state"] == "completed"
    assert {steps[step]["state"] for step in ("compare", "residuals", "figure", "report")} == {"skipped"}
