//! The same rows and the same probabilities as in training.
//!
//! `vectors.json` is written by `models/classifiers/vectors.py`: rows by NumPy 2.4, bit for bit; log-probabilities by
//! onnxruntime 1.32.

use serde::Deserialize;
use weighbridge_engine_onnx::{Classifier, Features};

#[derive(Deserialize)]
struct Vectors {
    texts: Vec<String>,
    features: Vec<FeatureVectors>,
    classifiers: Vec<ClassifierVectors>,
}

#[derive(Deserialize)]
struct FeatureVectors {
    settings: Features,
    /// For each text its buckets that are not zero, with the bits of the value.
    rows: Vec<Vec<(usize, u32)>>,
}

#[derive(Deserialize)]
struct ClassifierVectors {
    name: String,
    log_probabilities: Vec<Vec<f64>>,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

/// A shipped classifier.
pub(crate) fn shipped(name: &str) -> Vec<u8> {
    let path = format!("{}/../../models/{name}/{name}.onnx", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).unwrap()
}

#[test]
fn rows_equal_those_of_training() {
    let vectors = vectors();
    for FeatureVectors { settings, rows } in vectors.features {
        for (text, expected) in vectors.texts.iter().zip(rows) {
            let row = settings.row(text);
            let found = row.iter().enumerate().filter(|(_, value)| **value > 0.0);
            let found: Vec<(usize, u32)> = found.map(|(place, value)| (place, value.to_bits())).collect();
            assert_eq!(found, expected, "{settings:?} {text:?}");
        }
    }
}

#[test]
fn probabilities_equal_those_of_onnxruntime() {
    let vectors = vectors();
    for ClassifierVectors { name, log_probabilities } in vectors.classifiers {
        let classifier = Classifier::from_bytes(&name, shipped(&name), 1).unwrap();
        let rows = vectors.texts.iter().flat_map(|text| classifier.description().features.row(text)).collect();
        for ((text, found), expected) in vectors.texts.iter().zip(classifier.run(rows).unwrap()).zip(log_probabilities)
        {
            for (found, expected) in found.log_probabilities.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-4, "{name} {text:?}: {found} {expected}");
            }
        }
    }
}

/// Generated as `models/bytes/train.py` does, in other code: what the network says of bytes that are no text.
#[test]
fn noise_is_packed_and_prose_is_text() {
    let classifier = Classifier::from_bytes("bytes", shipped("bytes"), 1).unwrap();
    let mut state = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(4096)
    .collect();
    let check = |bytes: &[u8], expected: &str| {
        let found = classifier.run(classifier.description().features.row_of_bytes(bytes)).unwrap().remove(0);
        let place = classifier.description().labels.iter().position(|label| label == expected).unwrap();
        assert!(found.log_probabilities[place] > -0.7, "{expected}: {found:?}");
    };
    check(&noise, "packed");
    check("the quick brown fox jumps over the lazy dog\n".repeat(100).as_bytes(), "text");
}
