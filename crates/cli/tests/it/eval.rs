//! Tasks against a model, through the binary.

use std::path::Path;

use serde_json::Value;
use weighbridge_engine_http::scripted_server::{ScriptedServer, ServerOptions};
use weighbridge_types::time::Clock;

use crate::support::{Endpoint, passes, run, weighbridge};

/// A task whose documents are numbers, to be said again.
const NUMBERS: &str = "task: numbers\ndataset_path: json\ndataset_kwargs:\n  data_files: {test: numbers.jsonl}\n\
    test_split: test\noutput_type: generate_until\ndoc_to_text: \"{{n}}\"\ndoc_to_target: \"{{n}}\"\n\
    metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]\n";

fn write(folder: &Path) {
    let documents: Vec<String> =
        (0..6).map(|n| format!(r#"{{"n": {n}, "choices": ["even", "odd"], "parity": {}}}"#, n % 2)).collect();
    std::fs::write(folder.join("parity.jsonl"), documents.join("\n")).unwrap();
    let task = "task: parity\ntag: numbers\ndataset_path: json\ndataset_kwargs:\n  data_files: {test: parity.jsonl}\n\
                test_split: test\nnum_fewshot: 2\noutput_type: multiple_choice\ndoc_to_text: \"{{n}} is\"\n\
                doc_to_choice: choices\ndoc_to_target: parity\n";
    std::fs::write(folder.join("parity.yaml"), task).unwrap();
    let python = "task: python\ndoc_to_text: !function utils.text\n";
    std::fs::write(folder.join("python.yaml"), python).unwrap();
}

#[test]
fn a_task_runs_against_the_model_inside() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder);
    let run = passes(folder, &["eval", "run", "numbers", "--tasks-dir", ".", "--output-format", "json"]);
    let record: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&record["kind"], &record["status"]), (&"eval".into(), &"complete".into()));
    assert_eq!(record["phases"][0]["tally"]["succeeded"], 6);
    assert!(record["metrics"].as_array().unwrap().iter().any(|metric| metric["name"] == "acc_norm"));
    let checked = passes(folder, &["report", "check", "latest"]);
    assert!(checked.stdout.contains("no contradiction"), "{}", checked.stdout);
    // Nothing is left to ask, and the figures stay.
    let again = passes(folder, &["eval", "run", "--resume", "latest", "--output-format", "json"]);
    let again: Value = serde_json::from_str(&again.stdout).unwrap();
    // The rate is over the time of both parts.
    let figures = |record: &Value| {
        let metrics = record["metrics"].as_array().unwrap().iter();
        metrics.filter(|metric| metric["name"] != "document_rate").cloned().collect::<Vec<_>>()
    };
    assert_eq!(figures(&again), figures(&record));
}

#[test]
fn documents_beyond_memory_go_to_a_file_and_it_is_said_where_that_cannot_be() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let filling = "x".repeat(1 << 20);
    let documents: Vec<String> = (0..20).map(|n| format!(r#"{{"n": {n}, "filling": "{filling}"}}"#)).collect();
    std::fs::write(folder.join("numbers.jsonl"), documents.join("\n")).unwrap();
    std::fs::write(folder.join("numbers.yaml"), NUMBERS).unwrap();
    let asked = ["eval", "run", "numbers.yaml", "--model", "scripted:ttft=0ms,itl=0ms", "--output-format", "json"];
    let record: Value = serde_json::from_str(&passes(folder, &asked).stdout).unwrap();
    assert_eq!(record["phases"][0]["tally"]["succeeded"], 20);
    let output = weighbridge().current_dir(folder).env("TMPDIR", "/nowhere").args(asked).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("in `/nowhere`") && said.contains("TMPDIR"), "{said}");
}

#[test]
fn prompts_are_shown_without_asking() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let shown = passes(folder.path(), &["eval", "run", "parity.yaml", "--dry-run", "--num-fewshot", "1"]);
    assert!(shown.stdout.contains("0 is\n") && shown.stdout.contains("→ \" odd\""), "{}", shown.stdout);
    assert!(!folder.path().join("results").exists());
    let listed = passes(folder.path(), &["eval", "list", "--tasks-dir", "."]);
    assert!(listed.stdout.contains("task  parity\n") && listed.stdout.contains("cannot run"), "{}", listed.stdout);
}

#[test]
fn what_cannot_run_is_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let check = |arguments: &[&str], expected: &str| {
        let failed = run(folder.path(), &[&["eval", "run", "--tasks-dir", "."], arguments].concat());
        assert_eq!(failed.code, Some(2), "{}", failed.stderr);
        assert!(failed.stderr.contains(expected) && failed.stderr.contains("hint:"), "{}", failed.stderr);
    };
    check(&["python"], "its key `doc_to_text` is Python code");
    check(&["paritj"], "did you mean `parity`?");
    check(&["parity", "--limit", "0"], "accept limit `0`");
    check(&["parity", "--num-fewshot", "9"], "draw 9 few-shot examples");
    check(&["parity", "--model", "scripted:ttft=0ms", "--choices", "loglikelihood"], "needs log-probabilities");
}

#[test]
fn the_six_domains_run_without_anything_else() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let run = ["eval", "run", "domains", "--model", "tiny", "--limit", "2", "--max-tokens", "8"];
    let shown = crate::support::weighbridge().current_dir(folder).env("COLUMNS", "80").args(run).output().unwrap();
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let shown = String::from_utf8(shown.stdout).unwrap();
    for domain in ["reasoning", "creativity", "language", "social", "integration", "knowledge", "all"] {
        assert!(shown.lines().any(|line| line.trim_start().starts_with(domain)), "{domain}: {shown}");
    }
    let tables = shown.lines().skip_while(|line| !line.contains("Right answers"));
    let widest = tables.map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{widest:?}: {shown}");
    let record: Value =
        serde_json::from_str(&passes(folder, &["report", "show", "latest", "--output-format", "json"]).stdout).unwrap();
    let of = |group: &str, name: &str| {
        let metrics = record["metrics"].as_array().unwrap();
        metrics.iter().find(|metric| metric["cell"]["group"] == group && metric["name"] == name).unwrap().clone()
    };
    assert_eq!(of("domains", "accuracy")["n"], 36);
    assert_eq!(of("domains", "accuracy")["interval"]["method"], "wilson");
    assert!(of("domain_social", "sample_latency")["value"].as_f64() > Some(0.0));
    assert_eq!(record["settings"]["batch_sizes"]["domain_language_hard"], 64);
    assert_eq!(passes(folder, &["report", "check", "latest"]).stderr, "");
    // A group's figure that its tasks do not give is found.
    let mut runs =
        std::fs::read_dir(folder.join("results")).unwrap().map(|run| run.unwrap().path().join("record.json"));
    let path = runs.find(|path| path.is_file()).unwrap();
    let mut record = record;
    let metrics = record["metrics"].as_array_mut().unwrap();
    let of_group = |metric: &&mut Value| metric["cell"]["group"] == "domains" && metric["name"] == "accuracy";
    metrics.iter_mut().find(of_group).unwrap()["n"] = 35.into();
    std::fs::write(path, serde_json::to_string(&record).unwrap()).unwrap();
    let found = self::run(folder, &["report", "check", "latest"]);
    assert!(found.code != Some(0) && found.stdout.contains("n 35"), "{} {}", found.stdout, found.stderr);
}

#[test]
fn a_judge_is_asked_and_weighed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let answers = "{\"question\": \"2 + 2?\", \"output\": \"It is 4.\", \"human\": \"pass\"}\n\
                   {\"question\": \"3 + 3?\", \"output\": \"It is 5.\", \"human\": \"fail\"}\n";
    std::fs::write(folder.join("answers.jsonl"), answers).unwrap();
    let judge = ["eval", "judge", "answers.jsonl", "--rubric", "Right.", "--map", "answer=output", "--plant"];
    let shown = passes(folder, &[&judge[..], &["--judge", "tiny", "--dry-run"]].concat());
    assert!(shown.stdout.contains("[Answer]\nIt is 4.") && shown.stdout.contains("Verdict: pass"), "{}", shown.stdout);
    // A script answers in no strict form: every verdict is counted as not understood, and none is made up.
    let prices = ["--price-input", "2", "--price-output", "50"];
    let scripted =
        [&["--judge", "scripted:ttft=0ms,itl=0ms,tokens=7", "--output-format", "json"], &prices[..]].concat();
    let record: Value = serde_json::from_str(&passes(folder, &[&judge[..], &scripted].concat()).stdout).unwrap();
    let of = |name: &str| record["metrics"].as_array().unwrap().iter().find(|metric| metric["name"] == name).cloned();
    assert_eq!(of("judge_unparsable").unwrap()["value"], 1.0);
    assert_eq!(of("judge_pass_rate"), None);
    let tokens = |kind: &str| {
        let mut of_kind =
            record["metrics"].as_array().unwrap().iter().filter(|metric| metric["cell"]["tokens"] == kind);
        of_kind.next().unwrap()["value"].as_f64().unwrap()
    };
    let questions = record["phases"][0]["tally"]["scheduled"].as_f64().unwrap();
    assert!((tokens("output") - 7.0 * questions).abs() < 1e-9 && questions > 2.0);
    let cost = of("evaluation_cost").unwrap()["value"].as_f64().unwrap();
    assert!((cost - (tokens("input") * 2.0 + tokens("output") * 50.0) / 1e6).abs() < 1e-12, "{cost}");
    assert_eq!(record["settings"]["judge"]["answers"], 2);
    let resumed = run(folder, &["eval", "run", "--resume", "latest"]);
    assert!(resumed.code == Some(2) && resumed.stderr.contains("eval judge --resume latest"), "{}", resumed.stderr);
    let check = |arguments: &[&str], expected: &str| {
        let failed = run(folder, &[&judge[..5], arguments].concat());
        assert_eq!(failed.code, Some(2), "{}", failed.stderr);
        assert!(failed.stderr.contains(expected), "{}", failed.stderr);
    };
    check(&["--judge", "tiny"], "row 1 of the answers: it has no `answer`");
    check(&["--judge", "tiny", "--map", "answr=output"], "the field `answr` is none of");
    check(&["--judge", "tiny", "--map", "answer=output", "--repeats", "2"], "every repeat would say the same");
}

#[test]
fn a_conversation_is_not_scored_by_log_probabilities() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let chat = |more: &[&str]| {
        run(
            folder.path(),
            &[&["eval", "run", "parity", "--tasks-dir", ".", "--form", "chat", "--max-tokens", "4"], more].concat(),
        )
    };
    let refused = chat(&["--choices", "loglikelihood"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("as a conversation") && refused.stderr.contains("--choices letters"),
        "{}",
        refused.stderr
    );
    let written = chat(&["--output-format", "json"]);
    assert_eq!(written.code, Some(0), "{}", written.stderr);
    assert!(written.stdout.contains("choices were made by letters"), "{}", written.stdout);
}

#[test]
fn a_question_is_asked_once_where_answers_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder);
    let arguments = ["eval", "run", "parity.yaml", "--cache", "kept", "--output-format", "json"];
    let figures = [(); 2].map(|()| {
        let record: Value = serde_json::from_str(&passes(folder, &arguments).stdout).unwrap();
        record["metrics"].as_array().unwrap().clone()
    });
    // Nobody waited the second time.
    let is_of_the_clock =
        |metric: &&Value| ["sample_latency", "document_rate"].map(Value::from).contains(&metric["name"]);
    let first: Vec<&Value> = figures[0].iter().filter(|metric| !is_of_the_clock(metric)).collect();
    assert_eq!(figures[0].len(), first.len() + 3);
    assert_eq!(first, figures[1].iter().collect::<Vec<_>>());
    let verified = passes(folder, &["cache", "verify", "kept", "--output-format", "json"]);
    let report: Value = serde_json::from_str(&verified.stdout).unwrap();
    assert_eq!((&report["entries"], &report["damaged"]), (&6.into(), &0.into()));
    let compared = run(folder, &["eval", "compare", "latest", "latest", "--margin", "0.9"]);
    assert_eq!(compared.code, Some(0), "{}{}", compared.stdout, compared.stderr);
    let refused = run(folder, &["eval", "run", "parity.yaml", "--cache", "parity.jsonl"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("hint:"), "{}", refused.stderr);
}

/// The endpoint dies before the last documents are answered: the run gives up with what it has, and goes on when it is back.
#[test]
fn an_endpoint_that_dies_near_the_end_costs_no_answer() {
    const DOCUMENTS: usize = 400;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let documents: String = (0..DOCUMENTS).map(|n| format!("{{\"n\": {n}}}\n")).collect();
    std::fs::write(folder.join("numbers.jsonl"), documents).unwrap();
    std::fs::write(folder.join("numbers.yaml"), NUMBERS).unwrap();
    let mut options = ServerOptions::new("ttft=1ms,itl=0ms,tokens=1".parse().unwrap(), Clock::start());
    let server = ScriptedServer::start(options.clone()).unwrap();
    options.bind = server.address();
    let reference = format!("openai:{}/v1#scripted", server.url());
    let folder_of_run = folder.to_owned();
    let asked = std::thread::spawn(move || {
        let model = ["--model", reference.as_str(), "--concurrency", "2", "--retries", "0", "--give-up-after", "3"];
        run(&folder_of_run, &[&["eval", "run", "numbers.yaml"], &model[..]].concat())
    });
    assert!(server.take_played(DOCUMENTS - 20).len() >= DOCUMENTS - 20);
    drop(server);
    let ran = asked.join().unwrap();
    assert_eq!(ran.code, Some(4), "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("go on with"), "{}", ran.stderr);
    passes(folder, &["report", "check", "latest"]);
    let server = ScriptedServer::start(options).unwrap();
    let resumed = passes(folder, &["eval", "run", "--resume", "latest", "--output-format", "json"]);
    let record: Value = serde_json::from_str(&resumed.stdout).unwrap();
    assert_eq!(record["phases"][0]["tally"]["succeeded"], DOCUMENTS);
    assert!(server.take_played(1).len() < 60, "only what had no answer is asked again");
    passes(folder, &["report", "check", "latest"]);
}

/// Documents are printed as they are answered, and what they cost stands in the record.
#[test]
fn answers_are_followed_and_priced() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let documents: String = (0..9).map(|n| format!("{{\"n\": {n}}}\n")).collect();
    std::fs::write(folder.join("numbers.jsonl"), documents).unwrap();
    std::fs::write(folder.join("numbers.yaml"), NUMBERS).unwrap();
    let server = Endpoint::start("ttft=0ms,itl=0ms,tokens=3");
    let reference = server.reference();
    let usual = ["eval", "run", "numbers.yaml", "--model", &reference];
    let priced = [&usual[..], &["--price-input", "1000000", "--price-output", "2000000"]].concat();
    let followed = passes(folder, &[&priced[..], &["--follow"]].concat());
    let lines: Vec<Value> = followed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 9);
    assert!(lines.iter().all(|line| line["cell"]["task"] == "numbers" && line["output_tokens"] == 3), "{lines:?}");
    let shown = passes(folder, &["report", "show", "latest", "--output-format", "json"]).stdout;
    let record: Value = serde_json::from_str(&shown).unwrap();
    let of = |name: &str, kind: Option<&str>| {
        let is_of = |metric: &&Value| metric["name"] == name && metric["cell"]["tokens"].as_str() == kind;
        record["metrics"].as_array().unwrap().iter().find(is_of).and_then(|metric| metric["value"].as_f64())
    };
    let (input, output) = (of("evaluation_tokens", Some("input")), of("evaluation_tokens", Some("output")));
    assert_eq!(output, Some(27.0));
    assert_eq!(of("evaluation_cost", None), Some(input.unwrap() + 2.0 * 27.0));
    assert_eq!(of("energy_host", None), None, "the model is elsewhere");
    passes(folder, &["report", "check", "latest"]);
    let wrong = run(folder, &[&usual[..], &["--price-per-hour", "-1"]].concat());
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
    // Of a model in this process the energy stands there too, or why it could not be read.
    let local = ["eval", "run", "numbers.yaml", "--model", "tiny", "--max-tokens", "2", "--output-format", "json"];
    let local: Value = serde_json::from_str(&passes(folder, &local).stdout).unwrap();
    let energy = local["metrics"].as_array().unwrap().iter().find(|metric| metric["name"] == "energy_host").unwrap();
    assert!(energy["value"].as_f64().is_some() || energy["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
}

/// The settings of the older system, from the one file that `serve` reads too.
#[test]
fn a_file_of_the_service_bounds_and_keeps_and_streams() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let documents: String = (0..9).map(|n| format!("{{\"n\": {n}}}\n")).collect();
    std::fs::write(folder.join("numbers.jsonl"), documents).unwrap();
    std::fs::write(folder.join("numbers.yaml"), NUMBERS).unwrap();
    let config = "model_service: {max_queue: 9}\nmodels: [{reference: tiny}]\n\
                  evaluation_service: {batch_size: 3, enable_result_streaming: true, enable_parallel_metrics: true}\n\
                  data_service: {cache_enabled: true, cache_max_memory_mb: 8, enable_compression: true}\n";
    std::fs::write(folder.join("config.yaml"), config).unwrap();
    let server = Endpoint::start("ttft=0ms,itl=0ms,tokens=3");
    let reference = server.reference();
    let usual = ["eval", "run", "numbers.yaml", "--model", &reference, "--config", "config.yaml"];
    let first = passes(folder, &usual);
    let lines: Vec<Value> = first.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 9, "results are streamed");
    assert!(first.stderr.contains("`evaluation_service.enable_parallel_metrics` has no effect"), "{}", first.stderr);
    assert!(!first.stderr.contains("enable_compression"), "{}", first.stderr);
    let shown = passes(folder, &["report", "show", "latest", "--output-format", "json"]).stdout;
    let record: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(record["settings"]["concurrency"], 3, "{}", record["settings"]);
    let again = passes(folder, &usual);
    let hits = again.stdout.lines().filter(|line| line.contains("\"cached\":true")).count();
    assert_eq!(hits, 9, "{}", again.stdout);
    // A flag wins, and a key that is not known is refused by name.
    passes(folder, &[&usual[..], &["--concurrency", "2"]].concat());
    let shown = passes(folder, &["report", "show", "latest", "--output-format", "json"]).stdout;
    let record: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(record["settings"]["concurrency"], 2);
    for (text, said) in [
        ("evaluation_service: {batch_sise: 3}", "batch_sise"),
        ("evaluation_service: {batch_size: 0}", "`evaluation_service`"),
        ("data_service: {cache_enabled: 3}", "config.yaml"),
    ] {
        std::fs::write(folder.join("config.yaml"), text).unwrap();
        let refused = run(folder, &usual);
        assert!(refused.code == Some(2) && refused.stderr.contains(said), "{text}: {}", refused.stderr);
    }
}
