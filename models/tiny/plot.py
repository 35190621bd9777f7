"""Draws the loss curve of the model card from the training log.

    python models/tiny/plot.py --work DIR

Reads `log.jsonl` of DIR and writes `loss.svg` and `training-log.jsonl` beside this script.
"""

import argparse
import json
import shutil
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

FOLDER = Path(__file__).parent
CURVES = {"loss_text": "all text", "loss_answer": "answers"}
SMOOTHED_STEPS = 5


def smooth(values):
    """Running mean over the last entries; an entry is written every ten steps."""
    means = []
    for place in range(len(values)):
        window = values[max(0, place + 1 - SMOOTHED_STEPS) : place + 1]
        means.append(sum(window) / len(window))
    return means


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    source = parser.parse_args().work / "log.jsonl"
    entries = [json.loads(line) for line in source.read_text().splitlines()]
    # A resumed run repeats the steps after its checkpoint: the last entry of a step counts.
    entries = sorted({entry["step"]: entry for entry in entries}.values(), key=lambda entry: entry["step"])
    shutil.copy(source, FOLDER / "training-log.jsonl")
    matplotlib.rcParams["svg.hashsalt"] = "tiny"
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(8, 7), sharex=True, layout="constrained")
    steps = [entry["step"] for entry in entries]
    for key, label in CURVES.items():
        top.plot(steps, smooth([entry[key] for entry in entries]), label=label)
    top.set_ylabel("cross entropy, nats per token")
    top.set_yscale("log")
    top.legend()
    scored = [entry for entry in entries if "accuracy" in entry]
    for task in scored[0]["accuracy"]:
        values = [entry["accuracy"][task] for entry in scored]
        bottom.plot([entry["step"] for entry in scored], values, marker=".", label=task)
    bottom.set_ylabel("accuracy on 30 held-out items")
    bottom.set_xlabel("step")
    bottom.set_ylim(0, 1.02)
    bottom.legend(ncols=5, fontsize="small", loc="lower right")
    for axes in (top, bottom):
        axes.grid(alpha=0.3)
    figure.savefig(FOLDER / "loss.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
