//! The official Python clients, unchanged.

use std::path::Path;
use std::process::Command;

use super::process::{Process, free_port};
use super::tools::write_caller;
use crate::support::onnx;

/// An interpreter that can import all three; `None` where there is none.
#[expect(clippy::disallowed_methods, reason = "the test reads with what it is run")]
fn interpreter() -> Option<String> {
    let named = std::env::var("WEIGHBRIDGE_TEST_CLIENTS").ok().filter(|name| !name.is_empty());
    let has_all = |python: &str| {
        let imports = Command::new(python).args(["-c", "import openai, anthropic, ollama"]).output();
        imports.is_ok_and(|output| output.status.success())
    };
    named.or_else(|| Some("python3".to_owned()).filter(|python| has_all(python)))
}

#[test]
fn official_clients_need_no_change() {
    let Some(python) = interpreter() else {
        println!("skipped: no Python with openai, anthropic and ollama; name one in WEIGHBRIDGE_TEST_CLIENTS");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let upstream = Process::scripted(folder.path(), "ttft=5ms,itl=1ms");
    let (far, dead) =
        (format!("far={}", upstream.reference()), format!("dead=openai:http://127.0.0.1:{}/v1#m", free_port()));
    let models = [
        "tiny",
        "network=onnx:network",
        "scripted=scripted:ttft=5ms,itl=1ms",
        &far,
        "busy=scripted:fail=rate_limit",
        &dead,
        "caller=gguf:caller.gguf",
        "encoder=onnx:encoder",
    ];
    write_caller(&folder.path().join("caller.gguf"));
    onnx("bert", &folder.path().join("encoder"));
    let arguments: Vec<&str> = models.iter().flat_map(|model| ["--model", model]).collect();
    let open = Process::serve(folder.path(), &arguments);
    let key = "sk-of-the-clients-0001";
    std::fs::write(folder.path().join("keys"), format!("app infer {key}\n")).unwrap();
    let keyed = ["--key-file", "keys", "--rate", "20", "--model", "scripted=scripted:ttft=0ms,itl=0ms"];
    let keyed = Process::serve(folder.path(), &keyed);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/serve/clients.py");
    let output = Command::new(python).arg(script).args([&open.url(), &keyed.url(), key]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", open.said());
    assert!(!keyed.said().contains(key));
}
