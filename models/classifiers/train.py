"""Trains the three shipped classifiers and writes them as ONNX, with what they do on held-out texts.

    python models/classifiers/train.py --data DIR

DIR holds http_params, malbehavd and spamassassin (`data.py` names the sources). Versions: numpy 2.4, scipy 1.17,
scikit-learn 1.9, onnx 1.23. There is no randomness: lbfgs begins at zero, and the split is a function of the texts.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, confusion_matrix, f1_score, matthews_corrcoef, roc_auc_score, roc_curve

import data
from features import Features

ROOT = Path(__file__).resolve().parents[2]

# Name, reader, class of no attack, features, inverse of the L2 penalty.
CLASSIFIERS = [
    ("network", data.network, "norm", Features("byte", 1, 3, 2048, 4096), 100.0),
    ("malware", data.malware, "benign", Features("word", 1, 2, 4096, 65536), 100.0),
    ("email", data.email, "ham", Features("byte", 3, 4, 8192, 16384), 100.0),
]


def write(path, model, features, name):
    """One Gemm: logits of the classes. Two classes become two columns, so that every file has the same form."""
    weights, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        weights, bias = np.vstack([-weights[0] / 2, weights[0] / 2]), np.array([-bias[0] / 2, bias[0] / 2])
    tensors = [numpy_helper.from_array(weights.T.astype(np.float32).copy(), "weights"),
               numpy_helper.from_array(bias.astype(np.float32), "bias")]
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["features", "weights", "bias"], ["logits"])],
        name,
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["texts", features.buckets])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["texts", len(model.classes_)])],
        tensors,
    )
    file = helper.make_model(graph, producer_name="weighbridge", ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    description = {"version": 1, "labels": [str(label) for label in model.classes_], "output": "logits",
                   "features": features.settings()}
    helper.set_model_props(file, {"weighbridge.classifier": json.dumps(description)})
    onnx.checker.check_model(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.SerializeToString())


def wilson(successes, trials):
    if trials == 0:
        return [None, None]
    z = 1.959963984540054
    share = successes / trials
    center = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return [center - half, center + half]


def share(successes, trials):
    return {"value": successes / trials if trials else None, "n": int(trials), "interval_95": wilson(successes, trials)}


def figures(truth, probabilities, classes, quiet):
    classes, predicted = list(classes), np.array(classes)[probabilities.argmax(1)]
    attack, flagged = truth != quiet, predicted != quiet
    scores = 1 - probabilities[:, classes.index(quiet)]
    false_rate, true_rate, _ = roc_curve(attack, scores, drop_intermediate=False)
    at = true_rate[false_rate <= 1e-3].max()
    return {
        "texts": len(truth),
        "accuracy": share(int((truth == predicted).sum()), len(truth)),
        "f1_macro": f1_score(truth, predicted, average="macro"),
        "confusion": {"labels": classes, "counts": confusion_matrix(truth, predicted, labels=classes).tolist()},
        "attack": {
            "fpr": share(int((flagged & ~attack).sum()), int((~attack).sum())),
            "tpr": share(int((flagged & attack).sum()), int(attack.sum())),
            "f1": f1_score(attack, flagged),
            "mcc": matthews_corrcoef(attack, flagged),
            "roc_auc": roc_auc_score(attack, scores),
            "average_precision": average_precision_score(attack, scores),
            "tpr_at_fpr_0.001": share(round(at * int(attack.sum())), int(attack.sum())),
        },
    }


def train(name, read, quiet, features, penalty, folder):
    texts, labels = read(folder)
    labels, held = np.array(labels), np.array([data.is_held_out(text) for text in texts])
    matrix = features.matrix(texts)
    model = LogisticRegression(C=penalty, max_iter=2000, tol=1e-6).fit(matrix[~held], labels[~held])
    write(ROOT / f"models/{name}/{name}.onnx", model, features, name)
    probabilities = model.predict_proba(matrix[held])
    first = np.unique(np.array(texts)[held], return_index=True)[1]
    report = {
        "trained_on": {"texts": int((~held).sum()), "different": len(set(np.array(texts)[~held]))},
        "labels": {str(label): int((labels == label).sum()) for label in model.classes_},
        "held_out": figures(labels[held], probabilities, model.classes_, quiet),
        "held_out_different_texts": figures(labels[held][first], probabilities[first], model.classes_, quiet),
    }
    (ROOT / f"models/{name}/held-out.json").write_text(json.dumps(report, indent=1) + "\n")
    attack = report["held_out"]["attack"]
    print(name, report["held_out"]["accuracy"], {key: attack[key] for key in ("fpr", "tpr", "mcc", "roc_auc", "tpr_at_fpr_0.001")})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder of the public sets")
    arguments = parser.parse_args()
    for name, read, quiet, features, penalty in CLASSIFIERS:
        train(name, read, quiet, features, penalty, arguments.data)


if __name__ == "__main__":
    main()
