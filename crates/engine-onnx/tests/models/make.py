"""Small ONNX models with seeded weights, and what PyTorch and ONNX Runtime make of them.

    python make.py .                     the models of the tests and reference.json
    python make.py --minilm FOLDER       an encoder of MiniLM's shape (6 layers, 384 wide) for the bench

Written with torch 2.15, transformers 5.24, tokenizers 0.23, onnx 1.23 and onnxruntime 1.32. The weights say nothing: the
models exist to be computed, not to be understood. Exported as `optimum` and sentence-transformers do, by tracing.
"""

import argparse
import json
import pathlib
import warnings

import numpy
import onnx
import onnxruntime
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, DynamicCache, GPT2Config, GPT2LMHeadModel, RobertaConfig, RobertaModel

warnings.filterwarnings("ignore")

TEXTS = [
    "a host scans ports",
    "The user opened the attached file.",
    "",
    "déjà vu ☃ unknown",
    "login failed for root from 10.0.0.7; login failed for admin from 10.0.0.7; login failed for guest from 10.0.0.9; and so on",
    "x",
    "packet packet packet packet packet packet packet packet packet packet packet packet packet packet packet packet",
]
WORDS = "the of to from for login failed user root admin host packet port file opened attached scan".split()
ENDS = "##ed ##er ##in ##or".split()
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.;"
MERGES = "t h|th e|Ġ th|Ġth e|e r|e d|i n|o r|Ġ f|Ġ a|a c|ac k|Ġ p|Ġp ack|e t|Ġpack et|o g|l og|log in|Ġf r|Ġfr o|Ġfro m"


# Words are written down rather than trained: training orders pairs of equal count by chance.
def wordpiece():
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *("##" + letter for letter in LETTERS), *WORDS, *ENDS]
    ids = {word: place for place, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(words[:5])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, ids[name]) for name in ("[CLS]", "[SEP]")])
    return tokenizer


def byte_level(special):
    merges = [tuple(merge.split(" ")) for merge in MERGES.split("|")]
    words = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet()), *("".join(merge) for merge in merges)]
    tokenizer = Tokenizer(models.BPE({word: place for place, word in enumerate(words)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    return tokenizer


class LastHiddenState(torch.nn.Module):
    def __init__(self, model, has_types):
        super().__init__()
        self.model, self.has_types = model, has_types

    def forward(self, input_ids, attention_mask, token_type_ids=None):
        types = {"token_type_ids": token_type_ids} if self.has_types else {}
        return self.model(input_ids=input_ids, attention_mask=attention_mask, **types).last_hidden_state


def export_encoder(folder, model, tokenizer, has_types, opset):
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    config = model.config.to_dict()
    kept = ("model_type", "architectures", "hidden_size", "max_position_embeddings", "pad_token_id", "vocab_size")
    (folder / "config.json").write_text(json.dumps({key: config[key] for key in kept if config.get(key) is not None}) + "\n")
    names = ["input_ids", "attention_mask"] + ["token_type_ids"] * has_types
    ids = torch.ones(2, 5, dtype=torch.long)
    dynamic = {name: {0: "batch_size", 1: "sequence_length"} for name in [*names, "last_hidden_state"]}
    torch.onnx.export(LastHiddenState(model, has_types).eval(), (ids, ids) + (ids * 0,) * has_types, str(folder / "model.onnx"),
                      input_names=names, output_names=["last_hidden_state"], dynamic_axes=dynamic, opset_version=opset,
                      dynamo=False)


def encoded(tokenizer, text, limit):
    tokenizer.enable_truncation(limit)
    return tokenizer.encode(text).ids


def pooled(hidden, pooling):
    vector = hidden[0, 0] if pooling == "cls" else hidden[0].mean(0)
    return (vector / numpy.linalg.norm(vector)).tolist()


def encoder_reference(folder, model, tokenizer, has_types, limit, pooling):
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    rows = []
    for text in TEXTS:
        ids = encoded(tokenizer, text, limit)
        tensors = {"input_ids": [ids], "attention_mask": [[1] * len(ids)]}
        if has_types:
            tensors["token_type_ids"] = [[0] * len(ids)]
        arrays = {name: numpy.array(value, dtype=numpy.int64) for name, value in tensors.items()}
        with torch.no_grad():
            torch_hidden = model(**{name: torch.tensor(value) for name, value in tensors.items()}).last_hidden_state.numpy()
        rows.append({"ids": ids, "pytorch": pooled(torch_hidden, pooling),
                     "onnxruntime": pooled(session.run(["last_hidden_state"], arrays)[0], pooling)})
    return {"limit": limit, "pooling": pooling, "texts": rows}


def shaken(model, scale=0.1):
    """Biases and norms that are not zero and one, so that leaving one out is seen."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * scale)
    return model.eval()


def bert(out):
    torch.manual_seed(1)
    tokenizer = wordpiece()
    config = BertConfig(vocab_size=tokenizer.get_vocab_size(), hidden_size=24, num_hidden_layers=2, num_attention_heads=2,
                        intermediate_size=48, max_position_embeddings=40, architectures=["BertModel"])
    model = shaken(BertModel(config, add_pooling_layer=False))
    export_encoder(out / "bert", model, tokenizer, True, 17)
    (out / "bert/1_Pooling").mkdir(exist_ok=True)
    modes = {"word_embedding_dimension": 24, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
    (out / "bert/1_Pooling/config.json").write_text(json.dumps(modes) + "\n")
    return encoder_reference(out / "bert", model, tokenizer, True, 40, "mean")


def roberta(out):
    torch.manual_seed(2)
    tokenizer = byte_level(["<s>", "<pad>", "</s>"])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    config = RobertaConfig(vocab_size=tokenizer.get_vocab_size(), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                           intermediate_size=32, max_position_embeddings=66, type_vocab_size=1, bos_token_id=0,
                           pad_token_id=1, eos_token_id=2, architectures=["RobertaModel"])
    model = shaken(RobertaModel(config, add_pooling_layer=False))
    export_encoder(out / "roberta", model, tokenizer, False, 14)
    (out / "roberta/1_Pooling").mkdir(exist_ok=True)
    modes = {"word_embedding_dimension": 16, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (out / "roberta/1_Pooling/config.json").write_text(json.dumps(modes) + "\n")
    return encoder_reference(out / "roberta", model, tokenizer, False, 64, "cls")


class WithPast(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, position_ids, *past):
        cache = DynamicCache()
        for layer in range(0, len(past), 2):
            cache.update(past[layer], past[layer + 1], layer // 2)
        out = self.model(input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids,
                         past_key_values=cache, use_cache=True)
        return (out.logits, *(part for layer in out.past_key_values.layers for part in (layer.keys, layer.values)))


def shortened(path):
    """Short names inside the graph, to keep the file small; those of inputs and outputs stay."""
    model = onnx.load(path)
    kept = {value.name for value in (*model.graph.input, *model.graph.output)} | {""}
    names = {}
    short = lambda name: name if name in kept else names.setdefault(name, f"v{len(names)}")
    for node in model.graph.node:
        node.input[:], node.output[:] = [short(name) for name in node.input], [short(name) for name in node.output]
        node.name = node.output[0]
        node.doc_string = ""
    for tensor in model.graph.initializer:
        tensor.name = short(tensor.name)
    del model.graph.value_info[:]
    onnx.checker.check_model(model)
    onnx.save(model, path)


def export_decoder(folder, model, tokenizer):
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    config = model.config.to_dict()
    kept = ("model_type", "architectures", "n_embd", "n_positions", "eos_token_id", "vocab_size")
    (folder / "config.json").write_text(json.dumps({key: config[key] for key in kept}) + "\n")
    pasts = [f"{layer}.{kind}" for layer in range(config["n_layer"]) for kind in ("key", "value")]
    inputs = ["input_ids", "attention_mask", "position_ids", *(f"past_key_values.{past}" for past in pasts)]
    outputs = ["logits", *(f"present.{past}" for past in pasts)]
    dynamic = {name: {0: "batch_size", 1: "sequence_length"} for name in ("input_ids", "position_ids", "logits")}
    dynamic["attention_mask"] = {0: "batch_size", 1: "past_sequence_length + sequence_length"}
    dynamic |= {name: {0: "batch_size", 2: "past_sequence_length"} for name in inputs[3:]}
    dynamic |= {name: {0: "batch_size", 2: "past_sequence_length + sequence_length"} for name in outputs[1:]}
    ids, width = torch.ones(2, 3, dtype=torch.long), config["n_embd"] // config["n_head"]
    past = [torch.zeros(2, config["n_head"], 4, width) for _ in pasts]
    torch.onnx.export(WithPast(model).eval(), (ids, torch.ones(2, 7, dtype=torch.long), ids.cumsum(1) + 3, *past),
                      str(folder / "model.onnx"), input_names=inputs, output_names=outputs, dynamic_axes=dynamic,
                      opset_version=14, dynamo=False)
    shortened(folder / "model.onnx")


def gpt2(out):
    torch.manual_seed(4)
    tokenizer = byte_level(["<|endoftext|>"])
    config = GPT2Config(vocab_size=tokenizer.get_vocab_size(), n_embd=16, n_layer=2, n_head=2, n_positions=64,
                        bos_token_id=0, eos_token_id=0, architectures=["GPT2LMHeadModel"])
    model = shaken(GPT2LMHeadModel(config), 0.4)
    export_decoder(out / "gpt2", model, tokenizer)
    generated, scored = [], []
    with torch.no_grad():
        for text in TEXTS[:2] + TEXTS[3:4]:
            ids = tokenizer.encode(text).ids
            rows = []
            for _ in range(24):
                logits = model(torch.tensor([ids + [token for token, _ in rows]])).logits[0, -1].log_softmax(-1)
                best = logits.topk(2)
                assert best.values[0] - best.values[1] > 1e-4, "the next best token is too near"
                rows.append((int(best.indices[0]), float(best.values[0])))
            generated.append({"prompt": text, "ids": ids, "tokens": [token for token, _ in rows],
                              "log_probabilities": [value for _, value in rows]})
        likeliest = lambda text: tokenizer.decode([int(model(torch.tensor([tokenizer.encode(text).ids])).logits[0, -1].argmax())])
        best = next((word, likeliest(word)) for word in WORDS if likeliest(word).isascii() and likeliest(word).isprintable())
        for prompt, continuation in [("login failed", " for root"), ("login failed", "!"), ("", "the packet"), ("th", "e host"), best]:
            joined, alone = tokenizer.encode(prompt + continuation).ids, tokenizer.encode(prompt).ids
            shared = 0
            while shared < min(len(alone), len(joined)) and alone[shared] == joined[shared]:
                shared += 1
            first = max(shared, 1)
            logits = model(torch.tensor([joined])).logits[0].log_softmax(-1)
            scored.append({"prompt": prompt, "continuation": continuation, "tokens": joined[first:],
                           "is_greedy": all(int(logits[place - 1].argmax()) == joined[place] for place in range(first, len(joined))),
                           "log_probabilities": [float(logits[place - 1, joined[place]]) for place in range(first, len(joined))]})
    return {"generated": generated, "scored": scored}


def minilm(out):
    torch.manual_seed(3)
    tokenizer = wordpiece()
    config = BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536,
                        architectures=["BertModel"])
    export_encoder(out, shaken(BertModel(config, add_pooling_layer=False)), tokenizer, True, 17)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minilm", action="store_true")
    parser.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.minilm:
        minilm(arguments.folder)
        return
    reference = {"texts": TEXTS, "bert": bert(arguments.folder), "roberta": roberta(arguments.folder),
                 "gpt2": gpt2(arguments.folder)}
    (arguments.folder / "reference.json").write_text(json.dumps(reference, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
