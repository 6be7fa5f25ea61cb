"""The plan: steps, their dependencies, outputs and checks. Everything that can be wrong with one is said here.

`Plan.parse` reads the plan form of the contract and CMBAgent's own (`sub_tasks`), as JSON or YAML text or as plain
data.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.model.errors import PlanInvalid
from engine.model.text import clean

MAX_STEPS = 2_000
MAX_PROBLEMS = 30  # that are told of one plan: a person reads them, or a model that is paid by the word
MAX_BYTES = 4 * 1024 * 1024
MAX_YAML_BYTES = 1024 * 1024  # a parser in Python needs seconds for it
MAX_VALUES = 2_000_000  # YAML's aliases can say much more than they seem to
MAX_DEPTH = 40
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
RESERVED_IDS = frozenset({"planning", "approval", "terminator"})


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Check(_Strict):
    """What every check has. `waived` says which person lets the step's result stand if it fails, and why."""

    waived: str | None = None


class FileExists(_Check):
    """The file is there and has at least `min_bytes` bytes."""

    kind: Literal["file_exists"]
    name: str
    path: str
    min_bytes: int = Field(default=1, ge=0)


class CsvCheck(_Check):
    """The file is a CSV with these columns and a row count within bounds."""

    kind: Literal["csv"]
    name: str
    path: str
    columns: tuple[str, ...] = ()
    min_rows: int | None = None
    max_rows: int | None = None


class JsonValue(_Check):
    """The value at an RFC 6901 pointer equals something, or lies in [min, max], or within tolerance of approx.

    What is null is not asked.
    """

    kind: Literal["json_value"]
    name: str
    path: str
    pointer: str
    equals: Any = None
    min: float | None = None
    max: float | None = None
    approx: float | None = None
    tolerance: float | None = None


class NpzCheck(_Check):
    """The archive holds these arrays with these shapes (-1 is any length)."""

    kind: Literal["npz"]
    name: str
    path: str
    arrays: dict[str, tuple[int, ...]]


class ImageCheck(_Check):
    """The file is an image of at least this size (pixels), and not all one colour."""

    kind: Literal["image"]
    name: str
    path: str
    min_width: int = 1
    min_height: int = 1
    not_blank: bool = True


class TextContains(_Check):
    """A regular expression is found in the text."""

    kind: Literal["text_contains"]
    name: str
    path: str
    pattern: str


class NumbersCheck(_Check):
    """Every number that a text quotes stands, rounded as it may be, in one of these files (none given: in those that
    the step builds on), or in what the step was told."""

    kind: Literal["numbers"]
    name: str
    path: str
    files: tuple[str, ...] = ()


class PythonCheck(_Check):
    """Assertions run in the sandbox, in the step's directory."""

    kind: Literal["python"]
    name: str
    code: str


Check = Annotated[
    FileExists | CsvCheck | JsonValue | NpzCheck | ImageCheck | TextContains | NumbersCheck | PythonCheck,
    Field(discriminator="kind"),
]


class PlanStep(_Strict):
    """One step: who does it, what, after which others, and what it must leave behind."""

    id: str
    title: str
    agent: str
    instructions: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()


class Plan(_Strict):
    """A validated shape; whether it can run with these agents, `problems` tells."""

    title: str
    steps: tuple[PlanStep, ...]

    @classmethod
    def parse(cls, source: str | bytes | Mapping[str, Any], *, name: str = "the plan") -> Plan:
        """Read a plan.

        Raises:
            PlanInvalid: it is not text, not JSON or YAML, of another schema, too large or empty; each problem is named.
        """
        data = _load(source, name) if isinstance(source, str | bytes) else source
        if "sub_tasks" in data:
            data = _from_cmbagent(data, name)
        try:
            return cls.model_validate(_cleaned(data, name))
        except ValidationError as error:
            raise PlanInvalid(_sentences(error), name) from None

    def problems(self, agents: Collection[str]) -> list[str]:
        """The reasons why this plan cannot run, each a sentence; empty when it can. Of a great many the first."""
        found: list[str] = []
        if not self.steps:
            found.append("it has no steps")
        if len(self.steps) > MAX_STEPS:
            return [f"it has {len(self.steps)} steps; at most {MAX_STEPS} are allowed"]
        seen: set[str] = set()
        known = {step.id for step in self.steps}
        for step in self.steps:
            where = f"step {step.id!r}"
            if not _ID.fullmatch(step.id) or ".." in step.id:
                found.append(f"{where}: an id is letters, digits, _ . - (at most 64), beginning with a letter or digit")
            if step.id in RESERVED_IDS:
                found.append(f"{where}: this id is kept for the program's own nodes")
            if step.id in seen:
                found.append(f"{where}: the id is used twice")
            seen.add(step.id)
            if step.agent not in agents:
                found.append(f"{where}: unknown agent {step.agent!r}; there are {', '.join(sorted(agents))}")
            for dependency in step.depends_on:
                if dependency not in known:
                    found.append(f"{where}: depends on {dependency!r}, which is no step of this plan")
            paths = [*step.outputs, *(check.path for check in step.checks if not isinstance(check, PythonCheck))]
            paths += [path for check in step.checks if isinstance(check, NumbersCheck) for path in check.files]
            found += [f"{where}: {problem}" for problem in filter(None, map(path_problem, paths))]
            found += [f"{where}: {problem}" for check in step.checks for problem in _never_holds(check)]
        if len(found) > MAX_PROBLEMS:
            found[MAX_PROBLEMS:] = [f"and {len(found) - MAX_PROBLEMS:,} more"]
        cycle = self._cycle()
        if cycle:
            found.append("the dependencies go round in a circle: " + " → ".join(cycle))
        return found

    def with_step(self, step: PlanStep) -> Plan:
        """The plan with this step in place of the one that has its id."""
        return self.model_copy(update={"steps": tuple(step if one.id == step.id else one for one in self.steps)})

    def require(self, agents: Collection[str], *, name: str = "the plan") -> None:
        """Raise PlanInvalid with all problems, if there are any."""
        problems = self.problems(agents)
        if problems:
            raise PlanInvalid(problems, name)

    def _cycle(self) -> list[str]:
        """One cycle as a list that ends where it begins, along "needs"; iterative, for plans of thousands of steps."""
        needs = {step.id: [d for d in step.depends_on if d != ""] for step in self.steps}
        done: set[str] = set()
        for start in needs:
            path: list[str] = []
            on_path: set[str] = set()
            stack: list[tuple[str, bool]] = [(start, False)]
            while stack:
                node, leaving = stack.pop()
                if leaving:
                    path.pop()
                    on_path.discard(node)
                    done.add(node)
                elif node in on_path:
                    return [*path[path.index(node) :], node]
                elif node in needs and node not in done:
                    path.append(node)
                    on_path.add(node)
                    stack.append((node, True))
                    stack.extend((dependency, False) for dependency in needs[node])
        return []


def path_problem(path: str) -> str | None:
    """Why a path in a plan or from a model is refused: it must stay inside the work directory."""
    if not path or path != path.strip() or "\n" in path or "\\" in path or "\x00" in path:
        return f"{path!r} is not a file path"
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or path.startswith("~") or parts == PurePosixPath("."):
        return f"{path!r} leads outside the work directory"
    return None


def _never_holds(check: Check) -> Iterator[str]:
    """Why a check cannot be carried out, whatever the step does: better said before the step than after it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is compiled, on the terminal
        if isinstance(check, JsonValue) and check.pointer and not check.pointer.startswith("/"):
            yield f"the check {check.name!r} has a JSON pointer that does not begin with /"
        elif isinstance(check, TextContains):
            try:
                re.compile(check.pattern)
            except (re.error, RecursionError, OverflowError) as error:
                yield f"the check {check.name!r} has a pattern that is no regular expression: {error}"
        elif isinstance(check, PythonCheck):
            try:
                compile(check.code, "check", "exec", dont_inherit=True)
            except (RecursionError, MemoryError):
                yield f"the check {check.name!r} is not Python: it is nested too deeply"
            except (SyntaxError, ValueError) as error:
                yield f"the check {check.name!r} is not Python: {error}"


def _load(source: str | bytes, name: str) -> Mapping[str, Any]:
    if len(source) > MAX_BYTES:
        raise PlanInvalid([f"it has {len(source)} bytes; at most {MAX_BYTES} are read"], name)
    if isinstance(source, bytes):
        try:
            source = source.decode("utf-8")
        except UnicodeDecodeError:
            raise PlanInvalid(["it is not text (UTF-8)"], name) from None
    source = source.removeprefix("\ufeff")
    if not source.strip():
        raise PlanInvalid(["it is empty"], name)
    data = _json_or_yaml(source, name)
    if not isinstance(data, dict):
        raise PlanInvalid([f"it is a {type(data).__name__}, not an object with a title and steps"], name)
    return data  # pyright: ignore[reportUnknownVariableType]


def _cleaned(data: Mapping[str, Any], name: str) -> Any:
    """The data as JSON would hold it, every text in it made safe, keys too: a plan is a model's or a file's word."""
    count = 0

    def plain(value: Any, depth: int) -> Any:
        nonlocal count
        count += 1
        if count > MAX_VALUES or depth > MAX_DEPTH:
            raise PlanInvalid(["it holds too much: its values are too many, or nested too deeply"], name)
        if isinstance(value, str):
            return clean(value)
        if isinstance(value, Mapping):
            return {clean(str(key)): plain(item, depth + 1) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        if isinstance(value, list | tuple):
            return [plain(item, depth + 1) for item in value]  # pyright: ignore[reportUnknownVariableType]
        if isinstance(value, float) and not math.isfinite(value):
            raise PlanInvalid([f"it holds {value}, which is no number that anything can be compared with"], name)
        return value if value is None or isinstance(value, bool | int | float) else clean(str(value))

    return plain(data, 0)


def _json_or_yaml(source: str, name: str) -> Any:
    try:
        return json.loads(source)
    except (ValueError, RecursionError) as error:
        if source.lstrip().startswith(("{", "[")):
            raise PlanInvalid([f"it is not JSON: {error}"], name) from None
    if len(source) > MAX_YAML_BYTES:
        raise PlanInvalid([f"it is not JSON, and of YAML at most {MAX_YAML_BYTES} bytes are read"], name)
    import yaml

    try:
        return yaml.safe_load(source)
    except Exception as error:  # yaml lets whatever its constructors stumble over through
        raise PlanInvalid([f"it is neither JSON nor YAML: {clean(str(error), 300)}"], name) from None


def _from_cmbagent(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """CMBAgent's linear form, read as a sequence."""
    steps: list[dict[str, Any]] = []
    tasks = data["sub_tasks"]
    unknown = sorted(map(str, set(data) - {"sub_tasks", "title"}))
    if not isinstance(tasks, list) or unknown:
        raise PlanInvalid([f"unknown key {key!r}" for key in unknown] or ["sub_tasks is not a list"], name)
    for number, task in enumerate(tasks, 1):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        if not isinstance(task, dict) or not {"sub_task", "sub_task_agent"} <= set(task):  # pyright: ignore[reportUnknownArgumentType]
            raise PlanInvalid([f"sub_tasks[{number - 1}] has no sub_task or no sub_task_agent"], name)
        extra = sorted(map(str, set(task) - {"sub_task", "sub_task_agent", "bullet_points"}))  # pyright: ignore[reportUnknownArgumentType]
        if extra:
            raise PlanInvalid([f"sub_tasks[{number - 1}]: unknown key {key!r}" for key in extra], name)
        steps.append(
            {
                "id": f"step_{number}",
                "title": task["sub_task"],
                "agent": task["sub_task_agent"],
                "instructions": task.get("bullet_points") or [],  # pyright: ignore[reportUnknownMemberType]
                "depends_on": [f"step_{number - 1}"] if number > 1 else [],
            }
        )
    return {"title": data.get("title", "CMBAgent plan"), "steps": steps}


def _sentences(error: ValidationError) -> list[str]:
    found: list[str] = []
    for item in error.errors()[:20]:
        loc = item["loc"]
        # Behind a check's number pydantic puts the kind that it took the check for, which is no key.
        parts = [str(part) for at, part in enumerate(loc) if at < 2 or loc[at - 2] != "checks" or at != 4]
        where = ".".join(parts) or "the plan"
        if item["type"] == "extra_forbidden":
            found.append(f"unknown key {where!r}")
        elif item["type"] == "missing":
            found.append(f"{where} is missing")
        else:
            found.append(f"{where}: {clean(item['msg'], 200)}")
    if error.error_count() > 20:
        found.append(f"and {error.error_count() - 20} more")
    return found
