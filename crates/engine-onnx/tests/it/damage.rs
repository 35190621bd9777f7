//! Files that cannot be used: each is refused with a reason.

use weighbridge_engine_onnx::{Classifier, OnnxError};

use crate::graph::{Graph, description};

fn load(bytes: Vec<u8>) -> Result<Classifier, OnnxError> {
    Classifier::from_bytes("small.onnx", bytes, 1)
}

#[test]
fn a_small_graph_runs() {
    let classifier = load(Graph::default().bytes()).unwrap();
    assert_eq!((classifier.parameters(), classifier.description().labels.len()), (Some(18), 2));
    let (inputs, outputs) = classifier.shapes();
    assert_eq!((inputs[0].dimensions.as_str(), outputs[0].dimensions.as_str()), ("texts × 8", "texts × 2"));
    // Row of zeros: the logits are the bias, 0 and 1/4.
    let sum = 1.0_f64 + 0.25_f64.exp();
    let found = classifier.run(vec![0.0; 8]).unwrap();
    assert!((found[0].log_probabilities[1] - (0.25 - sum.ln())).abs() < 1e-7, "{found:?}");
}

#[test]
fn what_does_not_fit_is_named() {
    let check = |graph: Graph, expected: &[&str]| {
        let error = load(graph.bytes()).unwrap_err();
        let text = format!("{error}; {}", error.hint());
        assert!(expected.iter().all(|part| text.contains(part)), "{text}");
    };
    let good = Graph::default;
    check(Graph { operator: "LSTM", ..good() }, &["small.onnx", "LSTM", "--features ort"]);
    check(Graph { operator: "Nonsense", ..good() }, &["Nonsense", "--features ort"]);
    check(Graph { inputs: 9, ..good() }, &["its input is texts × 9", "texts × 8"]);
    check(Graph { classes: 3, ..good() }, &["[1, 3]", "expected [1, 2] for 2 labels"]);
    check(Graph { description: None, ..good() }, &["have no key `weighbridge.classifier`", "metadata_props"]);
    check(Graph { description: Some("{}".to_owned()), ..good() }, &["missing field `version`"]);
    check(Graph { description: Some(description(8, &["one", "one"])), ..good() }, &["`one` is empty or stands twice"]);
    let missing = Classifier::open("no/such.onnx".as_ref(), 1).unwrap_err();
    assert!(missing.to_string().contains("no/such.onnx") && missing.hint().contains("onnx:network"), "{missing}");
}

#[test]
fn every_truncation_is_refused() {
    let whole = Graph::default().bytes();
    for length in 0..whole.len() {
        let error = load(whole[..length].to_vec()).unwrap_err();
        assert!(
            error.to_string().contains("small.onnx") || error.to_string().contains("metadata"),
            "{length}: {error}"
        );
    }
}

proptest::proptest! {
    #[test]
    fn any_damage_is_loaded_or_refused(place in 0_usize..400, byte: u8) {
        let mut bytes = Graph::default().bytes();
        let place = place % bytes.len();
        bytes[place] = byte;
        if let Ok(classifier) = load(bytes) {
            drop(classifier.run(classifier.description().features.row("any text")));
        }
    }

    #[test]
    fn several_damages_are_loaded_or_refused(damage in proptest::collection::vec((0_usize..400, 128_u8..), 1..12)) {
        let mut bytes = Graph::default().bytes();
        for (place, byte) in damage {
            let place = place % bytes.len();
            bytes[place] = byte;
        }
        drop(load(bytes));
    }

    #[test]
    fn any_bytes_are_refused(bytes: Vec<u8>) {
        proptest::prop_assert!(load(bytes).is_err());
    }
}
