//! Asks a metrics endpoint at a fixed rate beside a run.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use weighbridge_types::server::{GpuSample, ServerSample};
use weighbridge_types::telemetry::{Watch, WatchReport};
use weighbridge_types::time::{Clock, Stamp};

use super::{read_dcgm, read_server};
use crate::prometheus::parse;
use crate::ticker::{lock, next_tick};

/// Gets the body of an address, or says why not. The caller brings it, because this room knows no HTTP.
pub type Fetch = Arc<dyn Fn(String) -> BoxFuture<'static, Result<Bytes, String>> + Send + Sync>;

/// One answer, to be read.
#[derive(Clone, Debug)]
pub struct Answer {
    /// When it was asked for.
    pub asked: Stamp,
    /// When it had come.
    pub at: Stamp,
    /// What came.
    pub body: Bytes,
}

/// Where and how often to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrapeSettings {
    /// The whole address.
    pub url: String,
    /// Time between questions.
    pub interval: Duration,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// Most answers held between two calls of [`Scraper::drain`]; more are dropped and counted.
    pub capacity: usize,
}

impl ScrapeSettings {
    /// One question a second: an answer of a large server costs it some milliseconds of a Python thread that also
    /// serves requests, so that more would disturb what is measured. The capacity is 20 minutes.
    #[must_use]
    pub fn of(url: impl Into<String>) -> Self {
        let second = Duration::from_secs(1);
        Self { url: url.into(), interval: second, timeout: 2 * second, capacity: 1_200 }
    }
}

/// What scraping did and cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrapeCost {
    /// Answers that were read.
    pub answered: u64,
    /// Questions without an answer that could be read: refused, too late, or not understood.
    pub failed: u64,
    /// Questions that were due while an earlier one was still open, and were left out.
    pub skipped: u64,
    /// Answers lost to a full buffer.
    pub dropped: u64,
    /// Bytes of all answers.
    pub bytes: u64,
    /// Wall time spent reading them, the most that their CPU time can be. The kernel's count of a thread's CPU time
    /// lags by a tick, which is longer than reading one answer, so that it would tell 0. Fetching is the client's own.
    pub reading: Duration,
    /// Longest time from question to answer.
    pub slowest: Duration,
    /// Why the last question failed.
    pub last_failure: Option<String>,
}

impl ScrapeCost {
    /// The cost as it is stored. `cpu` is that of the thread that the scraper ran on.
    #[must_use]
    pub fn report(&self, watch: Watch, cpu: Option<Duration>, wall: Duration) -> WatchReport {
        WatchReport {
            watch,
            read: self.answered,
            missed: self.failed + self.skipped + self.dropped,
            cpu_seconds: cpu.map(|cpu| (cpu + self.reading).as_secs_f64()),
            wall_seconds: wall.as_secs_f64(),
            reading_seconds: (self.answered > 0).then_some(self.reading.as_secs_f64()),
            problem: self.last_failure.clone(),
        }
    }
}

/// What a scraper leaves when it is stopped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScrapeReport<T> {
    /// Answers not drained before, in order of time.
    pub samples: Vec<T>,
    /// What scraping did and cost.
    pub cost: ScrapeCost,
}

/// Asks an endpoint until it is stopped or dropped. It runs as one task, has one question open at most, and reads
/// answers on a blocking thread, so that a reactor which serves requests is not held up.
#[derive(Debug)]
pub struct Scraper<T> {
    shared: Arc<Mutex<Shared<T>>>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared<T> {
    samples: VecDeque<T>,
    cost: ScrapeCost,
}

impl<T: Send + 'static> Scraper<T> {
    /// Starts to ask at once, on the tokio runtime it is called in. `read` turns an answer into a sample.
    pub fn start(
        clock: Clock,
        settings: ScrapeSettings,
        fetch: Fetch,
        read: impl Fn(&Answer) -> Result<T, String> + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Mutex::new(Shared { samples: VecDeque::new(), cost: ScrapeCost::default() }));
        let (stop, stopped) = oneshot::channel();
        let worker = Worker { clock, settings, fetch, read: Arc::new(read), shared: Arc::clone(&shared) };
        Self { shared, stop: Some(stop), task: tokio::spawn(worker.run(stopped)) }
    }

    /// Takes the answers gathered since the last call, in order of time.
    #[must_use]
    pub fn drain(&self) -> Vec<T> {
        lock(&self.shared).samples.drain(..).collect()
    }

    /// What scraping has done and cost so far.
    #[must_use]
    pub fn cost(&self) -> ScrapeCost {
        lock(&self.shared).cost.clone()
    }

    /// Asks a last time, stops, and hands over what is left. Takes two timeouts at most.
    pub async fn stop(mut self) -> ScrapeReport<T> {
        drop(self.stop.take());
        // A panic of the task has been printed by its hook; the samples so far are valid.
        let _ = (&mut self.task).await;
        let mut shared = lock(&self.shared);
        ScrapeReport { samples: shared.samples.drain(..).collect(), cost: shared.cost.clone() }
    }
}

impl<T> Drop for Scraper<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Read<T> = Arc<dyn Fn(&Answer) -> Result<T, String> + Send + Sync>;

struct Worker<T> {
    clock: Clock,
    settings: ScrapeSettings,
    fetch: Fetch,
    read: Read<T>,
    shared: Arc<Mutex<Shared<T>>>,
}

impl<T> fmt::Debug for Worker<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Worker<T> {
    async fn run(self, mut stopped: oneshot::Receiver<()>) {
        let mut next = self.clock.now();
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                () = tokio::time::sleep_until(self.clock.instant(next)) => {}
            }
            self.ask().await;
            let due = next;
            next = next_tick(due, self.clock.now(), self.settings.interval);
            let steps = (next - due).as_nanos() / self.settings.interval.as_nanos().max(1);
            lock(&self.shared).cost.skipped += u64::try_from(steps.saturating_sub(1)).unwrap_or(u64::MAX);
        }
        self.ask().await;
    }

    async fn ask(&self) {
        let asked = self.clock.now();
        let body = timeout(self.settings.timeout, (self.fetch)(self.settings.url.clone())).await;
        let at = self.clock.now();
        let read = match body {
            Ok(Ok(body)) => self.understand(Answer { asked, at, body }).await,
            Ok(Err(reason)) => Err(reason),
            Err(_) => Err(format!("no answer within {:?}", self.settings.timeout)),
        };
        let mut shared = lock(&self.shared);
        shared.cost.slowest = shared.cost.slowest.max(at - asked);
        match read {
            Ok(sample) if shared.samples.len() < self.settings.capacity => {
                shared.samples.push_back(sample);
                shared.cost.answered += 1;
            }
            Ok(_) => shared.cost.dropped += 1,
            Err(reason) => {
                shared.cost.failed += 1;
                shared.cost.last_failure = Some(reason);
            }
        }
    }

    async fn understand(&self, answer: Answer) -> Result<T, String> {
        let (clock, read, length) = (self.clock, Arc::clone(&self.read), answer.body.len() as u64);
        let work = move || {
            let start = clock.now();
            let sample = read(&answer);
            (sample, clock.now() - start)
        };
        let done = tokio::task::spawn_blocking(work).await;
        let (sample, reading) = done.map_err(|error| format!("the answer could not be read: {error}"))?;
        let mut shared = lock(&self.shared);
        shared.cost.bytes += length;
        shared.cost.reading += reading;
        sample
    }
}

/// Reads the answers of a model server, in full or of one model: a `read` for [`Scraper::start`].
pub fn server_reader(
    model: Option<String>,
) -> impl Fn(&Answer) -> Result<ServerSample, String> + Send + Sync + 'static {
    move |answer| {
        let found = parse(&answer.body).map_err(|error| format!("{error}; {}", error.hint()))?;
        let reading = read_server(&found, model.as_deref()).map_err(|error| format!("{error}; {}", error.hint()))?;
        Ok(ServerSample {
            at: answer.at,
            asked: answer.asked,
            server: reading.server,
            values: reading.values,
            distributions: reading.distributions,
        })
    }
}

/// Reads the answers of a DCGM exporter: a `read` for [`Scraper::start`].
///
/// # Errors
/// When the answer is no exposition or holds no device.
pub fn dcgm_reader(answer: &Answer) -> Result<Vec<GpuSample>, String> {
    let found = parse(&answer.body).map_err(|error| format!("{error}; {}", error.hint()))?;
    read_dcgm(&found, answer.at).map_err(|error| format!("{error}; {}", error.hint()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use weighbridge_types::server::ServerQuantity;

    use super::*;

    fn fetch(answer: impl Fn(u64) -> (Duration, Result<&'static str, &'static str>) + Send + Sync + 'static) -> Fetch {
        let asked = AtomicU64::new(0);
        Arc::new(move |url| {
            assert_eq!(url, "http://server/metrics");
            let (delay, body) = answer(asked.fetch_add(1, Ordering::Relaxed));
            Box::pin(async move {
                tokio::time::sleep(delay).await;
                body.map(|body| Bytes::from_static(body.as_bytes())).map_err(str::to_owned)
            })
        })
    }

    fn start(capacity: usize, fetch: Fetch) -> Scraper<ServerSample> {
        let settings = ScrapeSettings { capacity, ..ScrapeSettings::of("http://server/metrics") };
        Scraper::start(Clock::start(), settings, fetch, server_reader(None))
    }

    #[tokio::test(start_paused = true)]
    async fn answers_come_at_the_rate_that_was_set() {
        let scraper = start(10, fetch(|_| (Duration::from_millis(10), Ok("vllm:num_requests_running 3\n"))));
        tokio::time::sleep(Duration::from_millis(3_500)).await;
        let report = scraper.stop().await;
        let stamps: Vec<(u128, u128)> = report
            .samples
            .iter()
            .map(|sample| ((sample.asked - Stamp::default()).as_millis(), (sample.at - sample.asked).as_millis()))
            .collect();
        assert_eq!(stamps[..4], [(0, 10), (1000, 10), (2000, 10), (3000, 10)]);
        assert_eq!(report.samples.len(), 5);
        assert_eq!(report.samples[0].values.get(&ServerQuantity::Running), Some(&3.0));
        assert_eq!((report.cost.answered, report.cost.failed, report.cost.skipped), (5, 0, 0));
        assert_eq!(report.cost.bytes, 5 * 28);
        assert!(report.cost.slowest >= Duration::from_millis(10));
    }

    #[tokio::test(start_paused = true)]
    async fn late_answers_are_left_out_and_counted() {
        let slow = |index| match index {
            0 => (Duration::from_millis(1_500), Ok("vllm:num_requests_running 3\n")),
            1 => (Duration::from_secs(60), Ok("vllm:num_requests_running 3\n")),
            _ => (Duration::ZERO, Err("connection refused")),
        };
        let scraper = start(10, fetch(slow));
        tokio::time::sleep(Duration::from_millis(5_200)).await;
        let report = scraper.stop().await;
        // Asked at 0 (answered), 2 (no answer within 2 s), 5 and at the end (refused); 1, 3 and 4 were skipped.
        assert_eq!((report.cost.answered, report.cost.failed, report.cost.skipped), (1, 3, 3));
        assert_eq!(report.cost.last_failure.as_deref(), Some("connection refused"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_buffer_and_an_unknown_server_are_counted() {
        let scraper = start(1, fetch(|_| (Duration::ZERO, Ok("tgi_queue_size 1\n"))));
        tokio::time::sleep(Duration::from_millis(500)).await;
        let report = scraper.stop().await;
        assert_eq!((report.samples.len(), report.cost.dropped), (1, 1));
        let scraper = start(1, fetch(|_| (Duration::ZERO, Ok("<html>"))));
        let report = scraper.stop().await;
        assert!(report.cost.last_failure.unwrap().contains("/prometheus/metrics"));
        assert_eq!((report.samples.len(), report.cost.answered), (0, 0));
    }

    #[test]
    fn devices_are_read_from_an_answer() {
        let answer = |body: &'static str| Answer {
            asked: Stamp::default(),
            at: Stamp::from_nanos(4),
            body: Bytes::from_static(body.as_bytes()),
        };
        let found = dcgm_reader(&answer("DCGM_FI_DEV_GPU_TEMP{gpu=\"3\"} 50\n")).unwrap();
        assert_eq!((found[0].index, found[0].at), (3, Stamp::from_nanos(4)));
        assert!(dcgm_reader(&answer("a 1\n")).unwrap_err().contains("9400"));
    }
}
