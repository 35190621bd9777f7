//! The rules, by subject. Each looks at figures and says something, or nothing.

use weighbridge_summary::{Growth, GrowthVerdict, rounded};
use weighbridge_types::metric::{Flag, Metric};
use weighbridge_types::record::{Finding, FindingKind, Phase, Status, Verdict};
use weighbridge_types::units::ByteSize;

use super::reader::{LATER_LOW, LATER_MEDIUM, NOW_HIGH, NOW_MEDIUM, Reader, advice, finding, value};
use crate::phases::STABLE_CV;

use FindingKind::{Limitation, Strength, Weakness};

/// TTFT that varies by more than this share of its mean cannot be promised to anybody.
const UNSTEADY_TTFT_CV: f64 = 0.30;

/// A variant that is at most this share of the largest is worth a recommendation when its quality holds.
const SMALLER: f64 = 0.6;

/// Requests per second at the knee over those of a single stream, from which concurrency is called a strength.
const SCALES: f64 = 1.5;

/// Every rule.
pub(super) const ALL: &[fn(&Reader) -> Vec<Finding>] = &[
    reliability,
    generation,
    input_length,
    growth,
    concurrency,
    production,
    accuracy,
    variants,
    targets,
    samples,
    runs,
    host,
    weights,
    prompt_counts,
];

fn percent(share: f64) -> f64 {
    100.0 * share
}

fn bytes(value: f64) -> ByteSize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes are positive and below 2^53")]
    ByteSize(value.max(0.0) as u64)
}

fn setting<'a>(metric: &'a Metric, key: &str) -> &'a str {
    metric.cell.get(key).unwrap_or("?")
}

/// Requests that failed anywhere.
fn reliability(reader: &Reader) -> Vec<Finding> {
    let all: Vec<&Metric> = Phase::WEIGH_IN.iter().flat_map(|phase| reader.all(*phase, "reliability")).collect();
    let Some(worst) = all.iter().min_by(|a, b| value(a).total_cmp(&value(b))).copied() else { return Vec::new() };
    let requests: u64 = all.iter().map(|metric| metric.n).sum();
    let failed: f64 = Phase::WEIGH_IN.iter().flat_map(|phase| reader.all(*phase, "failed")).map(value).sum();
    if value(worst) >= 100.0 {
        let text = format!("all {requests} measured requests succeeded");
        return vec![finding(Strength, "all-requests-succeeded", &[worst], text)];
    }
    let text = format!(
        "{failed:.0} of {requests} measured requests failed; reliability is lowest at {} ({:.1} %)",
        worst.cell,
        value(worst)
    );
    let advised = "find out why requests failed before the other figures are used: the event log holds each message";
    vec![
        finding(Weakness, "requests-failed", &[worst], text),
        advice(NOW_HIGH, "find-failures", &[worst], format!("{advised} ({failed:.0} failures)")),
    ]
}

/// Whether generation speed varies, by its own spread and not by its name.
fn generation(reader: &Reader) -> Vec<Finding> {
    let rates = reader.by(Phase::Latency, "decode_rate.mean", "input_tokens");
    let spreads = rates.iter().filter_map(|(length, metric)| Some((*length, *metric, metric.cv?)));
    let Some((length, worst, cv)) = spreads.max_by(|a, b| a.2.total_cmp(&b.2)) else { return Vec::new() };
    let limit = percent(STABLE_CV);
    let spread = percent(cv);
    if cv < STABLE_CV {
        let text = format!("generation speed is steady: it varies by {spread:.1} % at most (limit {limit:.0} %)");
        return vec![finding(Strength, "stable-generation", &[worst], text)];
    }
    let text = format!("generation speed varies by {spread:.1} % at {length} input tokens (limit {limit:.0} %)");
    vec![finding(Weakness, "unsteady-generation", &[worst], text)]
}

/// How TTFT grows with the input, and from where on it can no longer be relied on.
fn input_length(reader: &Reader) -> Vec<Finding> {
    let ttfts = reader.by(Phase::Latency, "ttft.mean", "input_tokens");
    let mut findings = Vec::new();
    if let (Some(slope), Some((longest, growth))) = (
        reader.one(Phase::Latency, "ttft_per_input_token.slope"),
        reader.by(Phase::Latency, "ttft_growth", "input_tokens").pop(),
    ) {
        let text = format!(
            "TTFT grows with input: {} ms per token, {:.1} times the shortest at {longest} tokens",
            rounded(value(slope)),
            value(growth)
        );
        findings.push(finding(Limitation, "ttft-grows-with-input", &[slope, growth], text));
    }
    let unsteady = ttfts.iter().position(|(_, metric)| metric.cv.is_some_and(|cv| cv > UNSTEADY_TTFT_CV));
    let Some(index) = unsteady else { return findings };
    let (length, metric) = ttfts[index];
    let spread = percent(metric.cv.unwrap_or_default());
    let text =
        format!("TTFT varies by {spread:.0} % at {length} input tokens (limit {:.0} %)", percent(UNSTEADY_TTFT_CV));
    findings.push(finding(Weakness, "long-input-variance", &[metric], text));
    let shorter = index.checked_sub(1).map(|below| ttfts[below].0);
    let text = match shorter {
        Some(shorter) => format!(
            "keep inputs at {shorter} tokens or below: at {length} tokens TTFT varies by {spread:.0} % of its mean"
        ),
        None => format!("find what disturbs this host: TTFT varies by {spread:.0} % even at {length} input tokens"),
    };
    findings.push(advice(NOW_MEDIUM, "limit-input-length", &[metric], text));
    findings
}

/// Memory over requests.
fn growth(reader: &Reader) -> Vec<Finding> {
    let Some(growth) = reader.one(Phase::Memory, "memory_growth.slope") else { return Vec::new() };
    let Some(interval) = &growth.interval else { return Vec::new() };
    let verdict = Growth::of_record(reader.record).map_or(GrowthVerdict::Unclear, |growth| growth.verdict());
    let late = reader.one(Phase::Memory, "memory_growth_late.slope");
    let evidence: Vec<&Metric> = std::iter::once(growth).chain(late).collect();
    let late = late.map_or_else(String::new, |late| format!("; in the last third {}", rounded(value(late))));
    let range = format!(
        "{:.0} bytes per request, 95 % interval {:.0} to {:.0}, over {} requests{late}",
        value(growth),
        interval.low,
        interval.high,
        growth.n
    );
    let hourly = reader.one(Phase::Memory, "memory_growth_hourly").map_or(0.0, value);
    match verdict {
        GrowthVerdict::Flat | GrowthVerdict::LevelledOff => {
            vec![finding(Strength, "no-memory-growth", &evidence, format!("memory does not grow: {range}"))]
        }
        GrowthVerdict::Slow => {
            let text = format!("memory grows slowly: {range}; {hourly:.1} MiB/h at the rate of this phase");
            vec![finding(Limitation, "slow-memory-growth", &evidence, text)]
        }
        GrowthVerdict::Leak => {
            let text = format!("find the leak before running for long: {range}, {hourly:.1} MiB/h");
            vec![
                finding(Weakness, "memory-grows", &evidence, format!("memory grows by {range}")),
                advice(NOW_HIGH, "find-leak", &evidence, text),
            ]
        }
        GrowthVerdict::Unclear => {
            let text = format!("whether memory grows is not decided: {range}");
            vec![finding(Limitation, "memory-growth-unclear", &evidence, text)]
        }
    }
}

/// What concurrency brings, and where it stops to.
fn concurrency(reader: &Reader) -> Vec<Finding> {
    let rates = reader.by(Phase::Throughput, "request_rate", "concurrency");
    let Some(&(highest, top)) = rates.last() else { return Vec::new() };
    let mut findings = Vec::new();
    let Some(knee) = reader.one(Phase::Throughput, "knee_concurrency") else {
        if rates.len() > 1 {
            let text = format!(
                "no saturation up to concurrency {highest}: requests/s still grow there ({})",
                rounded(value(top))
            );
            findings.push(finding(Limitation, "saturation-not-reached", &[top], text));
        }
        return findings;
    };
    let at_knee = rates.iter().find(|(level, _)| *level as f64 >= value(knee));
    let Some(&(level, rate)) = at_knee else { return findings };
    let scaling = reader.beside(rate, "scaling");
    if let Some(scaling) = scaling.filter(|scaling| value(scaling) >= SCALES) {
        let text = format!("concurrency {level} serves {:.2} times the requests of a single stream", value(scaling));
        findings.push(finding(Strength, "scales-with-concurrency", &[scaling], text));
    }
    let gains = reader.by(Phase::Throughput, "marginal_gain", "concurrency");
    if let Some((next, gain)) = gains.into_iter().find(|(next, _)| *next > level) {
        let text =
            format!("saturates at concurrency {level}: {next} in flight gain only {:.0} % requests/s", value(gain));
        findings.push(finding(Limitation, "saturation", &[knee, gain], text));
    }
    let text = format!(
        "run with concurrency {level}: {} requests/s, and the next level gains less than 15 %",
        rounded(value(rate))
    );
    findings.push(advice(NOW_HIGH, "set-concurrency", &[knee, rate], text));
    findings
}

/// The settings for production, all from measured figures.
fn production(reader: &Reader) -> Vec<Finding> {
    let Some(peak) = reader.one(Phase::Memory, "rss_peak") else { return Vec::new() };
    let Some(key) = reader.record.phase(Phase::Throughput).and_then(|phase| phase.key_metric.clone()) else {
        return Vec::new();
    };
    let Some(rate) = reader.record.metric(&key.key, &key.cell) else { return Vec::new() };
    let latency =
        reader.beside(rate, "e2e.mean").map_or_else(String::new, |e2e| format!(", {} ms each", rounded(value(e2e))));
    let instances = reader.one(Phase::Memory, "instances");
    let fit = instances
        .map_or_else(String::new, |count| format!("; {:.0} instances fit this machine's memory", value(count)));
    let text = format!(
        "give an instance {} (measured peak) and {} requests in flight; expect {} requests/s{latency}{fit}",
        bytes(value(peak)),
        setting(rate, "concurrency"),
        rounded(value(rate)),
    );
    let evidence: Vec<&Metric> = [Some(peak), Some(rate), instances].into_iter().flatten().collect();
    vec![advice(LATER_MEDIUM, "production-settings", &evidence, text)]
}

/// Accuracy against guessing.
fn accuracy(reader: &Reader) -> Vec<Finding> {
    let chances = reader.all(Phase::Quality, "chance");
    let Some(chance) = chances.iter().find(|metric| metric.cell.get("task").is_none()) else { return Vec::new() };
    let overall = reader.all(Phase::Quality, "accuracy").into_iter().filter(|metric| metric.cell.get("task").is_none());
    overall
        .filter_map(|metric| {
            let interval = metric.interval.as_ref()?;
            let numbers = format!(
                "accuracy of {} is {:.1} % (95 % interval {:.1} to {:.1}) over {} items, guessing gives {:.1} %",
                setting(metric, "variant"),
                percent(value(metric)),
                percent(interval.low),
                percent(interval.high),
                metric.n,
                percent(value(chance))
            );
            let (kind, rule) =
                if interval.low > value(chance) { (Strength, "better-than-chance") } else { (Weakness, "near-chance") };
            Some(finding(kind, rule, &[metric, chance], numbers))
        })
        .collect()
}

/// Smaller variants against the largest.
fn variants(reader: &Reader) -> Vec<Finding> {
    let sizes = reader.all(Phase::Quality, "model_bytes");
    let Some(largest) = sizes.iter().max_by(|a, b| value(a).total_cmp(&value(b))) else { return Vec::new() };
    let Some(base) = reader.beside(largest, "accuracy") else { return Vec::new() };
    let Some(base_interval) = &base.interval else { return Vec::new() };
    let mut kept: Vec<(&Metric, &Metric)> = Vec::new();
    let mut findings = Vec::new();
    for size in &sizes {
        let Some(accuracy) = reader.beside(size, "accuracy") else { continue };
        let Some(interval) = &accuracy.interval else { continue };
        if interval.high < base_interval.low {
            let text = format!(
                "{} loses quality: {:.1} % against {:.1} % of {}",
                setting(size, "variant"),
                percent(value(accuracy)),
                percent(value(base)),
                setting(largest, "variant")
            );
            findings.push(finding(Weakness, "quality-lost", &[accuracy, base], text));
        } else if value(size) <= SMALLER * value(largest) {
            kept.push((size, accuracy));
        }
    }
    if let Some((size, accuracy)) = kept.into_iter().min_by(|a, b| value(a.0).total_cmp(&value(b.0))) {
        let text = format!(
            "consider {}: {} instead of {}, accuracy {:.1} % against {:.1} %, a difference that {} items do not show",
            setting(size, "variant"),
            bytes(value(size)),
            bytes(value(largest)),
            percent(value(accuracy)),
            percent(value(base)),
            accuracy.n
        );
        findings.push(advice(LATER_MEDIUM, "use-smaller-variant", &[size, accuracy, base], text));
    }
    findings
}

/// What the targets say together.
fn targets(reader: &Reader) -> Vec<Finding> {
    let targets = &reader.record.targets;
    let names = |verdict: Verdict| -> Vec<String> {
        let of = targets.iter().filter(|target| target.verdict == verdict);
        of.map(|target| format!("{} {} (observed {})", target.name, target.limit, target.observed)).collect()
    };
    let (met, missed, unclear) = (names(Verdict::Met), names(Verdict::Missed), names(Verdict::Unclear));
    let judged = met.len() + missed.len() + unclear.len();
    let of_kind = |kind, rule: &str, verdicts: &[Verdict], text: String| {
        let of = targets.iter().filter(|target| verdicts.contains(&target.verdict));
        let evidence = of.map(|target| target.metric.clone()).collect();
        Finding { evidence, ..finding(kind, rule, &[], text) }
    };
    let mut findings = Vec::new();
    if !missed.is_empty() {
        let text = format!("not fit by its targets: {} of {judged} missed: {}", missed.len(), missed.join("; "));
        findings.push(of_kind(Weakness, "fitness", &[Verdict::Missed], text));
    } else if judged > 0 && unclear.is_empty() {
        let text = format!("fit by its targets: all {judged} met on `{}`", reader.record.engine.device);
        findings.push(of_kind(Strength, "fitness", &[Verdict::Met], text));
    }
    if !unclear.is_empty() {
        let text = format!("undecided targets: {}", unclear.join("; "));
        findings.push(of_kind(Limitation, "targets-unclear", &[Verdict::Unclear], text));
    }
    findings
}

/// Figures on few values.
fn samples(reader: &Reader) -> Vec<Finding> {
    let headline = ["ttft.mean", "decode_rate.mean", "request_rate", "accuracy"];
    let measured = [Phase::Latency, Phase::Throughput, Phase::Quality];
    let figures = measured.iter().flat_map(|phase| headline.iter().flat_map(|key| reader.all(*phase, key)));
    let low: Vec<&Metric> = figures.filter(|metric| metric.flags.contains(&Flag::LowSample)).collect();
    let Some(fewest) = low.iter().min_by_key(|metric| metric.n) else { return Vec::new() };
    let text = format!("{} headline figures rest on fewer than 10 values, the least on {}", low.len(), fewest.n);
    let more = format!(
        "measure longer (`--full`, or a larger `--requests`): {} figures rest on fewer than 10 values",
        low.len()
    );
    vec![finding(Limitation, "few-samples", &low, text), advice(LATER_LOW, "measure-more", &[*fewest], more)]
}

/// One run says nothing about the next.
fn runs(reader: &Reader) -> Vec<Finding> {
    let runs = reader.record.settings.get("runs").and_then(serde_json::Value::as_u64);
    let has_figures = reader.record.phases.iter().any(|phase| phase.status == Status::Complete);
    if runs != Some(1) || !has_figures {
        return Vec::new();
    }
    let text = "one run: intervals hold within it; how much runs differ is not known (`--runs 5` tells)".to_owned();
    vec![finding(Limitation, "single-run", &[], text)]
}

/// A host that was busy with others.
fn host(reader: &Reader) -> Vec<Finding> {
    let steal: Vec<&Metric> = Phase::WEIGH_IN.iter().flat_map(|phase| reader.all(*phase, "steal")).collect();
    let disturbed = steal.iter().filter(|metric| metric.flags.contains(&Flag::Disturbed));
    let Some(worst) = disturbed.max_by(|a, b| value(a).total_cmp(&value(b))) else { return Vec::new() };
    let phase = setting(worst, "phase");
    let text = format!("others took {:.1} % of this host's CPU time in the {phase} phase", value(worst));
    let repeat =
        format!("repeat on a quiet host: {:.1} % of the CPU time was stolen in the {phase} phase", value(worst));
    vec![finding(Limitation, "disturbed-host", &[*worst], text), advice(NOW_MEDIUM, "quiet-host", &[*worst], repeat)]
}

/// Models that are none.
fn weights(reader: &Reader) -> Vec<Finding> {
    let engine = &reader.record.engine;
    let mut findings = Vec::new();
    if engine.scripted {
        let text = "the answers come from a script: the figures test the meter and say nothing of a model".to_owned();
        findings.push(finding(Limitation, "scripted-engine", &[], text));
    }
    if engine.synthetic_weights {
        let text = "the weights are random numbers: speed and memory are real, answers and quality are not".to_owned();
        findings.push(finding(Limitation, "synthetic-weights", &[], text));
    }
    findings
}

/// Token counts that nobody reported.
fn prompt_counts(reader: &Reader) -> Vec<Finding> {
    let rates = reader.all(Phase::Latency, "decode_rate.mean");
    let Some(first) = rates.iter().find(|metric| metric.flags.contains(&Flag::FrameCounted)) else { return Vec::new() };
    let text = format!("token counts come from frames, the server reports none: {} is a lower bound", first.key());
    vec![finding(Limitation, "frame-counted", &[*first], text)]
}
