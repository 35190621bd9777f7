//! The engine: batches, refusals, and what it says of itself.

use futures_util::StreamExt;
use weighbridge_engine::{ClassifyRequest, Engine, EventKind, GenerateRequest, Prompt};
use weighbridge_engine_onnx::{OnnxEngine, OnnxOptions};
use weighbridge_types::time::Clock;

use crate::parity::shipped;

fn network() -> OnnxEngine {
    let options = OnnxOptions { model_ref: Some("onnx:network".to_owned()), ..OnnxOptions::default() };
    OnnxEngine::from_bytes("network", &shipped("network"), options).unwrap()
}

fn inputs(count: usize) -> Vec<String> {
    let kinds = ["maria lopez", "1' UNION SELECT password FROM users --", "<script>alert(1)</script>"];
    (0..count).map(|place| format!("{} {place}", kinds[place % 3])).collect()
}

#[tokio::test]
async fn answers_do_not_depend_on_who_asks_beside() {
    let engine = network();
    let together = engine.classify(ClassifyRequest { inputs: inputs(150) }).await.unwrap();
    assert_eq!(together.len(), 150);
    let alone = inputs(150).into_iter().map(|input| engine.classify(ClassifyRequest { inputs: vec![input] }));
    let alone = futures_util::future::join_all(alone).await;
    for (alone, together) in alone.into_iter().zip(&together) {
        let alone = alone.unwrap().remove(0);
        for (alone, together) in alone.log_probabilities.iter().zip(&together.log_probabilities) {
            assert!((alone - together).abs() < 1e-5, "{alone} {together}");
        }
    }
    assert!(engine.classify(ClassifyRequest::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn attacks_are_told_from_names() {
    check_attacks(&network()).await;
}

pub(crate) async fn check_attacks(engine: &OnnxEngine) {
    let found = engine.classify(ClassifyRequest { inputs: inputs(3) }).await.unwrap();
    let classes = engine.classes();
    let likeliest = |place: usize| {
        let values = &found[place].log_probabilities;
        let best = (0..values.len()).max_by(|a, b| values[*a].total_cmp(&values[*b])).unwrap();
        classes[best].as_str()
    };
    assert_eq!([likeliest(0), likeliest(1), likeliest(2)], ["norm", "sqli", "xss"]);
}

#[tokio::test]
async fn text_is_refused() {
    let engine = network();
    let capabilities = engine.capabilities();
    assert!(capabilities.classify && !capabilities.score);
    let request = GenerateRequest::new(Prompt::Text("hello".to_owned()), 1, Clock::start());
    let events: Vec<_> = engine.generate(request).collect().await;
    let [event] = &events[..] else { panic!("{events:?}") };
    assert!(matches!(&event.kind, EventKind::Failed(failure) if failure.message.contains("generate text")));
    let description = engine.describe();
    assert_eq!((description.engine.as_str(), description.model_ref.as_str()), ("onnx", "onnx:network"));
    assert_eq!(description.parameters, Some(2048 * 5 + 5));
    assert_eq!(description.model_digest.map(|digest| digest.len()), Some(64));
}
