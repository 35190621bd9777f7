//! Whether memory leaks: the floor after each load and drain, against the requests served until then.
//!
//! A significant trend alone cries wolf on memory (Machida et al. 2013): allocators fill, caches fill, heaps fragment. A leak is
//! therefore growth whose interval lies above zero, which the corrected Mann–Kendall test confirms, which is large enough to
//! matter, and which still goes on in the last third. Where one of these cannot be told, the answer is that it is undecided.
//!
//! In simulation a leak of 512 bytes per request is found in 40 cycles of 500, and 95 of 100 intervals hold it. A heap whose steps
//! stay for ten of 40 cycles cannot be told from a slope so well: then it is 80 of 100. More cycles help.

use weighbridge_summary::{Basis, GROWTH_FLOOR, Growth, MemoryPoint, Slope, memory_trends};
use weighbridge_types::memory_profile::{LeakOutcome, LeakRule, LeakVerdict, Ranged};

/// Confidence of the intervals, that of every interval of a record.
const CONFIDENCE: f64 = 0.95;

/// Significance of the trend test.
const SIGNIFICANCE: f64 = 0.05;

/// Growth per hour that matters where no requests are known, as a share of the memory at rest.
const SHARE_PER_HOUR: f64 = 0.01;

/// The cycles at the start that are left out, as a share of all: allocators, pools and caches find their size in them.
const WARMUP_SHARE: usize = 10;

/// Larger numbers of bytes do not occur, and their squares would leave the range of numbers.
const MOST: f64 = 9.0e15;

/// What memory is counted in, bytes; a slope is known no better than to a page over the length of its series.
const PAGE: f64 = 4_096.0;

const MIB: f64 = 1_048_576.0;

/// What memory is set against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Work {
    /// Requests served, with the rate that was seen; `None` where no time is known.
    Requests {
        /// Requests per hour, drains and waits included.
        per_hour: Option<f64>,
    },
    /// Hours, where memory was only watched.
    Hours,
}

/// How a leak is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeakSettings {
    /// What the positions of the series count.
    pub work: Work,
    /// Growth per request that matters, bytes.
    pub least_bytes: Option<f64>,
    /// Growth per hour that matters, as a share of the memory at rest. With both, reaching one is enough.
    pub least_share: Option<f64>,
    /// Cycles left out at the start; `None` takes the first tenth.
    pub warmup: Option<usize>,
    /// Memory that there is, bytes.
    pub limit_bytes: Option<f64>,
    /// Seed of the bootstrap.
    pub seed: u64,
}

impl LeakSettings {
    /// The usual rule: 256 bytes per request for a load, and where memory is only watched 1 % per hour.
    #[must_use]
    pub fn new(work: Work) -> Self {
        let (least_bytes, least_share) = match work {
            Work::Requests { .. } => (Some(GROWTH_FLOOR), None),
            Work::Hours => (None, Some(SHARE_PER_HOUR)),
        };
        Self { work, least_bytes, least_share, warmup: None, limit_bytes: None, seed: 42 }
    }

    fn warmup(&self, cycles: usize) -> usize {
        self.warmup.unwrap_or_else(|| cycles.div_ceil(WARMUP_SHARE)).min(cycles)
    }

    /// Requests or hours in an hour.
    const fn per_hour(&self) -> Option<f64> {
        match self.work {
            Work::Requests { per_hour } => per_hour,
            Work::Hours => Some(1.0),
        }
    }

    const fn is_by_request(&self) -> bool {
        matches!(self.work, Work::Requests { .. })
    }

    /// Growth that matters, bytes per request or hour: the lower of both floors.
    fn floor(&self, rest: f64) -> f64 {
        let bytes = self.least_bytes.filter(|_| self.is_by_request());
        let share = self.least_share.zip(self.per_hour().filter(|&rate| rate > 0.0));
        let share = share.map(|(share, rate)| share * rest / rate);
        bytes.into_iter().chain(share).min_by(f64::total_cmp).unwrap_or(0.0)
    }

    fn rule(&self) -> LeakRule {
        LeakRule {
            confidence: CONFIDENCE,
            significance: SIGNIFICANCE,
            least_bytes_per_request: self.least_bytes.filter(|_| self.is_by_request()),
            least_share_per_hour: self.least_share,
            warmup: match self.warmup {
                None => "the first tenth of the cycles".to_owned(),
                Some(cycles) => format!("the first {cycles} cycles"),
            },
        }
    }
}

/// Judges a series: memory at rest after each cycle, bytes, against what was done until then, requests or hours.
///
/// A series that cannot be judged is undecided, and the reason says why: too few cycles (30 after the warm-up are needed), more
/// than 4,096, two series of different length, work that does not grow, or a number that is no size.
#[must_use]
pub fn judge(floors: &[f64], done: &[f64], settings: &LeakSettings) -> LeakVerdict {
    let warmup = settings.warmup(floors.len());
    let rest = floors.last().copied().filter(|bytes| bytes.is_finite());
    let mut verdict = LeakVerdict {
        outcome: LeakOutcome::Undecided,
        reason: String::new(),
        warmup_cycles: warmup as u64,
        judged_cycles: (floors.len() - warmup) as u64,
        bytes_per_request: None,
        bytes_per_request_late: None,
        mib_per_hour: None,
        mib_per_hour_late: None,
        trend_p: None,
        rest_bytes: rest,
        limit_bytes: settings.limit_bytes,
        hours_to_limit: None,
        rule: settings.rule(),
    };
    let growth = match growth(floors, done, warmup, settings.seed) {
        Ok(growth) => growth,
        Err(reason) => return LeakVerdict { reason, ..verdict },
    };
    let rest = rest.unwrap_or_default();
    (verdict.outcome, verdict.reason) = decide(&growth, settings.floor(rest), settings);
    verdict.trend_p = Some(growth.p);
    if settings.is_by_request() {
        verdict.bytes_per_request = Some(ranged(growth.whole, 1.0));
        verdict.bytes_per_request_late = Some(ranged(growth.late, 1.0));
    }
    if let Some(rate) = settings.per_hour() {
        verdict.mib_per_hour = Some(ranged(growth.whole, rate / MIB));
        verdict.mib_per_hour_late = Some(ranged(growth.late, rate / MIB));
        let limit = settings.limit_bytes.filter(|_| verdict.outcome == LeakOutcome::Leak);
        verdict.hours_to_limit = limit.and_then(|limit| hours_to(limit - rest, growth.whole, rate));
    }
    verdict
}

fn growth(floors: &[f64], done: &[f64], warmup: usize, seed: u64) -> Result<Growth, String> {
    if floors.len() != done.len() {
        return Err(format!("{} readings of memory for {} of the work", floors.len(), done.len()));
    }
    let is_size = |value: &&f64| (0.0..=MOST).contains(*value);
    if let Some(wrong) = floors.iter().chain(done).find(|value| !is_size(value)) {
        return Err(format!("`{wrong}` is no size and no count"));
    }
    if done.windows(2).any(|pair| pair[1] <= pair[0]) {
        return Err("a cycle without a request tells nothing".to_owned());
    }
    let points = floors.iter().zip(done).skip(warmup);
    let series: Vec<MemoryPoint> = points.map(|(&bytes, &served)| MemoryPoint { served, bytes }).collect();
    let basis = Basis { seed, ..Basis::default() };
    let trends = memory_trends(&series, &basis);
    let found = trends.map_err(|error| format!("no verdict after the warm-up: failed to {error}"))?.growth();
    let last = series.len() - series.len() / 3;
    Ok(Growth { whole: to_the_page(found.whole, &series), late: to_the_page(found.late, &series[last..]), ..found })
}

/// A slope whose interval does not claim more than pages can tell.
fn to_the_page(slope: Slope, series: &[MemoryPoint]) -> Slope {
    let length = series.last().map_or(0.0, |last| last.served - series[0].served);
    let page = if length > 0.0 { PAGE / length } else { 0.0 };
    Slope { low: slope.low - page, high: slope.high + page, ..slope }
}

/// The rule, in its order; `floor` is growth that matters.
fn decide(growth: &Growth, floor: f64, settings: &LeakSettings) -> (LeakOutcome, String) {
    let Growth { whole, late, p } = *growth;
    let say = |slope: Slope| words(slope, settings);
    let least = size(floor, settings);
    let plateau = late.high < floor || (late.low <= 0.0 && late.high < whole.value);
    let still_grows = late.low > 0.0;
    match () {
        () if whole.high < floor && !(still_grows && late.value >= floor) => {
            (LeakOutcome::NoLeak, format!("growth stays under {least}: {}", say(whole)))
        }
        () if plateau => (LeakOutcome::NoLeak, format!("growth levelled off: the last third has {}", say(late))),
        () if whole.low <= 0.0 => {
            (LeakOutcome::Undecided, format!("growth may be none or more than {least}: {}; {MORE}", say(whole)))
        }
        () if p >= SIGNIFICANCE => {
            (LeakOutcome::Undecided, format!("the trend is not significant (p = {p:.3}); {MORE}"))
        }
        () if whole.value < floor => {
            (LeakOutcome::Undecided, format!("growth may or may not reach {least}: {}; {MORE}", say(whole)))
        }
        () if !still_grows => {
            let why = format!("the last third does not tell whether growth goes on: {}; {MORE}", say(late));
            (LeakOutcome::Undecided, why)
        }
        () => (LeakOutcome::Leak, format!("memory grows to the end, by {}", say(whole))),
    }
}

/// What settles an undecided series.
const MORE: &str = "more cycles or more requests would tell";

fn words(slope: Slope, settings: &LeakSettings) -> String {
    match settings.work {
        Work::Requests { .. } => {
            format!("{:.1} B per request ({:.1} to {:.1})", slope.value, slope.low, slope.high)
        }
        Work::Hours => {
            let [value, low, high] = [slope.value, slope.low, slope.high].map(|bytes| bytes / MIB);
            format!("{value:.2} MiB per hour ({low:.2} to {high:.2})")
        }
    }
}

fn size(bytes: f64, settings: &LeakSettings) -> String {
    match settings.work {
        Work::Requests { .. } => format!("{bytes:.1} B per request"),
        Work::Hours => format!("{:.2} MiB per hour", bytes / MIB),
    }
}

fn ranged(slope: Slope, factor: f64) -> Ranged {
    Ranged { value: slope.value * factor, low: slope.low * factor, high: Some(slope.high * factor) }
}

/// Hours until growth has taken what is left; fast growth gives the short end.
fn hours_to(left: f64, slope: Slope, per_hour: f64) -> Option<Ranged> {
    let hours = |slope: f64| (slope > 0.0 && per_hour > 0.0).then(|| left.max(0.0) / slope / per_hour);
    Some(Ranged { value: hours(slope.value)?, low: hours(slope.high)?, high: hours(slope.low) })
}
