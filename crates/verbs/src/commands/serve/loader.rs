//! From a model reference to an engine, for the pool.

use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use weighbridge_engine::{BoxFuture, Engine};
use weighbridge_engine_http::{ConnectionPools, HttpOptions};
use weighbridge_engine_local::quant::BlockType;
use weighbridge_engine_local::quantize::quantize;
use weighbridge_server::{ModelLimits, Origin, Served, Server};
use weighbridge_serving::{LoadError, LoadErrorKind, Loader};
use weighbridge_types::model_ref::ModelRef;
use weighbridge_types::time::WallTime;

use super::config::{HttpPool, ModelConfig, Source};
use crate::embedded;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::registry::{Registry, model_path};

/// Loads one model by its reference.
pub(in crate::commands) struct ReferenceLoader {
    registry: Registry,
    reference: ModelRef,
    quantize: Option<BlockType>,
}

impl ReferenceLoader {
    pub(in crate::commands) fn new(registry: &Registry, reference: ModelRef, quantize: Option<BlockType>) -> Self {
        Self { registry: registry.clone(), reference, quantize }
    }
}

/// The options of whoever reaches a server elsewhere.
pub(super) fn http_options(pool: HttpPool, pools: Arc<ConnectionPools>) -> HttpOptions {
    HttpOptions {
        total_timeout: pool.timeout,
        keep_alive: pool.connections.keep_alive,
        pools: Some(pools),
        // Nobody reads them here, and connections are shared with relays, which read without.
        kernel_stamps: false,
        ..HttpOptions::default()
    }
}

/// The model as the service takes it.
pub(super) fn served(
    registry: &Registry,
    pools: &Arc<ConnectionPools>,
    model: &ModelConfig,
    limits: ModelLimits,
) -> Served {
    let own = model.http.map(|own| registry.clone().with_http(http_options(own, pools.within(own.connections))));
    let registry = own.as_ref().unwrap_or(registry);
    let (mut form, mut changed) = ("", None);
    let origin = match &model.source {
        Source::Here(reference) => {
            (form, changed) = (format(reference), modified(reference));
            Origin::Here(Arc::new(ReferenceLoader::new(registry, reference.clone(), model.quantize)))
        }
        Source::Elsewhere(servers) => Origin::Elsewhere(
            servers
                .iter()
                .map(|(endpoint, settings)| Server {
                    url: endpoint.url.clone().unwrap_or_else(|| endpoint.preset.name().to_owned()),
                    settings: settings.clone(),
                    relay: registry.relay(endpoint),
                    loader: Arc::new(ReferenceLoader::new(registry, ModelRef::Endpoint(endpoint.clone()), None)),
                })
                .collect(),
        ),
    };
    Served { settings: model.settings.clone(), origin, limits, format: form, modified: changed }
}

impl Loader for ReferenceLoader {
    fn expected_bytes(&self) -> u64 {
        match &self.reference {
            ModelRef::Tiny => embedded::tiny().len() as u64,
            ModelRef::Gguf(path)
            | ModelRef::Candle(path)
            | ModelRef::Safetensors(path)
            | ModelRef::LlamaCpp(path)
            | ModelRef::Onnx(path)
            | ModelRef::Ort(path) => size_of(path),
            ModelRef::Endpoint(_) | ModelRef::Scripted(_) => 0,
        }
    }

    fn load(&self) -> BoxFuture<'static, Result<Arc<dyn Engine>, LoadError>> {
        let (registry, reference, to) = (self.registry.clone(), self.reference.clone(), self.quantize);
        Box::pin(async move {
            let loaded = match to {
                None => registry.load(&reference).await,
                Some(to) => load_quantized(&registry, reference.clone(), to).await,
            };
            loaded.map_err(|failure| {
                let is_remote = matches!(reference, ModelRef::Endpoint(_));
                let exit = failure.exit;
                let (problem, hint) = failure.into_parts();
                let kind = match exit {
                    Exit::Invalid if is_remote => LoadErrorKind::Unreachable,
                    _ if problem.contains("out of memory") || problem.contains("Cannot allocate memory") => {
                        LoadErrorKind::Memory
                    }
                    _ => LoadErrorKind::Broken,
                };
                LoadError { kind, problem, hint }
            })
        })
    }
}

/// Writes the model in another form beside where temporary files go, and loads that. The file is gone when it is mapped.
async fn load_quantized(registry: &Registry, reference: ModelRef, to: BlockType) -> Result<Arc<dyn Engine>, Failure> {
    let scratch = tempfile::tempdir()?;
    let output = scratch.path().join(format!("{to}.gguf"));
    let (folder, written) = (scratch.path().to_owned(), output.clone());
    let quantized = tokio::task::spawn_blocking(move || -> Result<(), Failure> {
        let input = match &reference {
            ModelRef::Gguf(path) | ModelRef::Safetensors(path) => path.clone(),
            _ => model_path(Path::new("tiny"), &folder)?,
        };
        quantize(&input, &written, to)?;
        Ok(())
    });
    quantized
        .await
        .map_err(|panic| Failure::new(Exit::Bug, format!("quantize: {panic}"), "report this as a bug"))??;
    registry.load(&ModelRef::Gguf(output)).await
}

/// Form of a model's file, as Ollama names it; empty where there is none.
fn format(reference: &ModelRef) -> &'static str {
    match reference {
        ModelRef::Tiny | ModelRef::Gguf(_) | ModelRef::Candle(_) | ModelRef::LlamaCpp(_) => "gguf",
        ModelRef::Safetensors(_) => "safetensors",
        ModelRef::Onnx(_) | ModelRef::Ort(_) => "onnx",
        ModelRef::Endpoint(_) | ModelRef::Scripted(_) => "",
    }
}

/// When a model's file was changed; `None` where there is none.
fn modified(reference: &ModelRef) -> Option<WallTime> {
    let (ModelRef::Gguf(path)
    | ModelRef::Candle(path)
    | ModelRef::Safetensors(path)
    | ModelRef::LlamaCpp(path)
    | ModelRef::Onnx(path)
    | ModelRef::Ort(path)) = reference
    else {
        return None;
    };
    let since = std::fs::metadata(path).ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok().map(WallTime::from_unix_millis)
}

/// Bytes of a file, or of the files in a folder.
fn size_of(path: &Path) -> u64 {
    let Ok(about) = std::fs::metadata(path) else { return 0 };
    if about.is_file() {
        return about.len();
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).filter(|about| about.is_file()).map(|about| about.len()).sum()
}
