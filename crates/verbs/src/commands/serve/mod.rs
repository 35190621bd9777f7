//! `serve`: from arguments and a file to a service that runs until it is told to stop.

pub(super) mod cache;
mod config;
pub(super) mod loader;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use weighbridge_engine_http::ConnectionPools;
use weighbridge_server::{
    Keys, Limits, Scope, Service, ServiceSettings, WarmPlan, Watch, app, metrics_app, run as serve, warm,
};
use weighbridge_serving::Rate;
use weighbridge_telemetry::SystemRoot;
use weighbridge_types::time::Clock;
use weighbridge_types::units::parse_duration;

use super::runtime;
use crate::arguments::ServeArguments;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::registry::Registry;
use cache::CacheConfig;
use config::Config;
pub(super) use config::File;
pub(super) use loader::ReferenceLoader;
use loader::{http_options, served};

/// Requests that a key may be ahead of its rate, in seconds of it.
const BURST_SECONDS: f64 = 2.0;

pub(super) fn run(arguments: &ServeArguments, environment: &Environment) -> Result<Exit, Failure> {
    let config = Config::resolve(arguments, environment)?;
    let keys = arguments.key_file.as_deref().map_or(Ok(Keys::default()), read_keys)?;
    if !arguments.host.is_loopback() && keys.is_empty() {
        let what = format!("listen on `{}`: others reach it, and nobody would need a key", arguments.host);
        return Err(Failure::usage(what, "name a `--key-file`, or listen on 127.0.0.1 behind a proxy"));
    }
    let registry = Registry::new(environment, arguments.local)?;
    runtime()?.block_on(serve_until_told(arguments, environment, &config, keys, registry))
}

async fn serve_until_told(
    arguments: &ServeArguments,
    environment: &Environment,
    config: &Config,
    keys: Keys,
    registry: Registry,
) -> Result<Exit, Failure> {
    let clock = Clock::start();
    let limits = Limits {
        head_timeout: duration(&arguments.head_timeout, "--head-timeout")?,
        stall_timeout: duration(&arguments.stall_timeout, "--stall-timeout")?,
        drain_timeout: duration(&arguments.drain_timeout, "--drain-timeout")?,
        ..Limits::default()
    };
    let listener = bind(SocketAddr::new(arguments.host, arguments.port)).await?;
    let metrics = match arguments.metrics_port {
        None => None,
        Some(port) => Some(bind(SocketAddr::from(([127, 0, 0, 1], port))).await?),
    };
    let answers = config.cache.as_ref().map(|cache| cache.open(clock)).transpose()?;
    let plan = config.cache.as_ref().map(CacheConfig::warm).transpose()?.flatten();
    let settings = ServiceSettings {
        keys,
        rate: rate(arguments)?,
        most_per_key: arguments.max_per_key,
        request_timeout: config.request_timeout,
        stall_timeout: limits.stall_timeout,
        instance: environment.instance.clone(),
        answers: answers.clone(),
        hosts: arguments.allow_host.clone(),
        // Whatever else is not to be said.
        log: Some(|line| output::say(output::Level::Error, line)),
        near: config.cache.as_ref().and_then(|cache| cache.near),
        ..ServiceSettings::default()
    };
    let pools = ConnectionPools::new(config.http.connections);
    let registry = registry.with_http(http_options(config.http, Arc::clone(&pools)));
    let models = config.models.iter().map(|model| served(&registry, &pools, model, config.limits));
    let service = Service::new(settings, config.pool, models.collect(), clock);
    let stopping = service.stopping();
    told_to_stop(stopping.clone())?;
    output::data(&format!("http://{}\n", listener.local_addr()?))?;
    if let Some(metrics) = &metrics {
        output::talk(&format!("metrics on http://{}/metrics", metrics.local_addr()?));
    }
    let serving = tokio::spawn(serve(listener, app(Arc::clone(&service)), limits, stopping.clone()));
    let metrics =
        metrics.map(|listener| tokio::spawn(serve(listener, metrics_app(&service), limits, stopping.clone())));
    let watch = Watch {
        service: Arc::clone(&service),
        pools,
        root: SystemRoot::host(),
        thresholds: config.relief,
        on_eviction: |bytes| output::talk(&format!("memory is short: unloaded a model of {} MiB", bytes >> 20)),
    };
    let watching = tokio::spawn(watch.run(stopping.clone()));
    load_first(&service).await;
    if let Some(plan) = plan {
        tokio::spawn(make_ready(Arc::clone(&service), plan));
    }
    let cut =
        serving.await.map_err(|error| Failure::new(Exit::Bug, format!("serve: {error}"), "report this as a bug"))??;
    service.pool().close();
    watching.abort();
    if let Some(metrics) = metrics {
        metrics.abort();
    }
    if let Some(answers) = answers {
        answers.flush().await?;
    }
    match cut {
        0 => output::talk("stopped; every answer that had begun has ended"),
        cut => output::talk(&format!("stopped; {cut} connections were cut after {}", arguments.drain_timeout)),
    }
    Ok(Exit::Pass)
}

/// Loads what is to be there from the start, and says how each load went. One that fails leaves the others served.
async fn load_first(service: &Service) {
    for (name, report) in service.pool().load_eager().await {
        match report {
            Ok(report) => {
                let ms = report.load_time.as_secs_f64() * 1e3;
                output::talk(&format!("loaded `{name}` in {ms:.0} ms"));
            }
            Err(error) => output::talk(&format!("warning: failed to {error}\n hint: {}", error.hint())),
        }
    }
    service.ready();
}

/// Makes ready what the file names, and says what could not be.
async fn make_ready(service: Arc<Service>, plan: WarmPlan) {
    for problem in warm(&service, plan).await {
        output::warn(&format!("failed to {problem}"));
    }
    output::talk("warmed; `weighbridge cache stats` tells what is ready");
}

/// Listens for SIGINT and SIGTERM; the second one ends the process at once.
fn told_to_stop(stopping: CancellationToken) -> Result<(), Failure> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::spawn(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        #[cfg(not(unix))]
        drop(tokio::signal::ctrl_c().await);
        output::talk("stopping: answers that have begun end first");
        stopping.cancel();
    });
    Ok(())
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::usage(format!("listen on `{address}`: {error}"), "take another port, or 0 for a free one")
    })
}

/// The keys of a file. Their text goes no further than this.
fn read_keys(path: &Path) -> Result<Keys, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!("read the keys in `{}`: {error}", path.display()), "name another file")
    })?;
    let mut keys = Keys::default();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |problem: &str| {
            let what = format!("read line {} of `{}`: {problem}", number + 1, path.display());
            Failure::usage(what, "write `NAME SCOPE KEY`, with the scope infer or admin")
        };
        let parts: Vec<&str> = line.split_whitespace().collect();
        let [name, scope, key] = parts[..] else { return Err(wrong("it is not three words")) };
        let scope = match scope {
            "infer" => Scope::Infer,
            "admin" => Scope::Admin,
            _ => return Err(wrong("its scope is neither infer nor admin")),
        };
        if let Some(digest) = key.strip_prefix("sha256:") {
            keys.add_digest(
                name,
                digest_of(digest).ok_or_else(|| wrong("its digest is not 64 hexadecimal digits"))?,
                scope,
            );
            continue;
        }
        if key.len() < 16 {
            return Err(wrong("its key is shorter than 16 characters"));
        }
        keys.add(name, key, scope);
    }
    if keys.is_empty() {
        let what = format!("read the keys in `{}`: it holds none", path.display());
        return Err(Failure::usage(what, "write `NAME SCOPE KEY` on a line"));
    }
    Ok(keys)
}

/// Reads a SHA-256 as `sha256sum` writes it.
fn digest_of(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    for (place, byte) in digest.iter_mut().enumerate() {
        let digits = text
            .get(2 * place..2 * place + 2)
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    (text.len() == 64).then_some(digest)
}

fn rate(arguments: &ServeArguments) -> Result<Option<Rate>, Failure> {
    let Some(per_second) = arguments.rate else { return Ok(None) };
    if !(per_second > 0.0 && per_second.is_finite()) {
        let what = format!("accept `{per_second}` as `--rate`: it must be above 0");
        return Err(Failure::usage(what, "leave it out for no limit"));
    }
    Ok(Some(Rate { per_second, burst: (per_second * BURST_SECONDS).max(1.0) }))
}

/// A time as users write it; a number alone is seconds.
fn duration(text: &str, flag: &str) -> Result<Duration, Failure> {
    let read = parse_duration(text).or_else(|error| parse_duration(&format!("{text}s")).map_err(|_| error));
    read.map_err(|error| Failure::usage(format!("accept `{flag}`: {error}"), "write `30s`, `250ms` or `2m`"))
}
