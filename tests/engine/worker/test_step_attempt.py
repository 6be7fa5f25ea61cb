"""A step from the first frame to the result: the agent's words and tools, its code, its files, its end."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from engine.agents.registry import load_agents
from engine.model.frames import FilesFrame, Hello, JournalFrame, Limits, MessageFrame, Upstream, UsageFrame
from tests.support.peer import Heard, attempt, does, runs, says, step_spec

WRITE = (
    "from pathlib import Path\nPath('data').mkdir(exist_ok=True)\nPath('data/fit.json').write_text('{\"x\": 1.5}')\n"
)


def told(heard: Heard) -> str:
    """Everything that the tools said to the model."""
    return "\n".join(heard.said("tool"))


async def test_an_engineer_writes_runs_and_is_done(tmp_path: Path) -> None:
    spec = step_spec(
        tmp_path,
        runs(1, WRITE + "print('x is 1.5')"),
        says("x is 1.5.", 2, prompt_tokens=7, completion_tokens=3, model="gpt-5"),
        step={"outputs": ["data/fit.json"]},
    )
    heard = await attempt(spec)
    assert isinstance(heard.frames[0], Hello)
    assert heard.result.ok and heard.result.summary == "x is 1.5."
    assert set(heard.result.tree) == {"codebase/fit.py", "data/fit.json"}
    heard.check_nesting()
    code = heard.events("code_exec")
    assert code[0].data["file"] == "codebase/fit.py" and code[0].data["code"].startswith("from pathlib")
    assert (code[1].data["exit"], code[1].data["stdout"], code[1].data["timed_out"]) == (0, "x is 1.5\n", False)
    assert heard.streamed(code[0]) == "x is 1.5\n"
    # agent → model call → tool call → code run → file
    call = heard.events("tool_call", "start")[0]
    model = heard.events("model_call", "start")[0]
    assert code[0].parent == call.id and call.parent == model.id
    assert model.parent == heard.events("agent_call", "start")[0].id
    files = {change.path: frame.event for frame in heard.of(FilesFrame) for change in frame.changes}
    assert files == {"codebase/fit.py": call.id, "data/fit.json": code[0].id}
    usage = heard.of(UsageFrame)[-1]
    assert (usage.provider, usage.model, usage.prompt_tokens, usage.completion_tokens) == ("journal", "gpt-5", 7, 3)


async def test_the_agent_is_told_all_that_it_needs(tmp_path: Path) -> None:
    step = {
        "title": "Compare the fits",
        "instructions": ["read both fits", "compute the difference"],
        "outputs": ["data/cmp.json"],
        "checks": [
            {"name": "sane", "kind": "json_value", "path": "data/cmp.json", "pointer": "/d", "min": 0.5, "max": 2},
            {"name": "rows", "kind": "csv", "path": "a.csv", "columns": ["t"], "min_rows": 3},
        ],
    }
    upstream = (Upstream(step="fit", title="Fit it", agent="engineer", summary="chi2 is 51.8", files=("data/a.json",)),)
    spec = step_spec(tmp_path, says("…", 1), step=step, upstream=upstream, feedback="use the damped model")
    heard = await attempt(spec)
    (asked,) = heard.said("user")
    for part in (
        "Is this oscillator damped?",
        "Compare the fits",
        "- read both fits",
        "- data/cmp.json",
        "sane: in data/cmp.json, the value at /d is from 0.5 to 2",
        "a.csv is a CSV with the columns t and at least 3 rows",
        "chi2 is 51.8",
        "data/a.json",
        "use the damped model",
    ):
        assert part in asked
    assert heard.said("system") == [load_agents(None)["engineer"].prompt]


async def test_a_failed_program_is_shown_and_corrected(tmp_path: Path) -> None:
    spec = step_spec(tmp_path, runs(1, "import missing_thing"), runs(2, WRITE), says("Done.", 3))
    heard = await attempt(spec)
    assert heard.result.ok
    first, second = heard.said("tool")
    assert "codebase/fit.py ended with exit code 1." in first
    assert "failed run 1 of 3" in first and "Correct the program" in first
    assert "ModuleNotFoundError: No module named 'missing_thing'" in first
    assert str(tmp_path) not in first
    assert "ended with exit code 0" in second and "files: data/fit.json (added)" in second


async def test_attempts_end_with_the_last_errors_own_lines(tmp_path: Path) -> None:
    spec = step_spec(tmp_path, *(runs(n, f"raise ValueError('number {n}')") for n in (1, 2, 3)), says("never", 4))
    heard = await attempt(spec)
    assert heard.category == "type_value"
    assert "codebase/fit.py ended with exit code 1 (3 of 3 attempts used)" in heard.why
    assert "ValueError: number 3" in heard.why
    assert "There are no attempts left." in told(heard)
    assert len(heard.events("model_call", "start")) == 3, "the model is not asked when nothing can follow"
    heard.check_nesting()


async def test_data_that_are_not_there_end_the_step_by_their_name(tmp_path: Path) -> None:
    load = "print(open('data/data.csv').read())"
    heard = await attempt(step_spec(tmp_path, runs(1, load), runs(2, load), runs(3, load)))
    assert heard.category == "file_not_found"
    assert "No such file or directory: 'data/data.csv'" in heard.why
    assert set(heard.result.tree) == {"codebase/fit.py"}


async def test_a_model_that_says_it_is_done_after_a_failure_is_not_believed(tmp_path: Path) -> None:
    heard = await attempt(step_spec(tmp_path, runs(1, WRITE + "1/0"), says("All done!", 2)))
    assert heard.category == "type_value" and "ZeroDivisionError" in heard.why
    assert heard.result.summary == "All done!"
    assert "data/fit.json" in heard.result.tree, "what a failed step wrote is kept"


async def test_a_missing_output_fails_the_step_by_name(tmp_path: Path) -> None:
    step = {"outputs": ["data/fit.json", "figures/fit.png"]}
    heard = await attempt(step_spec(tmp_path, runs(1, WRITE), says("Done.", 2), step=step))
    assert heard.category == "missing_output"
    assert "engineer ended the step without leaving behind figures/fit.png" in heard.why


async def test_a_check_that_does_not_hold_fails_the_step(tmp_path: Path) -> None:
    check = {"kind": "json_value", "path": "data/fit.json", "pointer": "/x"}
    checks = [{**check, "name": "x is sane", "max": 2}, {**check, "name": "x is small", "max": 1}]
    heard = await attempt(step_spec(tmp_path, runs(1, WRITE), says("Done.", 2), step={"checks": checks}))
    assert heard.category == "check_failed" and "'x is small' does not hold" in heard.why and "1.5" in heard.why
    assert [(one.name, one.ok) for one in heard.result.checks] == [("x is sane", True), ("x is small", False)]
    assert [(one.data["name"], one.data["ok"]) for one in heard.events("check")] == [
        ("x is sane", True),
        ("x is small", False),
    ]


async def test_a_researcher_reads_and_writes(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/fit.json").write_text('{"gamma": 0.137}\n')
    spec = step_spec(
        tmp_path,
        does(1, "list_files", agent="researcher"),
        does(2, "read_file", agent="researcher", path="data/fit.json"),
        does(3, "write_text", agent="researcher", path="report.md", text="# It is damped\ngamma = 0.137\n"),
        says("The report is written.", 4, agent="researcher"),
        agent="researcher",
        step={"outputs": ["report.md"]},
    )
    heard = await attempt(spec)
    assert heard.result.ok
    listing, read, wrote = heard.said("tool")
    assert listing == "data/fit.json  17"
    assert read == 'data/fit.json: lines 1 to 1 of 1\n{"gamma": 0.137}'
    assert wrote == "Wrote report.md (29 bytes)."
    (frame,) = heard.of(FilesFrame)
    assert [one.path for one in frame.changes] == ["report.md"], "what was there before is not the researcher's"
    assert frame.event == heard.events("tool_call", "start")[2].id


@pytest.mark.parametrize("path", ["../escape.md", "/etc/passwd", "~/x", "a/../../x", "..", "link/x.md", ""])
async def test_paths_outside_the_directory_are_refused_with_a_hint(tmp_path: Path, path: str) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "x.md").write_text("secret")
    (inside / "link").symlink_to(outside)
    spec = step_spec(
        inside,
        does(1, "read_file", agent="researcher", path=path),
        does(2, "write_text", agent="researcher", path=path, text="x"),
        says("Done.", 3, agent="researcher"),
        agent="researcher",
    )
    heard = await attempt(spec)
    assert heard.result.ok
    for said in heard.said("tool"):
        assert "secret" not in said and str(tmp_path) not in said and "Traceback" not in said
        assert "Give a path" in said
    assert [one.data["ok"] for one in heard.events("tool_call", "end")] == [False, False]
    assert sorted(one.name for one in tmp_path.rglob("*")) == ["inside", "link", "outside", "x.md"]


@pytest.mark.parametrize("filename", ["../evil.py", "/tmp/evil.py", "run.sh", "codebase/../../evil.py"])
async def test_programs_stay_in_the_codebase(tmp_path: Path, filename: str) -> None:
    heard = await attempt(step_spec(tmp_path, runs(1, "print(1)", filename), says("Done.", 2)))
    assert not heard.events("code_exec")
    assert "Give a plain file name" in told(heard) or "no Python file" in told(heard)


async def test_reading_what_cannot_be_read_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "array.npz").write_bytes(b"PK\0\1\2")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/long.txt").write_text("".join(f"line {n}\n" for n in range(1, 3001)))
    paths = ["array.npz", "folder", "nothing.txt", "folder/long.txt"]
    spec = step_spec(
        tmp_path,
        *(does(n, "read_file", agent="researcher", path=path) for n, path in enumerate(paths, 1)),
        does(5, "read_file", agent="researcher", path="folder/long.txt", start=2999),
        does(6, "read_file", agent="researcher", path="folder/long.txt", start=4000, lines=10),
        says("Done.", 7, agent="researcher"),
        agent="researcher",
    )
    binary, folder, nothing, long, end, beyond = (await attempt(spec)).said("tool")
    assert binary == "'array.npz' is binary (5 bytes); look into it with run_code."
    assert "is a directory" in folder and "folder/long.txt" in folder
    assert nothing.startswith("There is no file 'nothing.txt'. The files are:\narray.npz  5")
    assert long.startswith("folder/long.txt: lines 1 to 400 of 3000\nline 1\n") and long.endswith("line 400")
    assert end == "folder/long.txt: lines 2999 to 3000 of 3000\nline 2999\nline 3000"
    assert beyond == "folder/long.txt has 3000 lines; there is nothing from line 4000 on."


async def test_code_that_exceeds_its_time_is_killed_and_the_agent_is_told(tmp_path: Path) -> None:
    spec = step_spec(
        tmp_path,
        runs(1, "import time\nprint('started', flush=True)\ntime.sleep(60)"),
        runs(2, "print('quick')"),
        says("Done.", 3),
        limits=Limits(code_timeout=1.0, grace=0.2),
    )
    heard = await attempt(spec)
    assert heard.result.ok
    first = heard.said("tool")[0]
    assert "was stopped: it exceeded the time limit of 1 s" in first and "started" in first
    ended = heard.events("code_exec", "end")[0].data
    assert ended["timed_out"] is True and ended["stdout"] == "started\n"


async def test_an_attempt_that_exceeds_its_time_fails(tmp_path: Path) -> None:
    spec = step_spec(tmp_path, runs(1, "import time; time.sleep(60)"), limits=Limits(attempt_timeout=1.0, grace=0.2))
    heard = await attempt(spec)
    assert heard.category == "attempt_timeout"
    assert "the attempt took longer than 1 s and was stopped" in heard.why
    heard.check_nesting()


async def test_an_agent_that_never_ends_is_stopped(tmp_path: Path) -> None:
    agents = load_agents(None)
    agents["engineer"] = agents["engineer"].model_copy(update={"max_turns": 3})
    answers = [does(n, "list_files") for n in range(1, 6)]
    heard = await attempt(step_spec(tmp_path, *answers, agents=agents))
    assert heard.category == "turns"
    assert "engineer made 3 model calls and was not done" in heard.why
    assert len(heard.events("model_call", "end")) == 3


async def test_hostile_text_is_made_safe_wherever_it_comes_from(tmp_path: Path) -> None:
    evil = "\x1b]52;c;ZXZpbA==\x07\x1b[2J\u202e\x9b31mred"
    spec = step_spec(
        tmp_path,
        runs(1, f"print({evil!r}); open('bad\\u202ename.txt', 'w').write('x')"),
        does(2, "read_file", path=evil),
        says(f"Done {evil}", 3),
        step={"title": f"Fit {evil}"},
    )
    heard = await attempt(spec)
    assert heard.result.ok
    for frame in heard.frames:
        if isinstance(frame, JournalFrame | FilesFrame):
            continue  # what goes to a model again, and a file's true name, are kept as they are
        shown = frame.model_dump_json(exclude={"tree"})
        for bad in ("\\u001b", "\x1b", "\u202e", "\u009b", "\\u0007"):
            assert bad not in shown


async def test_much_output_is_cut_and_said_to_be(tmp_path: Path) -> None:
    code = "for n in range(100_000): print(f'line {n:06d}')"
    heard = await attempt(step_spec(tmp_path, runs(1, code), says("Done.", 2)))
    assert heard.result.ok
    said = heard.said("tool")[0]
    assert len(said) < 8_000 and "line 099999" in said and "it printed 1200000 bytes" in said
    ended = heard.events("code_exec", "end")[0].data
    assert len(ended["stdout"]) < 70_000 and ended["truncated"] is True
    assert ended["stdout"].startswith("line 000000") and ended["stdout"].endswith("line 099999\n")
    assert len(heard.streamed(heard.events("code_exec", "start")[0])) <= 200_000


async def test_code_may_delete_its_directory(tmp_path: Path) -> None:
    workdir = tmp_path / "work"
    workdir.mkdir()
    gone = "import shutil, os; shutil.rmtree(os.getcwd())"
    spec = step_spec(
        workdir, runs(1, gone), does(2, "list_files"), says("Done.", 3), step={"outputs": ["data/fit.json"]}
    )
    heard = await attempt(spec)
    assert heard.category == "missing_output" and "data/fit.json" in heard.why


async def test_programs_import_earlier_ones(tmp_path: Path) -> None:
    spec = step_spec(
        tmp_path,
        runs(1, "def answer(): return 42", "model.py"),
        runs(2, "from model import answer; print(answer())", "use.py"),
        says("Done.", 3),
    )
    heard = await attempt(spec)
    assert heard.result.ok and "42" in heard.said("tool")[1]


async def test_messages_are_reported_in_order_and_once(tmp_path: Path) -> None:
    heard = await attempt(step_spec(tmp_path, does(1, "list_files"), says("Done.", 2)))
    assert [(one.sender, one.role) for one in heard.of(MessageFrame)] == [
        ("engineer", "system"),
        ("cockpit", "user"),
        ("engineer", "assistant"),
        ("list_files", "tool"),
        ("engineer", "assistant"),
    ]


async def test_a_script_without_an_answer_says_which(tmp_path: Path) -> None:
    heard = await attempt(step_spec(tmp_path, does(1, "list_files"), attempt=2))
    assert heard.category == "journal"
    assert "no answer for step 'fit', agent 'engineer', model call 2 (attempt 2)" in heard.why


async def test_a_scripts_answer_for_this_attempt_goes_first(tmp_path: Path) -> None:
    answers = [says("any", 1), says("second", 1, attempt=2)]
    assert (await attempt(step_spec(tmp_path, *answers))).result.summary == "any"
    assert (await attempt(step_spec(tmp_path, *answers, attempt=2))).result.summary == "second"


async def test_a_script_streams_over_its_delay(tmp_path: Path) -> None:
    text = "The oscillator is damped, and here is why. " * 5
    heard = await attempt(step_spec(tmp_path, says(text.strip(), 1, delay=0.05)))
    call = heard.events("model_call", "start")[0]
    assert call.data["scripted"] is True
    assert heard.streamed(call) == text.strip() == heard.events("model_call", "end")[0].data["text"]
    assert len([one for one in heard.frames if getattr(one, "event", None) == call.id and one.type == "delta"]) > 10


async def test_an_agent_with_a_tool_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    agents = load_agents(None)
    agents["engineer"] = agents["engineer"].model_copy(update={"tools": ("fly",)})
    heard = await attempt(step_spec(tmp_path, says("x", 1), agents=agents))
    assert heard.category == "setup"
    assert "the agent engineer asks for the tool 'fly', which does not exist" in heard.why


async def test_an_interpreter_that_is_not_there_is_named(tmp_path: Path) -> None:
    heard = await attempt(step_spec(tmp_path, runs(1, "print(1)"), python="/nowhere/python"))
    assert heard.category == "setup"
    assert "the interpreter /nowhere/python cannot be started: No such file or directory" in heard.why
    heard.check_nesting()


async def test_code_sees_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    heard = await attempt(step_spec(tmp_path, runs(1, "import os; print(dict(os.environ))"), says("Done.", 2)))
    assert heard.result.ok and "sk-very-secret" not in told(heard) and "PATH" in told(heard)


async def test_a_sandbox_that_this_machine_does_not_have_is_refused(tmp_path: Path) -> None:
    heard = await attempt(step_spec(tmp_path, runs(1, "print(1)"), sandbox="moon"))
    assert heard.category == "setup" and "there is no sandbox tier 'moon' here" in heard.why


async def test_code_that_is_ended_by_a_signal_is_said_to_be(tmp_path: Path) -> None:
    code = "import os, signal; print('so far', flush=True); os.kill(os.getpid(), signal.SIGSEGV)"
    heard = await attempt(step_spec(tmp_path, runs(1, code), says("Done.", 2)))
    assert heard.events("code_exec", "end")[0].data["signal"] == "SIGSEGV"
    assert "codebase/fit.py was ended by SIGSEGV" in heard.why and "so far" in heard.why


async def test_cancelling_an_attempt_ends_its_code(tmp_path: Path) -> None:
    code = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
    task = asyncio.create_task(attempt(step_spec(tmp_path, runs(1, code), limits=Limits(grace=0.2))))
    async with asyncio.timeout(20):
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            await asyncio.sleep(0.01)
    pid = int((tmp_path / "pid").read_text())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_names_that_cannot_be_kept_are_told(tmp_path: Path) -> None:
    heard = await attempt(step_spec(tmp_path, runs(1, "open('a\\nb', 'w').write('x')"), says("Done.", 2)))
    assert heard.result.ok and set(heard.result.tree) == {"codebase/fit.py"}
    assert "is not kept: its name has characters" in told(heard)


async def test_what_code_leaves_in_the_way_is_replaced_not_followed(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.write_text("untouched")
    inside.mkdir()
    code = f"import os; os.mkfifo('pipe.md'); os.symlink({str(outside)!r}, 'link.md'); os.mkdir('folder.md')"
    spec = step_spec(
        inside,
        runs(1, code),
        does(2, "read_file", path="pipe.md"),
        *(
            does(n, "write_text", path=f"{name}.md", text="new")
            for n, name in ((3, "pipe"), (4, "link"), (5, "folder"))
        ),
        says("Done.", 6),
    )
    async with asyncio.timeout(20):
        heard = await attempt(spec)
    assert heard.result.ok
    _, read, pipe, link, folder = heard.said("tool")
    assert "cannot be read whole" in read
    assert pipe == "Wrote pipe.md (3 bytes)." and (inside / "pipe.md").read_text() == "new"
    assert "leads outside" in link and outside.read_text() == "untouched"
    assert "cannot be a file" in folder
