//! Calibration: this client on this host, against a server in the same process whose timeline is known.
//!
//! Three measurements: errors of TTFT and ITL by the number of streams; cost and ceiling without delays; lag of the
//! schedule in open loop. The errors hold what lies between the two sets of stamps: the loopback interface, the wake of
//! either side, and the client's own work before a stamp. They are therefore an upper bound of the client's share.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weighbridge_engine::scripted::Script;
use weighbridge_engine::{Engine, EngineFactory, Message, Prompt, Role, Sampling, SubjectError};
use weighbridge_engine_http::scripted_server::{Played, ScriptedServer, ServerOptions};
use weighbridge_engine_http::{HttpEngine, HttpOptions};
use weighbridge_stats::{Sorted, Summary};
use weighbridge_types::environment::Environment;
use weighbridge_types::metric::Cell;
use weighbridge_types::model_ref::{EndpointRef, Preset};
use weighbridge_types::record::Phase;
use weighbridge_types::request::{ReceiveClock, RequestRow};
use weighbridge_types::time::{Clock, WallTime};
use weighbridge_types::units::millis;
use weighbridge_workload::{PlannedTurn, Session, Traffic};

use crate::drive::{Drive, DriveLimits, Pace};
use crate::error::LoadError;
use crate::pacer::Pacing;
use crate::profile::{Cost, ErrorFigures, Graded, HostProfile, Lag, Truth};
use crate::retry::RetryPolicy;
use crate::setup::{Setup, Target};

/// The timeline of the accuracy loads: that of the published comparisons of load generators.
const TTFT: Duration = Duration::from_millis(200);
const ITL: Duration = Duration::from_millis(20);
const TOKENS: u32 = 64;

/// Values that bound a p99 with 99 % confidence, as for every percentile of a record.
const P99_COUNT: u64 = 662;

/// What is calibrated.
#[derive(Clone, Debug, PartialEq)]
pub struct CalibrationSettings {
    /// Numbers of streams at which errors are measured, rising.
    pub streams: Vec<u32>,
    /// Requests of each stream at least, after one that opens its connection.
    pub rounds: u32,
    /// Requests of each stream at most, where the least would be too few for a p99.
    pub most_rounds: u32,
    /// Streams of the load without delays.
    pub cost_streams: u32,
    /// Its duration.
    pub cost_time: Duration,
    /// Arrivals per second of the open loop.
    pub lag_rate: f64,
    /// Its duration.
    pub lag_time: Duration,
    /// Event loops of the client.
    pub reactors: u32,
    /// Seed of the arrivals.
    pub seed: u64,
}

impl CalibrationSettings {
    /// About a minute.
    #[must_use]
    pub fn standard(reactors: u32, seed: u64) -> Self {
        Self {
            streams: vec![1, 8, 32, 128, 512],
            rounds: 3,
            most_rounds: 6,
            cost_streams: 64,
            cost_time: Duration::from_secs(5),
            lag_rate: 1000.0,
            lag_time: Duration::from_secs(5),
            reactors,
            seed,
        }
    }

    /// About twenty seconds, with fewer streams.
    #[must_use]
    pub fn quick(reactors: u32, seed: u64) -> Self {
        let short = Duration::from_secs(2);
        Self {
            streams: vec![1, 32, 128],
            rounds: 1,
            most_rounds: 1,
            cost_time: short,
            lag_time: short,
            ..Self::standard(reactors, seed)
        }
    }
}

/// Calibrates this host. `progress` hears what is being done.
///
/// # Errors
/// When no port, thread or connection is to be had, or the run is cancelled.
pub async fn calibrate(
    settings: &CalibrationSettings,
    environment: Environment,
    cancel: &CancellationToken,
    progress: &mut dyn FnMut(&str),
) -> Result<HostProfile, LoadError> {
    let (mut truth, mut clock) = (Vec::new(), ReceiveClock::Kernel);
    for &streams in &settings.streams {
        progress(&format!("errors at {streams} streams"));
        let found = errors_at(streams, ReceiveClock::Kernel, settings, cancel).await?;
        if found.1 == ReceiveClock::User {
            clock = ReceiveClock::User;
        }
        truth.push(found.0);
    }
    let user = match clock {
        // The kernel does not stamp here: these errors are this program's.
        ReceiveClock::User => None,
        ReceiveClock::Kernel => {
            let mut truth = Vec::new();
            for &streams in &settings.streams {
                progress(&format!("errors at {streams} streams, with stamps of this program"));
                truth.push(errors_at(streams, ReceiveClock::User, settings, cancel).await?.0);
            }
            Some(Graded::of(truth))
        }
    };
    progress("cost without delays");
    let cost = cost(settings, cancel).await?;
    progress("lag of the schedule");
    let lag = lag(settings, cancel).await?;
    let now = WallTime::now();
    let Graded { truth, clean_streams, grade, bias_bound_ms } = Graded::of(truth);
    Ok(HostProfile {
        id: format!("{}-{}", now.compact(), environment.digest.get(..8).unwrap_or("host")),
        created_at: now.to_string(),
        environment,
        reactors: settings.reactors,
        clock,
        truth,
        clean_streams,
        cost,
        lag,
        grade,
        bias_bound_ms,
        user,
    })
}

/// The errors, and the clock that stamped: this program's where it is asked for, or where the kernel missed an answer.
async fn errors_at(
    streams: u32,
    wanted: ReceiveClock,
    settings: &CalibrationSettings,
    cancel: &CancellationToken,
) -> Result<(Truth, ReceiveClock), LoadError> {
    let clock = Clock::start();
    let script = Script { ttft: TTFT, itl: ITL, tokens: Some(TOKENS), ..Script::default() };
    let rig = Rig::set_up(script, settings.reactors, clock, wanted).await?;
    // The streams start spread over the length of a request, as in a load that has run for a while.
    let length = TTFT + ITL * (TOKENS - 1);
    let spread = Arc::new(Numbered { streams: u64::from(streams), length, rounds: rounds(streams, settings) + 1 });
    let pace = Pace::Open { starts: Box::new(std::iter::empty()), most: None };
    let rows = rig.drive(spread, pace, DriveLimits::default(), cancel).await?;
    let played = rig.server.take_played(rows.len());
    let played: HashMap<&str, &Played> = played.iter().map(|played| (played.prompt.as_str(), played)).collect();
    let (mut ttft, mut itl) = (Vec::new(), Vec::new());
    let (mut requests, mut clock_used) = (0, wanted);
    for row in rows.iter().filter(|row| row.turn.is_none_or(|turn| turn.turn > 0) && row.outcome.is_success()) {
        let Some(truth) = played.get(prompt_of(row).as_str()) else { continue };
        let (Some(true_ttft), Some(own)) = (truth.ttft(), row.timeline.ttft()) else { continue };
        requests += 1;
        if row.receipt.is_none_or(|receipt| receipt.clock == ReceiveClock::User) {
            clock_used = ReceiveClock::User;
        }
        ttft.push(signed_ms(own, true_ttft));
        let writes: Vec<_> = truth.token_writes().collect();
        let gaps = writes.windows(2).map(|pair| pair[1].at - pair[0].at);
        itl.extend(row.timeline.chunk_gaps().zip(gaps).map(|(own, gap)| signed_ms(own, gap)));
    }
    let nothing = || LoadError::Traffic {
        problem: format!("calibrate at {streams} streams: no request succeeded"),
        hint: "raise the limit of open files (`ulimit -n`), or calibrate fewer streams".to_owned(),
    };
    let figures = |errors: Vec<f64>| error_figures(errors).ok_or_else(nothing);
    Ok((Truth { streams, requests, ttft: figures(ttft)?, itl: figures(itl)? }, clock_used))
}

/// Requests of each stream that are compared: enough for a p99, within the settings.
fn rounds(streams: u32, settings: &CalibrationSettings) -> u64 {
    let wanted = P99_COUNT.div_ceil(u64::from(streams.max(1)));
    wanted.clamp(settings.rounds.into(), settings.most_rounds.max(settings.rounds).into())
}

async fn cost(settings: &CalibrationSettings, cancel: &CancellationToken) -> Result<Cost, LoadError> {
    let clock = Clock::start();
    let script = Script { ttft: Duration::ZERO, itl: Duration::ZERO, tokens: Some(TOKENS), ..Script::default() };
    let rig = Rig::set_up(script, settings.reactors, clock, ReceiveClock::Kernel).await?;
    let pace = Pace::Closed { concurrency: settings.cost_streams as usize };
    let limits = DriveLimits { duration: Some(settings.cost_time), ..DriveLimits::default() };
    let before = rig.setup.reactors.cpu();
    let begin = clock.now();
    let rows = rig.drive(Arc::new(Endless), pace, limits, cancel).await?;
    let wall = (clock.now() - begin).as_secs_f64();
    let spent = rig.setup.reactors.cpu().zip(before).map(|(after, before)| (after - before).as_secs_f64());
    let done: Vec<&RequestRow> = rows.iter().filter(|row| row.outcome.is_success()).collect();
    let frames: usize = done.iter().map(|row| row.timeline.frames.len()).sum();
    let per = |count: usize, scale: f64| spent.filter(|_| count > 0).map(|spent| spent / count as f64 * scale);
    Ok(Cost {
        streams: settings.cost_streams,
        tokens: TOKENS,
        requests: done.len() as u64,
        requests_per_s: done.len() as f64 / wall,
        frames_per_s: frames as f64 / wall,
        cpu_s_per_1000: per(done.len(), 1e3),
        cpu_us_per_frame: per(frames, 1e6),
    })
}

async fn lag(settings: &CalibrationSettings, cancel: &CancellationToken) -> Result<Lag, LoadError> {
    let clock = Clock::start();
    let script = Script { ttft: Duration::from_millis(5), tokens: Some(1), ..Script::default() };
    let rig = Rig::set_up(script, settings.reactors, clock, ReceiveClock::Kernel).await?;
    let starts = crate::run::starts(&format!("poisson:{}", settings.lag_rate), settings.seed)?;
    let limits = DriveLimits { duration: Some(settings.lag_time), ..DriveLimits::default() };
    let rows = rig.drive(Arc::new(Endless), Pace::Open { starts, most: None }, limits, cancel).await?;
    let lags: Vec<f64> = rows.iter().map(|row| millis(row.timeline.schedule_lag())).collect();
    let n = lags.len() as u64;
    let sorted = Sorted::new(lags).ok();
    let nothing = || LoadError::Traffic {
        problem: "calibrate the schedule: no session was released".to_owned(),
        hint: "raise the rate or the time of the schedule's load".to_owned(),
    };
    let at = |q: f64| sorted.as_ref().and_then(|sorted| sorted.quantile(q).ok()).ok_or_else(nothing);
    let p99_ms = if n >= P99_COUNT { Some(at(0.99)?) } else { None };
    Ok(Lag { rate: settings.lag_rate, n, p50_ms: at(0.5)?, p99_ms, max_ms: at(1.0)? })
}

/// A scripted server, and the client under calibration on its reactors.
struct Rig {
    server: ScriptedServer,
    setup: Setup,
    clock: Clock,
}

impl Rig {
    async fn set_up(script: Script, reactors: u32, clock: Clock, stamps: ReceiveClock) -> Result<Self, LoadError> {
        let server = ScriptedServer::start(ServerOptions::new(script, clock))?;
        let (url, kernel_stamps) = (server.url(), stamps == ReceiveClock::Kernel);
        let load: EngineFactory = Arc::new(move || {
            let endpoint = EndpointRef { preset: Preset::OpenAi, url: Some(url.clone()), model: None };
            Box::pin(async move {
                let engine =
                    HttpEngine::connect(endpoint, HttpOptions { kernel_stamps, ..HttpOptions::default() }).await;
                let failed = |error: weighbridge_engine_http::HttpError| SubjectError {
                    problem: error.to_string(),
                    hint: error.hint().to_string(),
                };
                Ok(Arc::new(engine.map_err(failed)?) as Arc<dyn Engine>)
            })
        });
        let setup = Setup::new(&Target { model_ref: "calibration".to_owned(), load }, reactors).await?;
        Ok(Self { server, setup, clock })
    }

    async fn drive(
        &self,
        traffic: Arc<dyn Traffic>,
        pace: Pace,
        limits: DriveLimits,
        cancel: &CancellationToken,
    ) -> Result<Vec<RequestRow>, LoadError> {
        let drive = Drive {
            cell: Cell::of(Phase::Load),
            traffic,
            first: 0,
            warmup_sessions: 0,
            pace,
            probe: None,
            limits,
            retry: RetryPolicy::default(),
            sampling: Sampling::default(),
            ignore_eos: false,
            keep_text: false,
            pacing: Pacing::Thread,
            clock: self.clock,
            cancel: cancel.clone(),
        };
        let driving = drive.start(&self.setup.engines, &self.setup.reactors.handles())?;
        let rows = driving.gather().await;
        if cancel.is_cancelled() {
            let (problem, hint) = ("calibrate: interrupted".to_owned(), "run it again".to_owned());
            return Err(LoadError::Traffic { problem, hint });
        }
        Ok(rows)
    }
}

/// Streams of several requests, one after the other, each with a prompt that names it.
#[derive(Debug)]
struct Numbered {
    streams: u64,
    length: Duration,
    rounds: u64,
}

impl Traffic for Numbered {
    fn session(&self, index: u64) -> Option<Session> {
        if index >= self.streams {
            return None;
        }
        let place = index as f64 / self.streams as f64;
        let turn = |round: u64| {
            let turn = PlannedTurn::new(prompt(&name(index, round)), None, TOKENS);
            let before = u32::try_from(round).unwrap_or(u32::MAX).checked_sub(1);
            PlannedTurn { follows: before.into_iter().collect(), ..turn }
        };
        let turns = (0..self.rounds).map(turn).collect();
        Some(Session { at: Some(self.length.mul_f64(place)), turns, group: None })
    }
}

fn name(session: u64, turn: u64) -> String {
    format!("session {session} turn {turn}")
}

fn prompt_of(row: &RequestRow) -> String {
    row.turn.map_or_else(|| name(row.id, 0), |turn| name(turn.session, u64::from(turn.turn)))
}

fn prompt(text: &str) -> Prompt {
    Prompt::Chat(vec![Message { role: Role::User, content: text.to_owned() }])
}

/// Short requests without end.
#[derive(Debug)]
struct Endless;

impl Traffic for Endless {
    fn session(&self, index: u64) -> Option<Session> {
        Some(Session::single(PlannedTurn::new(prompt(&name(index, 0)), None, TOKENS)))
    }
}

/// `own − truth` in ms, with its sign.
fn signed_ms(own: Duration, truth: Duration) -> f64 {
    millis(own) - millis(truth)
}

fn error_figures(errors: Vec<f64>) -> Option<ErrorFigures> {
    let summary = Summary::new(&errors).ok()?;
    let absolute = Sorted::new(errors.into_iter().map(f64::abs).collect()).ok()?;
    Some(ErrorFigures {
        n: summary.n as u64,
        bias_ms: summary.mean,
        p50_ms: absolute.quantile(0.5).ok()?,
        p99_ms: if summary.n as u64 >= P99_COUNT { absolute.quantile(0.99).ok() } else { None },
        max_ms: absolute.quantile(1.0).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The figures themselves belong to the host; what must hold is that everything was compared.
    #[tokio::test]
    async fn every_request_is_compared_with_what_the_server_did() {
        let short = Duration::from_millis(200);
        let settings = CalibrationSettings {
            streams: vec![1, 4],
            rounds: 1,
            most_rounds: 1,
            cost_streams: 2,
            cost_time: short,
            lag_rate: 100.0,
            lag_time: short,
            reactors: 1,
            seed: 1,
        };
        let mut told = Vec::new();
        let profile = calibrate(&settings, Environment::default(), &CancellationToken::new(), &mut |what| {
            told.push(what.to_owned())
        })
        .await
        .unwrap();
        let counts: Vec<_> = profile.truth.iter().map(|row| (row.requests, row.ttft.n, row.itl.n)).collect();
        assert_eq!(counts, [(1, 1, 63), (4, 4, 4 * 63)]);
        assert!(profile.truth.iter().all(|row| row.ttft.p99_ms.is_none() && row.ttft.p50_ms <= row.ttft.max_ms));
        assert_eq!((rounds(128, &CalibrationSettings::standard(1, 0)), rounds(4096, &settings)), (6, 1));
        assert!(profile.cost.requests > 0 && profile.cost.cpu_s_per_1000.is_none_or(|cpu| cpu > 0.0));
        assert!(profile.lag.n > 0 && profile.lag.p50_ms <= profile.lag.max_ms);
        let by_clock = if profile.clock == ReceiveClock::Kernel { 2 } else { 1 };
        assert_eq!(told.len(), 2 * by_clock + 2);
        assert_eq!(profile.by(ReceiveClock::User).unwrap().truth.len(), 2);
    }
}
