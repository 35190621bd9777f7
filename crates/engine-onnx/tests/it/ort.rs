//! The same models on ONNX Runtime, where its library is found: `ORT_DYLIB_PATH`, or the usual names.

use std::path::PathBuf;

use weighbridge_engine_onnx::{OnnxEngine, OnnxError, OnnxModel, OnnxOptions, OnnxRuntime};

use crate::encoder::folder;

fn options(library: Option<PathBuf>) -> OnnxOptions {
    OnnxOptions { runtime: OnnxRuntime::Ort { library }, ..OnnxOptions::default() }
}

/// One test, because a process keeps the first library that it loads.
#[cfg(feature = "ort")]
#[tokio::test]
async fn models_answer_as_they_do_on_rten() {
    let missing = OnnxModel::open(&folder("bert"), &options(Some("/no/such/libonnxruntime.so".into()))).unwrap_err();
    assert!(matches!(&missing, OnnxError::Library { problem } if problem.contains("/no/such")), "{missing}");
    assert!(missing.hint().contains("ORT_DYLIB_PATH"), "{}", missing.hint());
    let library = library();
    match OnnxModel::open(&folder("bert"), &options(library.clone())) {
        Err(OnnxError::Library { problem }) => return skipped(&problem),
        found => drop(found.unwrap()),
    }
    let engine = |name: &str| OnnxEngine::load(&folder(name), options(library.clone())).unwrap();
    crate::encoder::check_vectors(&engine("bert"), &engine("roberta")).await;
    crate::decoder::check_greedy(&engine("gpt2")).await;
    let bytes = crate::parity::shipped("network");
    let network = OnnxEngine::from_bytes("network", &bytes, options(library.clone())).unwrap();
    crate::serving::check_attacks(&network).await;
    let broken = OnnxEngine::from_bytes("broken", b"nonsense", options(library)).unwrap_err();
    assert!(matches!(broken, OnnxError::Broken { .. }), "{broken}");
}

#[cfg(feature = "ort")]
#[expect(clippy::disallowed_methods, reason = "the one way to tell a test where a library is")]
fn library() -> Option<PathBuf> {
    std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from)
}

#[cfg(feature = "ort")]
#[expect(clippy::print_stderr, reason = "what is skipped is told")]
fn skipped(problem: &str) {
    eprintln!("skipped: ONNX Runtime is not here ({problem})");
}

#[cfg(not(feature = "ort"))]
#[test]
fn a_build_without_it_says_so() {
    let error = OnnxModel::open(&folder("bert"), &options(None)).unwrap_err();
    assert!(matches!(error, OnnxError::NotBuilt) && error.hint().contains("--features ort"), "{error}");
    assert!(OnnxEngine::load(&folder("bert"), options(None)).is_err());
}
