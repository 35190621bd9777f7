//! A run as a weigh-in leaves it: rows from a fixed recipe, figures from the summary room.

use std::sync::LazyLock;

use weighbridge_summary::{Basis, Rows, summarize, tally};
use weighbridge_types::calibration::{CalibratedErrors, CalibrationNote, Grade};
use weighbridge_types::definition::{self as d, Definition};
use weighbridge_types::environment::{Build, Environment};
use weighbridge_types::metric::{Cell, Metric, MetricInterval, Provenance, Statistic};
use weighbridge_types::record::{
    Check, EngineDescription, Finding, FindingKind, ItemRow, MetricPointer, Phase, PhaseResult, Record, Status, Tally,
    TargetResult, Verdict,
};
use weighbridge_types::request::{
    Channel, FinishReason, FrameStamp, Outcome, ReceiveClock, RequestRow, Timeline, Usage,
};
use weighbridge_types::resource::ResourceSample;
use weighbridge_types::time::Stamp;

const MIB: u64 = 1 << 20;
/// Variant, its size in bytes, decode rate, perplexity, and how often it finds the answer that F16 found.
const VARIANTS: [(&str, f64, f64, f64, f64); 3] = [
    ("F16", 18_912_000.0, 198.6, 3.412, 1.0),
    ("Q8_0", 10_110_000.0, 271.3, 3.418, 0.995),
    ("Q4_0", 5_460_000.0, 342.9, 3.731, 0.94),
];
/// Task, its labels, and how often the model is right.
const TASKS: [(&str, usize, f64); 10] = [
    ("log_triage", 5, 0.94),
    ("http_request", 6, 0.91),
    ("email", 4, 0.97),
    ("api_calls", 5, 0.88),
    ("reasoning", 4, 0.61),
    ("creativity", 4, 0.72),
    ("language", 4, 0.83),
    ("social", 4, 0.79),
    ("integration", 4, 0.66),
    ("knowledge", 4, 0.9),
];

/// Small steps of a linear congruential generator (Numerical Recipes): fixed on every platform.
struct Noise(u32);

impl Noise {
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(self.0 >> 8) / f64::from(1_u32 << 24)
    }

    /// Roughly normal around 1.
    fn around(&mut self, spread: f64) -> f64 {
        1.0 + spread * ((0..6).map(|_| self.share()).sum::<f64>() - 3.0)
    }
}

fn nanos(ms: f64) -> u64 {
    (ms * 1e6) as u64
}

struct Recipe<'a> {
    cell: Cell,
    input: u32,
    output: u32,
    ttft_ms: f64,
    itl_ms: f64,
    noise: &'a mut Noise,
}

impl Recipe<'_> {
    fn request(&mut self, id: u64, start_ms: f64) -> RequestRow {
        let mut at = start_ms + self.ttft_ms * self.noise.around(0.06);
        let mut frames = Vec::new();
        for _ in 0..self.output {
            frames.push(FrameStamp { at: Stamp::from_nanos(nanos(at)), tokens: 1, channel: Channel::Answer });
            at += self.itl_ms * self.noise.around(0.05);
        }
        let ended = frames.last().map(|frame| frame.at.as_nanos() + 20_000).unwrap();
        RequestRow {
            planned_input_tokens: Some(self.input),
            usage: Some(Usage { input_tokens: self.input, output_tokens: self.output, ..Usage::default() }),
            ..RequestRow::new(
                id,
                self.cell.clone(),
                self.output,
                Timeline {
                    planned: Stamp::from_nanos(nanos(start_ms)),
                    released: Stamp::from_nanos(nanos(start_ms) + 4_000),
                    frames,
                    ended: Some(Stamp::from_nanos(ended)),
                    ..Timeline::default()
                },
                Outcome::Succeeded { finish: FinishReason::Length },
            )
        }
    }
}

fn end_ms(row: &RequestRow) -> f64 {
    row.timeline.ended.unwrap().as_nanos() as f64 / 1e6
}

/// The rows of the run.
pub(crate) fn rows() -> Rows {
    static ROWS: LazyLock<Rows> = LazyLock::new(make_rows);
    ROWS.clone()
}

fn make_rows() -> Rows {
    let mut noise = Noise(7);
    let mut rows = Rows::default();
    let mut now = 1_500.0;
    for (input, output, ttft_ms, itl_ms) in [(128, 64, 19.8, 4.9), (512, 128, 82.4, 5.1), (1024, 256, 176.0, 5.6)] {
        let cell = Cell::of(Phase::Latency).with("input_tokens", input).with("output_tokens", output);
        for index in 0..26 {
            let mut recipe = Recipe { cell: cell.clone(), input, output, ttft_ms, itl_ms, noise: &mut noise };
            let mut row = recipe.request(rows.requests.len() as u64, now);
            row.warmup = index < 2;
            now = end_ms(&row) + 1.0;
            rows.requests.push(row);
        }
    }
    memory_rows(&mut rows, &mut noise, now + 500.0);
    let now = rows.requests.last().map(end_ms).unwrap() + 500.0;
    throughput_rows(&mut rows, &mut noise, now);
    quality_rows(&mut rows, &mut noise);
    rows
}

fn memory_rows(rows: &mut Rows, noise: &mut Noise, mut now: f64) {
    let cell = Cell::of(Phase::Memory);
    let mut sample = |at: f64, anonymous: f64, rss: f64, cpu: f64| {
        rows.samples.push((
            Phase::Memory,
            ResourceSample {
                at: Stamp::from_nanos(nanos(at)),
                rss_bytes: Some(rss as u64),
                anonymous_bytes: Some(anonymous as u64),
                cpu_seconds: Some(cpu),
                ..ResourceSample::default()
            },
        ));
    };
    sample(now - 5.0, 9.1e6, 27.6e6, 20.0);
    for index in 0..120 {
        let mut recipe = Recipe { cell: cell.clone(), input: 64, output: 16, ttft_ms: 10.2, itl_ms: 4.9, noise };
        let row = recipe.request(rows.requests.len() as u64, now);
        let ended = end_ms(&row);
        let anonymous = 9.1e6 + 9.0 * f64::from(index) + 4096.0 * (noise.share() * 6.0 - 3.0);
        if index % 9 == 4 {
            sample(now + 45.0, anonymous + 2.1e6, anonymous + 20.6e6, 20.0 + f64::from(index) * 0.09);
        }
        sample(ended + 0.5, anonymous, anonymous + 18.5e6, 20.0 + f64::from(index) * 0.09);
        now = ended + 2.0;
        rows.requests.push(row);
    }
}

fn throughput_rows(rows: &mut Rows, noise: &mut Noise, mut now: f64) {
    for (level, ttft_ms, itl_ms) in [(1_u32, 20.1, 4.9), (2, 26.8, 6.52), (4, 48.7, 11.9), (8, 96.0, 23.6)] {
        let cell = Cell::of(Phase::Throughput).with("concurrency", level);
        let mut streams = vec![now; level as usize];
        for _ in 0..64 {
            let stream = streams.iter_mut().min_by(|a, b| a.total_cmp(b)).unwrap();
            let mut recipe = Recipe { cell: cell.clone(), input: 128, output: 32, ttft_ms, itl_ms, noise };
            let row = recipe.request(rows.requests.len() as u64, *stream);
            *stream = end_ms(&row) + 0.05;
            rows.requests.push(row);
        }
        now = streams.into_iter().fold(now, f64::max) + 200.0;
    }
}

fn quality_rows(rows: &mut Rows, noise: &mut Noise) {
    for (task, labels, skill) in TASKS {
        for item in 0..80_u32 {
            let expected = format!("label-{}", item as usize % labels);
            let luck = noise.share();
            for (variant, _, _, _, keep) in VARIANTS {
                let is_right = luck < skill * keep;
                let given = if is_right { expected.clone() } else { format!("label-{}", (item as usize + 1) % labels) };
                rows.items.push(ItemRow {
                    cell: Cell::of(Phase::Quality).with("task", task).with("variant", variant),
                    item: format!("{task}-{item}"),
                    expected: expected.clone(),
                    given: Some(given),
                    problem: None,
                });
            }
        }
    }
}

fn one(definition: &Definition, cell: &Cell, value: f64) -> Metric {
    Metric::measured(definition, Statistic::Value, cell, value, 1)
}

fn observed_metrics() -> Vec<Metric> {
    let cell = Cell::of;
    let mut metrics = vec![
        one(&d::LOAD_TIME, &cell(Phase::Validate), 41.7),
        one(&d::FIRST_TOKEN_COLD, &cell(Phase::Validate), 63.2),
        one(&d::CALIBRATION_RATE, &cell(Phase::Validate), 21.4),
        one(&d::WEIGHTS_EXPECTED, &cell(Phase::Memory), 18_874_368.0).with_provenance(Provenance::Derived),
        one(&d::WEIGHTS_MAPPED, &cell(Phase::Memory), 18_874_368.0),
        one(&d::WEIGHTS_HEAP, &cell(Phase::Memory), 0.0),
        one(&d::KV_PER_TOKEN, &cell(Phase::Memory), 8_192.0).with_provenance(Provenance::Derived),
        one(&d::KV_CACHE_PEAK, &cell(Phase::Memory), 655_360.0),
        Metric::measured(&d::REQUEST_HIGH_WATER, Statistic::Max, &cell(Phase::Memory), 2_228_224.0, 120),
        one(&d::RSS_AFTER_LOAD, &cell(Phase::Memory), 27_600_000.0),
        one(&d::RSS_LOAD_DELTA, &cell(Phase::Memory), 19_400_000.0),
        one(&d::RSS_PEAK, &cell(Phase::Memory), (64 * MIB) as f64),
        one(&d::INSTANCES, &cell(Phase::Memory), 112.0).with_provenance(Provenance::Derived),
        Metric::unavailable(
            &d::STEAL,
            Statistic::Value,
            &cell(Phase::Throughput),
            "the kernel shows no stolen time here",
        ),
        one(&d::CPU_USED, &cell(Phase::Throughput), 1.94),
    ];
    let mut projected =
        one(&d::KNEE, &Cell::default().with("projection", "gpu"), 8.0).with_provenance(Provenance::Projected);
    projected.interval_reason = Some("projected: 8 to 16 requests by published factors of 4 to 8".to_owned());
    metrics.push(projected);
    for (variant, bytes, rate, perplexity, _) in VARIANTS {
        let cell = cell(Phase::Quality).with("variant", variant);
        let half = rate * 0.012;
        let interval =
            MetricInterval { low: rate - half, high: rate + half, confidence: 0.95, method: "student_t".to_owned() };
        metrics.push(one(&d::MODEL_BYTES, &cell, bytes));
        metrics.push(Metric::measured(&d::DECODE_RATE, Statistic::Mean, &cell, rate, 12).with_interval(interval));
        metrics.push(Metric::measured(&d::PERPLEXITY, Statistic::Value, &cell, perplexity, 4096));
        metrics.push(Metric::measured(&d::ITEM_RATE, Statistic::Value, &cell, rate / 3.1, 800));
        for (task, labels, _) in TASKS {
            metrics.push(
                one(&d::CHANCE, &cell.clone().with("task", task), 1.0 / labels as f64)
                    .with_provenance(Provenance::Derived),
            );
        }
    }
    metrics
}

fn checks() -> Vec<Check> {
    let check = |name: &str, passed, evidence: &str| Check { name: name.into(), passed, evidence: evidence.into() };
    vec![
        check("environment", Some(true), "Linux 6.8.0, 2 usable cores, 7.8 GiB, 5.9 GiB free"),
        check("engine loads", Some(true), "ready after 41.7 ms; tokenizer with 4,096 entries"),
        check("a request answers", Some(true), "16 tokens in 88.1 ms"),
        check("the report works", Some(true), "console, Markdown and HTML rendered from a trial record"),
        check("data format", Some(true), "the trial record validates against schema 1.0"),
        check("no errors", Some(true), "0 of 3 trial requests failed"),
        check(
            "performance is reasonable",
            Some(true),
            "decode 198.6 tokens/s × 18.0 MiB = 3.7 GB/s, 17 % of the 21.4 GB/s that the calibration kernel reads; the \
             bound is 2 %",
        ),
    ]
}

fn phases(rows: &Rows) -> Vec<PhaseResult> {
    let pointer = |key: &str, cell: Cell| Some(MetricPointer { key: key.to_owned(), cell });
    let latency = Cell::of(Phase::Latency).with("input_tokens", 128).with("output_tokens", 64);
    let throughput = Cell::of(Phase::Throughput).with("concurrency", 2);
    let quality = Cell::of(Phase::Quality).with("variant", "F16");
    let shape = [
        (Phase::Validate, 1.5, 2.0, None, "12:30:00"),
        (Phase::Latency, 77.4, 80.0, pointer("ttft.mean", latency), "12:30:01"),
        (Phase::Memory, 11.9, 12.0, pointer("rss_peak", Cell::of(Phase::Memory)), "12:31:19"),
        (Phase::Throughput, 27.8, 30.0, pointer("output_rate", throughput), "12:31:31"),
        (Phase::Quality, 41.2, 36.0, pointer("accuracy", quality), "12:31:59"),
    ];
    let result = |(phase, duration, estimate, key_metric, started): (Phase, f64, f64, _, &str)| PhaseResult {
        phase,
        status: Status::Complete,
        attempt: 1,
        started_at: Some(format!("2026-03-01T{started}.250Z")),
        duration_s: Some(duration),
        estimated_s: Some(estimate),
        key_metric,
        tally: tally(rows.requests.iter().filter(|row| row.cell.get("phase") == Some(phase.name()))),
        checks: if phase == Phase::Validate { checks() } else { Vec::new() },
        notes: Vec::new(),
    };
    shape.into_iter().map(result).collect()
}

fn targets() -> Vec<TargetResult> {
    let latency = Cell::of(Phase::Latency).with("input_tokens", 128).with("output_tokens", 64);
    let single = Cell::of(Phase::Throughput).with("concurrency", 8);
    let target =
        |name: &str, profile: &str, key: &str, cell: &Cell, limit: &str, observed: &str, verdict, because: &str| {
            TargetResult {
                name: name.into(),
                profile: profile.into(),
                metric: MetricPointer { key: key.into(), cell: cell.clone() },
                limit: limit.into(),
                observed: observed.into(),
                verdict,
                because: because.into(),
            }
        };
    let memory = Cell::of(Phase::Memory);
    vec![
        target(
            "ttft",
            "cpu",
            "ttft.mean",
            &latency,
            "< 300 ms",
            "19.6 ms",
            Verdict::Met,
            "the upper bound lies below the limit",
        ),
        target(
            "decode",
            "cpu",
            "decode_rate.mean",
            &latency,
            "> 30 tokens/s",
            "204 tokens/s",
            Verdict::Met,
            "the lower bound lies above the limit",
        ),
        target(
            "request rate",
            "cpu",
            "request_rate",
            &single,
            "> 50 requests/s",
            "9.6 requests/s",
            Verdict::Missed,
            "the upper bound lies below the limit",
        ),
        target(
            "memory",
            "cpu",
            "rss_peak",
            &memory,
            "< 2147483648 bytes",
            "67108864 bytes",
            Verdict::Met,
            "counted: 67108864",
        ),
        target(
            "decode",
            "own",
            "decode_rate.mean",
            &latency,
            "> 204 tokens/s",
            "203.7 tokens/s",
            Verdict::Unclear,
            "95 % interval 203.1 to 204.4",
        ),
        target(
            "ttft",
            "gpu",
            "ttft.mean",
            &latency,
            "< 200 ms",
            "19.8 ms",
            Verdict::NotApplicable,
            "measured on a cpu",
        ),
    ]
}

fn findings() -> Vec<Finding> {
    let latency = Cell::of(Phase::Latency).with("input_tokens", 128).with("output_tokens", 64);
    let throughput = Cell::of(Phase::Throughput);
    let finding = |rule: &str, kind, due: Option<(&str, &str)>, text: &str, key: &str, cell: &Cell| Finding {
        rule: rule.into(),
        kind,
        priority: due.map(|(priority, _)| priority.to_owned()),
        impact: due.map(|(_, impact)| impact.to_owned()),
        text: text.into(),
        evidence: vec![MetricPointer { key: key.into(), cell: cell.clone() }],
    };
    let first = Cell::of(Phase::Latency).with("input_tokens", 1024).with("output_tokens", 256);
    vec![
        finding(
            "steady-decode",
            FindingKind::Strength,
            None,
            "Decode speed is steady: CV 1 % at every length.",
            "decode_rate.mean",
            &latency,
        ),
        finding(
            "no-growth",
            FindingKind::Strength,
            None,
            "Memory does not grow: the interval of the slope lies below 256 B per request.",
            "memory_growth.slope",
            &Cell::of(Phase::Memory),
        ),
        finding(
            "ttft-grows",
            FindingKind::Weakness,
            None,
            "TTFT grows 8.9-fold from 128 to 1024 prompt tokens.",
            "ttft.mean",
            &first,
        ),
        finding(
            "saturation",
            FindingKind::Weakness,
            None,
            "Requests/s gain less than 15 % beyond 2 in flight.",
            "knee_concurrency",
            &throughput,
        ),
        finding(
            "concurrency",
            FindingKind::Recommendation,
            Some(("immediate", "high")),
            "Hold 2 requests in flight: more only wait.",
            "knee_concurrency",
            &throughput,
        ),
        finding(
            "quantize",
            FindingKind::Recommendation,
            Some(("future", "medium")),
            "Serve Q8_0: 1.37 times the speed at 53 % of the size, accuracy unchanged within its interval.",
            "accuracy",
            &Cell::of(Phase::Quality).with("variant", "Q8_0"),
        ),
        finding(
            "one-host",
            FindingKind::Limitation,
            None,
            "Measured on one host of two cores; nothing here says how another behaves.",
            "knee_concurrency",
            &throughput,
        ),
    ]
}

fn environment() -> Environment {
    Environment {
        os: Some("Debian GNU/Linux 12".into()),
        kernel: Some("6.8.0".into()),
        cpu_model: Some("AMD EPYC 7763 64-Core Processor".into()),
        cores_usable: Some(2),
        cores_online: Some(2),
        cpu_flags: vec!["avx2".into(), "f16c".into(), "fma".into()],
        numa_nodes: Some(1),
        memory_bytes: Some(8_380_000_000),
        virtualization: Some("kvm".into()),
        storage: Some("ext4 on vda1".into()),
        gpus_reason: Some("no driver answered".into()),
        build: Build {
            version: "0.1.0".into(),
            commit: Some("243a5e7".into()),
            profile: "release".into(),
            target: "x86_64-unknown-linux-gnu".into(),
        },
        digest: "5f0c6c0f5a8f6a3d4b0e7a52c1d0a9a5a7de1c9b1e5b61c0d9c3e5c8f7a6b5d4".into(),
        ..Environment::default()
    }
}

fn engine() -> EngineDescription {
    EngineDescription {
        engine: "local".into(),
        engine_version: Some("0.1.0".into()),
        model_ref: "tiny".into(),
        model: "tiny".into(),
        architecture: Some("llama".into()),
        parameters: Some(9_437_184),
        quantization: Some("F16".into()),
        model_bytes: Some(18_912_000),
        model_digest: Some("c0ffee".into()),
        context_length: Some(2048),
        device: "cpu".into(),
        ..EngineDescription::default()
    }
}

/// The record that belongs to [`rows`].
pub(crate) fn record() -> Record {
    static RECORD: LazyLock<Record> = LazyLock::new(make_record);
    RECORD.clone()
}

fn make_record() -> Record {
    let rows = rows();
    let engine = engine();
    let mut metrics = summarize(&rows, &Basis::new(42, &engine));
    metrics.extend(observed_metrics());
    let phases = phases(&rows);
    Record {
        schema_version: "1.0".into(),
        run_id: "20260301T123000Z-bench-nightly".into(),
        kind: "bench".into(),
        label: "nightly".into(),
        created_at: "2026-03-01T12:30:00.250Z".into(),
        updated_at: "2026-03-01T12:32:41.050Z".into(),
        status: Status::Complete,
        settings: serde_json::json!({ "mode": "standard", "model": "tiny", "runs": 1 }),
        seed: 42,
        engine,
        environment: environment(),
        calibration: Some(calibration()),
        duration_s: phases.iter().filter_map(|phase| phase.duration_s).sum(),
        phases,
        metrics,
        targets: targets(),
        findings: findings(),
    }
}

/// A run killed in its third phase.
pub(crate) fn partial() -> Record {
    let mut record = record();
    record.status = Status::Running;
    record.phases[2].status = Status::Running;
    record.phases[2].duration_s = None;
    for result in &mut record.phases[3..] {
        result.status = Status::Pending;
        (result.started_at, result.duration_s, result.key_metric) = (None, None, None);
        result.tally = Tally::default();
    }
    record.metrics.retain(|metric| matches!(metric.cell.get("phase"), Some("validate" | "latency")));
    record.phases[2].key_metric = None;
    record.duration_s = record.phases.iter().filter_map(|phase| phase.duration_s).sum();
    record.targets.clear();
    record.findings.clear();
    record
}

/// A calibration with the kernel's stamps.
fn calibration() -> CalibrationNote {
    CalibrationNote {
        id: "20260228T090000Z-b1946ac9".into(),
        calibrated_at: "2026-02-28T09:00:00.000Z".into(),
        clock: ReceiveClock::Kernel,
        grade: Some(Grade::A),
        bias_bound_ms: Some(0.047),
        in_flight: Some(64),
        errors: Some(CalibratedErrors {
            streams: 128,
            ttft_bias_ms: 0.041,
            ttft_p99_ms: Some(0.21),
            itl_bias_ms: -0.001,
            itl_p99_ms: Some(0.12),
        }),
    }
}
