//! Watches the server beside a load, on threads of their own: reactors are never held up.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use weighbridge_telemetry::server::{ScrapeSettings, Scraper, dcgm_reader, server_reader};
use weighbridge_telemetry::{
    GpuSampler, GpuSettings, HostEnergyMeter, HostEnergySampler, NvmlSource, SamplerCost, SamplerSettings, SystemRoot,
    TreeProbe, TreeSampler, TreeTarget, thread_cpu,
};
use weighbridge_types::server::{GpuSample, ServerSample};
use weighbridge_types::telemetry::{Telemetry, Watch, WatchReport};
use weighbridge_types::time::{Clock, Stamp};

use crate::watching::{PATIENCE, Place, Watching};

/// A run that lasts longer reads graphics processors once a second: its log would fill with them.
const LONG_RUN: Duration = Duration::from_secs(600);

/// Readings of a process tree that a run of known length gets at least, where the shortest interval allows it.
const TREE_READINGS: u32 = 60;

/// Shortest time between two readings of a process tree: each reads a file of every process of the host.
const TREE_INTERVAL: Duration = Duration::from_millis(250);

const ELSEWHERE: &str = "the target runs on another machine; `--dcgm-url` names its exporter";

/// Everything that watches the server of a run.
#[derive(Debug)]
pub(crate) struct Observers {
    scrape: Option<Scrape>,
    gpu: Option<(GpuSampler, Counted)>,
    energy: Option<(HostEnergySampler, Counted)>,
    tree: Option<(TreeSampler, Counted)>,
    /// What is not watched, with the reason, until it is told.
    absent: Vec<WatchReport>,
}

/// Samples taken so far.
#[derive(Clone, Copy, Debug, Default)]
struct Counted(u64);

impl Observers {
    /// Starts to watch. What cannot be watched is told by the first [`drain`](Self::drain), with its reason.
    pub(crate) fn start(watching: &Watching, root: &SystemRoot, clock: Clock, length: Option<Duration>) -> Self {
        let mut absent = watching.absent.clone();
        let scrape = Scrape::start(watching, root, clock).unwrap_or_else(|problem| {
            absent.push(WatchReport::absent(Watch::Server, problem));
            None
        });
        let mut keep = |watch, problem: Option<String>| {
            absent.extend(problem.map(|problem| WatchReport::absent(watch, problem)));
        };
        let gpu = match gpu(watching, root, clock, length) {
            Ok(sampler) => sampler,
            Err(problem) => {
                keep(Watch::Gpu, problem);
                None
            }
        };
        let energy = match energy(watching.place, root, clock) {
            Ok(sampler) => Some(sampler),
            Err(problem) => {
                keep(Watch::HostEnergy, problem);
                None
            }
        };
        let tree = watching.pid.and_then(|pid| match tree(pid, root, clock, length) {
            Ok(sampler) => Some(sampler),
            Err(problem) => {
                keep(Watch::Tree, Some(problem));
                None
            }
        });
        let counted = Counted::default();
        Self {
            scrape,
            gpu: gpu.map(|sampler| (sampler, counted)),
            energy: energy.map(|sampler| (sampler, counted)),
            tree: tree.map(|sampler| (sampler, counted)),
            absent,
        }
    }

    /// Takes what was seen since the last call, each kind in order of time.
    pub(crate) fn drain(&mut self) -> Vec<Telemetry> {
        let mut seen: Vec<Telemetry> = self.absent.drain(..).map(Telemetry::Watch).collect();
        if let Some(scrape) = &self.scrape {
            seen.extend(scrape.drain());
        }
        if let Some((sampler, counted)) = &mut self.gpu {
            counted.take(sampler.drain(), &mut seen, Telemetry::Gpu);
        }
        if let Some((sampler, counted)) = &mut self.energy {
            counted.take(sampler.drain(), &mut seen, Telemetry::HostEnergy);
        }
        if let Some((sampler, counted)) = &mut self.tree {
            counted.take(sampler.drain(), &mut seen, Telemetry::Tree);
        }
        seen
    }

    /// Looks a last time, stops, and hands over what is left, with what each watch did and cost. A server that does not
    /// answer any more is waited for twice as long as an answer may take.
    pub(crate) async fn stop(mut self) -> Vec<Telemetry> {
        let mut seen = self.drain();
        if let Some(scrape) = self.scrape {
            seen.extend(scrape.stop().await);
        }
        if let Some((sampler, mut counted)) = self.gpu {
            let left = sampler.stop();
            counted.take(left.samples, &mut seen, Telemetry::Gpu);
            seen.push(counted.report(Watch::Gpu, left.dropped, left.cost));
        }
        if let Some((sampler, mut counted)) = self.energy {
            let left = sampler.stop();
            counted.take(left.samples, &mut seen, Telemetry::HostEnergy);
            seen.push(counted.report(Watch::HostEnergy, left.dropped, left.cost));
        }
        if let Some((sampler, mut counted)) = self.tree {
            let left = sampler.stop();
            counted.take(left.samples, &mut seen, Telemetry::Tree);
            seen.push(counted.report(Watch::Tree, left.dropped, left.cost));
        }
        seen
    }
}

impl Counted {
    fn take<T>(&mut self, samples: Vec<T>, seen: &mut Vec<Telemetry>, of: fn(T) -> Telemetry) {
        self.0 += samples.len() as u64;
        seen.extend(samples.into_iter().map(of));
    }

    fn report(self, watch: Watch, dropped: u64, cost: SamplerCost) -> Telemetry {
        Telemetry::Watch(WatchReport {
            watch,
            read: self.0,
            missed: dropped,
            cpu_seconds: cost.cpu.map(|cpu| cpu.as_secs_f64()),
            wall_seconds: cost.wall.as_secs_f64(),
            reading_seconds: None,
            problem: None,
        })
    }
}

/// The graphics processors of this host, where the target may use them. An error without a reason is no news.
fn gpu(
    watching: &Watching,
    root: &SystemRoot,
    clock: Clock,
    length: Option<Duration>,
) -> Result<Option<GpuSampler>, Option<String>> {
    match watching.place {
        _ if watching.dcgm.is_some() => return Ok(None),
        Place::InProcess | Place::Nowhere => return Ok(None),
        Place::Elsewhere => return Err(Some(ELSEWHERE.to_owned())),
        Place::ThisHost => {}
    }
    let source = NvmlSource::open(root).map_err(Some)?;
    let usual = GpuSettings::default();
    let is_long = length.is_none_or(|length| length > LONG_RUN);
    let interval = if is_long { Duration::from_secs(1) } else { usual.interval };
    let sampler = GpuSampler::start(source, root, clock, GpuSettings { interval, ..usual });
    sampler.map(Some).map_err(|error| Some(error.to_string()))
}

/// The energy counters of this host, where the target computes on it.
fn energy(place: Place, root: &SystemRoot, clock: Clock) -> Result<HostEnergySampler, Option<String>> {
    match place {
        Place::Nowhere => return Err(None),
        Place::Elsewhere => return Err(Some("the target runs on another machine".to_owned())),
        Place::InProcess | Place::ThisHost => {}
    }
    let meter = HostEnergyMeter::open(root).map_err(Some)?;
    HostEnergySampler::start(meter, clock).map_err(|error| Some(error.to_string()))
}

fn tree(pid: u32, root: &SystemRoot, clock: Clock, length: Option<Duration>) -> Result<TreeSampler, String> {
    let usual = TreeSampler::settings();
    let short = length.map_or(usual.interval, |length| length / TREE_READINGS);
    let interval = short.clamp(TREE_INTERVAL, usual.interval);
    let probe = TreeProbe::new(root, TreeTarget { pid, cgroup: None });
    TreeSampler::start(probe, clock, SamplerSettings { interval, ..usual }).map_err(|error| error.to_string())
}

/// The scrapers, on a thread with an event loop of its own.
#[derive(Debug)]
struct Scrape {
    server: Option<Scraper<ServerSample>>,
    dcgm: Option<Scraper<Vec<GpuSample>>>,
    clock: Clock,
    began: Stamp,
    /// Hands the scrapers to their thread, which stops them.
    stop: oneshot::Sender<Scrapers>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
struct Scrapers {
    server: Option<Scraper<ServerSample>>,
    dcgm: Option<Scraper<Vec<GpuSample>>>,
    wall: Duration,
    stopped: oneshot::Sender<Vec<Telemetry>>,
}

impl Scrape {
    /// `None` where there is nothing to scrape.
    fn start(watching: &Watching, root: &SystemRoot, clock: Clock) -> Result<Option<Self>, String> {
        let Some(fetch) = watching.fetch().filter(|_| watching.server.is_some() || watching.dcgm.is_some()) else {
            return Ok(None);
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("start an event loop: {error}"))?;
        let settings = |place: &String| ScrapeSettings { timeout: PATIENCE, ..ScrapeSettings::of(place) };
        let began = clock.now();
        let (server, dcgm) = {
            let _inside = runtime.enter();
            let server = watching.server.as_ref();
            let server = server.map(|place| Scraper::start(clock, settings(place), fetch.clone(), server_reader(None)));
            let dcgm = watching.dcgm.as_ref();
            (server, dcgm.map(|place| Scraper::start(clock, settings(place), fetch.clone(), dcgm_reader)))
        };
        let (stop, stopped) = oneshot::channel();
        let root = root.clone();
        let thread = thread::Builder::new().name("scraper".to_owned());
        let thread = thread.spawn(move || serve(&runtime, stopped, &root));
        let thread = thread.map_err(|error| format!("start the scraper's thread: {error}"))?;
        Ok(Some(Self { server, dcgm, clock, began, stop, thread }))
    }

    fn drain(&self) -> impl Iterator<Item = Telemetry> {
        let server = self.server.as_ref().map(Scraper::drain).unwrap_or_default();
        let dcgm = self.dcgm.as_ref().map(Scraper::drain).unwrap_or_default();
        server_lines(server).chain(gpu_lines(dcgm))
    }

    async fn stop(self) -> Vec<Telemetry> {
        let (stopped, answer) = oneshot::channel();
        let wall = self.clock.now() - self.began;
        let scrapers = Scrapers { server: self.server, dcgm: self.dcgm, wall, stopped };
        // A thread that panicked has said so; what it had is lost.
        let seen = if self.stop.send(scrapers).is_ok() { answer.await.unwrap_or_default() } else { Vec::new() };
        let _ = self.thread.join();
        seen
    }
}

fn server_lines(samples: Vec<ServerSample>) -> impl Iterator<Item = Telemetry> {
    samples.into_iter().map(|sample| Telemetry::Server(Box::new(sample)))
}

fn gpu_lines(samples: Vec<Vec<GpuSample>>) -> impl Iterator<Item = Telemetry> {
    samples.into_iter().flatten().map(Telemetry::Gpu)
}

/// Drives the scrapers until they are handed over, then stops them.
fn serve(runtime: &Runtime, stopped: oneshot::Receiver<Scrapers>, root: &SystemRoot) {
    runtime.block_on(async {
        let Ok(scrapers) = stopped.await else { return };
        let mut seen = Vec::new();
        let mut costs = Vec::new();
        if let Some(server) = scrapers.server {
            let left = server.stop().await;
            seen.extend(server_lines(left.samples));
            costs.push((Watch::Server, left.cost));
        }
        if let Some(dcgm) = scrapers.dcgm {
            let left = dcgm.stop().await;
            seen.extend(gpu_lines(left.samples));
            costs.push((Watch::Dcgm, left.cost));
        }
        // One thread serves both, and its time is told once, with the first.
        let mut cpu = thread_cpu(root);
        for (watch, cost) in costs {
            seen.push(Telemetry::Watch(cost.report(watch, cpu, scrapers.wall)));
            cpu = cpu.map(|_| Duration::ZERO);
        }
        // Whoever asked may be gone, and then nobody wants it.
        let _ = scrapers.stopped.send(seen);
    });
}
