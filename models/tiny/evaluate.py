"""Accuracy on held-out items, by the summed log-probability of each choice."""

import torch
import torch.nn.functional as F

import data


def score_choices(forward, tokenizer, item) -> list[float]:
    """Log-probability of ` choice` after the prompt, summed over its tokens, in nats."""
    texts = ["<|bos|>" + item["prompt"] + " " + choice for choice in item["choices"]]
    prompt_length = len(tokenizer.encode("<|bos|>" + item["prompt"]).ids)
    encoded = [tokenizer.encode(text).ids for text in texts]
    longest = max(map(len, encoded))
    batch = torch.tensor([ids + [data.PAD] * (longest - len(ids)) for ids in encoded])
    logs = F.log_softmax(forward(batch).float(), dim=-1)
    scores = []
    for row, ids in enumerate(encoded):
        places = range(prompt_length, len(ids))
        scores.append(sum(logs[row, place - 1, ids[place]].item() for place in places))
    return scores


def evaluate(forward, tokenizer, documents) -> dict:
    """Per task: number of items, accuracy, and the accuracy of guessing."""
    results = {}
    for document in documents:
        item = document["item"]
        scores = score_choices(forward, tokenizer, item)
        right = scores.index(max(scores)) == item["answer"]
        task = results.setdefault(document["task"], {"n": 0, "right": 0, "chance": 0.0})
        task["n"] += 1
        task["right"] += right
        task["chance"] += 1 / len(item["choices"])
    for task in results.values():
        task["accuracy"] = task.pop("right") / task["n"]
        task["chance"] /= task["n"]
    return results
