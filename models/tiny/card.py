"""Fills the measured tables of the model card.

    cargo run --example training_text -- held_out 9 3000 > test.jsonl
    python models/tiny/card.py --held-out test.jsonl

Scores the very file that ships, `tiny-f16.gguf`, with PyTorch in 32-bit floats. For Q8_0 and Q4_0
all matrices, the embeddings among them, are rounded as those formats do and computed in 32 bits:
what is lost is lost by the weights.
"""

import argparse
import math
from pathlib import Path

import gguf
import torch

import data
from evaluate import evaluate
from export import read

FOLDER = Path(__file__).parent
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
FORMATS = {
    "F16": None,
    "Q8_0": gguf.GGMLQuantizationType.Q8_0,
    "Q4_0": gguf.GGMLQuantizationType.Q4_0,
}
PERPLEXITY_ITEMS = 500


def round_weights(model, kind):
    """Replaces each matrix by what a quantized file would give back."""
    if kind is None:
        return
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                packed = gguf.quants.quantize(parameter.numpy(), kind)
                parameter.copy_(torch.from_numpy(gguf.quants.dequantize(packed, kind)))


def perplexity(model, tokenizer, documents) -> float:
    """Per token of prompt, answer and reason, the first token apart."""
    loss, count = 0.0, 0
    for document in documents:
        text = "".join(text for text, _ in data.parts(document))
        ids = torch.tensor([tokenizer.encode(text).ids])
        logs = torch.log_softmax(model(ids).logits[0], dim=-1)
        loss -= logs[:-1].gather(1, ids[0, 1:, None]).sum().item()
        count += ids.shape[1] - 1
    return math.exp(loss / count)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--held-out", type=Path, required=True)
    documents = list(data.documents(parser.parse_args().held_out))
    torch.set_num_threads(1)
    scores, perplexities = {}, {}
    for name, kind in FORMATS.items():
        model, tokenizer = read(FOLDER / "tiny-f16.gguf")
        round_weights(model, kind)
        with torch.no_grad():
            scores[name] = evaluate(lambda ids: model(ids).logits, tokenizer, documents)
            perplexities[name] = perplexity(model, tokenizer, documents[:PERPLEXITY_ITEMS])
        print(name, perplexities[name], scores[name], flush=True)
    card = FOLDER / "README.md"
    before, rest = card.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    card.write_text(before + BEGIN + "\n\n" + table(scores, perplexities) + "\n" + END + after, encoding="utf-8")


def table(scores, perplexities) -> str:
    lines = ["| task | n | chance | " + " | ".join(FORMATS) + " |", "|---|--:|--:|" + "--:|" * len(FORMATS)]
    first = scores["F16"]
    for task, score in first.items():
        cells = [f"{100 * scores[name][task]['accuracy']:.1f} %" for name in FORMATS]
        lines.append(f"| {task} | {score['n']} | {100 * score['chance']:.1f} % | " + " | ".join(cells) + " |")
    total = sum(score["n"] for score in first.values())
    chance = sum(score["n"] * score["chance"] for score in first.values()) / total
    means = [
        sum(score["n"] * score["accuracy"] for score in scores[name].values()) / total for name in FORMATS
    ]
    cells = [f"{100 * mean:.1f} %" for mean in means]
    lines.append(f"| all | {total} | {100 * chance:.1f} % | " + " | ".join(cells) + " |")
    cells = [f"{perplexities[name]:.3f}" for name in FORMATS]
    lines.append(f"| perplexity | {PERPLEXITY_ITEMS} | | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
