"""Makes load.json: what SciPy and NumPy answer to the questions that tests/it/load.rs asks.

Run: pip install numpy scipy && python make_load.py
The file carries the versions. Each case below shows the expression that made its numbers.
"""

import json
import pathlib

import numpy as np
import scipy
from scipy import stats

random = np.random.default_rng(20241108)


def floats(values):
    return [float(value) for value in values]


def one_sample():
    cases = []
    for name, values in {
        "exponential": random.exponential(1.0, 40),
        "wrong scale": random.exponential(1.3, 120),
        "many": random.exponential(1.0, 900),
        "few": random.exponential(1.0, 5),
        "gamma": random.gamma(2.0, 0.5, 300),
    }.items():
        test = stats.kstest(values, stats.expon.cdf, method="exact")
        cases.append({"name": name, "values": floats(values), "d": float(test.statistic), "p": float(test.pvalue)})
    return cases


def distribution():
    """P(D >= d) alone, at counts too large to store values for."""
    cases = [(1, 0.7), (2, 0.5), (10, 0.1), (10, 0.3), (10, 0.8), (100, 0.05), (100, 0.12), (1000, 0.02), (1000, 0.05),
             (5000, 0.004), (5000, 0.012), (5000, 0.02), (5000, 0.04), (60000, 0.003), (60000, 0.0065)]
    return [{"n": n, "d": d, "p": float(stats.kstwo.sf(d, n))} for n, d in cases]


def two_samples():
    cases = []
    for left, right in [
        (random.normal(0, 1, 8), random.normal(0.5, 1, 11)),
        (random.normal(0, 1, 60), random.normal(0, 1, 60)),
        (random.normal(0, 1, 200), random.normal(0.3, 1, 150)),
        (np.round(random.normal(0, 2, 50)), np.round(random.normal(1, 2, 70))),
    ]:
        test = stats.ks_2samp(left, right, method="exact")
        cases.append({"left": floats(left), "right": floats(right), "d": float(test.statistic), "p": float(test.pvalue)})
    return cases


def mser():
    """MSER-5 written out: argmin over cuts in the first half of var(rest) / len(rest)."""
    cases = []
    for size, start in [(100, 0.0), (253, 6.0), (400, -3.0)]:
        series = 20.0 + random.standard_normal(size) + start * np.exp(-np.arange(size) / 20.0)
        means = series[: size // 5 * 5].reshape(-1, 5).mean(axis=1)
        k = len(means)
        scores = [float(np.var(means[d:]) / (k - d)) for d in range(k - 5)]
        first = range(k // 2 + 1)
        best = min(first, key=lambda d: scores[d])
        cases.append({"series": floats(series), "cut": 5 * best, "statistic": scores[best],
                      "is_early": scores[best] <= min(scores)})
    return cases


document = {
    "versions": {"numpy": np.__version__, "scipy": scipy.__version__},
    "one_sample": one_sample(),
    "distribution": distribution(),
    "two_samples": two_samples(),
    "mser": mser(),
}
pathlib.Path(__file__).with_name("load.json").write_text(json.dumps(document) + "\n")
