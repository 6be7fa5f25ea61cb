"""Draw the data with both models, and the residuals of each below."""

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

t, y, sigma = np.loadtxt("data/oscillation.csv", delimiter=",", skiprows=1, unpack=True)
styles = {"undamped": ("#d1495b", "--"), "damped": ("#00798c", "-")}


def curve(fit, at):
    p = fit["parameters"]
    return p["amplitude"] * np.exp(-p.get("gamma", 0.0) * at) * np.cos(p["omega"] * at)


plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False})
figure, (top, *below) = plt.subplots(3, 1, figsize=(7, 6), sharex=True, height_ratios=(3, 1, 1), layout="constrained")
fine = np.linspace(t.min(), t.max(), 800)
top.errorbar(t, y, sigma, fmt="o", ms=3.5, lw=1, color="#333333", ecolor="#aaaaaa", label="data", zorder=3)
for axes, (name, (colour, line)) in zip(below, styles.items(), strict=True):
    fit = json.loads(Path(f"data/fit_{name}.json").read_text())
    label = f"{name}: $\\chi^2$/dof = {fit['chi2']:.1f}/{fit['dof']}"
    top.plot(fine, curve(fit, fine), line, color=colour, lw=1.8, label=label)
    if name == "damped":
        p, e = fit["parameters"], fit["errors"]
        envelope = p["amplitude"] * np.exp(-np.outer((p["gamma"] - e["gamma"], p["gamma"] + e["gamma"]), fine))
        for sign in (1, -1):
            top.fill_between(fine, *(sign * envelope), color=colour, alpha=0.18, lw=0)
    axes.axhspan(-1, 1, color="#eeeeee", zorder=0)
    axes.axhline(0, color="#888888", lw=0.8)
    axes.errorbar(t, (y - curve(fit, t)) / sigma, 1, fmt="o", ms=3, lw=1, color=colour, ecolor=colour, elinewidth=0.6)
    axes.set(ylim=(-5.5, 5.5), ylabel=f"{name}\nresidual / $\\sigma$")
top.set(ylabel="position $y$", ylim=(-1.3, 1.6), title="Is this oscillator damped?")
top.legend(ncols=3, loc="upper center", fontsize=9)
below[-1].set(xlabel="time $t$ [s]", xlim=(-0.1, 4.1))
figure.align_ylabels()
figure.savefig("data/oscillator.png", dpi=300)
print("data/oscillator.png:", " x ".join(str(round(inches * 300)) for inches in figure.get_size_inches()), "pixels")
