//! Files that our tools write, read by llama.cpp; and files that nobody can read.

use std::path::Path;

use weighbridge_engine::Engine;
use weighbridge_engine_llama_cpp::{LlamaCppEngine, LlamaCppError, LlamaCppOptions};
use weighbridge_engine_local::quant::BlockType;
use weighbridge_engine_local::quantize::quantize;

use crate::support::{folder, ours, score, theirs, tiny};

const TEXT: &str =
    "The bridge weighs every request that crosses it, and the keeper writes the load into a book of 1,024";

/// Largest and mean difference of the log-probabilities of one text in both engines; the tokens are the same.
async fn differences(file: &Path) -> (f64, f64) {
    let (ours, theirs) = (score(&ours(file), "", &[TEXT]).await, score(&theirs(file), "", &[TEXT]).await);
    assert_eq!(ours[0].tokens, theirs[0].tokens, "{}", file.display());
    let pairs = ours[0].log_probabilities.iter().zip(&theirs[0].log_probabilities);
    let differences: Vec<f64> = pairs.map(|(a, b)| (a - b).abs()).collect();
    assert!(differences.len() > 20, "a text of {} tokens tells little", differences.len());
    (differences.iter().copied().fold(0.0, f64::max), differences.iter().sum::<f64>() / differences.len() as f64)
}

/// Bounds of the largest and the mean difference. llama.cpp keeps keys and values in F16 and ours keeps them in F32; it
/// multiplies F16 and BF16 weights by activations of that type; and both round the activations of quantized products, in other
/// blocks for the K types.
fn bounds(to: BlockType) -> (f64, f64) {
    match to {
        BlockType::F32 | BlockType::F16 => (0.03, 0.006),
        BlockType::BF16 => (0.15, 0.03),
        BlockType::Q8_0 | BlockType::Q4_0 => (0.6, 0.15),
        BlockType::Q4K | BlockType::Q5K | BlockType::Q6K => (1.0, 0.25),
    }
}

async fn check(original: &Path, to: BlockType, architecture: &str) {
    let made = tempfile::tempdir().unwrap();
    let file = made.path().join("model.gguf");
    quantize(original, &file, to).unwrap();
    let (largest, mean) = differences(&file).await;
    println!("{architecture} {to}: largest {largest:.5}, mean {mean:.5}");
    let bounds = bounds(to);
    assert!(largest < bounds.0 && mean < bounds.1, "{architecture} {to}: largest {largest}, mean {mean}");
    let described = theirs(&file).describe();
    assert_eq!(described.architecture.as_deref(), Some(architecture));
    assert_eq!(described.quantization.as_deref(), Some(to.name()));
    let own = ours(&file).describe();
    assert_eq!((described.model_digest, described.model_bytes), (own.model_digest, own.model_bytes));
    assert_eq!((described.parameters, described.model), (own.parameters, own.model));
}

#[tokio::test]
async fn every_type_that_quantize_writes_is_read_alike() {
    let all = [
        BlockType::F32,
        BlockType::F16,
        BlockType::BF16,
        BlockType::Q8_0,
        BlockType::Q4_0,
        BlockType::Q4K,
        BlockType::Q5K,
        BlockType::Q6K,
    ];
    for to in all {
        check(&tiny(), to, "llama").await;
    }
}

#[tokio::test]
async fn every_architecture_that_quantize_writes_is_read_alike() {
    for name in ["gpt2", "qwen2", "qwen3", "qwen3moe"] {
        check(&folder(name), BlockType::F32, name).await;
        check(&folder(name), BlockType::Q8_0, name).await;
    }
}

#[test]
fn files_that_llama_cpp_cannot_load_are_typed_errors() {
    let made = tempfile::tempdir().unwrap();
    let load = |path: &Path| LlamaCppEngine::load(path, LlamaCppOptions::default()).unwrap_err();
    let written = |name: &str, bytes: &[u8]| {
        let path = made.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let whole = std::fs::read(tiny()).unwrap();
    assert!(matches!(load(&made.path().join("missing.gguf")), LlamaCppError::Io { .. }));
    assert!(matches!(load(made.path()), LlamaCppError::Io { .. }));
    for bytes in [&b""[..], b"GG", b"no model at all"] {
        assert!(matches!(load(&written("text.gguf", bytes)), LlamaCppError::NotGguf { .. }));
    }
    for length in [4, 100, 2000, whole.len() / 2, whole.len() - 1] {
        let cut = written("cut.gguf", &whole[..length]);
        let error = load(&cut);
        assert!(matches!(error, LlamaCppError::Load { .. }), "{length}: {error}");
        assert!(error.to_string().contains("cut.gguf") && !error.hint().is_empty());
    }
    let mut damaged = whole.clone();
    damaged[8..24].fill(0xff);
    assert!(matches!(load(&written("damaged.gguf", &damaged)), LlamaCppError::Load { .. }));
}
