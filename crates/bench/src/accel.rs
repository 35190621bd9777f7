//! Devices side by side on three kinds of work: a transformer, a convolutional network, and both at once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use serde::Serialize;
use weighbridge_engine::{ClassifyRequest, Collector, Engine, GenerateRequest, Prompt, collect};
use weighbridge_stats::hierarchical::{Center, Nest, ratio};
use weighbridge_stats::{Confidence, Resampling, student_t_mean};
use weighbridge_types::request::Outcome;
use weighbridge_types::time::Clock;
use weighbridge_types::units::millis;
use weighbridge_workload::{PromptSettings, prompt_of_bytes};

/// Bytes of a transformer's prompt and tokens of its answer.
const PROMPT_BYTES: usize = 512;
const ANSWER_TOKENS: u32 = 32;

/// Images of a batch, bytes of an image, and batches of a round.
const IMAGES: usize = 16;
const IMAGE_BYTES: usize = 4096;
const BATCHES: usize = 4;

/// Requests of a round.
const REQUESTS: usize = 4;

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Workload {
    /// Four requests to a language model, one after the other.
    Transformer,
    /// Four batches of images to a convolutional network, one after the other.
    Cnn,
    /// The work of both at the same time.
    Mixed,
}

impl Workload {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Transformer, Self::Cnn, Self::Mixed];

    /// Name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transformer => "transformer",
            Self::Cnn => "cnn",
            Self::Mixed => "mixed",
        }
    }
}

/// A device with its engines; or why it has none.
#[derive(Clone, Debug)]
pub struct DeviceUnderTest {
    /// Its name.
    pub name: String,
    /// A model that writes text.
    pub transformer: Result<Arc<dyn Engine>, String>,
    /// A model that classifies texts.
    pub cnn: Result<Arc<dyn Engine>, String>,
}

/// One kind of work on one device.
#[derive(Clone, Debug, Serialize)]
pub struct AccelRow {
    /// What was done.
    pub workload: Workload,
    /// On what.
    pub device: String,
    /// Why there is no figure.
    pub reason: Option<String>,
    /// Mean time of a round, milliseconds.
    pub time_ms: Option<f64>,
    /// Its 95 % interval, milliseconds.
    pub interval_ms: Option<[f64; 2]>,
    /// Rounds.
    pub rounds: usize,
    /// How many times as fast as the first device; `None` for the first.
    pub speed: Option<f64>,
    /// 95 % interval of the speed.
    pub speed_interval: Option<[f64; 2]>,
}

/// Drives every kind of work on every device, in turns.
///
/// The first round warms up and is left out. All devices get the same prompts and images.
pub async fn accel(
    devices: &[DeviceUnderTest],
    workloads: &[Workload],
    rounds: u32,
    seed: u64,
    clock: Clock,
) -> Vec<AccelRow> {
    let mut rows = Vec::new();
    for &workload in workloads {
        let mut times: Vec<Result<Vec<f64>, String>> = vec![Ok(Vec::new()); devices.len()];
        for round in 0..=rounds {
            for (device, times) in devices.iter().zip(&mut times) {
                let Ok(known) = times else { continue };
                match one_round(device, workload, seed ^ u64::from(round) << 32, clock).await {
                    Ok(time) if round > 0 => known.push(millis(time)),
                    Ok(_) => {}
                    Err(why) => *times = Err(why),
                }
            }
        }
        let first = times.first().and_then(|times| times.clone().ok()).unwrap_or_default();
        for (number, (device, times)) in devices.iter().zip(times).enumerate() {
            rows.push(row(workload, device, times, (number > 0).then_some(&first), seed));
        }
    }
    rows
}

/// The time of a round.
async fn one_round(device: &DeviceUnderTest, workload: Workload, salt: u64, clock: Clock) -> Result<Duration, String> {
    let (prompts, images) = (prompts(salt), images(salt));
    let start = clock.now();
    match workload {
        Workload::Transformer => write(device.transformer.as_ref()?, prompts, clock).await?,
        Workload::Cnn => look(device.cnn.as_ref()?, images).await?,
        Workload::Mixed => {
            let (wrote, looked) =
                join(write(device.transformer.as_ref()?, prompts, clock), look(device.cnn.as_ref()?, images)).await;
            wrote.and(looked)?;
        }
    }
    Ok(clock.now() - start)
}

async fn write(engine: &Arc<dyn Engine>, prompts: Vec<String>, clock: Clock) -> Result<(), String> {
    for prompt in prompts {
        let now = clock.now();
        let request = GenerateRequest {
            ignore_eos: engine.capabilities().ignore_eos,
            ..GenerateRequest::new(Prompt::Text(prompt), ANSWER_TOKENS, clock)
        };
        let answer = collect(engine.generate(request), Collector::new(now, now, ANSWER_TOKENS)).await;
        if let Outcome::Failed { message, .. } = answer.outcome {
            return Err(message);
        }
    }
    Ok(())
}

async fn look(engine: &Arc<dyn Engine>, batches: Vec<Vec<String>>) -> Result<(), String> {
    for inputs in batches {
        engine.classify(ClassifyRequest { inputs }).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn prompts(salt: u64) -> Vec<String> {
    (0..REQUESTS as u64).map(|index| text(salt, index, PROMPT_BYTES)).collect()
}

fn images(salt: u64) -> Vec<Vec<String>> {
    let batch = |batch: usize| {
        let image = |image: usize| text(salt, (batch * IMAGES + image) as u64, IMAGE_BYTES);
        (0..IMAGES).map(image).collect()
    };
    (0..BATCHES).map(batch).collect()
}

fn text(seed: u64, index: u64, bytes: usize) -> String {
    let settings = PromptSettings { seed, index, ..PromptSettings::default() };
    prompt_of_bytes(bytes, &settings).text
}

fn row(
    workload: Workload,
    device: &DeviceUnderTest,
    times: Result<Vec<f64>, String>,
    first: Option<&Vec<f64>>,
    seed: u64,
) -> AccelRow {
    let (reason, times) = times.map_or_else(|why| (Some(why), Vec::new()), |times| (None, times));
    let mean = student_t_mean(&times, Confidence::P95).ok();
    let side = |times: &[f64]| Nest::of_runs(times.iter().map(|&time| vec![time]));
    let speed = first.and_then(|first| {
        ratio(&side(&times), &side(first), Center::Mean, Confidence::P95, Resampling::new(seed)).ok()
    });
    AccelRow {
        workload,
        device: device.name.clone(),
        reason,
        time_ms: mean.as_ref().map(|mean| mean.value),
        interval_ms: mean.map(|mean| [mean.interval.low, mean.interval.high]),
        rounds: times.len(),
        speed: speed.map(|speed| speed.value),
        speed_interval: speed.map(|speed| [speed.interval.low, speed.interval.high]),
    }
}
