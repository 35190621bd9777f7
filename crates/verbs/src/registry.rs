//! From a model reference to an engine: the one place that knows every kind.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use weighbridge_bench::{Subject, Variant};
use weighbridge_engine::device::{DeviceKind, Wanted, choose};
use weighbridge_engine::scripted::{Script, ScriptedEngine};
use weighbridge_engine::{ClassNames, Engine, EngineFactory, MemorySource, SubjectError};
use weighbridge_engine_http::{HttpEngine, HttpOptions, Pages, Secret};
use weighbridge_engine_local::engine::{LocalEngine, LocalOptions};
use weighbridge_engine_local::graph::Model;
use weighbridge_engine_local::quant::BlockType;
use weighbridge_engine_local::quantize::quantize;
use weighbridge_engine_local::weights::ModelFile;
use weighbridge_engine_onnx::{Classifier, OnnxEngine, OnnxModel, OnnxOptions, OnnxRuntime};
use weighbridge_server::RelayTo;
use weighbridge_telemetry::{SystemRoot, free_memory};
use weighbridge_types::model_ref::{EndpointRef, ModelRef, Preset};
use weighbridge_types::time::Clock;
use weighbridge_types::units::millis;

use crate::arguments::LocalArguments;
use crate::devices::{self, HostDevices};
use crate::embedded;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::output;

/// Forms that the quality phase sets beside a model of full precision.
const USUAL_VARIANTS: [BlockType; 2] = [BlockType::Q8_0, BlockType::Q4_0];

/// Largest model that is quantized without being asked: beyond it the copies take minutes and gigabytes.
const LARGEST_QUANTIZED_UNASKED: u64 = 1 << 30;

/// Why a build without the feature `llama-cpp` cannot run files in llama.cpp, and what to do.
pub(crate) const NO_LLAMA_CPP: &str = "this build has no llama.cpp";
pub(crate) const BUILD_LLAMA_CPP: &str =
    "build it with `cargo build --release --features llama-cpp`, which needs cmake and libclang";

/// The memory of this host and of this process's control group.
#[derive(Debug)]
struct HostMemory(SystemRoot);

impl MemorySource for HostMemory {
    fn free(&self) -> Option<u64> {
        free_memory(&self.0)
    }
}

/// How engines are made.
#[derive(Clone)]
pub(crate) struct Registry {
    keys: Environment,
    devices: Arc<HostDevices>,
    device: DeviceKind,
    /// Whether the user named the device, so that no other will do.
    device_is_named: bool,
    threads: Option<NonZeroUsize>,
    pin: bool,
    prefix_bytes: u64,
    kv_limit: Option<u64>,
    http: HttpOptions,
    /// Whether classifiers answer with the name of a class where text is asked for.
    names_classes: bool,
}

/// Which forms of a model are set side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Variants {
    /// The usual ones, where the model is of full precision and not too large.
    Usual,
    /// The model as it is.
    None,
    /// These.
    Of(Vec<BlockType>),
}

impl Registry {
    /// Prepares to make engines; refuses a device that this build cannot use.
    pub(crate) fn new(environment: &Environment, local: LocalArguments) -> Result<Self, Failure> {
        let (devices, wanted) = (devices::of_host(), local.device.wanted());
        let chosen = choose(wanted, &devices)?;
        if let Some(warning) = &chosen.warning {
            output::warn(warning);
        }
        let threads = match local.threads {
            None => None,
            Some(count) => Some(NonZeroUsize::new(count).filter(|count| count.get() <= 1024).ok_or_else(|| {
                let what = format!("accept `{count}` as threads: it must be 1 to 1024");
                Failure::usage(what, "leave `--threads` out to use every core")
            })?),
        };
        Ok(Self {
            keys: environment.clone(),
            devices: Arc::new(devices),
            device: chosen.kind,
            device_is_named: wanted != Wanted::Auto,
            threads,
            pin: local.pin,
            prefix_bytes: local.prefix_cache.map_or(0, |size| size.0),
            kv_limit: local.kv_limit.map(|size| size.0),
            http: HttpOptions::default(),
            names_classes: false,
        })
    }

    /// Lets classifiers be loaded as if they wrote text: they answer with the name of a class.
    pub(crate) fn with_class_names(mut self) -> Self {
        self.names_classes = true;
        self
    }

    /// Makes endpoints with these options; the key still comes from the environment.
    pub(crate) fn with_http(mut self, http: HttpOptions) -> Self {
        self.http = http;
        self
    }

    /// Makes an engine now.
    pub(crate) async fn load(&self, model: &ModelRef) -> Result<Arc<dyn Engine>, Failure> {
        let clock = Clock::start();
        let start = clock.now();
        let made = self.make(model).await;
        output::debug(|| {
            let ms = millis(clock.now() - start);
            let is_loaded = if made.is_ok() { "loaded" } else { "could not load" };
            format!("{is_loaded} {model} in {ms:.2} ms")
        });
        made
    }

    async fn make(&self, model: &ModelRef) -> Result<Arc<dyn Engine>, Failure> {
        match model {
            ModelRef::Candle(_) => self.candle(model).await,
            ModelRef::Tiny | ModelRef::Gguf(_) if self.device != DeviceKind::Cpu => self.candle(model).await,
            ModelRef::Safetensors(_) | ModelRef::Onnx(_) | ModelRef::Ort(_)
                if self.device != DeviceKind::Cpu && self.device_is_named =>
            {
                let what = format!("compute `{model}` on the device `{}`: only GGUF files are", self.device);
                Err(Failure::usage(what, "leave `--device` out, or name a GGUF file"))
            }
            ModelRef::Tiny => {
                let options = self.local_options(model);
                blocking(move || Ok(Arc::new(LocalEngine::from_bytes(embedded::tiny(), options)?) as Arc<dyn Engine>))
                    .await
            }
            ModelRef::Gguf(path) | ModelRef::Safetensors(path) => {
                let (path, options) = (path.clone(), self.local_options(model));
                blocking(move || Ok(Arc::new(LocalEngine::load(path, options)?) as Arc<dyn Engine>)).await
            }
            ModelRef::LlamaCpp(path) => self.load_in_llama_cpp(model, path).await,
            ModelRef::Onnx(path) | ModelRef::Ort(path) => {
                let (path, options, names) = (path.clone(), self.onnx_options(model), self.names_classes);
                blocking(move || {
                    let engine = match path.to_str().and_then(embedded::classifier) {
                        Some((name, bytes)) => OnnxEngine::from_bytes(name, bytes, options)?,
                        None => OnnxEngine::load(&path, options)?,
                    };
                    let engine: Arc<dyn Engine> = Arc::new(engine);
                    let is_named = names && engine.capabilities().classify;
                    Ok(if is_named { Arc::new(ClassNames::new(engine)) } else { engine })
                })
                .await
            }
            ModelRef::Endpoint(endpoint) => {
                Ok(Arc::new(HttpEngine::connect(endpoint.clone(), self.http_options(endpoint)).await?))
            }
            ModelRef::Scripted(script) => {
                Ok(Arc::new(ScriptedEngine::new(script.parse::<Script>()?).named(&model.to_string())))
            }
        }
    }

    /// Makes an engine and drops it; the time from the reference to an engine that is ready, ms.
    pub(crate) async fn timed_load(&self, model: &ModelRef) -> Result<f64, Failure> {
        let clock = Clock::start();
        let start = clock.now();
        let engine = self.make(model).await?;
        let elapsed = millis(clock.now() - start);
        drop(engine);
        output::debug(|| format!("loaded {model} in {elapsed:.2} ms, and dropped it"));
        Ok(elapsed)
    }

    #[cfg(feature = "llama-cpp")]
    async fn load_in_llama_cpp(&self, model: &ModelRef, path: &Path) -> Result<Arc<dyn Engine>, Failure> {
        use weighbridge_engine_llama_cpp::{LlamaCppEngine, LlamaCppOptions};

        let options =
            LlamaCppOptions { threads: self.threads, model_ref: Some(model.to_string()), ..LlamaCppOptions::default() };
        let path = path.to_owned();
        blocking(move || Ok(Arc::new(LlamaCppEngine::load(path, options)?) as Arc<dyn Engine>)).await
    }

    #[cfg(not(feature = "llama-cpp"))]
    async fn load_in_llama_cpp(&self, model: &ModelRef, _: &Path) -> Result<Arc<dyn Engine>, Failure> {
        Err(Failure::usage(format!("run `{model}`: {NO_LLAMA_CPP}"), BUILD_LLAMA_CPP))
    }

    /// Makes an engine of candle.
    async fn candle(&self, model: &ModelRef) -> Result<Arc<dyn Engine>, Failure> {
        if let Some(threads) = self.threads.filter(|_| self.device == DeviceKind::Cpu) {
            let what = format!("give candle `{threads}` threads: its threads belong to the whole process");
            return Err(Failure::usage(what, format!("set RAYON_NUM_THREADS={threads} instead of `--threads`")));
        }
        let (model, devices, device) = (model.clone(), Arc::clone(&self.devices), self.device);
        blocking(move || devices::load(&model, devices, device)).await
    }

    /// Where requests in OpenAI's dialect go as they are; `None` for a server of another dialect.
    pub(crate) fn relay(&self, endpoint: &EndpointRef) -> Option<RelayTo> {
        match endpoint.preset {
            Preset::OpenAi | Preset::Vllm | Preset::Tgi | Preset::Sglang | Preset::LlamaServer | Preset::Mlx => {
                Some(RelayTo { endpoint: endpoint.clone(), options: self.http_options(endpoint) })
            }
            Preset::Anthropic | Preset::Ollama => None,
        }
    }

    /// The pages beside an endpoint; `None` for a target that is none.
    pub(crate) fn pages(&self, model: &ModelRef) -> Result<Option<Pages>, Failure> {
        let ModelRef::Endpoint(endpoint) = model else { return Ok(None) };
        Ok(Some(Pages::new(endpoint.clone(), self.http_options(endpoint))?))
    }

    /// Finds out whether there is such a model that writes text, without loading one: loading is measured later.
    pub(crate) async fn check(&self, model: &ModelRef) -> Result<(), Failure> {
        match model {
            ModelRef::Tiny | ModelRef::Gguf(_) | ModelRef::Safetensors(_) => Ok(()),
            ModelRef::Candle(_) => devices::check_candle(model),
            ModelRef::LlamaCpp(_) if cfg!(feature = "llama-cpp") => Ok(()),
            ModelRef::LlamaCpp(_) => self.load(model).await.map(drop),
            ModelRef::Onnx(path) | ModelRef::Ort(path) => {
                let is_shipped = path.to_str().and_then(embedded::classifier).is_some();
                if !is_shipped && OnnxModel::may_write_text(path) {
                    return Ok(());
                }
                if self.names_classes && !self.load(model).await?.capabilities().embed {
                    return Ok(());
                }
                let what = format!("weigh `{model}` in this way: a classifier or an encoder writes no text");
                let hint = format!(
                    "run a task of choices, `weighbridge eval run TASK --model {model}`, or make vectors, `weighbridge model embed {model}`"
                );
                Err(Failure::usage(what, hint))
            }
            ModelRef::Endpoint(_) | ModelRef::Scripted(_) => self.load(model).await.map(drop),
        }
    }

    /// The subject of a campaign. Quantized forms are written into `scratch` first.
    pub(crate) async fn subject(
        &self,
        model: &ModelRef,
        variants: &Variants,
        scratch: &Path,
    ) -> Result<Subject, Failure> {
        let load = self.factory(model.clone());
        let variants = match model {
            ModelRef::Tiny => {
                let file = scratch.join("tiny-f16.gguf");
                output::write(&file, embedded::tiny())?;
                self.variants(model, &file, variants, scratch).await?
            }
            ModelRef::Gguf(path) | ModelRef::Safetensors(path) => self.variants(model, path, variants, scratch).await?,
            ModelRef::Candle(_)
            | ModelRef::LlamaCpp(_)
            | ModelRef::Onnx(_)
            | ModelRef::Ort(_)
            | ModelRef::Endpoint(_)
            | ModelRef::Scripted(_) => Vec::new(),
        };
        Ok(Subject { model_ref: model.to_string(), load, variants })
    }

    /// Two models to be set side by side under these names.
    pub(crate) fn pair(&self, first: (&str, &ModelRef), second: (&str, &ModelRef)) -> Subject {
        let variant = |(name, model): (&str, &ModelRef)| Variant {
            name: name.to_owned(),
            load: self.factory(model.clone()),
            file_bytes: None,
        };
        let load = self.factory(second.1.clone());
        Subject { model_ref: second.1.to_string(), load, variants: vec![variant(first), variant(second)] }
    }

    pub(crate) fn factory(&self, model: ModelRef) -> EngineFactory {
        // A script is one server, whoever asks: it counts the requests of all client threads.
        if let ModelRef::Scripted(script) = &model
            && let Ok(script) = script.parse::<Script>()
        {
            let engine: Arc<dyn Engine> = Arc::new(ScriptedEngine::new(script).named(&model.to_string()));
            return Arc::new(move || {
                let engine = Arc::clone(&engine);
                Box::pin(async move { Ok(engine) })
            });
        }
        let registry = self.clone();
        Arc::new(move || {
            let (registry, model) = (registry.clone(), model.clone());
            Box::pin(async move {
                registry.load(&model).await.map_err(|failure| {
                    let (problem, hint) = failure.into_parts();
                    SubjectError { problem, hint }
                })
            })
        })
    }

    /// The model as it is, and the quantized forms of it.
    async fn variants(
        &self,
        model: &ModelRef,
        path: &Path,
        variants: &Variants,
        scratch: &Path,
    ) -> Result<Vec<Variant>, Failure> {
        let opened = path.to_owned();
        let (own, file_bytes) = blocking(move || {
            let file = ModelFile::open(&opened)?;
            Ok((Model::new(&file)?.main_type(), file.file_bytes))
        })
        .await?;
        let is_full = matches!(own, BlockType::F32 | BlockType::F16 | BlockType::BF16);
        let wanted = match variants {
            Variants::None => Vec::new(),
            Variants::Usual if is_full && file_bytes <= LARGEST_QUANTIZED_UNASKED => USUAL_VARIANTS.to_vec(),
            Variants::Usual => Vec::new(),
            Variants::Of(types) => types.iter().copied().filter(|to| *to != own).collect(),
        };
        let itself = Variant { name: own.to_string(), load: self.factory(model.clone()), file_bytes: Some(file_bytes) };
        let mut all = vec![itself];
        for to in wanted {
            let (input, output) = (path.to_owned(), scratch.join(format!("{to}.gguf")));
            let written = output.clone();
            let report = blocking(move || Ok(quantize(&input, &written, to)?)).await?;
            let load = self.factory(ModelRef::Gguf(output));
            all.push(Variant { name: to.to_string(), load, file_bytes: Some(report.output_bytes) });
        }
        Ok(all)
    }

    fn local_options(&self, model: &ModelRef) -> LocalOptions {
        LocalOptions {
            threads: self.threads,
            pin: self.pin,
            prefix_bytes: self.prefix_bytes,
            kv_limit: self.kv_limit,
            memory: Some(Arc::new(HostMemory(SystemRoot::host()))),
            model_ref: Some(model.to_string()),
        }
    }

    fn onnx_options(&self, model: &ModelRef) -> OnnxOptions {
        let runtime = match model {
            ModelRef::Ort(_) => OnnxRuntime::Ort { library: self.keys.ort_library.clone() },
            _ => OnnxRuntime::Rten,
        };
        OnnxOptions { threads: self.threads, runtime, model_ref: Some(model.to_string()) }
    }

    fn http_options(&self, endpoint: &EndpointRef) -> HttpOptions {
        let dialect_key = match endpoint.preset {
            Preset::OpenAi => &self.keys.openai_key,
            Preset::Anthropic => &self.keys.anthropic_key,
            Preset::Ollama | Preset::Vllm | Preset::Tgi | Preset::Sglang | Preset::LlamaServer | Preset::Mlx => &None,
        };
        let key = self.keys.api_key.as_ref().or(dialect_key.as_ref());
        HttpOptions { key: key.map(|key| Secret::new(key)), ..self.http.clone() }
    }
}

/// The path of a model file that a user names; `tiny` is written into `scratch` first.
pub(crate) fn model_path(name: &Path, scratch: &Path) -> Result<PathBuf, Failure> {
    if name != Path::new("tiny") {
        return Ok(name.to_owned());
    }
    let path = scratch.join("tiny-f16.gguf");
    output::write(&path, embedded::tiny())?;
    Ok(path)
}

/// The model that a user names as `onnx:NAME`, `onnx:FILE`, `onnx:FOLDER` or as a file ending in `.onnx`; `None` for another.
pub(crate) fn onnx(name: &Path) -> Result<Option<OnnxModel>, Failure> {
    let reference = name.to_str().and_then(|name| name.strip_prefix("onnx:"));
    if let Some((name, bytes)) = reference.and_then(embedded::classifier) {
        return Ok(Some(OnnxModel::Classifier(Classifier::from_bytes(name, bytes.to_vec(), 1)?)));
    }
    let is_file = name.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"));
    match reference.map(Path::new).or(is_file.then_some(name)) {
        Some(path) => Ok(Some(OnnxModel::open(path, &OnnxOptions::default())?)),
        None => Ok(None),
    }
}

/// A block type as users write it.
pub(crate) fn block_type(text: &str) -> Result<BlockType, Failure> {
    text.parse().map_err(|error: weighbridge_engine_local::quant::UnknownBlockType| {
        Failure::usage(error.to_string(), "write one of the types that the help lists")
    })
}

/// Runs work that takes long on a thread of its own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|panic| {
        Err(Failure::new(crate::exit::Exit::Bug, format!("load the model: {panic}"), "report this as a bug"))
    })
}
