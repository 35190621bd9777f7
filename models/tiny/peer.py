"""Reference vectors of llama.cpp, for the shipped file and for files that `weighbridge model quantize` made of it.

    pip install llama-cpp-python
    for to in q8_0 q4_0 q4_k; do weighbridge model quantize models/tiny/tiny-f16.gguf DIR/tiny-$to.gguf --to $to; done
    python models/tiny/peer.py DIR

Writes `llama-cpp.json` beside this script: greedy continuations of the prompts of `reference.json` and the
log-probabilities of its text. llama.cpp computes quantized matrices with rounded activations, as the runtime
of the binary does, but not in the same order of sums.
"""

import json
import sys
from pathlib import Path

import llama_cpp
import numpy

FOLDER = Path(__file__).parent


def logs(scores):
    scores = numpy.asarray(scores, dtype=numpy.float64)
    shifted = scores - scores.max()
    return shifted - numpy.log(numpy.exp(shifted).sum())


def greedy(model, case):
    ids = case["prompt_ids"]
    encoded = model.tokenize(case["prompt"].encode(), add_bos=False, special=True)
    assert ids[:1] + encoded == ids, "tokenizers differ"
    model.reset()
    model.eval(ids)
    chosen, logprobs, margins = [], [], []
    for _ in case["ids"]:
        step = logs(model.scores[model.n_tokens - 1])
        second, best = numpy.argsort(step)[-2:]
        chosen.append(int(best))
        logprobs.append(round(float(step[best]), 6))
        margins.append(round(float(step[best] - step[second]), 6))
        model.eval([int(best)])
    return {"ids": chosen, "logprobs": logprobs, "margins": margins}


def main():
    reference = json.loads((FOLDER / "reference.json").read_text(encoding="utf-8"))
    made = Path(sys.argv[1])
    files = {"f16": FOLDER / "tiny-f16.gguf"} | {to: made / f"tiny-{to}.gguf" for to in ("q8_0", "q4_0", "q4_k")}
    models = {}
    for name, file in files.items():
        # Keys and values in 32 bits, as in the runtime of the binary.
        model = llama_cpp.Llama(
            str(file), n_ctx=512, logits_all=True, n_threads=1, type_k=0, type_v=0, flash_attn=False, verbose=False
        )
        cases = [greedy(model, case) for case in reference["greedy"]]
        ids = reference["text"]["ids"]
        model.reset()
        model.eval(ids)
        scored = [round(float(logs(model.scores[place - 1])[ids[place]]), 6) for place in range(1, len(ids))]
        models[name] = {"greedy": cases, "text": scored}
    origin = {
        "library": f"llama-cpp-python {llama_cpp.__version__}",
        "script": "models/tiny/peer.py",
        "numerics": "CPU, 32-bit keys and values; log-softmax in float64",
    }
    result = json.dumps({"origin": origin, "models": models}, separators=(",", ":"))
    (FOLDER / "llama-cpp.json").write_text(result + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
