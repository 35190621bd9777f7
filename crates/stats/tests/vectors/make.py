"""Makes vectors.json: what SciPy, NumPy, scikit-learn and others answer to the questions that tests/it/vectors.rs asks.

Run: pip install numpy scipy scikit-learn statsmodels pymannkendall && python make.py
The file carries the versions. Each case below shows the expression that made its numbers.
"""

import json
import pathlib

import numpy as np
import pymannkendall
import scipy
import sklearn
import statsmodels
from scipy import special, stats
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.tsa.stattools import acf

random = np.random.default_rng(20240521)


def floats(values):
    return [float(value) for value in values]


def ar1(phi, n):
    series = [0.0]
    for noise in random.standard_normal(n):
        series.append(phi * series[-1] + noise)
    return floats(series[1:])


samples = {
    "one": [3.25],
    "two": [1.0, 2.0],
    "ties": [4.0, 1.0, 4.0, 4.0, 2.0, 2.0, 9.0],
    "latency": floats(random.lognormal(3.0, 0.5, 250)),
    "offset": floats(1e9 + random.standard_normal(100)),
    "negative": floats(-random.exponential(2.0, 33)),
}
series = {"white": ar1(0.0, 300), "ar1": ar1(0.6, 600), "long": ar1(0.8, 1500), "short": ar1(0.4, 40)}
grid = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999]


def quantiles():
    return [
        {"values": values, "q": [0.0, *grid, 1.0], "expected": floats(np.quantile(values, [0.0, *grid, 1.0], method="linear"))}
        for values in samples.values()
    ]


def summaries():
    return [
        {
            "values": values,
            "mean": float(np.mean(values)),
            "sd": float(np.std(values, ddof=1)),
            "cv": float(stats.variation(values, ddof=1)) * float(np.sign(np.mean(values))),
            "min": min(values),
            "max": max(values),
            "t95": floats(stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))),
        }
        for values in samples.values()
        if len(values) > 1
    ]


def functions():
    probabilities = [1e-12, 1e-6, 0.001, 0.025, 0.3, 0.5, 0.7, 0.95, 0.975, 0.995, 0.9999]
    xs = [-12.0, -8.0, -3.0, -1.0, -0.1, 0.0, 0.3, 1.0, 1.9, 2.0, 3.5, 6.0]
    freedoms = [1.0, 2.0, 3.7, 29.0, 1000.0]
    betas = [(0.5, 0.5), (2.0, 3.0), (14.5, 0.5), (300.0, 2.0), (6600.0, 12.0), (5e4, 5e4)]
    shares = [0.001, 0.2, 0.5, 0.9, 0.9975]
    binomials = [(0, 10, 0.1), (3, 10, 0.5), (1, 662, 0.01), (77, 10000, 0.01), (50, 100, 0.5), (99999, 200000, 0.5)]
    return {
        "ln_gamma": [[x, float(special.gammaln(x))] for x in [1e-5, 0.3, 0.5, 1.0, 1.5, 2.0, 7.25, 40.0, 1e4, 1e7]],
        "normal_cdf": [[x, float(stats.norm.cdf(x))] for x in xs],
        "normal_quantile": [[p, float(stats.norm.ppf(p))] for p in probabilities],
        "student_t_cdf": [[x, df, float(stats.t.cdf(x, df))] for x in xs for df in freedoms],
        "student_t_quantile": [[p, df, float(stats.t.ppf(p, df))] for p in probabilities[2:] for df in freedoms],
        "beta_regularized": [[x, a, b, float(special.betainc(a, b, x))] for a, b in betas for x in shares],
        "beta_quantile": [[p, a, b, float(special.betaincinv(a, b, p))] for a, b in betas for p in shares],
        "binomial_cdf": [[k, n, p, float(stats.binom.cdf(k, n, p))] for k, n, p in binomials],
    }


def proportions():
    cases = []
    for k, n in [(0, 5), (1, 7), (5, 5), (18, 20), (640, 1000), (9999, 10000)]:
        for level in [0.9, 0.95, 0.99]:
            test = stats.binomtest(k, n)
            wilson, exact = (test.proportion_ci(level, method=method) for method in ("wilson", "exact"))
            cases.append({"k": k, "n": n, "level": level, "wilson": [*floats(wilson)], "exact": [*floats(exact)]})
    return cases


def block_lengths(values):
    """Politis and White (2004) with Patton, Politis and White (2009), written from the papers: circular, stationary.

    The package arch 8.0.0 takes one lag more: its `opt_m` is the first quiet lag, the paper's the last one before it.
    """
    n = len(values)
    run = max(5, int(np.log10(n)))
    last = min(int(np.ceil(np.sqrt(n))) + run, n - 1)
    rho = acf(values, nlags=last, adjusted=False, fft=False)
    quiet = np.abs(rho) < 2 * np.sqrt(np.log10(n) / n)
    runs = [m for m in range(0, last - run + 1) if quiet[m + 1 : m + run + 1].all()]
    m = runs[0] if runs else int(np.flatnonzero(~quiet)[-1])
    bandwidth = min(2 * max(m, 1), last)
    lags = np.arange(-bandwidth, bandwidth + 1)
    window = np.minimum(1.0, 2.0 * (1.0 - np.abs(lags) / bandwidth))
    covariance = rho[np.abs(lags)] * np.var(values)
    g, density = (window * np.abs(lags) * covariance).sum(), (window * covariance).sum()
    longest = np.ceil(min(3 * np.sqrt(n), n / 3))
    return [float(np.clip((2 * g**2 / (d * density**2)) ** (1 / 3) * n ** (1 / 3), 1, longest)) for d in (4 / 3, 2)]


def dependence():
    cases = []
    for values in series.values():
        circular, stationary = block_lengths(values)
        correlations = floats(acf(values, nlags=12, adjusted=False, fft=False))
        cases.append({"values": values, "acf": correlations, "circular": circular, "stationary": stationary})
    return cases


def correlation_time(values):
    """Geyer's initial monotone sequence over statsmodels' autocorrelations, at least 1."""
    rho = acf(values, nlags=len(values) - 1, adjusted=False, fft=False)
    pairs = rho[0 : len(rho) // 2 * 2 : 2] + rho[1::2]
    pairs = pairs[: np.argmax(pairs <= 0.0)]
    return max(1.0, 2.0 * float(np.minimum.accumulate(pairs).sum()) - 1.0)


def batch_means():
    cases = []
    for values in [series["white"], series["ar1"], series["long"]]:
        time = correlation_time(values)
        length = max(1 + int(np.ceil(5.0 * (time - 1.0))), len(values) // 100)
        used = np.array(values[len(values) % length :]).reshape(-1, length).mean(axis=1)
        half = stats.t.ppf(0.975, len(used) - 1) * stats.sem(used)
        cases.append(
            {
                "values": values,
                "n_effective": len(values) / time,
                "mean": float(np.mean(values)),
                "half_width": float(half) if len(used) >= 30 else None,
                "need": 30 * length,
            }
        )
    return cases


def order_statistics():
    cases = []
    values = samples["latency"]
    for q in [0.1, 0.5, 0.9, 0.98]:
        n, tail = len(values), 0.025
        low = max(rank for rank in range(1, n + 1) if stats.binom.cdf(rank - 1, n, q) <= tail)
        high = min(rank for rank in range(1, n + 1) if stats.binom.sf(rank - 1, n, q) <= tail)
        ordered = sorted(values)
        cases.append({"values": values, "q": q, "low": ordered[low - 1], "high": ordered[high - 1]})
    return cases


def trends():
    cases = []
    for n, slope, step in [(12, 0.4, None), (60, -0.02, None), (80, 0.05, 0.5), (200, 0.0, 1.0)]:
        x = np.cumsum(random.uniform(0.5, 1.5, n))
        y = slope * x + np.array(ar1(0.5, n))
        if step:
            y = np.round(y / step) * step
        found = stats.theilslopes(y, x, alpha=0.95)
        plain = pymannkendall.original_test(y)
        rao = pymannkendall.hamed_rao_modification_test(y)
        cases.append(
            {
                "x": floats(x),
                "y": floats(y),
                "theil_sen": floats([found.slope, found.intercept, found.low_slope, found.high_slope]),
                "mann_kendall": floats([plain.s, plain.Tau, plain.z, plain.p]),
                "hamed_rao": floats([rao.s, rao.Tau, rao.z, rao.p, rao.var_s / plain.var_s]),
            }
        )
    return cases


def welch():
    cases = []
    for n, m in [(2, 3), (10, 14), (200, 35)]:
        a, b = random.normal(10.0, 1.0, n), random.normal(11.0, 3.0, m)
        test = stats.ttest_ind(b, a, equal_var=False)
        interval = test.confidence_interval(0.95)
        cases.append(
            {
                "a": floats(a),
                "b": floats(b),
                "expected": floats([test.statistic, test.df, test.pvalue, interval.low, interval.high]),
            }
        )
    return cases


def mcnemars():
    return [[b, c, float(mcnemar([[5, b], [c, 5]], exact=True).pvalue)] for b, c in [(0, 0), (1, 0), (3, 9), (20, 20), (150, 97), (209, 152)]]


def fits():
    cases = []
    for n in [3, 8, 120]:
        x = random.uniform(100.0, 2000.0, n)
        y = 20.0 + 0.05 * x + random.normal(0.0, 3.0, n)
        fit = stats.linregress(x, y)
        t = stats.t.ppf(0.975, n - 2)
        cases.append(
            {
                "x": floats(x),
                "y": floats(y),
                "expected": floats(
                    [
                        fit.slope,
                        fit.slope - t * fit.stderr,
                        fit.slope + t * fit.stderr,
                        fit.intercept,
                        fit.intercept - t * fit.intercept_stderr,
                        fit.intercept + t * fit.intercept_stderr,
                        fit.rvalue**2,
                    ]
                ),
            }
        )
    return cases


def classification():
    cases = []
    for classes, n, share in [(2, 40, 0.9), (3, 17, 0.4), (6, 300, 0.7)]:
        truth = random.integers(0, classes, n)
        predicted = np.where(random.random(n) < share, truth, random.integers(-1, classes, n))
        labels = list(range(classes))
        precision, recall, f1, support = precision_recall_fscore_support(truth, predicted, labels=labels, zero_division=0)
        cases.append(
            {
                "classes": classes,
                "truth": [int(label) for label in truth],
                "predicted": [None if label < 0 else int(label) for label in predicted],
                "accuracy": float(accuracy_score(truth, predicted)),
                "macro_f1": float(f1_score(truth, predicted, labels=labels, average="macro", zero_division=0)),
                "precision": floats(precision),
                "recall": floats(recall),
                "f1": floats(f1),
                "support": [int(count) for count in support],
                "confusion": confusion_matrix(truth, predicted, labels=labels).tolist(),
            }
        )
    return cases


def pairs():
    """Differences with clusters: SciPy's paired t test, and statsmodels' cluster-robust t."""
    cases = []
    for n, clusters in [(6, 3), (50, 50), (400, 37)]:
        a = random.normal(0.0, 1.0, n)
        b = a + random.normal(0.1, 0.5, n)
        groups = np.concatenate([np.arange(clusters), random.integers(0, clusters, n - clusters)])
        paired = stats.ttest_rel(b, a)
        ends = paired.confidence_interval(0.95)
        robust = OLS(b - a, np.ones(n)).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
        cases.append(
            {
                "differences": floats(b - a),
                "clusters": [int(group) for group in groups],
                "paired": floats([paired.pvalue, ends.low, ends.high]),
                # statsmodels scales by (n - 1) / (n - 1) · G / (G - 1) for one parameter, as we do.
                "clustered": floats([robust.bse[0], robust.pvalues[0], *robust.conf_int(0.05)[0]]),
            }
        )
    return cases


def families():
    cases = []
    for n in [1, 2, 7, 30]:
        p = np.round(random.random(n) ** 3, 3)
        cases.append({"p": floats(p), "holm": floats(multipletests(p, method="holm")[1])})
    return cases


modules = {
    "numpy": np,
    "pymannkendall": pymannkendall,
    "scikit-learn": sklearn,
    "scipy": scipy,
    "statsmodels": statsmodels,
}
vectors = {
    "versions": {name: module.__version__ for name, module in modules.items()},
    "quantiles": quantiles(),
    "summaries": summaries(),
    "functions": functions(),
    "proportions": proportions(),
    "dependence": dependence(),
    "batch_means": batch_means(),
    "order_statistics": order_statistics(),
    "trends": trends(),
    "welch": welch(),
    "mcnemar": mcnemars(),
    "fits": fits(),
    "classification": classification(),
    "pairs": pairs(),
    "families": families(),
}
path = pathlib.Path(__file__).with_name("vectors.json")
path.write_text(json.dumps(vectors, separators=(",", ":")) + "\n")
