"""Compare the two fits: chi2, information criteria, and how many sigma gamma is away from zero."""

import json
import math
from pathlib import Path

from scipy.stats import chi2 as chi2_distribution
from scipy.stats import norm


def scores(name, points):
    fit = json.loads(Path(f"data/fit_{name}.json").read_text())
    free = len(fit["parameters"])
    kept = {key: fit[key] for key in ("parameters", "errors", "chi2", "dof", "chi2_per_dof", "p_value")}
    return {**kept, "aic": fit["chi2"] + 2 * free, "bic": fit["chi2"] + free * math.log(points)}


points = len(Path("data/oscillation.csv").read_text().splitlines()) - 1
undamped, damped = scores("undamped", points), scores("damped", points)

# The undamped model is the damped one with gamma = 0, so the drop in chi2 follows a chi2 distribution with one
# degree of freedom if there is no damping (Wilks).
drop = undamped["chi2"] - damped["chi2"]
gamma, error = damped["parameters"]["gamma"], damped["errors"]["gamma"]
by_chance = float(chi2_distribution.sf(drop, 1))
comparison = {
    "points": points,
    "undamped": undamped,
    "damped": damped,
    "delta_chi2": drop,
    "delta_aic": undamped["aic"] - damped["aic"],
    "delta_bic": undamped["bic"] - damped["bic"],
    "by_chance": by_chance,
    "significance_sigma": float(norm.isf(by_chance / 2)),
    "gamma_over_error": gamma / error,
    "preferred": "damped" if undamped["bic"] - damped["bic"] > 10 else "undecided",
}
Path("data/comparison.json").write_text(json.dumps(comparison, indent=2))

print(f"{'':10}{'undamped':>10}{'damped':>10}")
for key in ("chi2", "dof", "chi2_per_dof", "aic", "bic"):
    print(f"{key:12}{undamped[key]:8.2f}{damped[key]:10.2f}")
print(f"gamma = {gamma:.3f} +- {error:.3f} ({gamma / error:.1f} sigma)")
print(f"delta chi2 = {drop:.1f} for one parameter; without damping that has the probability {by_chance:.0e}")
