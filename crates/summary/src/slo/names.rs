//! The metrics that an objective can speak of, their names elsewhere, and their units.

use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::request::RequestRow;
use weighbridge_types::units::millis;

/// A metric as objectives name it.
#[derive(Debug)]
pub(super) struct Named {
    /// The name that is printed.
    pub(super) name: &'static str,
    /// Other names that are read: those of other tools, and longer ones.
    pub(super) aliases: &'static [&'static str],
    pub(super) definition: &'static Definition,
    pub(super) kind: Kind,
    /// Its value for one request; `None` for a figure of the window.
    pub(super) of_request: Option<fn(&RequestRow) -> Option<f64>>,
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// What a limit is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Milliseconds.
    Time,
    /// A share of 1; written as a percentage or a number.
    Share,
    /// A percentage of 100.
    Percent,
    /// Tokens per second.
    TokenRate,
    /// Requests per second.
    RequestRate,
    /// A plain number.
    Count,
}

impl Kind {
    /// The factor of a unit onto the unit of the metric; `None` for a unit that is none of the kind's.
    pub(super) fn factor(self, unit: &str) -> Option<f64> {
        match (self, unit) {
            (Self::Time, "ns") => Some(1e-6),
            (Self::Time, "us" | "µs" | "μs") => Some(1e-3),
            (Self::Time, "ms") => Some(1.0),
            (Self::Time, "s") => Some(1e3),
            (Self::Time, "m" | "min") => Some(6e4),
            (Self::Time, "h") => Some(3.6e6),
            (Self::Share, "%") => Some(0.01),
            (Self::Share, "") | (Self::Percent, "%") => Some(1.0),
            (Self::TokenRate, "" | "tokens/s" | "tok/s" | "t/s" | "tps" | "/s") => Some(1.0),
            (Self::RequestRate, "" | "requests/s" | "req/s" | "rps" | "qps" | "/s") => Some(1.0),
            (Self::Count, "") => Some(1.0),
            _ => None,
        }
    }

    /// The unit of a bare number after a colon, as vLLM and AIPerf write it.
    pub(super) const fn implied(self) -> &'static str {
        match self {
            Self::Time => "ms",
            Self::Percent => "%",
            Self::Share | Self::TokenRate | Self::RequestRate | Self::Count => "",
        }
    }

    /// What may be written, for people.
    pub(super) const fn expected(self) -> &'static str {
        match self {
            Self::Time => "a time such as `200ms` or `2s`",
            Self::Share => "a share such as `1%` or `0.01`",
            Self::Percent => "a percentage such as `99%`",
            Self::TokenRate => "tokens per second such as `50` or `50tok/s`",
            Self::RequestRate => "requests per second such as `20` or `20req/s`",
            Self::Count => "a plain number",
        }
    }

    /// The largest limit that can be kept or missed at all.
    pub(super) const fn largest(self) -> f64 {
        match self {
            Self::Share => 1.0,
            Self::Percent => 100.0,
            Self::Time | Self::TokenRate | Self::RequestRate | Self::Count => 1e15,
        }
    }

    /// Writes a value so that it reads back as the same number.
    pub(super) fn print(self, value: f64) -> String {
        let larger = |factor: f64, unit: &str| {
            let scaled = value / factor;
            let text = format!("{scaled}{unit}");
            (scaled * factor).to_bits().eq(&value.to_bits()).then_some(text)
        };
        let text = match self {
            Self::Time if value >= 1e3 => larger(1e3, "s"),
            Self::Share => larger(0.01, "%").filter(|text| text.len() <= 8),
            _ => None,
        };
        text.unwrap_or_else(|| match self {
            Self::Time => format!("{value}ms"),
            Self::Percent => format!("{value}%"),
            Self::Share | Self::TokenRate | Self::RequestRate | Self::Count => value.to_string(),
        })
    }
}

/// Every metric that can be limited.
pub(super) static ALL: [Named; 27] = [
    time("ttft", &["time_to_first_token", "ttft_ms"], &define::TTFT, |row| ms(row.timeline.ttft())),
    time("ttft_user", &["ttft_scheduled"], &define::TTFT_USER, |row| ms(row.timeline.ttft_user())),
    time("ttfo", &["time_to_first_output_token", "ttfot", "ttfa"], &define::TTFO, |row| ms(row.timeline.ttfo())),
    time("think_time", &[], &define::THINK_TIME, |row| ms(row.timeline.think_time())),
    // What AIPerf and GuideLLM call the inter-token latency of a request is the mean of its gaps.
    time("tpot", &["time_per_output_token", "inter_token_latency", "tpot_ms"], &define::TPOT, |row| ms(row.tpot())),
    time("ntpot", &["normalized_time_per_output_token"], &define::NTPOT, |row| ms(row.ntpot())),
    // Of one request, the longest gap: a limit on tokens is kept by every token or not at all.
    time("itl", &["token_gap"], &define::ITL, |row| ms(row.timeline.token_gaps().map(|(gap, _)| gap).max())),
    time("e2e", &["e2el", "e2e_latency", "end_to_end_latency", "request_latency"], &define::E2E, |row| {
        ms(row.timeline.e2e())
    }),
    time("e2e_scheduled", &["e2e_user"], &define::E2E_SCHEDULED, |row| ms(row.timeline.e2e_scheduled())),
    time("e2e_wire", &[], &define::E2E_WIRE, |row| ms(row.timeline.e2e_wire())),
    time("stall_time", &[], &define::STALL_TIME, |row| Some(millis(row.timeline.stalls().iter().sum()))),
    time("schedule_lag", &[], &define::SCHEDULE_LAG, |row| Some(millis(row.timeline.schedule_lag()))),
    time("connect_time", &[], &define::CONNECT_TIME, |row| ms(row.timeline.connect_time())),
    Named {
        name: "interactivity",
        aliases: &["output_token_throughput_per_user", "decode_rate", "tps_per_user"],
        definition: &define::INTERACTIVITY,
        kind: Kind::TokenRate,
        of_request: Some(RequestRow::interactivity),
    },
    figure("error", &["error_rate", "errors", "failures"], &define::ERROR_RATE, Kind::Share),
    figure("good", &["good_fraction", "good_share", "slo_attainment"], &define::GOOD_FRACTION, Kind::Share),
    figure("reliability", &["success_rate"], &define::RELIABILITY, Kind::Percent),
    figure("stalled", &["stalled_requests"], &define::STALLED, Kind::Share),
    figure("client_touched", &[], &define::CLIENT_TOUCHED, Kind::Share),
    figure("cache_hit", &["cache_hit_rate"], &define::CACHE_HIT, Kind::Share),
    figure("achieved_share", &["achieved"], &define::ACHIEVED_SHARE, Kind::Share),
    figure("goodput", &[], &define::GOODPUT, Kind::RequestRate),
    figure("request_throughput", &["request_rate", "rps", "qps"], &define::REQUEST_THROUGHPUT, Kind::RequestRate),
    figure("in_flight_slope", &[], &define::IN_FLIGHT_SLOPE, Kind::RequestRate),
    figure(
        "output_throughput",
        &["output_token_throughput", "output_rate", "tokens_per_second", "tps"],
        &define::OUTPUT_THROUGHPUT,
        Kind::TokenRate,
    ),
    figure("input_throughput", &["input_token_throughput"], &define::INPUT_THROUGHPUT, Kind::TokenRate),
    figure("concurrency", &["in_flight"], &define::CONCURRENCY, Kind::Count),
];

const fn time(
    name: &'static str,
    aliases: &'static [&'static str],
    definition: &'static Definition,
    of_request: fn(&RequestRow) -> Option<f64>,
) -> Named {
    Named { name, aliases, definition, kind: Kind::Time, of_request: Some(of_request) }
}

const fn figure(
    name: &'static str,
    aliases: &'static [&'static str],
    definition: &'static Definition,
    kind: Kind,
) -> Named {
    Named { name, aliases, definition, kind, of_request: None }
}

fn ms(duration: Option<std::time::Duration>) -> Option<f64> {
    duration.map(millis)
}

/// Every name and every other name, with its metric.
pub(super) fn spellings() -> impl Iterator<Item = (&'static str, &'static Named)> {
    ALL.iter().flat_map(|named| {
        std::iter::once(named.name).chain(named.aliases.iter().copied()).map(move |spelling| (spelling, named))
    })
}

pub(super) fn find(name: &str) -> Option<&'static Named> {
    spellings().find(|(spelling, _)| *spelling == name).map(|(_, named)| named)
}

/// The name that is nearest to an unknown one; `None` when none is near.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let scored = spellings().map(|(spelling, _)| (strsim::jaro_winkler(name, spelling), spelling));
    // Of equals the first: the usual spelling stands before its aliases.
    scored.filter(|(score, _)| *score > 0.7).min_by(|a, b| b.0.total_cmp(&a.0)).map(|(_, spelling)| spelling)
}
