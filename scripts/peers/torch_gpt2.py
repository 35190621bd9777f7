#!/usr/bin/env python3
"""Weighs the transformers library on PyTorch (CPU) with the GPT-2 124M shape, as a peer for docs/reference/performance.md.

Needs: pip install torch transformers. Random weights of the real shape are made once in --model; speed does not
depend on their values. Every figure is defined as in `weighbridge schema`: TTFT is the forward pass over the prompt
up to the first chosen token, decode rate is (tokens - 1) / (last token - first token).
"""
import argparse
import json
import os
import resource
import statistics
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def generate(torch, model, ids, count):
    """Greedy decoding with a KV cache; returns the time of every token."""
    stamps = []
    with torch.inference_mode():
        cache, tokens = None, ids
        for _ in range(count):
            out = model(input_ids=tokens, past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache = out.past_key_values
            tokens = out.logits[:, -1, :].argmax(dim=-1, keepdim=True)
            stamps.append(time.monotonic())
    return stamps


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="folder for the model; made when it does not exist")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--input", type=int, default=128)
    parser.add_argument("--output", type=int, default=64)
    parser.add_argument("--concurrency", type=int, default=4)
    options = parser.parse_args()

    import torch
    import transformers

    torch.set_num_threads(options.threads)
    if not os.path.isdir(options.model):
        torch.manual_seed(42)
        transformers.GPT2LMHeadModel(transformers.GPT2Config()).save_pretrained(options.model)
        print("made the model; run again to measure", file=sys.stderr)
        return

    before = resident_bytes()
    start = time.monotonic()
    model = transformers.GPT2LMHeadModel.from_pretrained(options.model, dtype=torch.float32).eval()
    load = time.monotonic() - start
    loaded = resident_bytes()

    def prompt(rows, seed):
        generator = torch.Generator().manual_seed(seed)
        return torch.randint(0, 50257, (rows, options.input), generator=generator)

    generate(torch, model, prompt(1, 0), 8)
    ttft, rate = [], []
    for repeat in range(options.repeats):
        start = time.monotonic()
        stamps = generate(torch, model, prompt(1, repeat + 1), options.output)
        ttft.append(stamps[0] - start)
        rate.append((len(stamps) - 1) / (stamps[-1] - stamps[0]))
    batch = []
    for repeat in range(options.repeats):
        start = time.monotonic()
        # The library has no scheduler; a batch of equal lengths is the most favorable way to serve several at once.
        generate(torch, model, prompt(options.concurrency, 100 + repeat), options.output)
        batch.append(options.concurrency / (time.monotonic() - start))
    json.dump(
        {
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "threads": options.threads,
            "input_tokens": options.input,
            "output_tokens": options.output,
            "repeats": options.repeats,
            "load_time_ms": load * 1e3,
            "rss_before_bytes": before,
            "rss_after_load_bytes": loaded,
            "ttft_ms_p50": statistics.median(ttft) * 1e3,
            "decode_rate_p50": statistics.median(rate),
            "batch": options.concurrency,
            "request_rate_p50": statistics.median(batch),
            "rss_peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        },
        sys.stdout,
        indent=2,
    )
    print()


if __name__ == "__main__":
    main()
