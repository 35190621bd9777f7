"""Trains the convolutional network of `onnx:bytes` on generated files, and writes what it is worth on held-out ones.

    python models/bytes/train.py          about three minutes on two cores

No file of a real program is read: each is made by a generator below from its seed. Written with torch 2.15, onnx 1.23.
"""

import json
import math
import pathlib
import random
import zlib

import numpy
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parent
SIDE = 64
SIZE = SIDE * SIDE
LABELS = ["text", "table", "code", "packed"]
TRAINING, HELD_OUT = 6000, 2000
SYLLABLES = "ba co de fi go ha in ju ka lo me no or pa qu re si ta un ve wi xy za".split()
# Opcodes of one byte with how many bytes of operands follow, and how often: near what compilers write for x86.
OPCODES = [(0x8B, 2, 20), (0x89, 2, 16), (0x48, 3, 18), (0xE8, 4, 8), (0x0F, 3, 6), (0x83, 2, 8), (0x74, 1, 5), (0x75, 1, 5),
           (0x55, 0, 3), (0x5D, 0, 3), (0xC3, 0, 3), (0x90, 0, 2), (0xEB, 1, 3), (0x31, 1, 4), (0xC7, 6, 3), (0x85, 1, 5)]


def text(draw):
    words = ["".join(draw.choices(SYLLABLES, k=draw.randint(1, 4))) for _ in range(draw.randint(60, 400))]
    kind = draw.choice(["prose", "log", "script"])
    lines = []
    while sum(map(len, lines)) < SIZE:
        line = " ".join(draw.choices(words, k=draw.randint(3, 12)))
        if kind == "log":
            line = f"2024-{draw.randint(1, 12):02}-{draw.randint(1, 28):02} {draw.randint(0, 23):02}:{draw.randint(0, 59):02} {line}"
        elif kind == "script":
            line = "    " * draw.randint(0, 3) + f"{draw.choice(words)} = {draw.choice(words)}({draw.randint(0, 999)}); // {line}"
        lines.append(line + "\n")
    return "".join(lines).encode()


def table(draw):
    columns = [(draw.choice([1, 2, 4, 8]), draw.randint(1, 1 << draw.randint(3, 28)), draw.choice(["count", "any", "same"]))
               for _ in range(draw.randint(2, 8))]
    rows = bytearray()
    count = 0
    while len(rows) < SIZE:
        for width, scale, kind in columns:
            value = {"count": count, "any": draw.randrange(scale), "same": scale}[kind]
            rows += (value & ((1 << 8 * width) - 1)).to_bytes(width, "little")
        count += 1
    return bytes(rows)


def code(draw):
    weights = [share * draw.uniform(0.5, 2) for _, _, share in OPCODES]
    small = draw.uniform(0.3, 0.8)
    out = bytearray()
    while len(out) < SIZE:
        opcode, operands, _ = draw.choices(OPCODES, weights)[0]
        out.append(opcode)
        for place in range(operands):
            if operands == 4 and place >= 2:
                out.append(draw.choice([0, 0xFF]))
            else:
                out.append(draw.randrange(16) * 8 if draw.random() < small else draw.randrange(256))
        if opcode == 0xC3:
            out += b"\xCC" * (-len(out) % 16)
    return bytes(out)


def packed(draw):
    """A start that is code or a table, and the rest compressed or enciphered."""
    kind = draw.choice(["deflate", "cipher", "deflate then cipher"])
    if "deflate" in kind:
        plain = b"".join(draw.choice([text, table, code])(draw) for _ in range(12))
        body = zlib.compress(plain, draw.choice([1, 6, 9]))
    else:
        body = draw.randbytes(SIZE)
    if "then" in kind:
        key = draw.randbytes(draw.choice([1, 4, 16]))
        body = bytes(byte ^ key[place % len(key)] for place, byte in enumerate(body))
    start = draw.choice([code, table])(draw)[:draw.randint(0, SIZE // 2)]
    return start + body


def sample(seed):
    draw = random.Random(seed)
    label = draw.randrange(len(LABELS))
    content = [text, table, code, packed][label](draw)
    at = draw.randrange(16)
    length = SIZE if draw.random() < 0.7 else draw.randint(SIZE // 4, SIZE)
    return content[at:at + length][:SIZE], label


def images(seeds):
    rows = numpy.zeros((len(seeds), 1, SIDE, SIDE), dtype=numpy.float32)
    labels = numpy.zeros(len(seeds), dtype=numpy.int64)
    for place, seed in enumerate(seeds):
        content, labels[place] = sample(seed)
        rows[place].reshape(-1)[:len(content)] = numpy.frombuffer(content, dtype=numpy.uint8) / numpy.float32(255)
    return torch.from_numpy(rows), torch.from_numpy(labels)


def network():
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(8, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(16, 32, 3, padding=1), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
        torch.nn.Linear(32, len(LABELS)))


def write(model):
    layers = [layer for layer in model if hasattr(layer, "weight")]
    tensors, nodes, last = [], [], "image"
    for place, layer in enumerate(layers):
        for kind in ("weight", "bias"):
            tensors.append(numpy_helper.from_array(getattr(layer, kind).detach().numpy(), f"{kind}{place}"))
        inputs = [last, f"weight{place}", f"bias{place}"]
        if place == len(layers) - 1:
            nodes += [helper.make_node("GlobalAveragePool", [last], ["mean"], name="mean"),
                      helper.make_node("Flatten", ["mean"], ["flat"], name="flat", axis=1),
                      helper.make_node("Gemm", ["flat", *inputs[1:]], ["logits"], name="gemm", transB=1)]
            continue
        nodes += [helper.make_node("Conv", inputs, [f"conv{place}"], name=f"conv{place}", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
                  helper.make_node("Relu", [f"conv{place}"], [f"relu{place}"], name=f"relu{place}")]
        last = f"relu{place}"
        if place < len(layers) - 2:
            nodes.append(helper.make_node("MaxPool", [last], [f"pool{place}"], name=f"pool{place}", kernel_shape=[2, 2], strides=[2, 2]))
            last = f"pool{place}"
    graph = helper.make_graph(
        nodes, "bytes", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["texts", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["texts", len(LABELS)])], tensors)
    graph = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    description = {"version": 1, "labels": LABELS, "output": "logits", "features": {"kind": "byte_image", "side": SIDE}}
    helper.set_model_props(graph, {"weighbridge.classifier": json.dumps(description)})
    onnx.checker.check_model(graph)
    onnx.save(graph, ROOT / "bytes.onnx")


def wilson(successes, trials, z=1.959963984540054):
    share = successes / trials
    center = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return [center - half, center + half]


def main():
    torch.manual_seed(1)
    torch.set_num_threads(2)
    rows, labels = images(range(TRAINING))
    held_rows, held_labels = images(range(1_000_000, 1_000_000 + HELD_OUT))
    model = network()
    epochs, batch = 12, 64
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=epochs * math.ceil(TRAINING / batch))
    for epoch in range(epochs):
        model.train()
        for chosen in torch.randperm(TRAINING).split(batch):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(rows[chosen]), labels[chosen]).backward()
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            guess = torch.cat([model(part) for part in held_rows.split(256)]).argmax(1)
        print(epoch, (guess == held_labels).float().mean().item(), flush=True)
    right = int((guess == held_labels).sum())
    counts = [[int(((held_labels == truth) & (guess == found)).sum()) for found in range(len(LABELS))] for truth in range(len(LABELS))]
    report = {"trained_on": TRAINING, "held_out": HELD_OUT,
              "accuracy": {"value": right / HELD_OUT, "n": HELD_OUT, "interval_95": wilson(right, HELD_OUT)},
              "confusion": {"labels": LABELS, "counts": counts}}
    (ROOT / "held-out.json").write_text(json.dumps(report, indent=1) + "\n")
    write(model)


if __name__ == "__main__":
    main()
