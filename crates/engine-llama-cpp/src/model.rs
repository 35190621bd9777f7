//! A file as llama.cpp loads it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::OnceLock;

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use sha2::{Digest, Sha256};
use weighbridge_types::record::EngineDescription;

use crate::error::{LlamaCppError, Result};

/// The first bytes of a GGUF file.
const MAGIC: [u8; 4] = *b"GGUF";

/// True in files whose weights are seeded random numbers.
const SYNTHETIC_KEY: &str = "weighbridge.synthetic";

/// Types by llama.cpp's number of what most tensors of a file are, as `general.file_type` has it.
const FILE_TYPES: [(u32, &str); 17] = [
    (0, "F32"),
    (1, "F16"),
    (2, "Q4_0"),
    (3, "Q4_1"),
    (7, "Q8_0"),
    (8, "Q5_0"),
    (9, "Q5_1"),
    (10, "Q2_K"),
    (11, "Q3_K"),
    (12, "Q3_K"),
    (13, "Q3_K"),
    (14, "Q4_K"),
    (15, "Q4_K"),
    (16, "Q5_K"),
    (17, "Q5_K"),
    (18, "Q6_K"),
    (32, "BF16"),
];

/// llama.cpp's own state, made once in a process: it says nothing from then on.
pub(crate) fn backend() -> io::Result<&'static LlamaBackend> {
    static BACKEND: OnceLock<Option<LlamaBackend>> = OnceLock::new();
    let backend = BACKEND.get_or_init(|| {
        let mut backend = LlamaBackend::init().ok()?;
        backend.void_logs();
        Some(backend)
    });
    backend.as_ref().ok_or_else(|| io::Error::other("llama.cpp was started by somebody else in this process"))
}

/// Loads the weights, which stay in the mapped file where llama.cpp does not lay them out anew.
pub(crate) fn load(path: &Path) -> Result<LlamaModel> {
    let error = |source| LlamaCppError::Io { action: "read", path: path.to_owned(), source };
    let mut magic = [0; MAGIC.len()];
    let mut file = File::open(path).map_err(error)?;
    match file.read_exact(&mut magic) {
        Ok(()) if magic == MAGIC => {}
        Err(source) if source.kind() != io::ErrorKind::UnexpectedEof => return Err(error(source)),
        Ok(()) | Err(_) => return Err(LlamaCppError::NotGguf { path: path.to_owned() }),
    }
    let backend = backend().map_err(error)?;
    // The layers stay with the processor, also where llama.cpp was built for another device.
    let parameters = LlamaModelParams::default().with_n_gpu_layers(0);
    LlamaModel::load_from_file(backend, path, &parameters).map_err(|_| LlamaCppError::Load { path: path.to_owned() })
}

/// What the record says of the model; the digest is added when somebody asks.
pub(crate) fn describe(model: &LlamaModel, path: &Path, model_ref: String, context: u32) -> EngineDescription {
    let text = |key: &str| model.meta_val_str(key).ok().filter(|value| !value.is_empty());
    let file_type: Option<u32> = text("general.file_type").and_then(|number| number.parse().ok());
    let named = FILE_TYPES.iter().find(|(number, _)| Some(*number) == file_type);
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    EngineDescription {
        engine: "llama-cpp".to_owned(),
        engine_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        model: text("general.name").or(stem).unwrap_or_else(|| model_ref.clone()),
        model_ref,
        architecture: text("general.architecture"),
        parameters: Some(model.n_params()),
        quantization: named.map(|(_, name)| (*name).to_owned()),
        model_bytes: std::fs::metadata(path).ok().map(|metadata| metadata.len()),
        context_length: Some(context),
        device: "cpu".to_owned(),
        synthetic_weights: text(SYNTHETIC_KEY).is_some_and(|value| value == "true"),
        ..EngineDescription::default()
    }
}

/// SHA-256 of a file in hexadecimal, as `sha256sum` has it; `None` where the file cannot be read any more.
pub(crate) fn digest(path: &Path) -> Option<String> {
    let mut hasher = Sha256::new();
    io::copy(&mut File::open(path).ok()?, &mut hasher).ok()?;
    Some(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
