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
import onnxruntime
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel

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


def shaken(model):
    """Biases and norms that are not zero and one, so that leaving one out is seen."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
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
    reference = {"texts": TEXTS, "bert": bert(arguments.folder), "roberta": roberta(arguments.folder)}
    (arguments.folder / "reference.json").write_text(json.dumps(reference, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
