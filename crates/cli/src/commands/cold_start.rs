//! `cold-start`: from the spawn of a server to its steady service.

use std::fmt::Write as _;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weighbridge_load::{ColdStart, ColdStartSettings, Target, cold_starts};
use weighbridge_types::model_ref::ModelRef;

use super::bench::cancel_on_interrupt;
use super::load::settings::time;
use super::runtime;
use crate::arguments::{ColdStartArguments, Device, OutputFormat};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::registry::Registry;

/// Asked at every start: short, so that the time to its token is that of starting and not of reading.
const PROMPT: &str = "Hello";

pub(super) fn run(arguments: &ColdStartArguments, environment: &Environment) -> Result<Exit, Failure> {
    let model: ModelRef = arguments.target.parse()?;
    let settings = settings(arguments, &model)?;
    let registry = Registry::new(environment, None, Device::default())?;
    let target = Target { model_ref: model.to_string(), load: registry.factory(model) };
    let runtime = runtime()?;
    let cancel = CancellationToken::new();
    runtime.spawn(cancel_on_interrupt(cancel.clone()));
    let mut told = |what: &str| output::talk(&format!("cold start {what}"));
    let ended = runtime.block_on(cold_starts(&settings, &target, &cancel, &mut told));
    runtime.shutdown_background();
    let starts = ended?;
    match arguments.output.output_format {
        OutputFormat::Json => output::json(&starts)?,
        OutputFormat::Console => output::data(&table(&starts))?,
    }
    let reached = starts.iter().filter(|start| start.steady.is_some()).count();
    Ok(match (cancel.is_cancelled(), reached) {
        (true, _) => Exit::Interrupted,
        (false, 0) => Exit::Invalid,
        (false, reached) if reached < starts.len() => Exit::GateFailed,
        (false, _) => Exit::Pass,
    })
}

fn settings(arguments: &ColdStartArguments, model: &ModelRef) -> Result<ColdStartSettings, Failure> {
    let url = match model {
        ModelRef::Endpoint(endpoint) => endpoint.url.clone(),
        _ => None,
    };
    let address = url.as_deref().and_then(address);
    let no_address = || {
        let what = format!("watch `{}`: it names no host and port", arguments.target);
        Failure::usage(what, "name the server that the command starts, such as `vllm:http://127.0.0.1:8000`")
    };
    if !(1..=1000).contains(&arguments.starts) {
        let what = format!("accept `{}` as starts: it must be 1 to 1000", arguments.starts);
        return Err(Failure::usage(what, "three show whether starts are alike"));
    }
    Ok(ColdStartSettings {
        command: arguments.command.clone(),
        address: address.ok_or_else(no_address)?,
        starts: arguments.starts,
        limit: time("limit", &arguments.limit)?,
        prompt: PROMPT.to_owned(),
        output_tokens: arguments.osl,
    })
}

/// Host and port of a URL.
fn address(url: &str) -> Option<(String, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let usual = if scheme == "https" { 443 } else { 80 };
    match authority.rsplit_once(':') {
        Some((host, port)) => Some((host.trim_matches(['[', ']']).to_owned(), port.parse().ok()?)),
        None => Some((authority.to_owned(), usual)),
    }
}

fn table(starts: &[ColdStart]) -> String {
    let mut text = "weighbridge cold-start: seconds from the spawn\n".to_owned();
    let _ = writeln!(
        text,
        "  {:>5} {:>9} {:>9} {:>12} {:>9}   first E2E → steady E2E, ms",
        "start", "port", "healthy", "first token", "steady"
    );
    let seconds = |time: Option<Duration>| time.map_or("n/a".to_owned(), |time| format!("{:.3}", time.as_secs_f64()));
    let millis =
        |time: Option<Duration>| time.map_or("n/a".to_owned(), |time| format!("{:.1}", time.as_secs_f64() * 1e3));
    for (number, start) in (1..).zip(starts) {
        let _ = writeln!(
            text,
            "  {number:>5} {:>9} {:>9} {:>12} {:>9}   {} → {}",
            seconds(start.port),
            seconds(start.healthy),
            seconds(start.first_token),
            seconds(start.steady),
            millis(start.first_e2e),
            millis(start.steady_e2e)
        );
        if let Some(problem) = &start.problem {
            let _ = writeln!(text, "        {problem}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_taken_from_the_url() {
        let check = |url: &str, expected: Option<(&str, u16)>| {
            assert_eq!(address(url), expected.map(|(host, port)| (host.to_owned(), port)), "{url}");
        };
        check("http://127.0.0.1:8000/v1", Some(("127.0.0.1", 8000)));
        check("https://example.test/v1", Some(("example.test", 443)));
        check("http://[::1]:9", Some(("::1", 9)));
        check("nonsense", None);
        check("http://host:port", None);
    }
}
