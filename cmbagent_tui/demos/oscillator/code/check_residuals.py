"""Ask the residuals of both fits whether anything of the signal is left in them."""

import json
from pathlib import Path

import numpy as np
from scipy.stats import norm, shapiro

t, y, sigma = np.loadtxt("data/oscillation.csv", delimiter=",", skiprows=1, unpack=True)


def prediction(name):
    p = json.loads(Path(f"data/fit_{name}.json").read_text())["parameters"]
    return p["amplitude"] * np.exp(-p.get("gamma", 0.0) * t) * np.cos(p["omega"] * t)


def examined(name):
    r = (y - prediction(name)) / sigma
    lag = float(np.corrcoef(r[:-1], r[1:])[0, 1])
    # Is the oscillation itself still there? Correlate the residuals with the fitted curve, early minus late: a model
    # that misses the damping leaves what is too large at first and too small at last.
    shape = prediction(name) * np.where(t < t.mean(), 1.0, -1.0)
    left = float(np.sum(r * shape) / np.sqrt(np.sum(shape**2)))
    return {
        "rms": float(np.sqrt(np.mean(r**2))),
        "lag1_correlation": lag,
        "lag1_p": float(2 * norm.sf(abs(lag) * np.sqrt(len(r)))),
        "early_late_sigma": left,
        "normality_p": float(shapiro(r).pvalue),
    }


result = {name: examined(name) for name in ("undamped", "damped")}
Path("data/residuals.json").write_text(json.dumps(result, indent=2))

for name, values in result.items():
    print(f"{name:9}" + ", ".join(f"{key} = {value:.2f}" for key, value in values.items()))
