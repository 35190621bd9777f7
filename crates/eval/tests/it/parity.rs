//! Prompts, hashes, log-probabilities and figures are those of lm-eval.

use tokio_util::sync::CancellationToken;
use weighbridge_eval::runner::Export;
use weighbridge_eval::task::Value;

use crate::support::{Memory, MockEngine, data, run, settings};

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Float(value) => Some(*value),
        Value::Int(value) => Some(*value as f64),
        Value::Text(text) => text.parse().ok(),
        Value::List(items) => number(items.first()?),
        Value::None | Value::Bool(_) | Value::Dict(_) => None,
    }
}

#[track_caller]
fn equal(what: &str, expected: &Value, found: Option<&Value>) {
    let found = found.unwrap_or_else(|| panic!("{what} is missing"));
    match (number(expected), number(found)) {
        (Some(expected), Some(found)) => {
            assert!((expected - found).abs() <= 1e-12 * expected.abs().max(1.0), "{what}: {found} is not {expected}");
        }
        _ => assert_eq!(expected, found, "{what}"),
    }
}

/// The vectors say where they come from.
#[tokio::test]
async fn an_evaluation_is_lm_evals() {
    let expected = std::fs::read_to_string(data().join("lm_eval.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let settings = settings(&["demo_all", "demo_gen", "demo_roll"]);
    let mut journal = Memory::default();
    let evaluated = run(&settings, MockEngine::default(), CancellationToken::new(), None, &mut journal).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let export = Export { plan: &evaluated.plan, record: &evaluated.record };
    let path = export.write(folder.path(), &mut journal).unwrap();
    let results: Value = serde_json::from_str(&std::fs::read_to_string(path.join("results.json")).unwrap()).unwrap();
    let Some(Value::Dict(tasks)) = expected.get("results") else { panic!("no results") };
    for (task, figures) in tasks {
        let Value::Dict(figures) = figures else { panic!("no figures") };
        let found = results.get("results").unwrap().get(task).unwrap();
        for (key, value) in figures {
            equal(&format!("{task} {key}"), value, found.get(key));
        }
    }
    let Some(Value::Dict(tasks)) = expected.get("samples") else { panic!("no samples") };
    for (task, samples) in tasks {
        let text = std::fs::read_to_string(path.join(format!("samples_{task}.jsonl"))).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let samples = samples.as_list().unwrap();
        assert_eq!(lines.len(), samples.len(), "{task}");
        for (line, sample) in lines.iter().zip(samples) {
            let keys = ["doc_id", "filter", "doc_hash", "prompt_hash", "target_hash"];
            let sample = sample.as_list().unwrap();
            for (key, value) in keys.iter().zip(sample) {
                assert_eq!(Some(value), line.get(key), "{task} {key} of {}", sample[0].text());
            }
            let (answers, found) =
                (sample[5].as_list().unwrap(), line.get("filtered_resps").unwrap().as_list().unwrap());
            assert_eq!(answers.len(), found.len());
            answers.iter().zip(found).for_each(|(answer, found)| equal(task, answer, Some(found)));
        }
    }
}
