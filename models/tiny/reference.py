"""Reference vectors: what the transformers library computes from the same weights.

    python models/tiny/reference.py

Reads `tiny-f16.gguf` beside this script, so that the vectors hold for the very file that ships,
and writes `reference.json`.
"""

import json
from pathlib import Path

import torch
import transformers

GREEDY_TOKENS = 32


def vectors(model, tokenizer, prompts: list[str], text: str, beginning: list[int]) -> dict:
    """Greedy continuations with log-probabilities, and the log-probabilities of a fixed text.

    `beginning` stands before each text's tokens (a `bos`, or nothing). Log-probabilities are in
    nats, over the whole vocabulary, without temperature. `margin` is the difference between the
    best and the second-best log-probability at a step: below about 1e-3, two correct programs may
    choose differently.
    """
    cases = [greedy(model, tokenizer, prompt, beginning) for prompt in prompts]
    ids = beginning + tokenizer.encode(text, add_special_tokens=False).ids
    with torch.no_grad():
        logs = torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), dim=-1)
    scored = [logs[place - 1, ids[place]].item() for place in range(1, len(ids))]
    return {
        "origin": {
            "library": f"transformers {transformers.__version__}, torch {torch.__version__}",
            "numerics": "float32 from the stored weights; log-softmax in float64",
        },
        "greedy": cases,
        "text": {"text": text, "ids": ids, "logprobs": rounded(scored)},
    }


def greedy(model, tokenizer, prompt: str, beginning: list[int]) -> dict:
    prompt_ids = beginning + tokenizer.encode(prompt, add_special_tokens=False).ids
    ids, chosen, logprobs, margins = list(prompt_ids), [], [], []
    for _ in range(GREEDY_TOKENS):
        with torch.no_grad():
            logs = torch.log_softmax(model(torch.tensor([ids])).logits[0, -1].double(), dim=-1)
        best = logs.topk(2)
        token = best.indices[0].item()
        chosen.append(token)
        logprobs.append(best.values[0].item())
        margins.append((best.values[0] - best.values[1]).item())
        ids.append(token)
    return {
        "prompt": prompt,
        "prompt_ids": prompt_ids,
        "ids": chosen,
        "text": tokenizer.decode(chosen, skip_special_tokens=False),
        "logprobs": rounded(logprobs),
        "margin_min": round(min(margins), 6),
    }


def rounded(values: list[float]) -> list[float]:
    return [round(value, 6) for value in values]


def main():
    from export import read

    folder = Path(__file__).parent
    model, tokenizer = read(folder / "tiny-f16.gguf")
    prompts = [
        "Task: triage the log line\n"
        "Choices: benign, brute_force, escalation, scan, tunnel, malware\n"
        "Input: Mar  4 03:12:55 web-03 sshd[812]: message repeated 48 times: [ Failed password for"
        " root from 203.0.113.77 port 50122 ssh2]\nAnswer:",
        "Task: recall the fact\nChoices: DNS, SSH, NTP, SMTP\nInput: Which service uses port 22?\nAnswer:",
        "<|user|>Task: choose the right word\nChoices: citys, city, cities, cityes\n"
        "Input: What is the plural of city?\nAnswer:<|assistant|>",
        "Jul 11 09:30:00 api-03 dnsmasq[4021]: query[A] ",
    ]
    text = (
        "GET /search?q=%27+OR+1%3D1-- HTTP/1.1 | Host: shop.example.com | curl/8.5\n"
        "Gr\u00fc\u00dfe, \u4e16\u754c \U0001f600: 0x7f\t\u00b1 3.14\n"
    )
    result = vectors(model, tokenizer, prompts, text, [0])
    result["origin"]["script"] = "models/tiny/reference.py"
    (folder / "reference.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
