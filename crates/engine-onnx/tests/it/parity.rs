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
