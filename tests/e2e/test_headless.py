"""The command line from a question to its result: offline, with a model server, in one process and over several."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from tests.support.cockpit import Cockpit, Said
from tests.support.journals import Journal, code, plan, says, step
from tests.support.openai_server import OpenAIServer, Refused, Silence, call, review, text
from tests.support.openai_server import plan as planned
from tests.support.processes import wait_until_gone

WRITES = "import json; json.dump({'answer': 42}, open('answer.json', 'w')); print('written')"
CHECK = {"name": "the answer", "kind": "json_value", "path": "answer.json", "pointer": "/answer", "equals": 42}
STEPS = plan(step("compute", outputs=["answer.json"], checks=[CHECK]), step("tell", "compute", agent="researcher"))


def run_json(said: Said) -> Any:
    assert "Traceback" not in said.err, said.err
    return said.json


def serve(server: OpenAIServer) -> dict[str, str]:
    return {"OPENAI_API_KEY": server.key, "OPENAI_BASE_URL": server.base_url, "CMBAGENT_MODEL": "openai:test-model"}


def script_a_session(server: OpenAIServer) -> None:
    server.answer(planned(STEPS), role="planner")
    server.answer(review(), role="plan_reviewer")
    server.answer(
        call("run_code", filename="compute.py", code=WRITES, explanation="compute"),
        text("The answer is computed."),
        role="engineer",
    )
    server.answer(
        call("read_file", path="answer.json"),
        call("write_text", path="report.md", text="# The answer\n\nIt is 42.\n"),
        text("The report says 42."),
        role="researcher",
    )


def test_the_demo_ends_with_a_figure_a_report_and_the_numbers_of_its_truth(cockpit: Cockpit) -> None:
    said = cockpit.say("demo", "--headless", "--json", timeout=120)
    assert said.code == 0, said.err
    run = run_json(said)
    assert run["state"] == "completed"
    assert "journal" in run["notice"]
    steps = [node for node in run["nodes"] if node["kind"] == "step"]
    assert len(steps) >= 6
    assert {node["state"] for node in run["nodes"]} == {"completed"}
    assert all(check["ok"] for node in steps for check in node["checks"])
    needs = [tuple(sorted(node["depends_on"])) for node in steps]
    assert len(needs) > len(set(needs)), "at least two steps run in parallel"
    control = next(Path(run["directory"]).glob("*/control"))
    fit = json.loads((control / "data" / "fit_damped.json").read_text())
    assert abs(fit["parameters"]["gamma"] - 0.15) < 3 * 0.018
    assert (control / "data" / "oscillator.png").read_bytes().startswith(b"\x89PNG")
    assert "0.137" in (control / "report.md").read_text()
    assert "completed" in said.err
    assert cockpit.say("db", "check").code == 0


def test_a_live_model_plans_waits_and_carries_out_what_was_approved(cockpit: Cockpit) -> None:
    with OpenAIServer() as server:
        script_a_session(server)
        environ = serve(server)
        said = cockpit.say("run", "What is the answer?", "--headless", "--json", **environ)
        assert said.code == 3, said.err
        run = run_json(said)
        assert run["state"] == "waiting_approval"
        assert "cmbagent-tui approve" in said.err

        (approval,) = cockpit.say("approvals", "--json").json["approvals"]
        assert approval["run_id"] == run["run_id"]
        assert [one["id"] for one in approval["shown"]["plan"]["steps"]] == ["compute", "tell"]
        settled = cockpit.say("approve", approval["approval_id"][:30], "--json")
        assert settled.json["state"] == "approved"
        assert "OPENAI_API_KEY" in settled.err, "who approves has no key, and the run is left alone"
        assert "resume" in settled.err

        said = cockpit.say("resume", run["run_id"], "--headless", "--json", **environ)
        assert said.code == 0, said.err
        run = run_json(said)
        assert run["state"] == "completed"
        assert run["cost"]["calls"] == server.count
        assert run["cost"]["unknown_calls"] == server.count  # the price of a test model is not known
        asked = server.asked("engineer")[0]
        assert asked.body["stream"] is True
        assert asked.tools
        plan_request = server.asked("planner")[0]
        assert plan_request.body["response_format"]["json_schema"]["strict"] is True

    run_id = run["run_id"]
    events = cockpit.say("show", run_id, "--events", "--json").json["events"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    files = cockpit.say("show", run_id, "--files", "--json").json["files"]
    assert {"answer.json", "report.md", "codebase/compute.py"} <= {one["path"] for one in files}
    messages = cockpit.say("show", run_id, "--messages", "--json").json["messages"]
    assert any("42" in one["content"] for one in messages if one["role"] == "assistant")
    assert "compute" in cockpit.say("show", run_id, "--dag").out
    assert cockpit.say("export", run_id, "--as", "mermaid").out.startswith("flowchart TD")
    assert cockpit.say("export", run_id, "--as", "dot").out.startswith("digraph")
    assert cockpit.say("export", run_id).json["run_id"] == run_id
    assert server.key.encode() not in b"".join(
        path.read_bytes() for path in cockpit.home.rglob("*") if path.is_file()
    ), "the key was written to disk"


def test_a_plan_from_a_file_asks_for_nothing(cockpit: Cockpit, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "story.jsonl").does("compute", code(WRITES), says("It is 42."))
    file = tmp_path / "plan.yaml"
    file.write_text("title: Yaml\nsteps:\n  - {id: compute, title: Compute, agent: engineer}\n")
    said = cockpit.say("run", "Compute.", "--headless", "--json", "--plan", str(file), "--model", journal.model)
    assert said.code == 0, said.err
    assert [node["step"] for node in run_json(said)["nodes"]] == ["compute", "terminator"]


def test_cmbagents_own_plan_form_runs_as_a_sequence(cockpit: Cockpit, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "story.jsonl")
    journal.does("step_1", code(WRITES), says("one")).does("step_2", code(WRITES, "two.py"), says("two"))
    tasks = [{"sub_task": name, "sub_task_agent": "engineer", "bullet_points": ["do it"]} for name in ("One", "Two")]
    file = tmp_path / "plan.json"
    file.write_text(json.dumps({"sub_tasks": tasks}))
    said = cockpit.say("run", "Both.", "--headless", "--json", "--plan", str(file), "--model", journal.model)
    assert said.code == 0, said.err
    nodes = {node["step"]: node for node in run_json(said)["nodes"]}
    assert nodes["step_2"]["depends_on"] == ["step_1"]


def test_a_failed_run_exits_1_and_names_the_step(cockpit: Cockpit, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "story.jsonl")
    journal.does("task", *[code("open('data/data.csv')")] * 3, says("I could not find the file."))
    said = cockpit.say(
        "run", "Plot data/data.csv", "--headless", "--json", "--mode", "one-shot", "--model", journal.model
    )
    assert said.code == 1
    run = run_json(said)
    assert run["state"] == "failed"
    assert "step task" in run["error"]
    assert "data/data.csv" in run["error"]
    assert "data.csv" in said.err


def test_edit_pause_and_abort_from_the_command_line(cockpit: Cockpit, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "story.jsonl").plans(step("first"))
    journal.does("second", code(WRITES), says("done"))
    file = tmp_path / "edited.json"
    file.write_text(json.dumps(plan(step("second"))))
    run = cockpit.say("run", "Edit me.", "--headless", "--json", "--model", journal.model).json
    assert cockpit.say("approve", run["run_id"], "--edit", str(file), "--json").json["state"] == "modified"
    again = cockpit.say("approve", run["run_id"])
    assert again.code == 2
    assert "waits for nothing" in again.err
    run = cockpit.when_over(run["run_id"])
    assert run["state"] == "completed"
    assert "second" in [node["step"] for node in run["nodes"]]

    waits = cockpit.say("run", "Pause me.", "--headless", "--json", "--model", journal.model).json
    assert cockpit.say("pause", waits["run_id"], "--json").json["state"] == "paused"
    assert cockpit.say("resume", waits["run_id"], "--headless", "--json").json["state"] == "waiting_approval"

    other = cockpit.say("run", "Abort me.", "--headless", "--json", "--model", journal.model).json
    assert cockpit.say("approve", other["run_id"], "--abort").code == 0
    assert cockpit.when_over(other["run_id"])["state"] == "cancelled"


def test_a_budget_stops_the_run_with_exit_4(cockpit: Cockpit) -> None:
    with OpenAIServer(models=("gpt-4o",)) as server:
        server.always(call("run_code", filename="again.py", code="print(1)", explanation="again"), role="engineer")
        environ = {**serve(server), "CMBAGENT_MODEL": "openai:gpt-4o"}
        said = cockpit.say(
            "run", "Spend.", "--headless", "--json", "--mode", "one-shot", "--budget", "0.002", **environ
        )
    assert said.code == 4, said.err
    assert run_json(said)["error"].startswith("budget reached")


def test_the_message_for_a_wrong_key_and_for_a_dead_server(cockpit: Cockpit) -> None:
    with OpenAIServer() as server:
        environ = {**serve(server), "OPENAI_API_KEY": "sk-wrong-but-secret"}
        said = cockpit.say("run", "x", "--headless", "--mode", "one-shot", **environ)
        assert said.code == 1
        assert "key" in said.err.lower()
        assert "sk-wrong-but-secret" not in said.err + said.out
        gone = server.base_url
    said = cockpit.say("run", "x", "--headless", "--mode", "one-shot", **{**environ, "OPENAI_BASE_URL": gone})
    assert said.code == 1
    assert "127.0.0.1" in said.err or "reach" in said.err


def test_the_message_for_a_server_that_fails_for_good(cockpit: Cockpit) -> None:
    with OpenAIServer() as server:
        server.always(Refused(500, "the machine room is on fire"))
        said = cockpit.say("run", "x", "--headless", "--mode", "one-shot", **serve(server))
    assert said.code == 1
    assert "500" in said.err
    assert "Traceback" not in said.err + said.out


def test_an_interrupt_loses_nothing(cockpit: Cockpit, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    waits = f"import os, time\nprint('waiting', flush=True)\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.02)"
    journal = Journal(tmp_path / "story.jsonl").does("task", code(waits), says("done"))
    going = cockpit.start("run", "Wait.", "--headless", "--mode", "one-shot", "--model", journal.model)
    run_id = cockpit.until_code_runs()
    going.send_signal(signal.SIGINT)
    _, err = going.communicate(timeout=30)
    assert going.returncode == 130
    assert "resume" in err
    assert cockpit.say("show", run_id, "--json").json["state"] == "paused"
    gate.touch()
    said = cockpit.say("resume", run_id, "--headless", "--json")
    assert said.code == 0, said.err
    assert next(node for node in said.json["nodes"] if node["step"] == "task")["attempts"] == 1


def test_a_run_whose_process_was_killed_is_taken_over(cockpit: Cockpit, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    waits = f"import os, time\nprint('waiting', flush=True)\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.02)"
    journal = Journal(tmp_path / "story.jsonl").does("one", code(WRITES), says("done"))
    journal.does("two", code(waits, "two.py"), says("done"))
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan(step("one"), step("two", "one"))))
    going = cockpit.start("run", "Wait.", "--headless", "--plan", str(file), "--model", journal.model)
    run_id = cockpit.until_code_runs("two")
    os.kill(going.pid, signal.SIGKILL)
    going.communicate()
    wait_until_gone(str(gate))
    gate.touch()
    said = cockpit.say("resume", run_id, "--headless", "--json")
    assert said.code == 0, said.err
    attempts = {node["step"]: node["attempts"] for node in said.json["nodes"]}
    assert attempts == {"one": 1, "two": 1, "terminator": 1}
    assert cockpit.say("db", "check").code == 0


def test_another_process_cancels_a_run_and_nothing_of_it_stays_alive(cockpit: Cockpit, tmp_path: Path) -> None:
    child = "subprocess.Popen(['sleep', '600'], start_new_session=True)"
    sleeps = f"import subprocess, time\n{child}\nprint('on', flush=True)\ntime.sleep(600)"
    journal = Journal(tmp_path / "story.jsonl").does("task", code(sleeps), says("done"))
    going = cockpit.start("run", "Sleep.", "--headless", "--mode", "one-shot", "--model", journal.model)
    run_id = cockpit.until_code_runs()
    said = cockpit.say("cancel", run_id, "--json")
    assert said.json["state"] == "cancelled"
    _, err = going.communicate(timeout=30)
    assert going.returncode == 1, err
    wait_until_gone(str(cockpit.home))


def test_a_model_that_never_answers_is_given_up(cockpit: Cockpit) -> None:
    cockpit.home.mkdir()
    (cockpit.home / "config.toml").write_text("model_timeout = 0.5\n")
    with OpenAIServer() as server:
        server.always(Silence())
        said = cockpit.say("run", "x", "--headless", "--mode", "one-shot", **serve(server))
    assert said.code == 1
    assert "0.5 s" in said.err or "time" in said.err


def test_follow_prints_every_event_until_the_run_is_over(cockpit: Cockpit, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "story.jsonl").does("task", code(WRITES), says("done"))
    run = cockpit.say("run", "x", "--headless", "--json", "--mode", "one-shot", "--model", journal.model).json
    said = cockpit.say("show", run["run_id"], "--follow", "--json")
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert lines[-1]["data"]["after"] == "completed"


def test_lists_are_newest_first_and_take_any_prefix(cockpit: Cockpit, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "story.jsonl").does("task", code(WRITES), says("done"))
    made = [
        cockpit.say("run", name, "--headless", "--json", "--mode", "one-shot", "--model", journal.model).json["run_id"]
        for name in ("first", "second")
    ]
    assert [run["run_id"] for run in cockpit.say("runs", "--json").json["runs"]] == made[::-1]
    sessions = cockpit.say("sessions", "--json").json["sessions"]
    assert [session["title"] for session in sessions] == ["second", "first"]
    said = cockpit.say("show", made[0][:4])
    assert said.code == 2
    assert "fits 2 runs" in said.err
    assert cockpit.say("show", made[0].replace("-", "")[-8:], "--json").json["run_id"] == made[0]


def test_doctor_says_what_is_there(cockpit: Cockpit) -> None:
    said = cockpit.say("doctor", "--json")
    findings = {one["name"]: one for one in said.json["findings"]}
    assert findings["science"]["ok"] is True
    assert findings["database"]["ok"] is True
    assert "OPENAI_API_KEY" in findings["model"]["detail"]
