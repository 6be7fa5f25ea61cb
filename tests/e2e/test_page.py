"""The page that a run is exported as: all that was found is in it, as text, and nothing in it runs or is loaded."""

from __future__ import annotations

import base64
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.support.cockpit import Cockpit
from tests.support.journals import Journal, code, says, step, writes

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
DRAWS = f"import base64; open('dot.png', 'wb').write(base64.b64decode({base64.b64encode(PIXEL).decode()!r}))"
CHECKED = {"kind": "file_exists", "name": "there is a picture", "path": "dot.png"}


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += f"{data}\n"

    def all(self, tag: str, attribute: str) -> list[str]:
        return [one.get(attribute) or "" for name, one in self.tags if name == tag]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cockpit, Any]:
    """A run whose every text is hostile, with a picture that a check asks for and a report that none does."""
    directory = tmp_path_factory.mktemp("finished")
    journal = Journal(directory / "story.jsonl")
    told = {"title": f"Draw {EVIL}", "instructions": [f"Draw a dot {EVIL}."]}
    journal.plans(
        step("draw", outputs=["dot.png"], checks=[CHECKED]) | told,
        step("tell", "draw", agent="researcher"),
        title=EVIL,
    )
    journal.does("draw", code(DRAWS, "draw.py"), says(f"It is drawn. {EVIL}"))
    journal.does("tell", writes("report.md", f"A dot. {EVIL}"), says("It is told."), agent="researcher")
    cockpit = Cockpit(directory / "home")
    said = cockpit.say(
        "run", f"Draw it. {EVIL}", "--approval", "none", "--headless", "--json", "--model", journal.model
    )
    assert said.code == 0, said.err
    return cockpit, said.json


def test_all_that_was_found_is_in_the_page_and_nothing_in_it_runs(finished: tuple[Cockpit, Any]) -> None:
    cockpit, run = finished
    page = Page(cockpit.say("export", run["run_id"], "--as", "html").out)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "iframe", "object", "link", "base", "form"})
    assert not [name for _, one in page.tags for name in one if name.startswith("on")]
    assert all(link.startswith("#") for link in page.all("a", "href"))
    (source,) = page.all("img", "src")
    assert source == f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"
    said = (f"Draw it. {EVIL}", f"Draw {EVIL}", f"Draw a dot {EVIL}.", "✓ held", "there is a picture", f"A dot. {EVIL}")
    for words in (*said, f"It is drawn. {EVIL}", "completed, unchecked", "1 completed step declared no check"):
        assert words in page.words
    assert {link[1:] for link in page.all("a", "href")} <= {one.get("id") for _, one in page.tags}
    for file in (one for node in run["nodes"] for one in node["artifacts"]):
        assert file["sha256"] in page.words


def test_the_page_of_a_file_that_is_gone_still_names_it(finished: tuple[Cockpit, Any], tmp_path: Path) -> None:
    cockpit, run = finished
    (picture,) = (one for node in run["nodes"] for one in node["artifacts"] if one["path"] == "dot.png")
    stored = next(cockpit.home.glob(f"blobs/**/*{picture['sha256'][8:]}"))
    content = stored.read_bytes()
    stored.unlink()
    target = tmp_path / "page.html"
    said = cockpit.say("export", run["run_id"], "--as", "html", "--output", str(target), "--json")
    stored.write_bytes(content)
    assert said.json == {"run_id": run["run_id"], "as": "html", "file": str(target), "bytes": target.stat().st_size}
    page = Page(target.read_text())
    assert not page.all("img", "src")
    assert picture["sha256"] in page.words


def test_a_page_that_cannot_be_written_says_why(finished: tuple[Cockpit, Any], tmp_path: Path) -> None:
    cockpit, run = finished
    said = cockpit.say("export", run["run_id"], "--as", "html", "--output", str(tmp_path))
    assert said.code == 2
    assert "cannot be written" in said.err
