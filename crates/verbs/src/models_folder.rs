//! The folder of models that the environment names.

use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::failure::Failure;

/// References of all models in the folder, in the order of their names; `None` where no folder is named.
///
/// # Errors
/// When the folder cannot be listed.
pub(crate) fn list(environment: &Environment) -> Result<Option<Vec<String>>, Failure> {
    let Some(folder) = &environment.models else { return Ok(None) };
    let listed = std::fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut paths: Vec<PathBuf> = listed.map_err(|error: std::io::Error| {
        let what = format!("list the models of WEIGHBRIDGE_MODELS_DIR, `{}`: {error}", folder.display());
        Failure::usage(what, "name a folder that exists, or unset the variable")
    })?;
    paths.sort();
    Ok(Some(paths.iter().filter_map(|path| reference(path)).collect()))
}

/// The reference of a model by its name in the folder, with or without the ending; what else is given stays as it is.
pub(crate) fn named(name: &str, environment: &Environment) -> Result<String, Failure> {
    let is_name = !name.contains([':', '/', '\\']) && name != "tiny";
    let Some(all) = list(environment)?.filter(|_| is_name) else { return Ok(name.to_owned()) };
    let is_it = |reference: &&String| {
        let path = Path::new(reference.split_once(':').map_or("", |(_, path)| path));
        [path.file_name(), path.file_stem()].into_iter().flatten().any(|part| part == name)
    };
    Ok(all.iter().find(is_it).cloned().unwrap_or_else(|| name.to_owned()))
}

/// What a path is as a model; `None` where it is none.
fn reference(path: &Path) -> Option<String> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    let kind = match ending.as_deref() {
        Some("gguf") => "gguf",
        Some("onnx") => "onnx",
        _ if path.join("config.json").is_file() && path.join("model.onnx").is_file() => "onnx",
        _ if path.join("config.json").is_file() => "safetensors",
        _ => return None,
    };
    Some(format!("{kind}:{}", path.display()))
}
