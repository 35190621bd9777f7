//! Wrong input gets a message that names the value, the place and the remedy, and the right exit code.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::support::{passes, run};

/// Runs a command that must fail with this code, and say all of this on stderr.
fn check(folder: &Path, arguments: &[&str], code: i32, said: &[&str]) {
    let ran = run(folder, arguments);
    assert_eq!(ran.code, Some(code), "{arguments:?}\n{}\n{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stdout, "", "{arguments:?} printed data");
    for text in said {
        assert!(ran.stderr.contains(text), "{arguments:?} does not say `{text}`:\n{}", ran.stderr);
    }
}

#[test]
fn model_references_that_lead_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    check(folder, &["bench", "gpt5"], 2, &["`gpt5`", "hint: write `tiny`"]);
    check(folder, &["bench", "model.gguf"], 2, &["`gguf:model.gguf`"]);
    check(folder, &["bench", "gguf:none.gguf"], 2, &["none.gguf", "hint:"]);
    check(folder, &["bench", "scripted:ttft=fast"], 2, &["`ttft=fast`", "hint: a script reads"]);
    assert!(!folder.join("results").exists(), "a run that never began left a folder behind");
}

#[test]
fn broken_model_files() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("text.gguf"), "this is no model").unwrap();
    check(folder, &["bench", "gguf:text.gguf"], 2, &["text.gguf"]);
    passes(folder, &["model", "synth", "--shape", "tiny", "--quant", "q8_0", "--output", "whole.gguf"]);
    let whole = fs::read(folder.join("whole.gguf")).unwrap();
    for share in [10, 50, 99] {
        fs::write(folder.join("cut.gguf"), &whole[..whole.len() * share / 100]).unwrap();
        check(folder, &["bench", "gguf:cut.gguf"], 2, &["error: failed to"]);
    }
}

#[test]
fn settings_out_of_range() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    check(folder, &["bench", "--runs", "0"], 2, &["`0`", "runs", "1 to 100"]);
    check(folder, &["bench", "--requests", "4294967295"], 2, &["`4294967295`", "latency_requests"]);
    check(folder, &["bench", "--requests", "-1"], 2, &["-1"]);
    check(folder, &["bench", "--requests", "NaN"], 2, &["NaN"]);
    check(folder, &["bench", "--concurrency", "4,2"], 2, &["concurrency"]);
    check(folder, &["bench", "--concurrency", "0"], 2, &["`0`", "concurrency"]);
    check(folder, &["bench", "--lengths", "128"], 2, &["`128`", "INPUT/OUTPUT"]);
    check(folder, &["bench", "--phases", "speed"], 2, &["`speed`", "latency"]);
    check(folder, &["bench", "--variants", "q3_0"], 2, &["q3_0"]);
    check(folder, &["bench", "--threads", "0"], 2, &["`0`", "threads"]);
    check(folder, &["bench", "--device", "metal"], 2, &["`metal`"]);
    check(folder, &["bench", "--label", "../../etc"], 2, &["../../etc"]);
    check(folder, &["bench", "--resume", "latest"], 2, &["hint:"]);
}

#[test]
fn prompts_that_do_not_fit_the_context() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["bench", "--quick", "--phases", "latency", "--lengths", "100000/8", "--requests", "2"];
    let ran = run(folder.path(), &arguments);
    assert_eq!(ran.code, Some(4), "{}\n{}", ran.stdout, ran.stderr);
    assert!(format!("{}{}", ran.stdout, ran.stderr).contains("context"), "{}\n{}", ran.stdout, ran.stderr);
}

#[test]
fn targets_files_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    check(folder, &["bench", "--targets", "none.yaml"], 2, &["`none.yaml`"]);
    fs::write(folder.join("t.yaml"), "targets:\n  - metric: ttft.mean\n    bellow: 3\n").unwrap();
    check(folder, &["bench", "--targets", "t.yaml"], 2, &["`t.yaml`", "line 3", "`below`"]);
    fs::write(folder.join("t.yaml"), "targets:\n  - metric: tfft.mean\n    below: 3\n").unwrap();
    check(folder, &["bench", "--targets", "t.yaml"], 2, &["line 2", "write `ttft`"]);
}

#[test]
fn places_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    check(folder.path(), &["bench", "--output-dir", "file/results"], 2, &["file/results", "hint:"]);
}

#[test]
fn a_disk_that_is_full() {
    if !Path::new("/dev/full").exists() {
        eprintln!("skipped: this system has no /dev/full");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    passes(folder.path(), &["bench", "scripted:ttft=1ms,itl=1ms", "--quick", "--phases", "latency", "--requests", "3"]);
    let arguments = ["report", "export", "latest", "--format", "markdown", "--output", "/dev/full"];
    check(folder.path(), &arguments, 2, &["`/dev/full`", "No space left"]);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_weighbridge"));
    let output = command.current_dir(folder.path()).args(["report", "show", "latest"]).stdout(full).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("failed to write to standard output: No space left"), "{said}");
}

/// Answers every connection with one fixed text, until the process ends.
fn answering(text: &'static str) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(text.as_bytes());
        }
    });
    url
}

#[test]
fn endpoints_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Port 9 of the loopback interface: nothing listens there.
    check(
        folder,
        &["bench", "openai:http://127.0.0.1:9/v1#m"],
        4,
        &["http://127.0.0.1:9", "hint: check that the server"],
    );
    let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 15\r\n\r\n<html>hi</html>";
    let url = answering(page);
    check(folder, &["bench", &format!("openai:{url}/v1#m")], 4, &[&url, "hint:"]);
    check(folder, &["bench", "openai:ftp://127.0.0.1/v1#m"], 2, &["ftp://127.0.0.1"]);
}

#[test]
fn a_key_is_never_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let url = answering("HTTP/1.1 401 Unauthorized\r\ncontent-length: 23\r\n\r\nbad key sk-secret-12345");
    let output = crate::support::weighbridge()
        .current_dir(folder.path())
        .env("OPENAI_API_KEY", "sk-secret-12345")
        .args(["bench", &format!("openai:{url}/v1#m")])
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!said.contains("sk-secret"), "{said}");
    assert_eq!(output.status.code(), Some(4), "{said}");
}
