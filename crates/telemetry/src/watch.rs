//! From everything that was seen beside a run of loads to its figures. The run calls it and the validator calls it
//! again on the event log, so that the two cannot drift apart.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weighbridge_stats::Confidence;
use weighbridge_stats::slope::dependent_slope;
use weighbridge_types::cache::{CacheHits, CacheState};
use weighbridge_types::definition as defs;
use weighbridge_types::metric::{Cell, Metric, MetricInterval, Statistic};
use weighbridge_types::record::Phase;
use weighbridge_types::server::{GpuSample, HostEnergySample, ProcessTreeSample, ServerQuantity, ServerSample};
use weighbridge_types::telemetry::{LoadWindow, Telemetry, Watch, WatchReport};
use weighbridge_types::time::Stamp;

use crate::bounded::{Bounded, Window};
use crate::cost::{Price, Tokens, cost_metrics};
use crate::energy::{EnergyScope, energy_metrics, gpu_energy, host_energy};
use crate::gpu_summary::gpu_metrics;
use crate::server::{scrape_metrics, server_metrics, watch_cost};
use crate::tree::tree_metrics;

/// Bytes per second as MiB per hour.
const MIB_PER_HOUR: f64 = 3600.0 / (1024.0 * 1024.0);

const NO_IDLE: &str = "no idle time was measured";

/// What a run watches of the server, as its user wants it; stored with the settings, because figures rest on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct WatchSettings {
    /// Where the server tells its metrics; null tries the usual places of the target.
    pub metrics_url: Option<String>,
    /// Where a DCGM exporter tells of the server's graphics processors; null reads those of this host where the target
    /// runs on it.
    pub dcgm_url: Option<String>,
    /// Number of the server's first process on this host; null watches none.
    pub pid: Option<u32>,
    /// What the system under test costs, US dollars per hour; null leaves costs out.
    pub price_per_hour: Option<f64>,
    /// The state of the prompt cache that the user declares.
    pub cache: CacheState,
}

/// What was seen, as far as the figures of some windows need it. Distributions are kept around the ends of windows only:
/// they are most of a sample, and a run of a day has many.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Watched {
    windows: Vec<(Stamp, Stamp)>,
    server: Vec<ServerSample>,
    gpu: Vec<GpuSample>,
    host: Vec<HostEnergySample>,
    tree: Vec<ProcessTreeSample>,
    reports: Vec<WatchReport>,
}

impl Watched {
    /// Begins to gather for these windows, each with its start and end.
    #[must_use]
    pub fn new(windows: Vec<(Stamp, Stamp)>) -> Self {
        Self { windows, ..Self::default() }
    }

    /// Takes what was seen, each kind in order of time.
    pub fn push(&mut self, seen: Telemetry) {
        match seen {
            Telemetry::Server(sample) => self.push_server(*sample),
            Telemetry::Gpu(sample) => self.gpu.push(sample),
            Telemetry::HostEnergy(sample) => self.host.push(sample),
            Telemetry::Tree(sample) => self.tree.push(sample),
            Telemetry::Watch(report) => self.reports.push(report),
        }
    }

    fn push_server(&mut self, sample: ServerSample) {
        self.server.push(sample);
        let [.., before, settled, next] = &mut self.server[..] else { return };
        let begins = |from: Stamp| (settled.at..next.at).contains(&from);
        let ends = |to: Stamp| before.at < to && to <= settled.at;
        if !self.windows.iter().any(|(from, to)| begins(*from) || ends(*to)) {
            settled.distributions.clear();
        }
    }

    /// Every figure, in the order of the windows; figures of the whole run come last.
    #[must_use]
    pub fn metrics(&self, windows: &[LoadWindow], settings: &WatchSettings) -> Vec<Metric> {
        let of_windows = windows.iter().filter(|window| !window.is_empty());
        let mut metrics: Vec<Metric> = of_windows.flat_map(|window| self.of_window(window, settings)).collect();
        let run = Cell::of(Phase::Load);
        for report in self.reports.iter().filter(|report| report.wall_seconds > 0.0) {
            let cell = run.clone().with("watch", report.watch.name());
            if matches!(report.watch, Watch::Server | Watch::Dcgm) {
                metrics.extend(scrape_metrics(report, &cell));
            }
            metrics.push(watch_cost(report, &cell));
        }
        metrics
    }

    fn of_window(&self, load: &LoadWindow, settings: &WatchSettings) -> Vec<Metric> {
        let (window, cell) = (Window { from: load.from, to: load.to }, &load.cell);
        let output = Ok(Bounded::exact(load.output_tokens as f64));
        let idle = Err(NO_IDLE.to_owned());
        let mut metrics = Vec::new();
        if let Some(absent) = self.absent(&[Watch::Server], !self.server.is_empty()) {
            metrics.extend(server_metrics(&self.server, window, cell, absent));
        }
        if let Some(absent) = self.absent(&[Watch::Gpu, Watch::Dcgm], !self.gpu.is_empty()) {
            metrics.extend(gpu_metrics(&self.gpu, window, cell, absent));
            let energy = gpu_energy(&self.gpu, window);
            metrics.extend(energy_metrics(EnergyScope::Gpu, &energy, &idle, &output, cell));
        }
        if self.absent(&[Watch::HostEnergy], !self.host.is_empty()).is_some() {
            let energy = host_energy(&self.host, window);
            metrics.extend(energy_metrics(EnergyScope::Host, &energy, &idle, &output, cell));
        }
        if self.absent(&[Watch::Tree], !self.tree.is_empty()).is_some() {
            metrics.extend(tree_metrics(&self.tree, window, cell));
            metrics.push(growth(&self.tree, window, cell));
        }
        if let Some(dollars) = settings.price_per_hour {
            let price = Price { per_hour: Bounded::exact(dollars), currency: "$".to_owned() };
            let input = load.input_tokens.map(|tokens| Bounded::exact(tokens as f64));
            let tokens = Tokens { input: input.ok_or_else(|| "no prompt's length is known".to_owned()), output };
            metrics.extend(cost_metrics(Some(&price), window, &tokens, cell));
        }
        metrics
    }

    /// Why a sample may be missing, where something was watched at all.
    fn absent(&self, watches: &[Watch], has_samples: bool) -> Option<&str> {
        let ran = |report: &&WatchReport| watches.contains(&report.watch) && report.wall_seconds > 0.0;
        let report = self.reports.iter().find(ran);
        let problem = report.and_then(|report| report.problem.as_deref());
        (has_samples || report.is_some()).then(|| problem.unwrap_or("nothing was read"))
    }

    /// Prompt tokens found in the server's prefix cache, of those looked up, from the first scrape of the run to the
    /// last; `None` where the server does not tell, or was restarted.
    #[must_use]
    pub fn cache_hits(&self) -> Option<CacheHits> {
        let gained = |quantity| {
            let mut values = self.server.iter().filter_map(|sample| sample.values.get(&quantity).copied());
            let first = values.next()?;
            let last = values.next_back()?;
            (last >= first).then_some(last - first)
        };
        let (found, of) = (gained(ServerQuantity::PrefixHits)?, gained(ServerQuantity::PrefixQueries)?);
        (of > 0.0).then_some(CacheHits { found, of })
    }

    /// What tells one start of the server from another; `None` where it does not say.
    #[must_use]
    pub fn server_start(&self) -> Option<String> {
        let start = |sample: &ServerSample| sample.values.get(&ServerQuantity::ProcessStart).copied();
        self.server.iter().find_map(start).map(|seconds| format!("{seconds:.2}"))
    }

    /// What every watch did, and why there is none of a kind.
    #[must_use]
    pub fn reports(&self) -> &[WatchReport] {
        &self.reports
    }
}

/// Prompt tokens found in a cache by the usage of the requests, over all windows.
#[must_use]
pub fn hits_by_usage(windows: &[LoadWindow]) -> Option<CacheHits> {
    let all = windows.iter().filter_map(|window| window.cached);
    let (found, of) = all.fold((0, 0), |sum, hits| (sum.0 + hits.0, sum.1 + hits.1));
    (of > 0).then_some(CacheHits { found: found as f64, of: of as f64 })
}

/// Slope of the resident memory over time, with the interval that its dependence allows.
fn growth(samples: &[ProcessTreeSample], window: Window, cell: &Cell) -> Metric {
    let inside = samples.iter().filter(|sample| window.contains(sample.at) && sample.processes > 0);
    let points = inside.filter_map(|sample| Some(((sample.at - window.from).as_secs_f64(), sample.rss_bytes? as f64)));
    let (x, y): (Vec<f64>, Vec<f64>) = points.unzip();
    let definition = &defs::TREE_RSS_GROWTH;
    match dependent_slope(&x, &y, Confidence::P95) {
        Err(error) => Metric::unavailable(definition, Statistic::Slope, cell, error.to_string()),
        Ok(found) => {
            let value = found.slope * MIB_PER_HOUR;
            Metric::measured(definition, Statistic::Slope, cell, value, found.n as u64).with_interval(MetricInterval {
                low: found.interval.low * MIB_PER_HOUR,
                high: found.interval.high * MIB_PER_HOUR,
                confidence: found.interval.confidence.level(),
                method: found.interval.method.as_str().to_owned(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use weighbridge_types::server::{HistogramSnapshot, ServerDistribution, ServerKind};

    use super::*;

    fn stamp(millis: u64) -> Stamp {
        Stamp::from_nanos(millis * 1_000_000)
    }

    fn server(millis: u64, finished: f64, counts: [u64; 2]) -> Telemetry {
        let histogram = HistogramSnapshot { bounds: vec![0.5], counts: counts.to_vec(), sum: Some(finished) };
        Telemetry::Server(Box::new(ServerSample {
            at: stamp(millis),
            asked: stamp(millis),
            server: ServerKind::Vllm,
            values: BTreeMap::from([
                (ServerQuantity::Finished, finished),
                (ServerQuantity::PrefixHits, finished / 4.0),
                (ServerQuantity::PrefixQueries, finished),
            ]),
            distributions: BTreeMap::from([(ServerDistribution::Ttft, histogram)]),
        }))
    }

    fn window(from: u64, to: u64) -> LoadWindow {
        LoadWindow {
            cell: Cell::of(Phase::Load).with("concurrency", from),
            from: stamp(from),
            to: stamp(to),
            output_tokens: 1_000,
            input_tokens: None,
            cached: Some((1, 4)),
        }
    }

    fn report(watch: Watch) -> WatchReport {
        WatchReport { wall_seconds: 10.0, cpu_seconds: Some(0.1), read: 3, ..WatchReport::absent(watch, "refused") }
    }

    fn gather(windows: &[LoadWindow], seen: impl IntoIterator<Item = Telemetry>) -> Watched {
        let mut watched = Watched::new(windows.iter().map(|window| (window.from, window.to)).collect());
        seen.into_iter().for_each(|seen| watched.push(seen));
        watched
    }

    fn value(metrics: &[Metric], key: &str) -> Result<f64, String> {
        let metric = metrics.iter().find(|metric| metric.key() == key).unwrap_or_else(|| panic!("no {key}"));
        metric.value.ok_or_else(|| metric.reason.clone().unwrap())
    }

    #[test]
    fn figures_are_of_what_was_watched() {
        let windows = [window(1_000, 4_000), window(5_000, 5_000)];
        let tree = |millis: u64| {
            let sample = ProcessTreeSample { at: stamp(millis), processes: 1, ..ProcessTreeSample::default() };
            Telemetry::Tree(ProcessTreeSample { rss_bytes: Some(1_000 + millis), ..sample })
        };
        let samples = (0..50).map(|step| server(step * 100, step as f64, [step, 0]));
        let seen = samples.chain((0..40).map(|step| tree(1_000 + 100 * step)));
        let watched = gather(&windows, seen.chain([Telemetry::Watch(report(Watch::Tree))]));
        let settings = WatchSettings { price_per_hour: Some(3.6), ..WatchSettings::default() };
        let metrics = watched.metrics(&windows, &settings);
        assert_eq!(value(&metrics, "server_finished"), Ok(30.0));
        assert_eq!(value(&metrics, "server_ttft.p50"), Ok(250.0));
        assert_eq!(value(&metrics, "tree_rss.max"), Ok(5_000.0 - 0.0));
        assert!((value(&metrics, "tree_rss_growth.slope").unwrap() - 1_000.0 * MIB_PER_HOUR).abs() < 1e-6);
        // 3.6 $/h for 3 s is 0.003 $, for 1000 tokens.
        assert!((value(&metrics, "cost_per_million_output").unwrap() - 3.0).abs() < 1e-9);
        assert!(value(&metrics, "cost_per_million_input").unwrap_err().contains("length"));
        assert_eq!(value(&metrics, "watch_cost"), Ok(1.0));
        assert!(!metrics.iter().any(|metric| metric.name.starts_with("gpu") || metric.cell == windows[1].cell));
        assert_eq!(watched.cache_hits().and_then(CacheHits::share), Some(0.25));
        assert_eq!(hits_by_usage(&windows).and_then(CacheHits::share), Some(0.25));
    }

    #[test]
    fn what_was_watched_in_vain_is_null_with_the_reason() {
        let windows = [window(1_000, 4_000)];
        let check = |reports: Vec<WatchReport>, expected: Option<&str>| {
            let watched = gather(&windows, reports.into_iter().map(Telemetry::Watch));
            let metrics = watched.metrics(&windows, &WatchSettings::default());
            let found = metrics.iter().find(|metric| metric.name == "server_running");
            assert_eq!(found.and_then(|metric| metric.reason.as_deref()), expected);
        };
        check(vec![report(Watch::Server)], Some("refused"));
        check(vec![WatchReport::absent(Watch::Server, "no such page")], None);
        check(Vec::new(), None);
    }

    proptest! {
        /// What is thrown away is not needed: the figures are those of all samples.
        #[test]
        fn thinning_changes_no_figure(
            steps in prop::collection::vec((0_u64..900, 0_u64..5), 0..40), from in 0_u64..9_000, length in 1_u64..9_000,
        ) {
            let windows = [window(from, from + length)];
            let (mut at, mut count) = (0, 0);
            let seen: Vec<Telemetry> = steps.iter().map(|(step, more)| {
                at += step;
                count += more;
                server(at, count as f64, [count, 0])
            }).collect();
            let whole = seen.iter().filter_map(|seen| match seen {
                Telemetry::Server(sample) => Some(sample.as_ref().clone()),
                _ => None,
            });
            let whole = Watched { server: whole.collect(), ..Watched::default() };
            let settings = WatchSettings::default();
            prop_assert_eq!(gather(&windows, seen).metrics(&windows, &settings), whole.metrics(&windows, &settings));
        }
    }
}
