//! The tests: each a run of another verb, and what its record says.

use std::ffi::OsString;

use weighbridge_bench::performance;
use weighbridge_stats::quantile_sorted;
use weighbridge_summary::Rows;
use weighbridge_types::model_ref::ModelRef;
use weighbridge_types::performance::{BenchmarkResult, BenchmarkType, FIGURES};
use weighbridge_types::record::{Record, Status};
use weighbridge_types::time::WallTime;
use weighbridge_types::units::ByteSize;

use super::super::{bench, load, runs, runtime, typed};
use crate::arguments::{TestArguments, Verb};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::registry::Registry;

/// Requests before those that are measured.
const WARMUPS: u32 = 3;

/// Times that a model is loaded, before a test and after it.
const LOADS: usize = 5;

/// Share of disturbed requests that is told.
const TOLD_DISTURBED: f64 = 0.05;

/// Room for the beginnings of prompts, where the user names none: all that a test sends again.
const CACHE_BYTES: ByteSize = ByteSize(512 << 20);

/// Why the memory of an endpoint is not told.
const REMOTE: &str = "no model computes in this process";

/// How long a test is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Extent {
    /// So many requests.
    Requests(u32),
    /// So many seconds.
    Seconds(u64),
}

/// Makes tests on models.
#[derive(Clone, Copy)]
pub(super) struct Lab<'a> {
    pub(super) arguments: &'a TestArguments,
    pub(super) environment: &'a Environment,
}

impl Lab<'_> {
    /// One request at a time.
    pub(super) fn inference(&self, model: &str, extent: Extent) -> Result<BenchmarkResult, Failure> {
        let mut result = begun(BenchmarkType::Inference);
        let (record, rows) = self.load(model, BenchmarkType::Inference, "1", extent)?;
        performance::of_requests(&mut result, &rows.requests);
        Ok(self.ended(result, &record, &rows))
    }

    /// So many requests at once, one level after the other.
    pub(super) fn concurrent(&self, model: &str, levels: &str, extent: Extent) -> Result<BenchmarkResult, Failure> {
        let mut result = begun(BenchmarkType::Concurrent);
        let (record, rows) = self.load(model, BenchmarkType::Concurrent, levels, extent)?;
        performance::of_levels(&mut result, &rows.requests);
        Ok(self.ended(result, &record, &rows))
    }

    /// Prompts that were sent before, each beside a new one.
    pub(super) fn cache(&self, model: &str, pairs: u32) -> Result<BenchmarkResult, Failure> {
        let mut result = begun(BenchmarkType::Cache);
        let mut words = self.words("cache", model, BenchmarkType::Cache);
        words.splice(0..1, ["cache".into(), "bench".into()]);
        words.extend(pair("--pairs", pairs));
        words.extend(QUIET.map(OsString::from));
        let Verb::Cache { verb: crate::arguments::CacheVerb::Bench(mut arguments) } = parsed(words)? else {
            return Err(unread());
        };
        arguments.target.local = self.arguments.local;
        arguments.target.local.prefix_cache = self.arguments.local.prefix_cache.or(Some(CACHE_BYTES));
        let record = load::measure_cache(&arguments, self.environment)?;
        let rows = self.rows(&record)?;
        performance::of_cache(&mut result, &rows.requests);
        Ok(self.ended(result, &record, &rows))
    }

    /// Memory over so many requests.
    pub(super) fn memory(&self, model: &str, requests: u32) -> Result<BenchmarkResult, Failure> {
        let mut result = begun(BenchmarkType::Memory);
        let mut words: Vec<OsString> = ["bench", model, "--phases", "memory"].map(OsString::from).to_vec();
        words.extend(pair("--seed", self.arguments.seed));
        words.extend(pair("--label", label(BenchmarkType::Memory)));
        words.extend(["--output-dir".into(), self.arguments.results.output_dir.clone().into_os_string()]);
        let Verb::Bench(mut arguments) = parsed(words)? else { return Err(unread()) };
        arguments.local = self.arguments.local;
        let (record, _) = bench::memory(&arguments, requests, self.environment)?;
        let rows = self.rows(&record)?;
        if rows.requests.is_empty() {
            for key in FIGURES.map(|figure| figure.key) {
                result.unknown.insert(key.to_owned(), REMOTE.to_owned());
            }
            result.notes.push("memory: see `weighbridge memory-profile --pid` for a server on this host".to_owned());
            return Ok(self.ended(result, &record, &rows));
        }
        performance::of_requests(&mut result, &rows.requests);
        let of = |name: &str| record.metrics.iter().find(|metric| metric.name == name).and_then(|metric| metric.value);
        result.memory_growth_bytes = of("memory_growth");
        let held = of("weights_mapped").zip(of("weights_heap")).map(|(mapped, heap)| mapped + heap);
        result.memory_efficiency_percent = match held.zip(record.engine.parameters) {
            Some((held, parameters)) if parameters > 0 && held > 0.0 => {
                result.notes.push(format!(
                    "weights take {:.1} MB, {:.1} MB in single precision by arithmetic",
                    held / 1e6,
                    4.0 * parameters as f64 / 1e6
                ));
                Some(100.0 * (1.0 - held / (4.0 * parameters as f64)))
            }
            _ => {
                let why = "the engine does not tell its weights".to_owned();
                result.unknown.insert("memory_efficiency_percent".to_owned(), why);
                None
            }
        };
        Ok(self.ended(result, &record, &rows))
    }

    /// The same as [`inference`](Self::inference), with the time until the model is ready: the median of a few loads before the
    /// test and a few after it, because loads in a row see one moment of the host.
    pub(super) fn inference_with_loading(&self, model: &str, extent: Extent) -> Result<BenchmarkResult, Failure> {
        let mut times = self.loads(model)?;
        let mut result = self.inference(model, extent)?;
        times.extend(self.loads(model)?);
        let mut sorted = times.clone();
        sorted.sort_by(f64::total_cmp);
        result.model_loading_time_ms = quantile_sorted(&sorted, 0.5);
        result.parts.insert("model_loading_time_ms".to_owned(), times);
        Ok(result)
    }

    /// Times until the model is ready, ms.
    fn loads(&self, model: &str) -> Result<Vec<f64>, Failure> {
        let registry = Registry::new(self.environment, self.arguments.local)?;
        let model: ModelRef = model.parse()?;
        (0..LOADS).map(|_| runtime()?.block_on(registry.timed_load(&model))).collect()
    }

    fn load(&self, model: &str, kind: BenchmarkType, levels: &str, extent: Extent) -> Result<(Record, Rows), Failure> {
        let mut words = self.words("load", model, kind);
        words.extend(pair("--concurrency", levels));
        words.extend(pair("--warmup", WARMUPS));
        words.extend(pair("--osl", self.arguments.osl));
        words.extend(match extent {
            Extent::Requests(count) => pair("--requests", count + WARMUPS),
            Extent::Seconds(seconds) => pair("--duration", format!("{seconds}s")),
        });
        words.extend(QUIET.map(OsString::from));
        let Verb::Load(mut arguments) = parsed(words)? else { return Err(unread()) };
        arguments.target.local = self.arguments.local;
        let record = load::measure(&arguments, self.environment)?;
        let rows = self.rows(&record)?;
        Ok((record, rows))
    }

    fn words(&self, verb: &str, model: &str, kind: BenchmarkType) -> Vec<OsString> {
        let mut words: Vec<OsString> = [verb, model].map(OsString::from).to_vec();
        words.extend(pair("--isl", self.arguments.isl));
        words.extend(pair("--seed", self.arguments.seed));
        words.extend(pair("--label", label(kind)));
        words.extend(["--output-dir".into(), self.arguments.results.output_dir.clone().into_os_string()]);
        words
    }

    /// The rows of a test that came to its end.
    fn rows(&self, record: &Record) -> Result<Rows, Failure> {
        if record.status == Status::Interrupted {
            let what = format!("end the test: interrupted; the record of what was measured is `{}`", record.run_id);
            return Err(Failure::new(Exit::Interrupted, what, "run it again"));
        }
        runs::rows(&self.arguments.results.output_dir.join(&record.run_id))
    }

    /// What every test says beside its figures.
    fn ended(&self, mut result: BenchmarkResult, record: &Record, rows: &Rows) -> BenchmarkResult {
        let samples: Vec<_> = rows.samples.iter().map(|(_, sample)| *sample).collect();
        performance::of_samples(&mut result, &samples, record.environment.memory_bytes);
        if record.engine.device == "remote" || record.engine.scripted {
            for key in ["memory_usage_mb", "memory_utilization"] {
                result.unknown.insert(key.to_owned(), REMOTE.to_owned());
            }
            (result.memory_usage_mb, result.memory_utilization) = (None, None);
        }
        let touched =
            record.metrics.iter().find(|metric| metric.key() == "client_touched" && metric.cell.get("fault").is_none());
        if let Some(share) = touched.and_then(|metric| metric.value).filter(|share| *share > TOLD_DISTURBED) {
            let percent = 100.0 * share;
            result
                .notes
                .push(format!("{percent:.0} % of the requests ran while this host was short of processor time"));
        }
        if record.engine.scripted {
            result.notes.push("the answers come from a script and not from a model".to_owned());
        }
        result.model = Some(record.engine.model_ref.clone());
        result.scripted = record.engine.scripted;
        result.record = Some(self.arguments.results.output_dir.join(&record.run_id).display().to_string());
        result.environment = Some(record.environment.clone());
        result
    }
}

/// Flags of every load: a busy host is told in the result, and does not end the test.
const QUIET: [&str; 3] = ["--disturbed-limit", "1", "--no-live"];

fn begun(kind: BenchmarkType) -> BenchmarkResult {
    BenchmarkResult::new(kind, WallTime::now().to_string())
}

/// Label of the records of a type.
fn label(kind: BenchmarkType) -> String {
    format!("performance-{}", kind.name())
}

fn pair(flag: &str, value: impl ToString) -> [OsString; 2] {
    [flag.into(), value.to_string().into()]
}

fn parsed(words: Vec<OsString>) -> Result<Verb, Failure> {
    typed::verb(words, "the test", "see `weighbridge performance-benchmark benchmark --help`")
}

fn unread() -> Failure {
    Failure::usage("read the flags of the test", "name the model by a reference, such as `tiny` or `gguf:FILE`")
}
