"""Simulate the measurement: 50 positions of an oscillator over four seconds."""

import csv
import json
from pathlib import Path

import numpy as np

AMPLITUDE, OMEGA, GAMMA = 1.0, 2 * np.pi, 0.15  # 1, rad/s, 1/s
SIGMA, POINTS, SEED = 0.08, 50, 777

t = np.linspace(0.0, 4.0, POINTS)
clean = AMPLITUDE * np.exp(-GAMMA * t) * np.cos(OMEGA * t)
y = clean + np.random.default_rng(SEED).normal(0.0, SIGMA, POINTS)

Path("data").mkdir(exist_ok=True)
with Path("data/oscillation.csv").open("w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["t", "y", "sigma"])
    table.writerows([f"{a:.6f}", f"{b:.6f}", f"{SIGMA:.2f}"] for a, b in zip(t, y, strict=True))
truth = {"amplitude": AMPLITUDE, "omega": OMEGA, "gamma": GAMMA, "sigma": SIGMA, "points": POINTS, "seed": SEED}
Path("data/truth.json").write_text(json.dumps(truth, indent=2))

print(f"{POINTS} points, t = {t[0]:.1f} ... {t[-1]:.1f} s, y = {y.min():.2f} ... {y.max():.2f}, sigma = {SIGMA}")
