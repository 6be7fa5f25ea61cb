"""What 100 rules add to a call: microseconds for one decision about a tool call, by sort of call, and to make the rules
ready once. At most 1 ms a call is aimed at."""

from __future__ import annotations

import json
import statistics
import time

from engine.policy import Action, Policy, Rules, tool_action

ROUNDS, MOST = 400, 1000.0  # µs
_RULES = {
    "deny": [{"command": f"tool{n} --force *", "why": "no"} for n in range(25)]
    + [{"path": [f"/private{n}/*", f"secret{n}*"]} for n in range(10)],
    "ask": [{"tool": f"tool_{n}", "agent": "engineer", "cost_over": n} for n in range(15)]
    + [{"package": [f"lib{n}", f"other{n}"]} for n in range(15)],
    "allow": [{"command": f"program{n} *"} for n in range(25)]
    + [{"tool": "read_file", "step": f"*{n}"} for n in range(10)],
}  # fmt: skip
_CODE = "import numpy as np\n" + "".join(f"def f{n}(x):\n    return np.sin(x * {n}) + {n}\n\n" for n in range(60))
_CALLS = {
    "read_file": ("read_file", {"path": "data/points.csv"}),
    "command": ("shell", {"command": "program3 -l && program7 data/*.csv | sudo -u me program9 'x y' > out.txt"}),
    "code": ("run_code", {"filename": "fit.py", "code": _CODE}),
    "starting": (
        "run_code",
        {"filename": "fit.py", "code": "import os\n" + "x = 1\n" * 40 + "os.system('program1 x')"},
    ),
}


def _microseconds(policy: Policy, action: Action) -> list[float]:
    taken: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        policy.decide(action)
        taken.append((time.perf_counter() - began) * 1e6)
    return sorted(taken)


def main() -> None:
    """Measure, and print one line of JSON."""
    began = time.perf_counter()
    policy = Policy(Rules.parse(_RULES))
    result: dict[str, object] = {"ready_ms": round((time.perf_counter() - began) * 1000, 2)}
    for name, (tool, arguments) in _CALLS.items():
        taken = _microseconds(policy, tool_action("engineer", "Fit", tool, arguments))
        result |= {f"{name}_p50_us": round(statistics.median(taken), 1), f"{name}_p99_us": round(taken[-5], 1)}
    result["most_us"] = MOST
    print(json.dumps({"benchmark": "policy", "rules": 100, **result}))


if __name__ == "__main__":
    main()
