"""Fit y = A cos(omega t): no damping, two parameters."""

import json
from pathlib import Path

import numpy as np
from scipy.optimize import curve_fit
from scipy.stats import chi2 as chi2_distribution


def model(t, amplitude, omega):
    return amplitude * np.cos(omega * t)


t, y, sigma = np.loadtxt("data/oscillation.csv", delimiter=",", skiprows=1, unpack=True)

best, covariance = curve_fit(model, t, y, sigma=sigma, absolute_sigma=True)
errors = np.sqrt(np.diag(covariance))

residuals = (y - model(t, *best)) / sigma
chi2, dof = float(np.sum(residuals**2)), len(t) - len(best)
names = ("amplitude", "omega")
for name, value, error in zip(names, best, errors, strict=True):
    print(f"{name:9} = {value:.3f} +- {error:.3f}")
print(f"chi2/dof  = {chi2:.1f}/{dof} = {chi2 / dof:.2f}")
assert chi2 / dof < 10, f"this is no fit: chi2/dof = {chi2 / dof:.0f}, the search for omega ended in a wrong valley"

result = {
    "model": "A cos(omega t)",
    "parameters": dict(zip(names, map(float, best), strict=True)),
    "errors": dict(zip(names, map(float, errors), strict=True)),
    "chi2": chi2,
    "dof": dof,
    "chi2_per_dof": chi2 / dof,
    "p_value": float(chi2_distribution.sf(chi2, dof)),
}
Path("data/fit_undamped.json").write_text(json.dumps(result, indent=2))
