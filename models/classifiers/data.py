"""The public sets, as texts with labels, and which of them are held out.

A text is held out when the first byte of the SHA-256 of its UTF-8 bytes is below 64: a quarter of the different texts, and
never the copy of a text that was trained on. `crates/eval/src/task/transform.rs` holds the same rule.
"""

import csv
import hashlib
import json
from pathlib import Path


def is_held_out(text):
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()[0] < 64


def network(folder):
    """Morzeux/HttpParamsDataset (MIT): values of HTTP parameters."""
    with open(Path(folder) / "http_params/payload_train.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["payload"] for row in rows], [row["attack_type"] for row in rows]


def malware(folder):
    """mpasco/MalbehavD-V1 (MIT): names of Windows API calls in the order of a sandbox."""
    with open(Path(folder) / "malbehavd/malbehavd_dev.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    texts = [" ".join(call for call in row[2:] if call) for row in rows]
    return texts, ["malware" if row[1] == "1" else "benign" for row in rows]


def email(folder):
    """SpamAssassin corpus by stdlib-js/datasets-spam-assassin (PDDL-1.0): whole messages with headers."""
    with open(Path(folder) / "spamassassin/emails_dev.jsonl", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [row["text"] for row in rows], [row["label"] for row in rows]
