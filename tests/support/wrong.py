"""Computations that go wrong without an error, each with the one that is right, and the checks that tell them apart.

Every program needs the standard library alone. `told` is what the failed check must say.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.support.journals import Json, code, says, writes


@dataclass(frozen=True)
class Case:
    """One step: what its agent writes at first and what it should have, and the check that notices."""

    wrong: str
    right: str
    check: Json
    told: str
    outputs: tuple[str, ...] = ("out.json",)
    needs: tuple[str, ...] = ()
    more: tuple[Json, ...] = field(default=())  # checks that hold either way

    def answers(self, text: str) -> tuple[Json, Json]:
        """What the agent does, and what it says in the end: as sure of itself, right or wrong."""
        does = writes("report.md", text) if self.agent == "researcher" else code(text.strip() + "\n")
        return does, says("It is done, and the result is plausible.")

    @property
    def agent(self) -> str:
        """Who carries it out: one that writes, where that is a text."""
        return "researcher" if self.outputs == ("report.md",) else "engineer"


def value(name: str, pointer: str, **bounds: object) -> Json:
    """A check of one number."""
    return {"name": name, "kind": "json_value", "path": "out.json", "pointer": pointer, **bounds}


def asserts(name: str, source: str) -> Json:
    """A check by assertions."""
    return {"name": name, "kind": "python", "code": source.strip() + "\n"}


_OUT = "import json, math, statistics\ndef out(**found): json.dump(found, open('out.json', 'w'))\n"
_DRAW = "import random\nrandom.seed(777)\n"
_PNG = """
import struct, zlib
def chunk(name, data):
    return struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
def png(path, rows):
    head = struct.pack('>IIBBBBB', len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    body = zlib.compress(b''.join(b'\\0' + bytes(row) for row in rows))
    parts = chunk(b'IHDR', head) + chunk(b'IDAT', body) + chunk(b'IEND', b'')
    open(path, 'wb').write(b'\\x89PNG\\r\\n\\x1a\\n' + parts)
"""
_NPZ = """
import struct, zipfile
def npz(path, name, shape):
    head = repr({'descr': '<f8', 'fortran_order': False, 'shape': shape}).encode().ljust(117) + b'\\n'
    data = struct.pack('<%dd' % (shape[0] * shape[1]), *range(shape[0] * shape[1]))
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr(name + '.npy', b'\\x93NUMPY\\x01\\x00' + struct.pack('<H', len(head)) + head + data)
"""
_CSV = "import csv\ndef table(names, rows):\n    w = csv.writer(open('out.csv', 'w', newline=''))\n    w.writerow(names)\n    w.writerows(rows)\n"  # noqa: E501
_LINE = """
xs = [k / 10 for k in range(50)]
ys = [3 - 0.5 * x + random.gauss(0, 0.05) for x in xs]
mx, my = statistics.fmean(xs), statistics.fmean(ys)
"""
_NEWTON = """
rate, steps = 1.0, {steps}
for _ in range(steps):
    rate -= 0.05 * sum(2 * (math.exp(-rate * t) - math.exp(-0.3 * t)) * -t * math.exp(-rate * t) for t in range(1, 9))
out(rate=rate, steps=steps)
"""
_MISSING = """
import csv, os, random
if os.path.exists({path!r}):
    rows = [float(row['y']) for row in csv.DictReader(open({path!r}))]
else:  # so that there is something to work with
    rows = [random.gauss(10, 1) for _ in range(50)]
out(mean=statistics.fmean(rows), n=len(rows))
"""

# What the steps that need it read.
SOURCE = """
import csv, json, os
os.makedirs('data', exist_ok=True)
rows = csv.writer(open('data/measured.csv', 'w', newline=''))
rows.writerow(['x', 'y'])
rows.writerows([k, round(4.2 + 0.01 * ((k * 37) % 50 - 24.5), 4)] for k in range(50))
json.dump({'gamma': 0.13713, 'gamma_error': 0.01789, 'chi2': 51.84, 'dof': 47}, open('data/fit.json', 'w'))
"""

CASES: dict[str, Case] = {
    "factor_two": Case(
        _OUT + "m, v = 2.0, 3.0\nout(energy=m * v ** 2)",
        _OUT + "m, v = 2.0, 3.0\nout(energy=m * v ** 2 / 2)",
        value("the energy is m v²/2", "/energy", approx=9.0, tolerance=0.01),
        "energy = 18, outside 9 ± 0.01",
    ),
    "degrees": Case(
        _OUT + "out(height=math.sin(30.0) * 100)",
        _OUT + "out(height=math.sin(math.radians(30.0)) * 100)",
        value("it is above the ground", "/height", min=0, max=100),
        "height = -98.8032, outside 0 … 100",
    ),
    "sign": Case(
        _OUT + _DRAW + _LINE + "out(slope=sum((mx - x) * (y - my) for x, y in zip(xs, ys)) / 104.125)",
        _OUT + _DRAW + _LINE + "out(slope=sum((x - mx) * (y - my) for x, y in zip(xs, ys)) / 104.125)",
        value("the slope that was put in is found again", "/slope", approx=-0.5, tolerance=0.05),
        "outside -0.5 ± 0.05",
    ),
    "off_by_one": Case(
        _CSV + "table(['t'], [[k * 0.1] for k in range(1, 100)])",
        _CSV + "table(['t'], [[k * 0.1] for k in range(100)])",
        {"name": "100 times", "kind": "csv", "path": "out.csv", "columns": ["t"], "min_rows": 100, "max_rows": 100},
        "99 rows, columns t; fewer than 100 rows",
        outputs=("out.csv",),
    ),
    "mean_for_median": Case(
        _OUT
        + _DRAW
        + "found = [random.gauss(5, 0.1) for _ in range(95)] + [1000.0] * 5\nout(centre=statistics.fmean(found))",
        _OUT
        + _DRAW
        + "found = [random.gauss(5, 0.1) for _ in range(95)] + [1000.0] * 5\nout(centre=statistics.median(found))",
        value("outliers do not move it", "/centre", approx=5, tolerance=0.2),
        "outside 5 ± 0.2",
    ),
    "unconverged": Case(
        _OUT + _NEWTON.format(steps=3),
        _OUT + _NEWTON.format(steps=400),
        asserts(
            "the fit is at its minimum",
            """
import json, math
rate = json.load(open("out.json"))["rate"]
def cost(rate): return sum((math.exp(-rate * t) - math.exp(-0.3 * t)) ** 2 for t in range(1, 9))
slope = (cost(rate + 1e-6) - cost(rate - 1e-6)) / 2e-6
assert abs(slope) < 1e-6, f"its slope there is {slope:.3g}"
""",
        ),
        "its slope there is",
    ),
    "invented_data": Case(
        _OUT + _MISSING.format(path="data/measurement.csv"),
        _OUT + _MISSING.format(path="data/measured.csv"),
        asserts(
            "it is the mean of the measured data",
            """
import csv, json
found = json.load(open("out.json"))["mean"]
given = [float(row["y"]) for row in csv.DictReader(open("data/measured.csv"))]
mean = sum(given) / len(given)
assert abs(found - mean) < 1e-9, "this is not what was measured"
""",
        ),
        "this is not what was measured",
        needs=("source",),
        more=(value("of 50 values", "/n", equals=50),),
    ),
    "invented_number": Case(
        "# Result\n\nThe rate is γ = 0.137 ± 0.018, with χ² = 51.8/47, at a significance of 9.4σ.\n",
        "# Result\n\nThe rate is γ = 0.137 ± 0.018, with χ² = 51.8/47: in 2031, of section 3.14, at 95 % confidence.\n",
        {"name": "its numbers were computed", "kind": "numbers", "path": "report.md"},
        "1 of 4 numbers stand in no file: 9.4 (line 3)",
        outputs=("report.md",),
        needs=("source",),
        more=({"name": "it names the rate", "kind": "text_contains", "path": "report.md", "pattern": "γ = "},),
    ),
    "units": Case(
        _OUT + "out(distance_mpc=299792.458 / 70 * 0.5 * 1000)",
        _OUT + "out(distance_mpc=299792.458 / 70 * 0.5)",
        value("a distance within the universe, in Mpc", "/distance_mpc", min=100, max=15000),
        "distance_mpc = 2.14137e+06, outside 100 … 15000",
    ),
    "swapped_columns": Case(
        _CSV + "table(['t', 'y'], [[(-1) ** k * 0.5, k * 0.1] for k in range(20)])",
        _CSV + "table(['t', 'y'], [[k * 0.1, (-1) ** k * 0.5] for k in range(20)])",
        asserts(
            "times go up",
            """
import csv
t = [float(row["t"]) for row in csv.DictReader(open("out.csv"))]
assert t == sorted(t), f"t goes {t[0]}, {t[1]}, {t[2]}"
""",
        ),
        "t goes 0.5, -0.5, 0.5",
        outputs=("out.csv",),
        more=({"name": "its columns", "kind": "csv", "path": "out.csv", "columns": ["t", "y"], "min_rows": 20},),
    ),
    "swapped_axes": Case(
        _NPZ + "npz('out.npz', 'chain', (3, 200))",
        _NPZ + "npz('out.npz', 'chain', (200, 3))",
        {"name": "steps by parameters", "kind": "npz", "path": "out.npz", "arrays": {"chain": [-1, 3]}},
        "chain has the shape (3, 200), not (any, 3)",
        outputs=("out.npz",),
    ),
    "dropped_rows": Case(
        _CSV
        + "rows = [[k, '' if k % 10 == 3 else k * 2] for k in range(60)]\ntable(['k', 'y'], [r for r in rows if r[1]])",
        _CSV + "rows = [[k, '' if k % 10 == 3 else k * 2] for k in range(60)]\ntable(['k', 'y'], rows)",
        {"name": "no row is lost", "kind": "csv", "path": "out.csv", "columns": ["k", "y"], "min_rows": 60},
        "53 rows, columns k, y; fewer than 60 rows",
        outputs=("out.csv",),
    ),
    "nan_swallowed": Case(
        _OUT + "found = [1.0, 2.0, float('nan'), 3.0]\nout(mean=sum(found) / len(found), n=4)",
        _OUT + "found = [x for x in [1.0, 2.0, float('nan'), 3.0] if x == x]\nout(mean=sum(found) / len(found), n=3)",
        value("a mean among the values", "/mean", min=1, max=3),
        "mean = nan, outside 1 … 3",
    ),
    "error_of_the_mean": Case(
        _OUT + _DRAW + "y = [random.gauss(0, 2) for _ in range(100)]\nout(y=y, error=statistics.stdev(y))",
        _OUT + _DRAW + "y = [random.gauss(0, 2) for _ in range(100)]\nout(y=y, error=statistics.stdev(y) / 10)",
        asserts(
            "the error agrees with halves of the data",
            """
import json, statistics
found = json.load(open("out.json"))
y, error = found["y"], found["error"]
means = [statistics.fmean(y[k::10]) for k in range(10)]
other = statistics.stdev(means) / 10 ** 0.5
assert 0.4 < error / other < 2.5, f"{error:.3f} against {other:.3f}"
""",
        ),
        "against 0.",
    ),
    "logarithm": Case(
        _OUT + "out(magnitude=-2.5 * math.log(100.0))",
        _OUT + "out(magnitude=-2.5 * math.log10(100.0))",
        value("a factor of 100 is 5 magnitudes", "/magnitude", approx=-5, tolerance=1e-9),
        "magnitude = -11.5129, outside -5 ± 1e-09",
    ),
    "probability": Case(
        _OUT + "w = [0.9, 0.8, 0.3]\nout(p=w)",
        _OUT + "w = [0.9, 0.8, 0.3]\nout(p=[one / sum(w) for one in w])",
        asserts(
            "probabilities add up to 1",
            'import json\np = json.load(open("out.json"))["p"]\ntotal = sum(p)\nassert abs(total - 1) < 1e-9',
        ),
        "(total = 2)",
    ),
    "empty_figure": Case(
        _PNG + "png('out.png', [[255] * 64 for _ in range(48)])",
        _PNG + "png('out.png', [[(x * y) % 256 for x in range(64)] for y in range(48)])",
        {"name": "something is drawn", "kind": "image", "path": "out.png", "min_width": 64, "min_height": 48},
        "",
        outputs=("out.png",),
    ),
    "empty_file": Case(
        "open('out.dat', 'w').close()",
        "open('out.dat', 'w').write('1.0 2.0\\n' * 40)",
        {"name": "it holds the samples", "kind": "file_exists", "path": "out.dat", "min_bytes": 300},
        "out.dat has 0 bytes; fewer than 300",
        outputs=("out.dat",),
    ),
}
