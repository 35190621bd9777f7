//! Files that cannot be used are typed errors.

use std::fs;
use std::path::Path;

use weighbridge_engine_candle::{CandleEngine, CandleError};

use crate::helpers::{options, tiny};

fn formats(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine-local/tests/fixtures/formats").join(name)
}

#[test]
fn damaged_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cut.gguf");
    let whole = fs::read(tiny()).unwrap();
    let check = |bytes: &[u8], what: &str| {
        fs::write(&file, bytes).unwrap();
        let error = CandleEngine::load(&file, options(&tiny())).unwrap_err();
        assert!(matches!(error, CandleError::Broken { .. }), "{what}: {error}");
        assert!(error.to_string().contains("`cut`"), "{what}: {error}");
    };
    for length in [0, 3, 4, 8, 23, 24, 100, 5000, whole.len() / 2, whole.len() - 1] {
        check(&whole[..length], &format!("{length} bytes"));
    }
    check(b"no model at all", "a text");
    // A count of tensors, of keys, and the length of the first key, each far beyond the file.
    for place in [8, 16, 24] {
        let mut bytes = whole.clone();
        bytes[place..place + 8].copy_from_slice(&u64::MAX.to_le_bytes());
        check(&bytes, &format!("byte {place}"));
    }
}

#[test]
fn other_architectures_are_refused_by_name() {
    let error = CandleEngine::load(&formats("gpt2.gguf"), options(&formats("gpt2.gguf"))).unwrap_err();
    assert!(matches!(error, CandleError::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("`gpt2`") && error.to_string().contains("qwen3"), "{error}");
}

#[test]
fn an_absent_file_is_named() {
    let error = CandleEngine::load(Path::new("absent.gguf"), options(&tiny())).unwrap_err();
    assert_eq!(error.to_string(), "read `absent.gguf`");
}
