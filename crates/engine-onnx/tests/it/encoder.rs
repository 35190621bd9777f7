//! Encoders: the same vectors as PyTorch and ONNX Runtime, alone and together, and folders that cannot be used.
//!
//! The models and `reference.json` are written by `tests/models/make.py`.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use weighbridge_engine::{ClassifyRequest, EmbedRequest, Engine};
use weighbridge_engine_onnx::{Encoder, OnnxEngine, OnnxModel, OnnxOptions, OnnxRuntime, Pooling};

/// Vectors of length 1 in single precision: sums of some hundred products, in another order, differ by this at most.
const TOLERANCE: f64 = 2e-6;

#[derive(Deserialize)]
struct Reference {
    texts: Vec<String>,
    bert: Vectors,
    roberta: Vectors,
}

#[derive(Deserialize)]
struct Vectors {
    limit: usize,
    pooling: String,
    texts: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    ids: Vec<u32>,
    pytorch: Vec<f64>,
    onnxruntime: Vec<f64>,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("../models/reference.json")).unwrap()
}

pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models").join(name)
}

fn distance(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(found, expected)| (f64::from(*found) - expected).abs()).fold(0.0, f64::max)
}

#[test]
fn vectors_equal_those_of_pytorch_and_onnxruntime() {
    let reference = reference();
    for (name, vectors) in [("bert", &reference.bert), ("roberta", &reference.roberta)] {
        let encoder = Encoder::open(&folder(name), 1, &OnnxRuntime::Rten).unwrap();
        assert_eq!(encoder.token_limit(), vectors.limit, "{name}");
        let pooling = if vectors.pooling == "cls" { Pooling::Cls } else { Pooling::Mean };
        assert_eq!((encoder.pooling(), encoder.architecture()), (Some(pooling), Some(name)));
        for (text, expected) in reference.texts.iter().zip(&vectors.texts) {
            let found = encoder.run(&[encoder.read(text).unwrap()]).unwrap().remove(0);
            assert_eq!(found.tokens as usize, expected.ids.len(), "{name} {text:?}");
            for expected in [&expected.pytorch, &expected.onnxruntime] {
                let distance = distance(&found.vector, expected);
                assert!(distance < TOLERANCE, "{name} {text:?}: {distance}");
            }
        }
    }
}

#[tokio::test]
async fn texts_that_wait_together_get_the_vectors_that_they_get_alone() {
    let engine = |name: &str| OnnxEngine::load(&folder(name), OnnxOptions::default()).unwrap();
    check_vectors(&engine("bert"), &engine("roberta")).await;
}

/// Holds what engines make of many texts, together and each alone, against the reference.
pub(crate) async fn check_vectors(bert: &OnnxEngine, roberta: &OnnxEngine) {
    let reference = reference();
    for (engine, vectors) in [(bert, &reference.bert), (roberta, &reference.roberta)] {
        let count = reference.texts.len();
        let inputs: Vec<String> = (0..100).map(|place| reference.texts[place % count].clone()).collect();
        let together = engine.embed(EmbedRequest { inputs: inputs.clone() }).await.unwrap();
        let each = inputs.into_iter().map(|input| engine.embed(EmbedRequest { inputs: vec![input] }));
        let each = futures_util::future::join_all(each).await.into_iter().map(|found| found.unwrap().remove(0));
        for (place, found) in together.into_iter().chain(each).enumerate() {
            let expected = &vectors.texts[place % 100 % count];
            assert!(distance(&found.vector, &expected.pytorch) < TOLERANCE, "{place}");
            // No text has just as many tokens as a model reads.
            assert_eq!(found.is_truncated, expected.ids.len() == vectors.limit, "{place}");
        }
        assert!(engine.embed(EmbedRequest::default()).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn an_encoder_says_what_it_is_and_refuses_the_rest() {
    let engine = OnnxEngine::load(&folder("bert"), OnnxOptions::default()).unwrap();
    let (capabilities, description) = (engine.capabilities(), engine.describe());
    assert!(capabilities.embed && !capabilities.classify && !capabilities.score && engine.classes().is_empty());
    assert_eq!((description.model.as_str(), description.architecture.as_deref()), ("bert", Some("bert")));
    assert_eq!(description.quantization.as_deref(), Some("F32"));
    let error = engine.classify(ClassifyRequest::default()).await.unwrap_err();
    assert!(error.to_string().contains("classify texts"), "{error}");
}

/// A copy of the folder `bert`, changed.
fn changed(change: impl FnOnce(&Path)) -> String {
    let held = tempfile::tempdir().unwrap();
    for file in ["model.onnx", "tokenizer.json", "config.json"] {
        std::fs::copy(folder("bert").join(file), held.path().join(file)).unwrap();
    }
    change(held.path());
    let error = OnnxModel::open(held.path(), &OnnxOptions::default()).unwrap_err();
    format!("{error}; {}", error.hint())
}

#[test]
fn folders_that_cannot_be_used_are_refused_with_the_reason() {
    let check = |change: &dyn Fn(&Path), expected: &[&str]| {
        let text = changed(change);
        assert!(expected.iter().all(|part| text.contains(part)), "{text}");
    };
    let write = |file: &'static str, text: &'static str| {
        move |root: &Path| {
            std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            std::fs::write(root.join(file), text).unwrap();
        }
    };
    let remove = |file: &'static str| move |root: &Path| std::fs::remove_file(root.join(file)).unwrap();
    check(&remove("model.onnx"), &["has no `model.onnx`", "one folder"]);
    check(&remove("tokenizer.json"), &["has no `tokenizer.json`"]);
    check(&remove("config.json"), &["has no `config.json`"]);
    check(&write("tokenizer.json", "{"), &["read the tokenizer of", "model.onnx"]);
    check(&write("config.json", "[1]"), &["config.json", "invalid"]);
    check(&write("config.json", r#"{"vocab_size": 20}"#), &["the model knows `20`"]);
    check(&write("config.json", r#"{"max_position_embeddings": 0}"#), &["of 0 positions"]);
    check(&write("sentence_bert_config.json", r#"{"max_seq_length": 2}"#), &["adds 2 tokens", "2 are read"]);
    check(&write("1_Pooling/config.json", r#"{"pooling_mode": "max"}"#), &["pools by `max`"]);
    check(&write("model.onnx", "nonsense"), &["model.onnx", "byte"]);
}

/// Replaces a name in the graph by another of the same length.
fn renamed(from: &str, to: &str) -> String {
    assert_eq!(from.len(), to.len());
    changed(|root| {
        let mut bytes = std::fs::read(root.join("model.onnx")).unwrap();
        let places: Vec<usize> =
            (0..bytes.len()).filter(|&place| bytes[place..].starts_with(from.as_bytes())).collect();
        assert!(!places.is_empty(), "{from}");
        for place in places {
            bytes[place..place + from.len()].copy_from_slice(to.as_bytes());
        }
        std::fs::write(root.join("model.onnx"), bytes).unwrap();
    })
}

#[test]
fn graphs_with_other_inputs_outputs_and_operators_are_refused_by_name() {
    let check = |from: &str, to: &str, expected: &[&str]| {
        let text = renamed(from, to);
        assert!(expected.iter().all(|part| text.contains(part)), "{from}: {text}");
    };
    check("attention_mask", "attention_dusk", &["no input `attention_mask`", "`attention_dusk`"]);
    check("token_type_ids", "token_kind_ids", &["the input `token_kind_ids`"]);
    check("last_hidden_state", "best_hidden_state", &["its outputs are `best_hidden_state`", "sentence_embedding"]);
    check("input_ids", "input_odd", &["no input `input_ids`", "weighbridge.classifier"]);
    check("LayerNormalization", "LayerNormalizatiom", &["LayerNormalizatiom", "--features ort"]);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_becomes_a_vector_of_length_one(text in "(?s).{0,60}") {
        let encoder = Encoder::open(&folder("roberta"), 1, &OnnxRuntime::Rten).unwrap();
        let found = encoder.run(&[encoder.read(&text).unwrap()]).unwrap().remove(0);
        let square: f64 = found.vector.iter().map(|value| f64::from(*value).powi(2)).sum();
        proptest::prop_assert!((square - 1.0).abs() < 1e-5, "{square}");
        proptest::prop_assert!(found.tokens as usize <= encoder.token_limit());
    }
}
