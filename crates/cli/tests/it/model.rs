//! Model files: made, converted, looked into, timed.

use std::fs;

use serde_json::Value;

use crate::support::{bench, onnx, passes, run};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_same_seed_makes_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, seed) in [("a.gguf", "1"), ("b.gguf", "1"), ("c.gguf", "2")] {
        passes(folder, &["model", "synth", "--shape", "tiny", "--quant", "q4_0", "--seed", seed, "--output", name]);
    }
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    assert!(read("a.gguf") == read("b.gguf"));
    assert!(read("a.gguf") != read("c.gguf"));
    let inspection = json(&passes(folder, &["model", "inspect", "a.gguf", "--output-format", "json"]).stdout);
    assert_eq!(inspection["is_synthetic"], Value::Bool(true));
}

#[test]
fn quantizing_says_what_it_saves_and_costs() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let arguments = ["model", "quantize", "tiny", "small.gguf", "--to", "q8_0", "--no-quality"];
    let outcome = json(&passes(folder, &[&arguments[..], &["--output-format", "json"]].concat()).stdout);
    let bytes = |key: &str| outcome["report"][key].as_u64().unwrap();
    assert_eq!(bytes("output_bytes"), fs::metadata(folder.join("small.gguf")).unwrap().len());
    assert!(bytes("output_bytes") < bytes("input_bytes") * 6 / 10);
    assert!(outcome["report"]["error"]["rmse"].as_f64().unwrap() > 0.0);
    let record =
        bench(folder, &["gguf:small.gguf", "--quick", "--phases", "latency", "--lengths", "32/8", "--requests", "3"]);
    assert_eq!(record.engine.quantization.as_deref(), Some("Q8_0"));
}

#[test]
fn kinds_that_do_not_work_here_are_not_available_rather_than_zero() {
    let folder = tempfile::tempdir().unwrap();
    let listing = json(&passes(folder.path(), &["model", "list", "--output-format", "json"]).stdout);
    let mlx = listing["kinds"].as_array().unwrap().iter().find(|kind| kind["kind"] == "mlx").unwrap();
    assert_eq!(mlx["available"], Value::Bool(cfg!(target_os = "macos")));
    let models = ["model", "load", "tiny", "openai:http://127.0.0.1:9/v1#m", "--output-format", "json"];
    let loaded = json(&passes(folder.path(), &models).stdout);
    assert!(loaded[0]["load_time_ms"].as_f64().unwrap() > 0.0);
    assert!(loaded[1]["load_time_ms"].is_null() && loaded[1]["reason"].is_string());
}

#[test]
fn models_load_together_and_serve_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let together = |more: &[&str]| {
        let ran = run(folder.path(), &[&["model", "load", "--together", "--output-format", "json"], more].concat());
        (ran.code, json(&ran.stdout))
    };
    let (code, found) = together(&["tiny", "onnx:network", "tiny", "--requests", "4", "--max-tokens", "3"]);
    assert_eq!((code, found["loaded"].as_u64()), (Some(0), Some(3)));
    let completed = |found: &Value| found["completed"].as_u64();
    assert_eq!(completed(&found["requests"]), Some(8));
    assert!(found["models"][1]["served"].is_null() && completed(&found["models"][2]["served"]) == Some(4));
    let memory = |key: &str| found["memory"][key].as_u64().unwrap();
    assert!(memory("pss_after") > memory("pss_before") && memory("weights_mapped") > 0);
    if cfg!(target_env = "gnu") {
        let parts = &found["memory"]["parts"];
        assert!(parts["heap"].as_u64().unwrap() > 0 && parts["program"].as_u64() > parts["kv"].as_u64(), "{parts}");
        let unattributed = parts["unattributed_share"].as_f64().unwrap();
        assert!(unattributed.abs() < 0.1, "{parts}");
    }
    // The third does not fit; the others are loaded all the same.
    let (code, found) = together(&["tiny", "onnx:network", "tiny", "--memory-limit", "7MiB"]);
    assert_eq!((code, found["loaded"].as_u64()), (Some(0), Some(2)));
    assert_eq!(found["models"][2]["reason"], "memory_limit");
    let (code, found) = together(&["tiny", "gguf:none.gguf"]);
    assert_eq!((code, &found["models"][1]["reason"]), (Some(4), &Value::from("failed")));
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(folder.path(), &["model", "synth", "--shape", "tiny", "--output", "none/model.gguf"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("none/model.gguf"), "{}", ran.stderr);
}

#[test]
fn an_encoder_makes_vectors_and_says_what_it_is() {
    let held = tempfile::tempdir().unwrap();
    let folder = held.path();
    onnx("bert", &folder.join("encoder"));
    std::fs::write(folder.join("texts.txt"), "a host scans ports\nlogin failed for root\n").unwrap();
    let embedded = ["model", "embed", "onnx:encoder", "--text", "a host scans ports", "--file", "texts.txt"];
    let table = passes(folder, &embedded).stdout;
    assert!(table.contains("3 texts, 24 dimensions") && table.contains("1.000"), "{table}");
    let lines = passes(folder, &[&embedded[..], &["--output-format", "json"]].concat()).stdout;
    let found: Vec<Value> = lines.lines().map(json).collect();
    assert_eq!((found.len(), found[0]["vector"].as_array().unwrap().len()), (3, 24));
    assert_eq!(found[0]["vector"], found[1]["vector"]);
    assert_ne!(found[0]["vector"], found[2]["vector"]);
    let inspection = json(&passes(folder, &["model", "inspect", "onnx:encoder", "--output-format", "json"]).stdout);
    assert_eq!(
        (&inspection["encoder"]["pooling"], &inspection["encoder"]["token_limit"]),
        (&"mean".into(), &40.into())
    );
    let shown = passes(folder, &["model", "inspect", "onnx:encoder/model.onnx"]).stdout;
    assert!(shown.contains("24 numbers, of length 1"), "{shown}");
    passes(folder, &["model", "load", "onnx:encoder"]);
}

#[test]
fn embeddings_that_cannot_be_made_are_refused() {
    let held = tempfile::tempdir().unwrap();
    let folder = held.path();
    onnx("bert", &folder.join("encoder"));
    let check = |arguments: &[&str], parts: &[&str]| {
        let ran = run(folder, &[&["model", "embed"], arguments].concat());
        assert!(
            ran.code == Some(2) && parts.iter().all(|part| ran.stderr.contains(part)),
            "{arguments:?}: {}",
            ran.stderr
        );
    };
    check(&["onnx:encoder"], &["embed no text", "--text"]);
    check(&["onnx:encoder", "--file", "absent.txt"], &["absent.txt", "UTF-8"]);
    check(&["onnx:network", "--text", "a"], &["`onnx:network`", "no encoder"]);
    check(&["scripted:ttft=1ms", "--text", "a"], &["no encoder"]);
    check(&["onnx:absent", "--text", "a"], &["absent"]);
    std::fs::remove_file(folder.join("encoder/tokenizer.json")).unwrap();
    check(&["onnx:encoder", "--text", "a"], &["has no `tokenizer.json`"]);
}

/// A task short enough for a context of 64 tokens.
const PACKETS: &str = r#"
task: packets
dataset_path: json
dataset_kwargs:
  data_files: {test: packets.jsonl}
test_split: test
output_type: multiple_choice
doc_to_text: "{{text}}:"
doc_to_choice: [port, file]
doc_to_target: "{{kind}}"
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
"#;

#[test]
fn an_onnx_decoder_is_loaded_and_evaluated_and_encoders_are_not() {
    let held = tempfile::tempdir().unwrap();
    let folder = held.path();
    onnx("gpt2", &folder.join("decoder"));
    let inspection = json(&passes(folder, &["model", "inspect", "onnx:decoder", "--output-format", "json"]).stdout);
    assert_eq!(
        (&inspection["decoder"]["context_length"], &inspection["decoder"]["vocabulary"]),
        (&64.into(), &279.into())
    );
    let few = ["-c", "2", "-n", "6", "--isl", "8", "--osl", "4", "--disturbed-limit", "1", "--output-format", "json"];
    let record = json(&passes(folder, &[&["load", "onnx:decoder"], &few[..]].concat()).stdout);
    assert_eq!((&record["engine"]["engine"], &record["engine"]["architecture"]), (&"onnx".into(), &"gpt2".into()));
    onnx("bert", &folder.join("encoder"));
    for model in ["onnx:encoder", "onnx:network"] {
        let ran = run(folder, &["bench", model]);
        assert!(ran.code == Some(2) && ran.stderr.contains("writes no text"), "{model}: {}", ran.stderr);
    }
    let tasks = concat!(env!("CARGO_MANIFEST_DIR"), "/../eval/tasks/security");
    let ran = run(folder, &["eval", "run", "security_email_sample", "--tasks-dir", tasks, "--model", "onnx:encoder"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("answers with vectors"), "{}", ran.stderr);
    std::fs::write(folder.join("packets.jsonl"), "{\"text\": \"a host\", \"kind\": \"port\"}\n").unwrap();
    std::fs::write(folder.join("packets.yaml"), PACKETS).unwrap();
    let choices = ["eval", "run", "packets.yaml", "--model", "onnx:decoder", "--output-format", "json"];
    let record = json(&passes(folder, &choices).stdout);
    assert_eq!((&record["status"], &record["engine"]["model"]), (&"complete".into(), &"decoder".into()));
    let ran = run(folder, &["bench", "onnx:absent"]);
    assert!(ran.code != Some(0) && ran.stderr.contains("absent"), "{}", ran.stderr);
}

#[test]
fn a_switch_between_models_is_timed_and_judged() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["bench", "switch", "--from", "tiny", "--to", "onnx:network", "--cycles", "3"];
    let told = passes(folder.path(), &[&arguments[..], &["--output-format", "json"]].concat()).stdout;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["verdict"], &told["target_ms"]), (&"met".into(), &5000.0.into()), "{told}");
    let switches = told["switches"].as_array().unwrap();
    assert_eq!(switches.len(), 6);
    for (switch, to) in switches.iter().zip(["onnx:network", "tiny"].into_iter().cycle()) {
        let ms = |key: &str| switch[key].as_f64().unwrap();
        assert!(switch["to"] == to && ms("load_ms") > 0.0 && ms("first_answer_ms") > 0.0, "{switch}");
        assert!((ms("unload_ms") + ms("load_ms") - ms("switch_ms")).abs() < 1e-9, "{switch}");
    }
    let direction = &told["directions"][0];
    assert_eq!((&direction["n"], &direction["to"]), (&3.into(), &"onnx:network".into()));
    assert!(direction["switch_ms_max"].as_f64() >= direction["switch_ms_p50"].as_f64());
    let missed = run(folder.path(), &[&arguments[..], &["--target", "1us", "--critical", "1h"]].concat());
    assert_eq!(missed.code, Some(1), "{}{}", missed.stdout, missed.stderr);
    assert_eq!(missed.stdout.matches("missed").count(), 2, "{}", missed.stdout);
    let critical = run(folder.path(), &[&arguments[..], &["--target", "1us", "--critical", "2us"]].concat());
    assert!(critical.code == Some(1) && critical.stdout.contains("critical"), "{}", critical.stdout);
    let remote = run(folder.path(), &["bench", "switch", "--from", "tiny", "--to", "openai:http://127.0.0.1:1/v1#m"]);
    assert_eq!(remote.code, Some(2), "{}", remote.stderr);
}
