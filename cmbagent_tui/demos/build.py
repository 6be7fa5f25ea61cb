"""Assembles a demo's journal from its sources: `python -m cmbagent_tui.demos.build`.

A demo's folder holds `script.yaml` (the answers in order), the plans that it names, the programs under `code/`, and the
texts. The journal is one JSON object a line: a header, then answers as `engine.model.frames.ScriptedAnswer` reads them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from cmbagent_tui.demos import Demo, demo, names


def journal(shipped: Demo) -> str:
    """The text of a demo's journal, from its sources."""
    folder = shipped.folder
    script: dict[str, Any] = yaml.safe_load((folder / "script.yaml").read_text(encoding="utf-8"))
    lines: list[dict[str, Any]] = [{"journal": 1, "title": shipped.title, "note": script["note"]}]
    for step, answers in script["steps"].items():
        said: dict[str, int] = {}
        for answer in answers:
            agent = answer["agent"]
            said[agent] = said.get(agent, 0) + 1
            lines.append({"step": step, "agent": agent, "sequence": said[agent], **_answer(answer, folder)})
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def _answer(answer: dict[str, Any], folder: Path) -> dict[str, Any]:
    made: dict[str, Any] = {"delay": answer["delay"]}
    if "plan" in answer:
        plan = yaml.safe_load((folder / answer["plan"]).read_text(encoding="utf-8"))
        made["content"] = json.dumps(plan, indent=1, ensure_ascii=False)
    elif "review" in answer:
        made["content"] = json.dumps(answer["review"], indent=1, ensure_ascii=False)
    elif "say" in answer:
        made["content"] = answer["say"]
    if "run" in answer:
        run = answer["run"]
        code = (folder / "code" / run.get("source", run["filename"])).read_text(encoding="utf-8")
        arguments = {"filename": run["filename"], "code": code, "explanation": run["explanation"]}
        made["tool_calls"] = [{"name": "run_code", "arguments": arguments}]
    elif "write" in answer:
        text = (folder / answer["write"]).read_text(encoding="utf-8")
        made["tool_calls"] = [{"name": "write_text", "arguments": {"path": answer["write"], "text": text}}]
    elif "call" in answer:
        made["tool_calls"] = [answer["call"]]
    return made


if __name__ == "__main__":
    for name in names():
        demo(name).script.write_text(journal(demo(name)), encoding="utf-8")
