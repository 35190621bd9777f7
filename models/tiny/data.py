"""Training documents → tokens. Reads the JSON lines of the `training_text` example."""

import json
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

BOS, EOS, USER, ASSISTANT, SYSTEM, PAD = range(6)
SPECIAL = ["<|bos|>", "<|eos|>", "<|user|>", "<|assistant|>", "<|system|>", "<|pad|>"]

SECURITY = ["log_triage", "http_request", "email", "api_calls"]

# How much a token counts in the loss: most of a prompt is random numbers and names.
PROMPT_WEIGHT, REASON_WEIGHT, ANSWER_WEIGHT, STREAM_WEIGHT = 0.15, 0.5, 3.0, 0.3

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def documents(path: Path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def is_security(document: dict) -> bool:
    return document["kind"] == "stream" or document["task"] in SECURITY


def parts(document: dict) -> list[tuple[str, float]]:
    """The pieces of a document with their weight in the loss; special tokens included.

    The pieces are tokenized together, so that a border never changes a token.
    """
    if document["kind"] == "stream":
        return [("<|bos|>", 0), (document["text"], STREAM_WEIGHT), ("<|eos|>", 0.5)]
    item = document["item"]
    answer, reason = item["choices"][item["answer"]], f" because {item['reason']}."
    if document["kind"] == "chat":
        before, answer = f"<|user|>{item['prompt']}<|assistant|>", answer
    else:
        before, answer = item["prompt"], f" {answer}"
    return [
        ("<|bos|>", 0),
        (before, PROMPT_WEIGHT),
        (answer, ANSWER_WEIGHT),
        (reason, REASON_WEIGHT),
        ("<|eos|>", 0.5),
    ]


def train_tokenizer(texts, vocabulary: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def encode(tokenizer: Tokenizer, batch: list[dict]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Tokens and loss weights of each document, both as long as the document."""
    pieces = [parts(document) for document in batch]
    texts = ["".join(text for text, _ in document) for document in pieces]
    encoded = []
    for document, result in zip(pieces, tokenizer.encode_batch(texts)):
        weights = np.zeros(len(result.ids), dtype=np.float16)
        ends = np.cumsum([len(text) for text, _ in document])
        for place, (_, end) in enumerate(result.offsets):
            weights[place] = document[int(np.searchsorted(ends, end))][1]
        encoded.append((np.array(result.ids, dtype=np.uint16), weights))
    return encoded


def pack(documents, length: int, open_windows: int = 64):
    """Whole documents packed into windows of `length` + 1 tokens, first fit.

    No answer is cut off from its question, and every window begins with a document.
    Longer documents are cut. Padding has weight 0.
    """
    size = length + 1
    tokens, weights, pending = [], [], []
    for ids, weight in documents:
        ids, weight = ids[:size], weight[:size]
        fitting = (window for window in pending if window[0] + len(ids) <= size)
        window = next(fitting, None)
        if window is None:
            window = [0, [], []]
            pending.append(window)
        window[0] += len(ids)
        window[1].append(ids)
        window[2].append(weight)
        if len(pending) > open_windows:
            fullest = max(range(len(pending)), key=lambda place: pending[place][0])
            used, ids, weight = pending.pop(fullest)
            tokens.append(np.pad(np.concatenate(ids), (0, size - used), constant_values=PAD))
            weights.append(np.pad(np.concatenate(weight), (0, size - used)))
    return np.stack(tokens), np.stack(weights)
