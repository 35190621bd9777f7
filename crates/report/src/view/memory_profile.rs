//! What is said of memory over many equal loads.

use weighbridge_types::memory_profile::{LeakOutcome, MemoryGrowth, MemoryProfile, Ranged, Trims, Watched};

use super::{Column, Table, Text, Tone};
use crate::number::{duration, fixed, significant};

/// Rows of the table; of a longer profile every so manieth cycle is shown, and the last.
const ROWS: usize = 12;

const GB: f64 = 1e9;
const KIB: f64 = 1_024.0;
const MIB: f64 = 1_048_576.0;
const GIB: f64 = 1_073_741_824.0;

/// What was asked, and whose memory was read.
pub(crate) fn facts(profile: &MemoryProfile) -> Vec<(&'static str, String)> {
    let settings = &profile.settings;
    let watched = match &profile.watched {
        Watched::ThisProcess => "this process, in which the model computes".to_owned(),
        Watched::Process { pid } => format!("process {pid} with its descendants"),
        Watched::ControlGroup { folder } => format!("control group {folder}"),
    };
    let cycles = profile.entries.len();
    let load = match &profile.model_ref {
        Some(_) => format!(
            "{cycles} cycles of {} requests, {} in flight, {}/{} tokens",
            settings.requests, settings.concurrency, settings.input_tokens, settings.output_tokens
        ),
        None => format!("none; {cycles} readings, one in {}", duration(settings.wait_s)),
    };
    let model = profile.model_ref.iter().map(|model| ("model", model.clone()));
    model.chain([("memory", watched), ("load", load)]).collect()
}

/// Some of the cycles, evenly over the profile.
pub(crate) fn cycles(profile: &MemoryProfile) -> Table {
    let is_load = profile.model_ref.is_some();
    let columns = vec![
        Column::numbers("cycle"),
        Column::numbers(if is_load { "requests" } else { "after" }),
        Column::numbers("at rest, MiB"),
        Column::numbers("change, KiB"),
        Column::words(""),
    ];
    let step = profile.entries.len().div_ceil(ROWS).max(1);
    let last = profile.entries.len();
    let shown = profile.entries.iter().enumerate().filter(|(place, _)| place % step == 0 || place + 1 == last);
    let rows = shown.map(|(place, entry)| {
        let is_warmup = (place as u64) < profile.verdict.warmup_cycles;
        vec![
            entry.cycle.to_string().into(),
            if is_load { fixed(entry.requests as f64, 0) } else { duration(entry.at_s) }.into(),
            fixed(entry.floor_bytes as f64 / MIB, 3).into(),
            format!("{:+.0}", entry.memory_delta as f64 / KIB).into(),
            Text::new(if is_warmup { "warm-up" } else { "" }, Tone::Faint),
        ]
    });
    Table { columns, rows: rows.collect(), ..Table::default() }
}

/// The verdict as a word, and how it stands out.
pub(crate) fn verdict(profile: &MemoryProfile) -> Text {
    let outcome = profile.verdict.outcome;
    let tone = match outcome {
        LeakOutcome::Leak => Tone::Bad,
        LeakOutcome::NoLeak => Tone::Good,
        LeakOutcome::Undecided => Tone::Doubt,
    };
    Text::new(outcome.words(), tone)
}

/// The figures behind the verdict.
pub(crate) fn figures(profile: &MemoryProfile) -> Vec<(&'static str, String)> {
    let found = &profile.verdict;
    let ranged = |figure: Ranged, unit: &str| {
        let high = figure.high.map_or("no end".to_owned(), |high| significant(high, 4));
        format!("{} {unit} ({} to {high})", significant(figure.value, 4), significant(figure.low, 4))
    };
    let by_request = |figure: Option<Ranged>| figure.map(|figure| ranged(figure, "B per request"));
    let by_hour = |figure: Option<Ranged>| figure.map(|figure| ranged(figure, "MiB per hour"));
    let late = by_request(found.bytes_per_request_late).or_else(|| by_hour(found.mib_per_hour_late));
    let p = found.trend_p.map(|p| if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {}", fixed(p, 3)) });
    let limit = found.limit_bytes.map(|limit| format!("{} GiB", significant(limit / GIB, 3)));
    let reached = found.hours_to_limit.map(|hours| {
        let high = hours.high.map_or("no end".to_owned(), |high| duration(high * 3_600.0));
        format!(", reached in {} ({} to {high})", duration(hours.value * 3_600.0), duration(hours.low * 3_600.0))
    });
    let figures = [
        ("growth", by_request(found.bytes_per_request)),
        ("per hour", found.mib_per_hour.map(|figure| ranged(figure, "MiB"))),
        ("last third", late),
        ("trend", p.map(|p| format!("{p}, Mann-Kendall corrected for autocorrelation"))),
        ("at rest", found.rest_bytes.map(|bytes| format!("{} MiB", fixed(bytes / MIB, 2)))),
        ("limit", limit.map(|limit| limit + &reached.unwrap_or_default())),
        ("since start", profile.growth.as_ref().map(|growth| since_start(profile, growth))),
        ("trims", profile.trims.as_ref().map(trims)),
    ];
    figures.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
}

fn since_start(profile: &MemoryProfile, growth: &MemoryGrowth) -> String {
    let (start, grown) = (profile.start_bytes as f64 / MIB, growth.grown_bytes as f64 / MIB);
    let peak = growth.peak_bytes as f64 / MIB;
    format!("{} MiB, now {grown:+.2}, at most {} at rest", fixed(start, 2), fixed(peak, 2))
}

fn trims(trims: &Trims) -> String {
    match (trims.given_back_bytes, &trims.reason) {
        (Some(bytes), _) => format!("{} MiB given back to the system", fixed(bytes as f64 / MIB, 2)),
        (None, reason) => format!("unavailable: {}", reason.as_deref().unwrap_or("not told")),
    }
}

/// Growth of which a reader is warned; `None` where there is none.
pub(crate) fn warning(profile: &MemoryProfile) -> Option<String> {
    let growth = profile.growth.as_ref()?;
    let cycle = growth.warned_in_cycle?;
    let limit = growth.warn_bytes as f64 / GB;
    Some(format!("memory was more than {limit} GB above its start from cycle {cycle} on"))
}

/// Where most memory was asked for, or why that is not known; nothing where nobody needs it.
pub(crate) fn sites(profile: &MemoryProfile) -> Result<Table, Option<String>> {
    let growth = profile.growth.as_ref().ok_or(None)?;
    let Some(sites) = &growth.sites else {
        return Err(growth.sites_reason.clone().filter(|_| growth.warned_in_cycle.is_some()));
    };
    let columns = vec![Column::numbers("MiB"), Column::numbers("share, %"), Column::words("asked for by")];
    let rows = sites.iter().map(|site| {
        vec![
            fixed(site.bytes as f64 / MIB, 1).into(),
            fixed(100.0 * site.share, 1).into(),
            site.function.clone().into(),
        ]
    });
    Ok(Table { columns, rows: rows.collect(), ..Table::default() })
}

/// How it was decided.
pub(crate) fn rule(profile: &MemoryProfile) -> String {
    let (found, rule) = (&profile.verdict, &profile.verdict.rule);
    let least = rule.least_bytes_per_request.map(|bytes| format!("{} B per request", fixed(bytes, 0)));
    let share = rule.least_share_per_hour.map(|share| format!("{} % of the memory at rest per hour", share * 100.0));
    let floors: Vec<String> = least.into_iter().chain(share).collect();
    format!(
        "Judged: {} cycles; {} left out as warm-up ({}). A leak is growth whose {:.0} % interval lies above zero, with p < {}, of at \
         least {}, that still goes on in the last third.{}",
        found.judged_cycles,
        found.warmup_cycles,
        rule.warmup,
        rule.confidence * 100.0,
        rule.significance,
        floors.join(" or "),
        if profile.model_ref.is_some() { " Per hour is at the rate of requests while the load ran." } else { "" }
    )
}
