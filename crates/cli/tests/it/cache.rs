//! What our caches are worth, through the real binary.

use std::path::Path;

use serde_json::Value;

use crate::support::{passes, run};

fn worth(folder: &Path, arguments: &[&str]) -> Value {
    let all = [&["cache", "bench"], arguments, &["--output-format", "json"]].concat();
    serde_json::from_str(&passes(folder, &all).stdout).unwrap()
}

/// A row, whose figures must agree with each other.
fn row(worth: &Value, name: &str) -> Value {
    let rows = worth["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == name).cloned().unwrap_or_else(|| panic!("{worth}"));
    let value = |name: &str| row[name]["value"].as_f64().unwrap();
    let number = |name: &str| row[name].as_f64().unwrap();
    assert!((value("net") - (value("effectiveness") - value("overhead"))).abs() < 1e-9, "{row}");
    assert!((value("net") - (1.0 - number("with_ms") / number("without_ms"))).abs() < 1e-9, "{row}");
    assert!((value("hit_rate") - number("hits") / number("n")).abs() < 1e-9, "{row}");
    for name in ["hit_rate", "effectiveness", "overhead", "net", "speedup"] {
        let (low, high) = (row[name]["low"].as_f64().unwrap(), row[name]["high"].as_f64());
        let value = value(name);
        assert!(low <= value + 1e-9 && high.is_none_or(|high| value <= high + 1e-9), "{name}: {row}");
    }
    row
}

const SMALL: [&str; 8] = ["-n", "30", "--pool", "3", "--words", "16", "--osl", "2"];

#[test]
fn workloads_are_worth_what_they_repeat() {
    let folder = tempfile::tempdir().unwrap();
    let told = worth(folder.path(), &[&["workloads"], &SMALL[..]].concat());
    let repeated = row(&told, "repeated");
    // All but the first use of each prompt.
    assert_eq!((&repeated["hits"], &repeated["n"]), (&Value::from(27), &Value::from(30)));
    assert!(repeated["speedup"]["value"].as_f64().unwrap() > 1.0, "{repeated}");
    assert!(repeated["bytes"].as_u64().unwrap() > 3 * 160, "{repeated}");
    // Without the flag nothing nearly equal is a hit.
    assert_eq!(row(&told, "similar")["hits"], 0);
    assert_eq!(row(&told, "similar")["near"], Value::Null);
    let mixed = row(&told, "mixed")["hits"].as_u64().unwrap();
    assert_eq!(mixed, 15 - 3);
}

#[test]
fn near_prompts_are_hits_with_the_flag_alone_and_how_many_answers_differ_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let told = worth(folder.path(), &[&["workloads", "--near", "0.9"], &SMALL[..]].concat());
    let similar = row(&told, "similar");
    let near = &similar["near"];
    // Every second one differs in its form alone.
    assert!(near["hits"].as_u64().unwrap() >= 12 && near["hits"] == similar["hits"], "{similar}");
    let share = &near["equal_share"];
    let number = |name: &str| share[name].as_f64().unwrap();
    assert!(number("low") <= number("value") && number("value") <= number("high"), "{share}");
    assert_eq!(row(&told, "repeated")["near"]["hits"], 0);
    assert_eq!(row(&told, "repeated")["near"]["equal_share"], Value::Null);
    let refused = run(folder.path(), &["cache", "bench", "workloads", "--near", "0.5"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("above 0.875"), "{}", refused.stderr);
}

#[test]
fn models_in_memory_are_hits() {
    let folder = tempfile::tempdir().unwrap();
    let told = worth(folder.path(), &["model", "tiny", "tiny", "tiny", "-n", "24", "--max-models", "2"]);
    let models = row(&told, "models");
    let hits = models["hits"].as_u64().unwrap();
    assert!((8..=22).contains(&hits) && models["bytes"].as_u64().unwrap() > 1 << 20, "{models}");
    // With room for all of them each is loaded once.
    let all = worth(folder.path(), &["model", "tiny", "tiny", "tiny", "-n", "24"]);
    assert_eq!(row(&all, "models")["hits"], 21);
    assert!(row(&all, "models")["speedup"]["value"].as_f64().unwrap() > 1.0, "{all}");
}

#[test]
fn answers_and_classes_are_kept_by_their_whole_request() {
    let folder = tempfile::tempdir().unwrap();
    let told = worth(folder.path(), &[&["prediction"], &SMALL[..]].concat());
    for kind in ["answers", "classes"] {
        assert_eq!(row(&told, kind)["hits"], 27, "{kind}");
        assert!(row(&told, kind)["bytes"].as_u64().unwrap() > 3 * 160, "{kind}");
    }
}

#[test]
fn scores_are_kept_by_the_bytes_of_their_file_and_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let told = worth(folder.path(), &["evaluation", "-n", "12", "--pool", "2", "--samples", "200"]);
    assert_eq!(row(&told, "scores")["hits"], 10);
    let text = passes(folder.path(), &["cache", "bench", "evaluation", "-n", "4", "--samples", "50"]).stdout;
    assert!(text.contains("scores") && text.contains("times as fast"), "{text}");

    let file = folder.path().join("said.jsonl");
    let line = |id: &str, said: &str| format!("{{\"id\":\"{id}\",\"target\":\"a\",\"prediction\":\"{said}\"}}\n");
    std::fs::write(&file, line("1", "a") + &line("2", "b")).unwrap();
    let score = |extra: &[&str]| {
        let arguments = ["eval", "score", "said.jsonl", "--no-record", "--cache", "kept", "--output-format", "json"];
        let ran = passes(folder.path(), &[&arguments[..], extra].concat());
        (ran.stdout, ran.stderr.contains("were kept"))
    };
    let (first, was_kept) = score(&[]);
    assert!(!was_kept);
    let (again, is_kept) = score(&[]);
    assert!(is_kept && again == first, "{first}\n{again}");
    assert!(!score(&["--metric", "accuracy"]).1);
    std::fs::write(&file, line("1", "a") + &line("2", "a")).unwrap();
    let (other, is_kept) = score(&[]);
    assert!(!is_kept && other != first);
    let stats = passes(folder.path(), &["cache", "stats", "kept", "--output-format", "json"]).stdout;
    assert_eq!(serde_json::from_str::<Value>(&stats).unwrap()["levels"][0]["entries"], 3);
}

#[test]
fn a_verb_takes_no_flags_of_a_target() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(folder.path(), &["cache", "bench", "--pairs", "3", "workloads"]).code, Some(2));
    let missing = run(folder.path(), &["cache", "bench", "workloads", "gguf:absent.gguf"]);
    assert_eq!(missing.code, Some(2), "{}", missing.stderr);
}
