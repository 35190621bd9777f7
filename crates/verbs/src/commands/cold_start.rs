//! `cold-start`: from the spawn of a server to its steady service.

use std::fmt::Write as _;
use std::path::PathBuf;

use tokio_util::sync::CancellationToken;
use weighbridge_load::{ColdStartRun, ColdStartSettings, Identity, Target};
use weighbridge_report::console;
use weighbridge_store::{Index, Recorder, RunFolder};
use weighbridge_telemetry::{SystemRoot, fingerprint};
use weighbridge_types::event::{RunEvent, Sink, SinkError};
use weighbridge_types::model_ref::ModelRef;
use weighbridge_types::record::Record;
use weighbridge_types::start::StartRow;
use weighbridge_types::time::{Clock, WallTime};

use super::bench::{REPORT_FILE, cancel_on_interrupt};
use super::load::settings::time;
use super::{runs, runtime};
use crate::arguments::{ColdStartArguments, LocalArguments, OutputFormat};
use crate::build::build;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::registry::Registry;

/// The kind of its runs.
const KIND: &str = "cold-start";

/// Asked at every start: short, so that the time to its token is that of starting and not of reading.
const PROMPT: &str = "Hello";

pub(super) fn run(arguments: &ColdStartArguments, environment: &Environment) -> Result<Exit, Failure> {
    let model: ModelRef = arguments.target.parse()?;
    let settings = settings(arguments, &model)?;
    let registry = Registry::new(environment, LocalArguments::default())?;
    let target = Target { model_ref: model.to_string(), load: registry.factory(model) };
    let runtime = runtime()?;
    let cancel = CancellationToken::new();
    runtime.spawn(cancel_on_interrupt(cancel.clone()));
    let ended = runtime.block_on(drive(arguments, settings, target, cancel.clone()));
    runtime.shutdown_background();
    let (record, starts, folder) = ended?;
    match arguments.output.output_format {
        OutputFormat::Json => output::json(&record)?,
        OutputFormat::Console => {
            let (width, color) = output::console(environment);
            output::data(&format!("{}\n{}", table(&starts), console::render(&record, width, color)))?;
        }
    }
    output::talk(&format!("record  {}", folder.display()));
    output::talk(&format!("report  {}", folder.join(REPORT_FILE).display()));
    let reached = record.phases.iter().map(|phase| phase.tally.succeeded).sum::<u64>();
    Ok(match (cancel.is_cancelled(), reached) {
        (true, _) => Exit::Interrupted,
        (false, 0) => Exit::Invalid,
        (false, reached) if reached < starts.len() as u64 => Exit::GateFailed,
        (false, _) => Exit::Pass,
    })
}

async fn drive(
    arguments: &ColdStartArguments,
    settings: ColdStartSettings,
    target: Target,
    cancel: CancellationToken,
) -> Result<(Record, Vec<StartRow>, PathBuf), Failure> {
    let results = &arguments.results.output_dir;
    let label = arguments.label.as_deref().unwrap_or(KIND).to_owned();
    let folder = RunFolder::create(results, KIND, &label, WallTime::now())?;
    let path = folder.path().to_owned();
    let identity = Identity {
        run_id: folder.run_id().to_owned(),
        kind: KIND.to_owned(),
        label,
        environment: fingerprint(&SystemRoot::host(), build(), results),
    };
    let mut recorder = Told(Recorder::start(folder)?);
    let run = ColdStartRun { settings, target, identity, clock: Clock::start(), cancel };
    let ended = run.run(&mut recorder).await;
    let closed = recorder.0.close();
    let (record, starts) = ended?;
    closed.map_err(|error| Failure::new(Exit::Usage, error.problem, error.hint))?;
    output::write(&path.join(REPORT_FILE), runs::page(&path, &record)?)?;
    Index::open(results)?.register(&path)?;
    Ok((record, starts, path))
}

/// The recorder, and a line for each start.
struct Told(Recorder);

impl Sink for Told {
    fn event(&mut self, event: &RunEvent) -> Result<(), SinkError> {
        if let RunEvent::Progress { what, .. } = event {
            output::talk(&format!("cold start {what}"));
        }
        self.0.event(event)
    }

    fn checkpoint(&mut self, record: &Record) -> Result<(), SinkError> {
        self.0.checkpoint(record)
    }
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

fn table(starts: &[StartRow]) -> String {
    let mut text = "weighbridge cold-start: seconds from the spawn\n".to_owned();
    let _ = writeln!(
        text,
        "  {:>5} {:>9} {:>9} {:>12} {:>9}   first E2E → steady E2E, ms",
        "start", "port", "healthy", "first token", "steady"
    );
    let seconds = |time: Option<f64>| time.map_or("n/a".to_owned(), |time| format!("{time:.3}"));
    let millis = |time: Option<f64>| time.map_or("n/a".to_owned(), |time| format!("{:.1}", time * 1e3));
    for start in starts {
        let number = start.number;
        let _ = writeln!(
            text,
            "  {number:>5} {:>9} {:>9} {:>12} {:>9}   {} → {}",
            seconds(start.port_s),
            seconds(start.healthy_s),
            seconds(start.first_token_s),
            seconds(start.steady_s),
            millis(start.first_e2e_s),
            millis(start.steady_e2e_s)
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
