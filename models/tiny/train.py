"""Trains `tiny`: tokenizer, weights, loss curve.

    cargo run --example training_text -- train 7 400000 > train.jsonl
    cargo run --example training_text -- held_out 8 4000 > held_out.jsonl
    OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 models/tiny/train.py \\
        --train train.jsonl --held-out held_out.jsonl --work DIR

Each process is one thread with its own half of every batch: on a machine that does other
work too, this is several times faster than two threads that wait for each other in every
operation. Everything that it writes goes to DIR; started again, it goes on from the last checkpoint.
`export.py` makes the GGUF file from there.
"""

import argparse
import json
import time
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from tokenizers import Tokenizer

import data
from evaluate import evaluate
from model import Shape, Tiny

SEED = 20250117
TOKENIZER_DOCUMENTS = 20_000
# Held-out items looked at during training; the model card uses other ones, and more.
EVALUATED = 300


def main():
    arguments = parse()
    arguments.work.mkdir(parents=True, exist_ok=True)
    dist.init_process_group("gloo")
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    shape = Shape()
    if dist.get_rank() == 0:
        prepare_tokens(arguments, prepare_tokenizer(arguments, shape))
    dist.barrier()
    tokenizer = prepare_tokenizer(arguments, shape)
    tokens, weights = prepare_tokens(arguments, tokenizer)
    held_out = list(data.documents(arguments.held_out))[:EVALUATED]
    train(arguments, shape, tokenizer, tokens, weights, held_out)
    dist.destroy_process_group()


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--first", type=int, default=0, help="documents to pass over")
    parser.add_argument("--documents", type=int, default=160_000)
    parser.add_argument("--security", type=float, default=1.0, help="share of security items kept")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=12, help="windows for each process")
    parser.add_argument("--length", type=int, default=256)
    return parser.parse_args()


def prepare_tokenizer(arguments, shape: Shape) -> Tokenizer:
    path = arguments.work / "tokenizer.json"
    if path.exists():
        return Tokenizer.from_file(str(path))
    texts = []
    for document in data.documents(arguments.train):
        texts.append("".join(text for text, _ in data.parts(document) if not text.startswith("<|")))
        if len(texts) == TOKENIZER_DOCUMENTS:
            break
    tokenizer = data.train_tokenizer(texts, shape.vocabulary)
    tokenizer.save(str(path))
    return tokenizer


def prepare_tokens(arguments, tokenizer):
    """The documents, shuffled once and packed into windows."""
    name = f"tokens-{arguments.first}-{arguments.documents}-{arguments.security}.npz"
    path = arguments.work / name
    if path.exists():
        stored = np.load(path)
        return stored["tokens"], stored["weights"]
    end = arguments.first + arguments.documents
    documents = list(islice(data.documents(arguments.train), arguments.first, end))
    random = np.random.default_rng(SEED)
    documents = [
        document
        for document in documents
        if not data.is_security(document) or random.random() < arguments.security
    ]
    random.shuffle(documents)
    encoded = []
    for start in range(0, len(documents), 10_000):
        encoded.extend(data.encode(tokenizer, documents[start : start + 10_000]))
    tokens, weights = data.pack(encoded, arguments.length)
    np.savez(path, tokens=tokens, weights=weights)
    return tokens, weights


def batch_at(arguments, tokens, weights, step):
    """This process's part of a step's windows, in order; after the last one, the first again.

    The weight of a token belongs to its prediction, that is to the place before it.
    """
    start = (step * dist.get_world_size() + dist.get_rank()) * arguments.batch
    rows = np.arange(start, start + arguments.batch) % len(tokens)
    window = torch.from_numpy(tokens[rows].astype(np.int64))
    weight = torch.from_numpy(weights[rows, 1:].astype(np.float32))
    return window[:, :-1], window[:, 1:], weight


def optimizers(model):
    """Muon for the matrices inside the blocks, AdamW for embeddings and norms."""
    matrices = [p for name, p in model.named_parameters() if "layers" in name and p.dim() == 2]
    others = [p for name, p in model.named_parameters() if "layers" not in name or p.dim() < 2]
    muon = torch.optim.Muon(matrices, lr=6e-3, momentum=0.95, weight_decay=0.05, adjust_lr_fn="match_rms_adamw")
    adam = torch.optim.AdamW(others, lr=4e-3, betas=(0.9, 0.98), weight_decay=0.0)
    return [muon, adam]


def rate(step: int, steps: int) -> float:
    """Warm-up, then flat, then linearly down to 2 % over the last half."""
    if step < 100:
        return (step + 1) / 100
    return min(1.0, max(0.02, 2.0 * (steps - step) / steps))


def train(arguments, shape, tokenizer, tokens, weights, held_out):
    model = Tiny(shape)
    steppers = optimizers(model)
    first = load(arguments, model, steppers)
    base = [[group["lr"] for group in stepper.param_groups] for stepper in optimizers(model)]
    is_first_process = dist.get_rank() == 0
    if is_first_process:
        count = sum(parameter.numel() for parameter in model.parameters())
        print(f"{count} parameters, {tokens.size} places in {len(tokens)} windows", flush=True)
    begin = time.monotonic()
    for step in range(first, arguments.steps):
        for stepper, rates in zip(steppers, base):
            for group, full in zip(stepper.param_groups, rates):
                group["lr"] = full * rate(step, arguments.steps)
        entry = {"step": step + 1, **one_step(model, steppers, batch_at(arguments, tokens, weights, step))}
        entry["elapsed_s"] = round(time.monotonic() - begin, 1)
        done = step + 1
        if is_first_process and (done % 200 == 0 or done == arguments.steps):
            with torch.no_grad():
                scores = evaluate(model, tokenizer, held_out)
            entry["accuracy"] = {name: round(score["accuracy"], 3) for name, score in scores.items()}
            save(arguments, model, steppers, done)
        if is_first_process and (done % 10 == 0 or done == arguments.steps):
            with open(arguments.work / "log.jsonl", "a", encoding="utf-8") as log:
                log.write(json.dumps(entry) + "\n")
            print(json.dumps(entry), flush=True)


def one_step(model, steppers, batch) -> dict:
    inputs, targets, weight = batch
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(inputs)
    losses = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none")
    weight = weight.flatten()
    loss = (losses * weight).sum() / weight.sum()
    model.zero_grad(set_to_none=True)
    loss.backward()
    share_gradients(model)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for stepper in steppers:
        stepper.step()
    is_text, is_answer = weight > 0, weight == data.ANSWER_WEIGHT
    return {
        "loss": loss.item(),
        "loss_text": losses[is_text].mean().item(),
        "loss_answer": losses[is_answer].mean().item(),
    }


def share_gradients(model):
    """Replaces each gradient by its mean over the processes."""
    gradients = [parameter.grad for parameter in model.parameters()]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients])):
        gradient.copy_(part.view_as(gradient))


def save(arguments, model, steppers, step):
    state = {
        "step": step,
        "model": model.state_dict(),
        "optimizers": [stepper.state_dict() for stepper in steppers],
    }
    torch.save(state, arguments.work / "checkpoint.new")
    (arguments.work / "checkpoint.new").replace(arguments.work / "checkpoint.pt")


def load(arguments, model, steppers) -> int:
    """Goes back to the last checkpoint, if there is one. Returns the steps done."""
    path = arguments.work / "checkpoint.pt"
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    for stepper, saved in zip(steppers, state["optimizers"]):
        stepper.load_state_dict(saved)
    return state["step"]


if __name__ == "__main__":
    main()
