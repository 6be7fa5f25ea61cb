"""A whole research session for the model server to play: a line is drawn with noise, fitted in two ways at the same
time, and reported. Its programs need the standard library alone."""

from __future__ import annotations

from tests.support.openai_server import Json, OpenAIServer, call, plan, review, text

PLAN: Json = {
    "title": "Slope of a line",
    "steps": [
        {
            "id": "data",
            "title": "Make the data",
            "agent": "engineer",
            "instructions": ["Draw 40 points of y = 2 x + 1 with seed 777"],
            "depends_on": [],
            "outputs": ["data/line.csv"],
            "checks": [
                {"name": "40 points", "kind": "csv", "path": "data/line.csv", "columns": ["x", "y"], "min_rows": 40}
            ],
        },
        *(
            {
                "id": name,
                "title": f"Fit by {name}",
                "agent": "engineer",
                "instructions": [f"Fit a line by {name}"],
                "depends_on": ["data"],
                "outputs": [f"data/{name}.json"],
                "checks": [
                    {
                        "name": "the slope is found again",
                        "kind": "json_value",
                        "path": f"data/{name}.json",
                        "pointer": "/slope",
                        "approx": 2.0,
                        "tolerance": 0.2,
                    }
                ],
            }
            for name in ("means", "medians")
        ),
        {
            "id": "report",
            "title": "Write the report",
            "agent": "researcher",
            "instructions": ["Compare the two slopes"],
            "depends_on": ["means", "medians"],
            "outputs": ["report.md"],
            "checks": [{"name": "it says the slope", "kind": "text_contains", "path": "report.md", "pattern": "slope"}],
        },
    ],
}

DATA = """
import csv, pathlib, random
random.seed(777)
pathlib.Path("data").mkdir(exist_ok=True)
with open("data/line.csv", "w", newline="") as file:
    rows = csv.writer(file)
    rows.writerow(["x", "y"])
    for number in range(40):
        x = number / 10
        rows.writerow([x, 2 * x + 1 + random.gauss(0, 0.1)])
print("40 points")
"""

FIT = """
import csv, json, statistics
points = [(float(row["x"]), float(row["y"])) for row in csv.DictReader(open("data/line.csv"))]
low, high = points[:20], points[20:]
middle = getattr(statistics, "{how}")
rise = middle(y for _, y in high) - middle(y for _, y in low)
slope = rise / (middle(x for x, _ in high) - middle(x for x, _ in low))
json.dump({{"slope": slope}}, open("data/{name}.json", "w"))
print("slope", round(slope, 3))
"""


def play(server: OpenAIServer) -> None:
    """Queue every answer of the session; the fits may come in any order."""
    server.answer(plan(PLAN), plan(PLAN), role="planner")
    server.answer(review("Check that the slope is found again."), role="plan_reviewer")
    server.answer(
        call("run_code", filename="make_data.py", code=DATA, explanation="Draws the points"),
        text("40 points are in data/line.csv."),
        about="# Your step: Make the data",
    )
    for name, how in (("means", "mean"), ("medians", "median")):
        code = FIT.format(name=name, how=how)
        server.answer(
            call("run_code", filename=f"fit_{name}.py", code=code, explanation=f"Fits by {name}"),
            text(f"The slope by {name} is in data/{name}.json."),
            about=f"# Your step: Fit by {name}",
        )
    server.answer(
        call("read_file", path="data/means.json"),
        call("read_file", path="data/medians.json"),
        call("write_text", path="report.md", text="# The slope\nBoth ways find a slope of about 2.\n"),
        text("The report is written."),
        role="researcher",
    )
