"""Checkpoint → `tiny-f16.gguf`, and back.

    python models/tiny/export.py --work DIR -o models/tiny/tiny-f16.gguf

Matrices are stored in F16 and norms in F32. The GGUF architecture `llama` turns neighboring
pairs of a head's elements (2i, 2i+1), the training code turns halves (i, i + n/2): the rows of Q
and K are put into the other order here.
"""

import argparse
import json
from pathlib import Path

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

import data
from model import Shape, to_transformers

NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
DESCRIPTION = (
    "A Llama of 3.3 million parameters that labels generated security events and answers small "
    "closed questions. It exists to be weighed: it knows nothing else."
)


def to_pairs(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows in halves → rows in neighboring pairs, within each head."""
    head = rows.shape[0] // heads
    return rows.view(heads, 2, head // 2, -1).transpose(1, 2).reshape(rows.shape)


def to_halves(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """The inverse of `to_pairs`."""
    head = rows.shape[0] // heads
    return rows.view(heads, head // 2, 2, -1).transpose(1, 2).reshape(rows.shape)


def file_names(shape: Shape) -> dict[str, str]:
    """Names in training → names in the file."""
    names = {"embed_tokens.weight": "token_embd.weight", "norm.weight": "output_norm.weight"}
    for layer in range(shape.layers):
        for ours, theirs in NAMES.items():
            names[f"layers.{layer}.{ours}.weight"] = f"blk.{layer}.{theirs}.weight"
    return names


def rotary_heads(shape: Shape, name: str) -> int | None:
    """Number of heads of a matrix whose output is turned; `None` for the others."""
    if "q_proj" in name:
        return shape.heads
    return shape.kv_heads if "k_proj" in name else None


def write(path: Path, shape: Shape, state: dict, tokenizer: Tokenizer):
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name("tiny")
    writer.add_description(DESCRIPTION)
    writer.add_license("Apache-2.0 OR MIT")
    writer.add_size_label("3M")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.rope_theta)
    writer.add_layer_norm_rms_eps(shape.norm_epsilon)
    write_vocabulary(writer, tokenizer)
    for name, stored in file_names(shape).items():
        tensor = state[name].float()
        heads = rotary_heads(shape, name)
        if heads is not None:
            tensor = to_pairs(tensor, heads)
        kind = np.float16 if tensor.dim() == 2 else np.float32
        writer.add_tensor(stored, tensor.numpy().astype(kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_vocabulary(writer, tokenizer: Tokenizer):
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    kinds = [
        gguf.TokenType.CONTROL if place < len(data.SPECIAL) else gguf.TokenType.NORMAL
        for place in range(len(vocabulary))
    ]
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([token for token, _ in vocabulary])
    writer.add_token_types(kinds)
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_bos_token_id(data.BOS)
    writer.add_eos_token_id(data.EOS)
    writer.add_pad_token_id(data.PAD)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_chat_template(data.CHAT_TEMPLATE)


def read(path: Path):
    """The file as a transformers model and a tokenizer, from its contents alone."""
    reader = gguf.GGUFReader(str(path))
    shape = Shape()
    stored = {tensor.name: tensor for tensor in reader.tensors}
    state = {}
    for name, stored_name in file_names(shape).items():
        tensor = stored[stored_name]
        sizes = [int(size) for size in reversed(tensor.shape)]
        value = torch.from_numpy(np.array(tensor.data, dtype=np.float32)).view(sizes)
        heads = rotary_heads(shape, name)
        state[name] = value if heads is None else to_halves(value, heads)
    tokens = reader.get_field("tokenizer.ggml.tokens").contents()
    merges = reader.get_field("tokenizer.ggml.merges").contents()
    vocabulary = {token: place for place, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [tuple(merge.split(" ")) for merge in merges]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(data.SPECIAL)
    return to_transformers(shape, state), tokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    checkpoint = torch.load(arguments.work / "checkpoint.pt", weights_only=True)
    tokenizer = Tokenizer.from_file(str(arguments.work / "tokenizer.json"))
    write(arguments.output, Shape(), checkpoint["model"], tokenizer)
    model, again = read(arguments.output)
    for text in ["GET /a?b=%27 HTTP/1.1", "<|user|>Gr\u00fc\u00dfe\n  x<|assistant|>"]:
        assert tokenizer.encode(text).ids == again.encode(text).ids
    largest = max(
        (model.state_dict()[f"model.{name}"] - value.float()).abs().max().item()
        for name, value in checkpoint["model"].items()
    )
    print(f"step {checkpoint['step']}, largest rounding {largest:.2e}")


if __name__ == "__main__":
    main()
