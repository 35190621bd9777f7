"""Speed of llama.cpp on a GGUF file, by the measure of `cargo bench -p weighbridge-engine-local --bench model`.

    pip install llama-cpp-python            # builds llama.cpp for this machine
    python scripts/peers/llama_gguf.py FILE.gguf [--threads 2]

512 new tokens until the logits of the last, and decoding by 1, 4 and 8 sequences, 64 tokens each after a prompt of 16;
medians of five repetitions, tokens per second. Greedy choice of each token is part of decoding, as it is there.
"""

import argparse
import ctypes
import statistics
import time

import llama_cpp as lib
import numpy

PROMPT, DECODED, REPETITIONS = 512, 64, 5


def fill(batch, rows):
    """Rows of (token, position, sequence, whether its logits are wanted)."""
    batch.n_tokens = len(rows)
    for i, (token, position, sequence, wanted) in enumerate(rows):
        batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, position, 1
        batch.seq_id[i][0], batch.logits[i] = sequence, wanted


def decode(context, batch, rows):
    fill(batch, rows)
    if lib.llama_decode(context, batch) != 0:
        raise SystemExit("llama_decode failed")


def choose(context, index, vocab):
    logits = lib.llama_get_logits_ith(context, index)
    return int(numpy.ctypeslib.as_array(logits, shape=(vocab,)).argmax())


def prompt(context, batch, vocab, seed):
    lib.llama_memory_clear(lib.llama_get_memory(context), True)
    start = time.perf_counter()
    decode(context, batch, [((i * 37 + seed * 11) % 9973, i, 0, i == PROMPT - 1) for i in range(PROMPT)])
    choose(context, PROMPT - 1, vocab)
    return PROMPT / (time.perf_counter() - start)


def several(context, batch, vocab, sequences, seed):
    lib.llama_memory_clear(lib.llama_get_memory(context), True)
    next_tokens = []
    for sequence in range(sequences):
        rows = [((i * 37 + (seed + sequence) * 11) % 9973, i, sequence, i == 15) for i in range(16)]
        decode(context, batch, rows)
        next_tokens.append(choose(context, 15, vocab))
    start = time.perf_counter()
    for step in range(DECODED):
        decode(context, batch, [(token, 16 + step, sequence, True) for sequence, token in enumerate(next_tokens)])
        next_tokens = [choose(context, index, vocab) for index in range(sequences)]
    return sequences * DECODED / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    quiet = lib.llama_log_callback(lambda *_: None)
    lib.llama_log_set(quiet, ctypes.c_void_p(0))
    lib.llama_backend_init()
    model = lib.llama_model_load_from_file(arguments.file.encode(), lib.llama_model_default_params())
    settings = lib.llama_context_default_params()
    settings.n_ctx, settings.n_batch, settings.n_ubatch, settings.n_seq_max = 1024, 512, 512, 8
    settings.n_threads = settings.n_threads_batch = arguments.threads
    settings.kv_unified = True
    context = lib.llama_init_from_model(model, settings)
    vocab = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model))
    batch = lib.llama_batch_init(PROMPT, 0, 1)
    prompt(context, batch, vocab, 0)
    rates = [prompt(context, batch, vocab, 1000 + repetition) for repetition in range(REPETITIONS)]
    print(f"prompt of {PROMPT}  {statistics.median(rates):7.1f} tokens/s")
    for sequences in (1, 4, 8):
        rates = [several(context, batch, vocab, sequences, 100 * repetition) for repetition in range(REPETITIONS)]
        print(f"decode by {sequences}    {statistics.median(rates):7.1f} tokens/s")


main()
