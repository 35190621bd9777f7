"""Makes classify.json: what scikit-learn and statsmodels answer to the questions that tests/it/classify.rs asks.

Run: pip install numpy scikit-learn statsmodels && python make_classify.py
The file carries the versions. A prediction of -1 stands for an answer that was no label; scikit-learn sees it as a label
of its own that never is true, and scores only the others.
"""

import json
import pathlib
import warnings

import numpy as np
import sklearn
import statsmodels
import statsmodels.api as sm
from sklearn import metrics
from sklearn.calibration import calibration_curve

warnings.simplefilter("ignore")
random = np.random.default_rng(7)


def number(value):
    return None if np.isnan(value) else float(value)


def labels_case(classes, truth, predicted, weights=None):
    truth, predicted = np.array(truth), np.array(predicted)
    present = [c for c in range(classes) if (truth == c).any() or (predicted == c).any()]
    out = {"classes": classes, "truth": truth.tolist(), "predicted": predicted.tolist(), "weights": weights}
    out["accuracy"] = float(metrics.accuracy_score(truth, predicted, sample_weight=weights))
    out["balanced_accuracy"] = float(metrics.recall_score(truth, predicted, labels=sorted(set(truth.tolist())), average="macro", sample_weight=weights))
    for average in ["macro", "micro", "weighted"]:
        p, r, f, _ = metrics.precision_recall_fscore_support(
            truth, predicted, labels=present, average=average, zero_division=0, sample_weight=weights)
        out[average] = [float(p), float(r), float(f)]
    p, r, f, s = metrics.precision_recall_fscore_support(
        truth, predicted, labels=list(range(classes)), zero_division=0, sample_weight=weights)
    out["per_class"] = [[float(a), float(b), float(c)] for a, b, c in zip(p, r, f)]
    out["mcc"] = float(metrics.matthews_corrcoef(truth, predicted, sample_weight=weights))
    out["kappa"] = number(metrics.cohen_kappa_score(truth, predicted, sample_weight=weights))
    return out


def ranking_case(scores, truth, weights=None):
    scores, truth = np.array(scores), np.array(truth)
    fpr, tpr, _ = metrics.roc_curve(truth, scores, drop_intermediate=False, sample_weight=weights)
    precision, recall, _ = metrics.precision_recall_curve(truth, scores, sample_weight=weights)
    return {
        "scores": scores.tolist(), "truth": truth.tolist(), "weights": weights,
        "roc_auc": float(metrics.roc_auc_score(truth, scores, sample_weight=weights)),
        "average_precision": float(metrics.average_precision_score(truth, scores, sample_weight=weights)),
        "fpr": fpr.tolist(), "tpr": tpr.tolist(),
        # From nothing to everything called positive; scikit-learn lists it the other way round.
        "precision": precision[::-1].tolist(), "recall": recall[::-1].tolist(),
        "fpr_at_95": float(fpr[np.argmax(tpr >= 0.95)]),
        "tpr_at_1e-3": float(tpr[fpr <= 1e-3].max()),
    }


def probability_case(p, truth, bins):
    p, truth = np.array(p), np.array(truth)
    happened, stated = calibration_curve(truth, p, n_bins=bins, strategy="uniform")
    return {
        "p": p.tolist(), "truth": truth.tolist(), "bins": bins,
        "brier": float(metrics.brier_score_loss(truth, p)),
        "log_loss": float(metrics.log_loss(truth, p, labels=[0, 1])),
        "happened": happened.tolist(), "stated": stated.tolist(),
    }


def many_case(k, n):
    logits = random.standard_normal((n, k))
    truth = random.integers(0, k, n)
    logits[np.arange(n), truth] += 1.0
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return {
        "p": p.tolist(), "truth": truth.tolist(),
        "brier": float(np.mean(((p - np.eye(k)[truth]) ** 2).sum(axis=1))),
        "sklearn_brier": float(metrics.brier_score_loss(truth, p)),
        "log_loss": float(metrics.log_loss(truth, p)),
        **{f"{how}_{average}": float(metrics.roc_auc_score(truth, p, multi_class=how, average=average))
           for how in ["ovr", "ovo"] for average in ["macro", "weighted"]},
    }


def cluster_case(n, groups):
    group = random.integers(0, groups, n)
    x = random.standard_normal(n) + group * 0.3
    w = random.uniform(0.5, 2.0, n)
    plain = sm.OLS(x, np.ones(n)).fit(cov_type="cluster", cov_kwds={"groups": group}, use_t=True)
    return {"values": x.tolist(), "groups": group.tolist(), "mean": float(plain.params[0]),
            "interval": [float(v) for v in np.ravel(plain.conf_int())]}


def noisy(k, n, right):
    truth = random.integers(0, k, n)
    other = random.integers(0, k, n)
    return truth, np.where(random.uniform(size=n) < right, truth, other)


cases = {
    "versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__, "statsmodels": statsmodels.__version__},
    "labels": [
        labels_case(2, *noisy(2, 60, 0.7)),
        labels_case(4, *noisy(4, 120, 0.6)),
        labels_case(3, [0, 1, 0, 1, 2, 2], [0, 1, 1, -1, 2, -1]),
        labels_case(4, [0, 1, 0, 1], [0, 1, 3, 3]),
        labels_case(3, [0, 0, 1, 1, 2], [0, 0, 0, 0, 0]),
        labels_case(3, *noisy(3, 50, 0.5), weights=random.uniform(0.1, 3, 50).tolist()),
    ],
    "ranking": [
        ranking_case([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]),
        ranking_case(np.round(random.uniform(size=200), 1), random.integers(0, 2, 200)),
        ranking_case(random.standard_normal(300) * 1e3, random.integers(0, 2, 300)),
        ranking_case([0.5] * 6, [0, 1, 0, 1, 1, 0]),
        ranking_case([-0.0, 0.0, 1e-300, -1e-300], [1, 0, 1, 0]),
        ranking_case(np.round(random.uniform(size=80), 1), random.integers(0, 2, 80), random.uniform(0.1, 2, 80).tolist()),
    ],
    "probability": [
        probability_case(random.uniform(size=150), random.integers(0, 2, 150), 10),
        probability_case(np.round(random.uniform(size=150), 1), random.integers(0, 2, 150), 10),
        probability_case([0.0, 1.0, 0.0, 1.0, 0.3], [0, 1, 1, 0, 1], 15),
    ],
    "many": [many_case(3, 90), many_case(5, 200)],
    "cluster": [cluster_case(60, 12), cluster_case(200, 9)],
}
path = pathlib.Path(__file__).with_name("classify.json")
path.write_text(json.dumps(cases))
print(path.stat().st_size, cases["many"][0]["brier"], cases["many"][0]["sklearn_brier"])
