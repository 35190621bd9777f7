//! Candle and devices, from arguments to figures.

use crate::support::run;

#[test]
fn auto_warns_once_and_computes_on_the_processor() {
    if std::path::Path::new("/dev/nvidiactl").exists() {
        eprintln!("skipped: there is a GPU here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["bench", "accel", "--device", "auto", "--workload", "transformer", "--rounds", "2"];
    let ran = run(folder.path(), &arguments);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("warning: computing on the processor"), "{}", ran.stderr);
    let arguments = ["bench", "tiny", "--device", "auto", "--dry-run"];
    let ran = run(folder.path(), &arguments);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("warning: computing on the processor").count(), 1, "{}", ran.stderr);
    let ran = run(folder.path(), &["bench", "tiny", "--device", "metal"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(cfg!(target_os = "macos") || ran.stderr.contains("unsupported platform"), "{}", ran.stderr);
}

#[cfg(not(feature = "candle"))]
#[test]
fn a_build_without_candle_names_the_feature() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(folder.path(), &["bench", "candle:model.gguf"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("cargo build --release --features candle"), "{}", ran.stderr);
}

#[cfg(feature = "candle")]
#[test]
fn candle_is_set_beside_the_local_engine() {
    let folder = tempfile::tempdir().unwrap();
    let sizes = ["--runs", "3", "--requests", "1", "--lengths", "16/4", "--concurrency", "2"];
    let all = [&["bench", "tiny", "--engines", "local,candle", "--output-format", "json"][..], &sizes].concat();
    let ran = run(folder.path(), &all);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let found: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(found["fallback_order"].as_array().map(Vec::len), Some(2), "{found}");
    let ran = run(folder.path(), &["bench", "candle:absent.gguf", "--threads", "1"]);
    assert!(ran.code != Some(0) && ran.stderr.contains("RAYON_NUM_THREADS=1"), "{}", ran.stderr);
}
