//! The file and the flags of `serve`, put together and checked.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use weighbridge_engine_http::ConnectionLimits;
use weighbridge_engine_local::quant::BlockType;
use weighbridge_server::{MemoryThresholds, ModelLimits};
use weighbridge_serving::{LoadWhen, ModelSettings, PeerSettings, PoolSettings, Strategy};
use weighbridge_types::model_ref::{EndpointRef, ModelRef};
use weighbridge_types::units::ByteSize;

use super::cache::{CacheConfig, CacheFile};
use super::duration;
use crate::arguments::{ServeArguments, StrategyArgument};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::models_folder;
use crate::output;
use crate::registry::block_type;

/// Characters of a model's name: it stands in paths of URLs and in labels of metrics.
const NAME_RULE: &str = "letters, digits, and . _ - : at most 128 of them, a letter or digit first";

/// What is served, and within which limits.
pub(super) struct Config {
    pub(super) models: Vec<ModelConfig>,
    pub(super) pool: PoolSettings,
    pub(super) limits: ModelLimits,
    pub(super) request_timeout: Duration,
    pub(super) http: HttpPool,
    pub(super) relief: MemoryThresholds,
    pub(super) cache: Option<CacheConfig>,
}

/// How servers elsewhere are reached.
#[derive(Clone, Copy)]
pub(super) struct HttpPool {
    pub(super) connections: ConnectionLimits,
    /// Longest time for a whole request.
    pub(super) timeout: Duration,
}

/// One model.
pub(super) struct ModelConfig {
    pub(super) source: Source,
    pub(super) settings: ModelSettings,
    /// The form that it is quantized to before it is loaded; `None` takes it as it is.
    pub(super) quantize: Option<BlockType>,
    /// Of a model elsewhere, where its servers are not reached as all are.
    pub(super) http: Option<HttpPool>,
}

/// Where a model is.
pub(super) enum Source {
    Here(ModelRef),
    /// On these servers, which are alike.
    Elsewhere(Vec<(EndpointRef, PeerSettings)>),
}

/// The file as written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::commands) struct File {
    model_service: ServiceFile,
    /// What `eval` reads.
    pub(in crate::commands) evaluation_service: EvaluationFile,
    pub(in crate::commands) data_service: DataFile,
    http_pool: HttpPoolFile,
    optimization: OptimizationFile,
    models: Vec<ModelFile>,
    cache: CacheFile,
}

#[derive(Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(in crate::commands) struct EvaluationFile {
    /// Cells of a study at once.
    pub(in crate::commands) max_concurrent_evaluations: Option<usize>,
    /// Documents in flight, which an engine computes together.
    pub(in crate::commands) batch_size: Option<usize>,
    pub(in crate::commands) enable_result_streaming: bool,
    enable_parallel_metrics: bool,
    hardware_accelerated_metrics: bool,
    apple_silicon_batch_optimization: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::commands) struct DataFile {
    cache_enabled: bool,
    cache_max_memory_mb: Option<u64>,
    enable_compression: Option<bool>,
    enable_hardware_optimization: bool,
}

/// Memory of a cache that is on and has no size: that of the older system's small preset.
const USUAL_CACHE: ByteSize = ByteSize(512 << 20);

impl DataFile {
    /// Memory for answers that need not be computed again; `None` where none are kept.
    pub(in crate::commands) fn cache_memory(&self) -> Option<ByteSize> {
        let asked = self.cache_max_memory_mb.map(|mb| ByteSize(mb << 20));
        self.cache_enabled.then(|| asked.unwrap_or(USUAL_CACHE))
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ServiceFile {
    max_concurrent_models: Option<usize>,
    memory_threshold_mb: Option<u64>,
    model_cache_size: Option<usize>,
    strategy: Option<String>,
    batch_size: Option<usize>,
    max_queue: Option<usize>,
    queue_timeout: Option<String>,
    request_timeout: Option<String>,
    enable_model_quantization: bool,
    enable_gpu_acceleration: bool,
    apple_silicon_optimization: bool,
    neural_engine_enabled: bool,
    unified_memory_optimization: bool,
    metal_performance_shaders: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct OptimizationFile {
    memory_pressure_threshold: Option<f64>,
    memory_stall_threshold: Option<f64>,
    thermal_management: bool,
    power_efficiency_mode: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HttpPoolFile {
    max_connections: Option<usize>,
    max_connections_per_host: Option<usize>,
    keep_alive: Option<String>,
    timeout: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelFile {
    name: Option<String>,
    reference: Option<String>,
    #[serde(default)]
    servers: Vec<ServerFile>,
    http_pool: Option<HttpPoolFile>,
    fallback: Option<String>,
    #[serde(default)]
    aliases: Vec<String>,
    tier: Option<String>,
    load: Option<String>,
    #[serde(default)]
    pin: bool,
    #[serde(default)]
    priority: i32,
    idle_ttl: Option<String>,
    memory: Option<String>,
    quantize: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerFile {
    reference: String,
    weight: Option<u32>,
    max_fails: Option<u32>,
    fail_timeout: Option<String>,
}

impl Config {
    /// Puts flags over the environment over the file over the defaults.
    ///
    /// # Errors
    /// When a value is wrong, two models have one name, or there is none.
    pub(super) fn resolve(arguments: &ServeArguments, environment: &Environment) -> Result<Self, Failure> {
        let file = arguments.config.as_deref().map_or_else(|| Ok(File::default()), File::read)?;
        file.warn_of_what_has_no_effect();
        if file.evaluation_service != EvaluationFile::default() {
            output::talk("`evaluation_service` is what `eval run --config` and `eval matrix --config` read");
        }
        let http = HttpPool::default().with(&file.http_pool)?;
        let cache = CacheConfig::resolve(file.cache, file.data_service.cache_memory(), arguments)?;
        let mut models = Vec::new();
        for model in file.models {
            models.push(of_file(model, file.model_service.enable_model_quantization, http, environment)?);
        }
        let of_flags = models.len();
        for text in &arguments.model {
            join(&mut models, of_flags, of_flag(text, environment)?);
        }
        if models.is_empty() {
            models.push(of_flag("tiny", environment)?);
        }
        check_names(&models)?;
        let service = file.model_service;
        let budget = arguments.memory_budget.map(|size| size.0);
        let time = |flag: &Option<String>, file: &Option<String>, name: &str, usual: u64| {
            let text = flag.as_ref().or(file.as_ref());
            text.map_or(Ok(Duration::from_secs(usual)), |text| duration(text, name))
        };
        Ok(Self {
            models,
            cache,
            pool: PoolSettings {
                memory_budget: budget.or(service.memory_threshold_mb.map(|mb| mb << 20)),
                max_models: arguments
                    .max_models
                    .or(environment.max_models)
                    .or(service.max_concurrent_models)
                    .or(service.model_cache_size),
                strategy: strategy(arguments.strategy, service.strategy.as_deref())?,
                ..PoolSettings::default()
            },
            limits: ModelLimits {
                running: arguments.max_running.or(service.batch_size).unwrap_or(16).max(1),
                waiting: arguments.max_queue.or(service.max_queue).unwrap_or(256),
                queue_timeout: time(&arguments.queue_timeout, &service.queue_timeout, "--queue-timeout", 60)?,
            },
            request_timeout: time(&arguments.request_timeout, &service.request_timeout, "--request-timeout", 600)?,
            http,
            relief: relief(arguments.memory_pressure_threshold, &file.optimization)?,
        })
    }
}

impl Default for HttpPool {
    /// Answers take 300 s at most.
    fn default() -> Self {
        Self { connections: ConnectionLimits::default(), timeout: Duration::from_secs(300) }
    }
}

impl HttpPool {
    /// As a file says, where it does.
    fn with(mut self, file: &HttpPoolFile) -> Result<Self, Failure> {
        let limits = &mut self.connections;
        for (key, count, limit) in [
            ("max_connections", file.max_connections, &mut limits.total),
            ("max_connections_per_host", file.max_connections_per_host, &mut limits.per_host),
        ] {
            match count {
                Some(0) => {
                    let what = format!("accept 0 as `http_pool.{key}`");
                    return Err(Failure::usage(what, "write 1 or more, or leave it out"));
                }
                Some(count) => *limit = count,
                None => {}
            }
        }
        for (key, text, limit) in
            [("keep_alive", &file.keep_alive, &mut limits.keep_alive), ("timeout", &file.timeout, &mut self.timeout)]
        {
            if let Some(text) = text {
                *limit = duration(text, &format!("http_pool.{key}"))?;
            }
        }
        Ok(self)
    }
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or holds a key that is not known.
    pub(in crate::commands) fn read(path: &Path) -> Result<Self, Failure> {
        let wrong = |problem: String| {
            let what = format!("read `{}`: {problem}", path.display());
            Failure::usage(what, "the guide on serving models shows a whole file")
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        // By way of a value: one reader of YAML is in the program anyway.
        let value: serde_json::Value = serde_saphyr::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if value.is_null() {
            return Ok(Self::default());
        }
        let file: Self = serde_json::from_value(value).map_err(|error| {
            let problem = error.to_string();
            let place = line_of(&text, &problem).map(|line| format!(", on line {line}"));
            wrong(problem + &place.unwrap_or_default())
        })?;
        let evaluation = &file.evaluation_service;
        if evaluation.max_concurrent_evaluations == Some(0) || evaluation.batch_size == Some(0) {
            return Err(wrong("`evaluation_service` has a bound of 0: it must be 1 or more".to_owned()));
        }
        Ok(file)
    }

    /// Keys of other systems are accepted, and it is said that they change nothing.
    pub(in crate::commands) fn warn_of_what_has_no_effect(&self) {
        let (service, evaluation, optimization) = (&self.model_service, &self.evaluation_service, &self.optimization);
        let (here, metrics) = ("models compute on the processor", "metrics take milliseconds in one pass");
        for (key, is_on, why) in [
            ("model_service.apple_silicon_optimization", service.apple_silicon_optimization, here),
            ("model_service.metal_performance_shaders", service.metal_performance_shaders, here),
            ("model_service.enable_gpu_acceleration", service.enable_gpu_acceleration, here),
            ("model_service.neural_engine_enabled", service.neural_engine_enabled, here),
            ("evaluation_service.apple_silicon_batch_optimization", evaluation.apple_silicon_batch_optimization, here),
            ("evaluation_service.enable_parallel_metrics", evaluation.enable_parallel_metrics, metrics),
            ("evaluation_service.hardware_accelerated_metrics", evaluation.hardware_accelerated_metrics, metrics),
            (
                "data_service.enable_compression: false",
                self.data_service.enable_compression == Some(false),
                "what is kept in files is always compressed",
            ),
            (
                "data_service.enable_hardware_optimization",
                self.data_service.enable_hardware_optimization,
                "readers have no other way",
            ),
            (
                "optimization.thermal_management",
                optimization.thermal_management,
                "nothing that changes the host happens",
            ),
            (
                "optimization.power_efficiency_mode",
                optimization.power_efficiency_mode,
                "take fewer `--threads` and a lower `--max-running`",
            ),
        ] {
            if is_on {
                output::warn(&format!("`{key}` has no effect in this build: {why}"));
            }
        }
        if service.unified_memory_optimization {
            output::talk("`model_service.unified_memory_optimization`: weights are mapped from their files, as always");
        }
    }
}

/// The line on which a key stands that is not known: whoever reads values knows no lines.
fn line_of(text: &str, problem: &str) -> Option<usize> {
    let key = problem.strip_prefix("unknown field `")?.split('`').next()?;
    let is_there = |line: &str| {
        let line = line.trim_start().trim_start_matches("- ").trim_start();
        line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(':'))
    };
    text.lines().position(is_there).map(|index| index + 1)
}

fn of_flag(text: &str, environment: &Environment) -> Result<ModelConfig, Failure> {
    // A URL after a name may hold `=`; a name may not.
    let (name, reference) = match text.split_once('=') {
        Some((name, reference)) if !name.contains(':') => (Some(name.to_owned()), reference),
        _ => (None, text),
    };
    let reference: ModelRef = models_folder::named(reference, environment)?.parse()?;
    let name = name.unwrap_or_else(|| name_of(&reference));
    let source = Source::from(reference);
    let settings = ModelSettings { is_remote: source.is_remote(), ..ModelSettings::new(name) };
    Ok(ModelConfig { source, settings, quantize: None, http: None })
}

/// Adds a model of a flag; one more server of a model that flags put elsewhere already.
fn join(models: &mut Vec<ModelConfig>, of_flags: usize, model: ModelConfig) {
    let known = models[of_flags..].iter_mut().find(|known| known.settings.name == model.settings.name);
    match (known.map(|known| &mut known.source), model) {
        (Some(Source::Elsewhere(servers)), ModelConfig { source: Source::Elsewhere(more), .. }) => servers.extend(more),
        (_, model) => models.push(model),
    }
}

impl From<ModelRef> for Source {
    fn from(reference: ModelRef) -> Self {
        match reference {
            ModelRef::Endpoint(endpoint) => Self::Elsewhere(vec![(endpoint, PeerSettings::default())]),
            reference => Self::Here(reference),
        }
    }
}

impl Source {
    fn is_remote(&self) -> bool {
        matches!(self, Self::Elsewhere(_))
    }
}

/// Where a model of the file is, and the name that it would have.
fn source(file: &ModelFile, environment: &Environment) -> Result<(Source, String), Failure> {
    let shown = file.name.as_deref().unwrap_or("");
    if file.reference.is_some() != file.servers.is_empty() {
        let what = format!("tell where the model `{shown}` is");
        return Err(Failure::usage(what, "write either `reference`, or `servers` with a `reference` each"));
    }
    if let Some(reference) = &file.reference {
        let reference: ModelRef = models_folder::named(reference, environment)?.parse()?;
        let name = name_of(&reference);
        return Ok((reference.into(), name));
    }
    let mut servers = Vec::with_capacity(file.servers.len());
    let mut name = None;
    for server in &file.servers {
        let reference: ModelRef = server.reference.parse()?;
        name.get_or_insert_with(|| name_of(&reference));
        let ModelRef::Endpoint(endpoint) = reference else {
            let what = format!("accept `{}` as a server of the model `{shown}`", server.reference);
            return Err(Failure::usage(what, "name an endpoint, such as openai:http://127.0.0.1:8000/v1#llama"));
        };
        let usual = PeerSettings::default();
        let time = server.fail_timeout.as_deref().map(|text| duration(text, "fail_timeout")).transpose()?;
        let settings = PeerSettings {
            weight: server.weight.unwrap_or(usual.weight),
            max_fails: server.max_fails.unwrap_or(usual.max_fails),
            fail_timeout: time.unwrap_or(usual.fail_timeout),
        };
        if settings.weight == 0 || settings.max_fails == 0 {
            let what = format!("accept 0 as `weight` or `max_fails` of the server `{}`", server.reference);
            return Err(Failure::usage(what, "write 1 or more, or leave the server out"));
        }
        servers.push((endpoint, settings));
    }
    Ok((Source::Elsewhere(servers), name.unwrap_or_default()))
}

fn of_file(
    file: ModelFile,
    quantizes: bool,
    usual_http: HttpPool,
    environment: &Environment,
) -> Result<ModelConfig, Failure> {
    let (source, usual_name) = source(&file, environment)?;
    let name = file.name.unwrap_or(usual_name);
    let wrong = |key: &str, value: &str, expected: &str| {
        Failure::usage(format!("accept `{value}` as `{key}` of the model `{name}`"), format!("write {expected}"))
    };
    let http = match &file.http_pool {
        None => None,
        Some(own) if own.max_connections.is_some() || !source.is_remote() => {
            return Err(Failure::usage(
                format!("accept `http_pool` as the model `{name}` has it"),
                "`max_connections` bounds all servers and stands at the top of the file; other keys are for models elsewhere",
            ));
        }
        Some(own) => Some(usual_http.with(own)?),
    };
    let load = match file.load.as_deref() {
        None | Some("lazy") => LoadWhen::Lazy,
        Some("eager") => LoadWhen::Eager,
        Some("on_demand") => LoadWhen::OnDemand,
        Some(other) => return Err(wrong("load", other, "eager, lazy or on_demand")),
    };
    let declared = file
        .memory
        .as_deref()
        .map(|text| text.parse::<ByteSize>().map_err(|_| wrong("memory", text, "a size such as 512MiB")));
    let usual = quantizes.then_some("q8_0");
    let quantize = file.quantize.as_deref().or(usual).map(block_type).transpose()?;
    let can_be = matches!(source, Source::Here(ModelRef::Tiny | ModelRef::Gguf(_) | ModelRef::Safetensors(_)));
    let settings = ModelSettings {
        aliases: file.aliases,
        tier: file.tier,
        load,
        declared_bytes: declared.transpose()?.map_or(0, |size| size.0),
        pinned: file.pin,
        priority: file.priority,
        idle_ttl: file.idle_ttl.as_deref().map(|text| duration(text, "idle_ttl")).transpose()?,
        is_remote: source.is_remote(),
        fallback: file.fallback,
        name,
    };
    Ok(ModelConfig { source, settings, quantize: quantize.filter(|_| can_be), http })
}

/// A short name for a model that was given none.
fn name_of(reference: &ModelRef) -> String {
    let text = match reference {
        ModelRef::Tiny => "tiny".to_owned(),
        ModelRef::Scripted(_) => "scripted".to_owned(),
        ModelRef::Endpoint(endpoint) => endpoint.model.clone().unwrap_or_else(|| endpoint.preset.name().to_owned()),
        ModelRef::Gguf(path)
        | ModelRef::Candle(path)
        | ModelRef::Safetensors(path)
        | ModelRef::LlamaCpp(path)
        | ModelRef::Onnx(path)
        | ModelRef::Ort(path) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
    };
    let keep = |c: char| if c.is_ascii_alphanumeric() || "._-:".contains(c) { c } else { '-' };
    text.chars().map(keep).collect()
}

fn check_names(models: &[ModelConfig]) -> Result<(), Failure> {
    for ModelConfig { settings, .. } in models {
        let Some(fallback) = &settings.fallback else { continue };
        let is_other = |other: &ModelConfig| {
            other.settings.name != settings.name
                && std::iter::once(&other.settings.name).chain(&other.settings.aliases).any(|name| name == fallback)
        };
        if !models.iter().any(is_other) {
            let what = format!("let `{fallback}` answer in the place of `{}`", settings.name);
            return Err(Failure::usage(what, "name another model of this service"));
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    for model in models {
        for name in std::iter::once(&model.settings.name).chain(&model.settings.aliases) {
            let is_sound = name.len() <= 128
                && name.starts_with(|c: char| c.is_ascii_alphanumeric())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-:".contains(c));
            if !is_sound {
                let what = format!("accept `{name}` as the name of a model");
                return Err(Failure::usage(what, format!("a name consists of {NAME_RULE}")));
            }
            if !seen.insert(name) {
                let what = format!("serve two models as `{name}`");
                return Err(Failure::usage(what, "give one another name, `--model NAME=REFERENCE`"));
            }
        }
    }
    Ok(())
}

fn relief(flag: Option<f64>, file: &OptimizationFile) -> Result<MemoryThresholds, Failure> {
    let usual = MemoryThresholds::default();
    let used = flag.or(file.memory_pressure_threshold).unwrap_or(usual.used);
    let stalled = file.memory_stall_threshold.unwrap_or(usual.stalled);
    for (key, share) in [("memory_pressure_threshold", used), ("memory_stall_threshold", stalled)] {
        if !(0.0..=1.0).contains(&share) {
            let what = format!("accept `{share}` as `{key}`: it is a share");
            return Err(Failure::usage(what, "write a number from 0 to 1; 1 never counts memory as short"));
        }
    }
    Ok(MemoryThresholds { used, stalled })
}

fn strategy(flag: Option<StrategyArgument>, file: Option<&str>) -> Result<Strategy, Failure> {
    match (flag, file) {
        (Some(StrategyArgument::Eager), _) | (None, Some("eager")) => Ok(Strategy::Eager),
        (Some(StrategyArgument::Lazy), _) | (None, Some("lazy") | None) => Ok(Strategy::Lazy),
        (Some(StrategyArgument::Adaptive), _) | (None, Some("adaptive")) => Ok(Strategy::Adaptive),
        (Some(StrategyArgument::Circuit), _) | (None, Some("circuit")) => Ok(Strategy::Circuit),
        (None, Some(other)) => {
            let what = format!("accept `{other}` as `model_service.strategy`");
            Err(Failure::usage(what, "write eager, lazy, adaptive or circuit"))
        }
    }
}
