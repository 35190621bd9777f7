//! Reading whole models.

use std::path::Path;

use weighbridge_engine_local::formats::{Bytes, GgufFile};
use weighbridge_engine_local::quant::BlockType;
use weighbridge_engine_local::weights::{Architecture, ModelFile, RopeStyle};

use crate::fixtures::{bytes, model, path};

#[test]
fn llama_gguf_is_read() {
    let model = model("llama.gguf");
    let config = &model.config;
    assert_eq!(config.architecture, Architecture::Llama);
    assert_eq!((config.layers, config.width, config.ffn_width), (2, 32, 64));
    assert_eq!((config.heads, config.kv_heads, config.head_dim), (4, 2, 8));
    assert_eq!((config.vocab, config.context_length), (340, 128));
    assert!(!config.tied_embeddings && !config.qkv_bias);
    let rope = config.rope.as_ref().unwrap();
    assert_eq!((rope.style, rope.dims), (RopeStyle::Interleaved, 8));
    let key = model.tensor("blk.1.attn_k.weight").unwrap();
    assert_eq!((key.rows(), key.cols(), key.block_type()), (16, 32, BlockType::F16));
    assert!(key.is_mapped());
    assert!(model.tensor("blk.1.attn_norm.weight").unwrap().as_f32().is_some());
}

/// The folder and the file hold the same weights; only query and key rows are in another order.
#[test]
fn folder_and_file_agree() {
    for (name, tolerance) in [("llama", 0.0), ("gpt2", 0.004)] {
        let folder = model(name);
        let file = model(&format!("{name}.gguf"));
        assert_eq!(folder.tensors.len(), file.tensors.len());
        for (tensor_name, tensor) in &file.tensors {
            let is_permuted = name == "llama" && ["attn_q.", "attn_k."].iter().any(|part| tensor_name.contains(part));
            let sorted = |mut values: Vec<f32>| {
                if is_permuted {
                    values.sort_by(f32::total_cmp);
                }
                values
            };
            let (a, b) = (sorted(folder.tensor(tensor_name).unwrap().to_f32()), sorted(tensor.to_f32()));
            let worst = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(a.len() == b.len() && worst <= tolerance, "{name} {tensor_name}: {worst}");
        }
        let mut expected = folder.config.clone();
        if let Some(rope) = &mut expected.rope {
            assert_eq!(rope.style, RopeStyle::Neox);
            rope.style = RopeStyle::Interleaved;
        }
        assert_eq!(expected, file.config, "{name}");
    }
}

#[test]
fn gpt2_is_tied_and_has_a_template() {
    let model = model("gpt2.gguf");
    assert!(model.config.tied_embeddings && model.config.qkv_bias && model.config.rope.is_none());
    assert_eq!(model.head().unwrap().name(), "token_embd.weight");
    assert_eq!(model.chat_template.as_deref(), Some("{{ messages[0].content }}"));
}

fn check_broken(bytes: &[u8], expected: &str) {
    let error = ModelFile::from_gguf(Bytes::copy_from(bytes)).unwrap_err();
    assert_eq!(error.to_string(), expected);
    assert!(!error.hint().is_empty());
}

#[test]
fn broken_files_name_the_place() {
    let whole = bytes("llama.gguf");
    let patched = |offset: usize, patch: &[u8]| {
        let mut bytes = whole.clone();
        bytes[offset..offset + patch.len()].copy_from_slice(patch);
        bytes
    };
    check_broken(b"GGU", "read the magic number at byte 0: it needs 4 more bytes, but the file ends 3 bytes later");
    check_broken(&patched(4, &[1]), "read the version at byte 4: found `1`, supported are 2 and 3");
    check_broken(
        &patched(4, &[0, 0, 0, 3]),
        "read the version at byte 4: the file is big-endian; only little-endian files are read",
    );
    check_broken(&whole[..40], "read key number 0 at byte 32: it needs 20 more bytes, but the file ends 8 bytes later");
    // A key count of 2^64 - 1 must not cost memory.
    let error = ModelFile::from_gguf(Bytes::copy_from(&patched(16, &[0xff; 8]))).unwrap_err();
    assert!(error.to_string().contains("at byte"), "{error}");
    let file = GgufFile::parse(&Bytes::copy_from(&whole)).unwrap();
    assert_eq!(file.expected_bytes, whole.len() as u64);
    let last = file.tensors.last().unwrap();
    let start = whole.len() - last.bytes().len();
    check_broken(
        &whole[..whole.len() - 1],
        &format!(
            "read tensor `{}` at byte {start}: its data needs {} bytes, but the file ends at byte {}",
            last.name(),
            last.bytes().len(),
            whole.len() - 1
        ),
    );
}

#[test]
fn every_truncation_is_a_typed_error() {
    let whole = bytes("gpt2.gguf");
    for len in (0..whole.len()).step_by(61) {
        assert!(ModelFile::from_gguf(Bytes::copy_from(&whole[..len])).is_err(), "{len} bytes");
    }
}

#[test]
fn what_is_unsupported_is_listed() {
    let whole = bytes("llama.gguf");
    let replaced = |from: &[u8], to: &[u8]| {
        let at = whole.windows(from.len()).position(|window| window == from).unwrap();
        let mut bytes = whole.clone();
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    };
    check_broken(
        &replaced(b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0mamba"),
        "run architecture `mamba`: supported are llama, qwen2, qwen3, qwen3moe, gpt2",
    );
    let mut table_row = b"blk.0.attn_k.weight".to_vec();
    let mut other_type = table_row.clone();
    table_row.extend([2, 0, 0, 0]);
    other_type.extend([2, 0, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0]);
    check_broken(
        &replaced(&table_row, &other_type),
        "read tensor `blk.0.attn_k.weight` of type `Q2_K`: supported are F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q5_K, Q6_K",
    );
    check_broken(
        &replaced(b"blk.0.attn_k.weight", b"blk.0.attn_z.weight"),
        "find tensor `blk.0.attn_k.weight`, which architecture `llama` needs",
    );
}

/// A folder with experts whose configuration or weights were changed.
fn check_experts(change: impl Fn(String) -> String, weights: impl Fn(Vec<u8>) -> Vec<u8>, expected: &str) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/qwen3moe");
    let folder = tempfile::tempdir().unwrap();
    let config = std::fs::read_to_string(source.join("config.json")).unwrap();
    std::fs::write(folder.path().join("config.json"), change(config)).unwrap();
    let bytes = std::fs::read(source.join("model.safetensors")).unwrap();
    std::fs::write(folder.path().join("model.safetensors"), weights(bytes)).unwrap();
    let error = ModelFile::open(folder.path()).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn experts_that_do_not_fit_are_named() {
    let config = |from: &'static str, to: &'static str, expected: &str| {
        check_experts(|text| text.replace(from, to), |bytes| bytes, expected);
    };
    config(
        "\"num_experts_per_tok\": 2",
        "\"num_experts_per_tok\": 5",
        "read key `qwen3moe.expert_used_count`: found `5`, more than the 4 experts",
    );
    config(
        "\"norm_topk_prob\": true",
        "\"norm_topk_prob\": false",
        "use `norm_topk_prob` = `false`: supported are true",
    );
    config("\"mlp_only_layers\": []", "\"mlp_only_layers\": [1]", "use `mlp_only_layers` = `[1]`: supported are none");
    config(
        "\"num_local_experts\": 4",
        "\"num_local_experts\": 3",
        "use tensor `blk.0.ffn_gate_inp.weight`: its shape is [4, 32], expected [3, 32] (rows first)",
    );
    let renamed = |mut bytes: Vec<u8>| {
        let name = b"layers.1.mlp.experts.2.up_proj";
        let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
        bytes[at + b"layers.1.mlp.experts.".len()] = b'7';
        bytes
    };
    check_experts(|text| text, renamed, "read key `blk.1.ffn_up_exps.weight`: expert 2 is not in the files");
}

#[test]
fn paths_that_are_no_model_are_named() {
    let error = ModelFile::open(&path("absent.gguf")).unwrap_err();
    assert!(error.hint().contains("synth"), "{error:?}");
    let error = ModelFile::open(&path("tokens.json")).unwrap_err();
    assert!(error.to_string().contains("not with `GGUF`"), "{error}");
    let error = ModelFile::open(&path(".")).unwrap_err();
    assert!(error.to_string().ends_with("the folder has no `config.json`"), "{error}");
}
