"""Makes change.json: what the definitions, written out in NumPy, and SciPy answer to the questions on change points.

Run: pip install numpy scipy && python make_change.py
The file carries the versions. Pettitt's statistic is written out here as the double sum of his paper (1979).
"""

import json
import pathlib

import numpy as np
import scipy
from scipy import stats

random = np.random.default_rng(20261127)


def floats(values):
    return [float(value) for value in values]


def u_statistic(values, length):
    """Sum of sign(later - earlier) over all pairs across the split."""
    earlier, later = np.asarray(values[:length]), np.asarray(values[length:])
    return float(np.sign(later[None, :] - earlier[:, None]).sum())


def pettitt():
    samples = [
        random.normal(10.0, 1.0, 30),
        np.concatenate([random.normal(10.0, 1.0, 18), random.normal(13.0, 1.0, 12)]),
        np.concatenate([random.normal(10.0, 1.0, 25), random.normal(7.0, 1.0, 5)]),
        random.integers(0, 4, 40),
        np.concatenate([random.integers(0, 3, 20), random.integers(1, 5, 21)]),
        [3.0] * 9 + [4.0] * 12,
        [5.0, 5.0, 1.0, 5.0, 9.0, 5.0, 5.0],
    ]
    cases = []
    for sample in samples:
        values = floats(sample)
        n = len(values)
        lengths = range(2, n - 1)
        p = [
            stats.mannwhitneyu(values[:k], values[k:], method="asymptotic", use_continuity=False).pvalue for k in lengths
        ]
        z = {k: abs(u_statistic(values, k)) / np.sqrt(k * (n - k)) for k in range(3, n - 2)}
        best = max(z, key=lambda k: (round(z[k], 9), -k))
        cases.append(
            {
                "values": values,
                "u": [u_statistic(values, k) for k in range(1, n + 1)],
                "p": floats(p),
                "best": best if z[best] > 0 else None,
            }
        )
    return cases


def predictions():
    cases = []
    for n, level in [(2, 0.95), (5, 0.95), (12, 0.99), (30, 0.9)]:
        values = floats(random.normal(50.0, 3.0, n))
        scale = np.std(values, ddof=1) * np.sqrt(1 + 1 / n)
        low, high = stats.t.interval(level, n - 1, loc=np.mean(values), scale=scale)
        cases.append({"values": values, "level": level, "low": float(low), "high": float(high)})
    return cases


def delta_iqrs():
    cases = []
    for n in [4, 9, 30]:
        values = floats(random.lognormal(3.0, 0.2, n))
        iqr = float(stats.iqr(np.diff(values)))
        cases.append({"values": values, "median": float(np.median(values)), "iqr": iqr})
    return cases


def false_discoveries():
    samples = [
        [0.02],
        [0.01, 0.04, 0.03, 0.005],
        [0.5, 0.5, 0.5],
        [0.0, 1.0, 0.2],
        [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719, 0.6528, 0.759, 1.0],
        floats(random.uniform(0.0, 1.0, 40) ** 3),
    ]
    return [{"p": p, "adjusted": floats(stats.false_discovery_control(p, method="bh"))} for p in samples]


document = {
    "versions": {"numpy": np.__version__, "scipy": scipy.__version__},
    "pettitt": pettitt(),
    "predictions": predictions(),
    "delta_iqrs": delta_iqrs(),
    "false_discoveries": false_discoveries(),
}
path = pathlib.Path(__file__).with_name("change.json")
path.write_text(json.dumps(document, indent=1) + "\n")
