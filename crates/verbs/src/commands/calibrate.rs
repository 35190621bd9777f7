//! `calibrate`: what this client's figures are worth on this host.

use std::fmt::Write as _;

use tokio_util::sync::CancellationToken;
use weighbridge_load::{CalibrationSettings, ErrorFigures, Graded, HostProfile, Reactors, calibrate, write_profile};
use weighbridge_telemetry::{SystemRoot, fingerprint};
use weighbridge_types::request::ReceiveClock;

use super::bench::cancel_on_interrupt;
use super::runtime;
use crate::arguments::{CalibrateArguments, OutputFormat};
use crate::build::build;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

pub(super) fn run(arguments: &CalibrateArguments) -> Result<Exit, Failure> {
    let settings = settings(arguments)?;
    let results = &arguments.results.output_dir;
    std::fs::create_dir_all(results)?;
    let environment = fingerprint(&SystemRoot::host(), build(), results);
    let runtime = runtime()?;
    let cancel = CancellationToken::new();
    runtime.spawn(cancel_on_interrupt(cancel.clone()));
    let mut told = |what: &str| output::talk(&format!(" calibrate {what}"));
    let ended = runtime.block_on(calibrate(&settings, environment, &cancel, &mut told));
    runtime.shutdown_background();
    if cancel.is_cancelled() {
        return Ok(Exit::Interrupted);
    }
    let profile = ended?;
    let path = write_profile(results, &profile)?;
    match arguments.output.output_format {
        OutputFormat::Json => output::json(&profile)?,
        OutputFormat::Console => output::data(&table(&profile))?,
    }
    output::talk(&format!("profile {}", path.display()));
    Ok(Exit::Pass)
}

fn settings(arguments: &CalibrateArguments) -> Result<CalibrationSettings, Failure> {
    let usual = u32::try_from(Reactors::usual_count()).unwrap_or(1);
    let reactors = arguments.client_threads.unwrap_or(usual);
    if !(1..=64).contains(&reactors) {
        let what = format!("accept `{reactors}` as client threads: it must be 1 to 64");
        return Err(Failure::usage(what, "leave `--client-threads` out"));
    }
    let form = if arguments.quick { CalibrationSettings::quick } else { CalibrationSettings::standard };
    let mut settings = form(reactors, arguments.seed);
    if !arguments.streams.is_empty() {
        settings.streams.clone_from(&arguments.streams);
        settings.streams.sort_unstable();
        settings.streams.dedup();
    }
    match settings.streams.iter().find(|streams| !(1..=20_000).contains(*streams)) {
        Some(streams) => {
            let what = format!("accept `{streams}` as streams: it must be 1 to 20000");
            Err(Failure::usage(what, "each stream is a connection to this host itself"))
        }
        None => Ok(settings),
    }
}

/// The errors by one clock.
fn errors(text: &mut String, clock: ReceiveClock, graded: &Graded) {
    let stamps = match clock {
        ReceiveClock::Kernel => "stamped by the kernel",
        ReceiveClock::User => "stamped by this program, as under TLS",
    };
    let _ = writeln!(text, "\n  errors against the server, ms; {stamps}");
    let _ = writeln!(text, "  grade         {} (p99 of the absolute error at 128 streams or fewer)", graded.grade);
    let _ = writeln!(text, "  clean up to   {} streams", graded.clean_streams);
    let _ = writeln!(text, "  bias bound    {:.3} ms", graded.bias_bound_ms);
    let _ = writeln!(text, "  {:>7}  {:^25}  {:^25}", "", "TTFT", "ITL");
    let heads = ["streams", "bias", "p99", "max", "bias", "p99", "max"];
    let [streams, b1, p1, m1, b2, p2, m2] = heads;
    let _ = writeln!(text, "  {streams:>7}  {b1:>7} {p1:>8} {m1:>8}  {b2:>7} {p2:>8} {m2:>8}");
    for row in &graded.truth {
        let of = |figures: &ErrorFigures| {
            format!("{:>+7.3} {:>8} {:>8.3}", figures.bias_ms, p99(figures.p99_ms), figures.max_ms)
        };
        let _ = writeln!(text, "  {:>7}  {}  {}", row.streams, of(&row.ttft), of(&row.itl));
    }
}

fn p99(p99: Option<f64>) -> String {
    p99.map_or_else(|| "n/a".to_owned(), |p99| format!("{p99:.3}"))
}

/// The profile for people, at most 80 columns.
fn table(profile: &HostProfile) -> String {
    let mut text = format!("weighbridge calibrate: {}\n", profile.id);
    let _ = writeln!(text, "  reactors      {}", profile.reactors);
    for clock in [ReceiveClock::Kernel, ReceiveClock::User] {
        if let Some(graded) = profile.by(clock) {
            errors(&mut text, clock, &graded);
        }
    }
    let _ = writeln!(text, "  n/a: fewer than 662 errors do not bound a p99; the largest counts instead");
    let cost = &profile.cost;
    let _ = writeln!(
        text,
        "\n  without delays, {} streams, {} tokens a request, server on this host too",
        cost.streams, cost.tokens
    );
    let _ = writeln!(text, "  ceiling       {:.0} requests/s, {:.0} frames/s", cost.requests_per_s, cost.frames_per_s);
    let known = |value: Option<f64>, digits: usize| value.map_or("n/a".to_owned(), |value| format!("{value:.digits$}"));
    let (per_1000, per_frame) = (known(cost.cpu_s_per_1000, 3), known(cost.cpu_us_per_frame, 2));
    let _ = writeln!(text, "  cost          {per_1000} CPU s per 1,000 requests, {per_frame} µs per frame");
    let lag = &profile.lag;
    let _ = writeln!(text, "\n  open loop, {} requests/s, {} requests", lag.rate, lag.n);
    let _ = writeln!(
        text,
        "  release lag   p50 {:.3} ms, p99 {} ms, max {:.3} ms",
        lag.p50_ms,
        p99(lag.p99_ms),
        lag.max_ms
    );
    text
}
