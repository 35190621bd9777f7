use proptest::prelude::*;
use weighbridge_types::definition as define;
use weighbridge_types::metric::{Cell, Metric, MetricInterval};
use weighbridge_types::record::Verdict;

use super::*;
use crate::request::tests::{failed, row};

#[track_caller]
fn check(text: &str, expected: &str) {
    let slo: Slo = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(slo.to_string(), expected, "{text}");
    assert_eq!(expected.parse::<Slo>().unwrap(), slo, "{expected} reads back");
}

#[test]
fn limits_read_in_every_spelling() {
    check("p99.ttft<200ms,p95.tpot<30ms,error<1%,mean.e2e<2s", "p99.ttft<200ms,p95.tpot<30ms,error<1%,mean.e2e<2s");
    check("ttft<200ms", "ttft<200ms");
    check(" TTFT-P99 <= 1.5s ; error_rate<0.01", "p99.ttft<=1.5s,error<1%");
    check("ttft.p99.9<2s", "p99.9.ttft<2s");
    check("p99.9_ttft≤2s", "p99.9.ttft<=2s");
    check("ttft:200 tpot:50 e2el:1000", "ttft<=200ms,tpot<=50ms,e2e<=1s");
    check("time_to_first_token:200 inter_token_latency:25", "ttft<=200ms,tpot<=25ms");
    check("output_token_throughput_per_user:40", "interactivity>=40");
    check("output_throughput>=1000tok/s,rps>20", "output_throughput>=1000,request_throughput>20");
    check("median.ttft<250us", "p50.ttft<0.25ms");
    check("reliability>=99.9%", "reliability>=99.9%");
    check("good>=95%,good_fraction<=100%".split(',').next().unwrap(), "good>=95%");
    check("concurrency<64,concurrency>8", "concurrency<64,concurrency>8");
    check("max.e2e<2m", "max.e2e<120s");
}

#[track_caller]
fn refuse(text: &str, expected: &str) {
    let error = text.parse::<Slo>().unwrap_err();
    assert_eq!(error.to_string(), expected, "{text}");
    assert!(!error.hint().is_empty());
}

#[test]
fn what_cannot_be_read_says_why() {
    refuse("", "read an objective from an empty text");
    refuse(" , ;", "read an objective from an empty text");
    refuse("tttf<200ms", "find a metric `tttf`; the nearest is `ttft`");
    refuse("ttf<200ms", "find a metric `ttf`; the nearest is `ttft`");
    refuse("p99.e2el_latency<2s", "find a metric `e2el_latency`; the nearest is `e2e_latency`");
    refuse("zzz<1", "find a metric `zzz`");
    refuse("ttft<200", "read `200` as a limit of `ttft`: expected a time such as `200ms` or `2s`");
    refuse("ttft<200%", "read `200%` as a limit of `ttft`: expected a time such as `200ms` or `2s`");
    refuse("error<2", "read `2` as a limit of `error`: expected a share such as `1%` or `0.01`");
    refuse("p99.error<1%", "take the p99 of `error`: it is one figure of the window");
    refuse("ttft>200ms", "ask for `ttft` > a limit: it is better when it is lower");
    refuse("goodput<5", "ask for `goodput` < a limit: it is better when it is higher");
    refuse("ttft<1ms,ttft<=2ms", "limit `ttft` twice");
    refuse("p99.ttft<1ms ttft.p99<2ms", "limit `ttft.p99` twice");
    refuse("ttft 200ms", "read `ttft` as a limit: expected one of `<`, `<=`, `>`, `>=` or `:` after `ttft`");
    refuse("ttft<fast", "read `ttft<fast` as a limit: expected a number after `ttft<`");
    refuse("ttft<1ms!", "read `ttft<1ms!` as a limit: expected a comma or the end after `ttft<1ms`");
    refuse("<5", "read `<5` as a limit: expected the name of a metric after ``");
    refuse("ttft<1.2.3ms", "read `ttft<1.2.3ms` as a limit: expected a number after `ttft<1.2.3`");
}

#[test]
fn too_much_is_refused() {
    assert!(matches!("x".repeat(5_000).parse::<Slo>(), Err(SloError::TooLong { what: "bytes", .. })));
    let long = format!("{}<1", "x".repeat(200)).parse::<Slo>().unwrap_err().to_string();
    assert!(long.len() < 120, "{long}");
}

#[test]
fn a_good_request_keeps_every_limit_and_knows_its_values() {
    let check = |slo: &str, row: &RequestRow, expected: bool| {
        assert_eq!(slo.parse::<Slo>().unwrap().is_good(row), expected, "{slo}");
    };
    let usual = row(0, 0, (100, 20, 11));
    check("ttft<=100ms,tpot<21ms,e2e<301ms", &usual, true);
    check("ttft<100ms", &usual, false);
    check("itl<20ms", &usual, false);
    check("interactivity>=50", &usual, true);
    check("ttft<1s", &failed(usual.clone()), false);
    // Percentiles are limits on some of the requests, where no other limit speaks of requests.
    check("p99.ttft<50ms", &usual, false);
    check("p99.ttft<50ms,e2e<1s", &usual, true);
    check("mean.ttft<50ms,error<1%", &usual, true);
    // One token has no TPOT: that matters only to whom it was promised.
    let single = row(0, 0, (100, 20, 1));
    check("tpot<50ms", &single, false);
    check("ttft<200ms", &single, true);
    assert!(Slo::default().is_good(&usual) && !Slo::default().is_good(&failed(usual.clone())));
}

#[test]
fn the_bound_of_the_interval_decides() {
    let cell = Cell::default();
    let metric = |definition, statistic, value, low, high| {
        let interval = MetricInterval { low, high, confidence: 0.95, method: String::new() };
        Metric::measured(definition, statistic, &cell, value, 1_000).with_interval(interval)
    };
    let metrics = [
        metric(&define::TTFT, Statistic::P99, 180.0, 170.0, 195.0),
        metric(&define::ERROR_RATE, Statistic::Value, 0.02, 0.012, 0.03),
        metric(&define::GOOD_FRACTION, Statistic::Value, 0.995, 0.985, 0.999),
        Metric::unavailable(&define::TPOT, Statistic::P99, &cell, "no interval to decide by: 300 values"),
        Metric::measured(&define::E2E, Statistic::Mean, &cell, 5.0, 3),
    ];
    let slo: Slo = "p99.ttft<200ms,error<1%,ttft<200ms,e2e<9s,p99.tpot<30ms,mean.e2e<1s,goodput>5".parse().unwrap();
    let judged = slo.judge(&metrics, &cell, 0.99);
    let found: Vec<(&str, Verdict)> = judged.iter().map(|result| (result.name.as_str(), result.verdict)).collect();
    let expected = [
        ("ttft<200ms,e2e<9s", Verdict::Unclear),
        ("p99.ttft<200ms", Verdict::Met),
        ("error<1%", Verdict::Missed),
        ("p99.tpot<30ms", Verdict::Unclear),
        ("mean.e2e<1s", Verdict::Unclear),
        ("goodput>5", Verdict::NotApplicable),
    ];
    assert_eq!(found, expected);
    assert_eq!(judged[1].because, "95 % interval 170.0 to 195.0");
    assert_eq!(judged[3].because, "no interval to decide by: 300 values");
}

#[test]
fn objectives_are_stored_as_text() {
    for text in ["", "p99.ttft<200ms,error<1%"] {
        let slo = Slo::try_from(text.to_owned()).unwrap();
        let stored = serde_json::to_string(&slo).unwrap();
        assert_eq!(stored, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<Slo>(&stored).unwrap(), slo);
    }
    assert!(serde_json::from_str::<Slo>("\"ttft\"").is_err());
}

/// Any limit that can be written.
fn limit() -> impl Strategy<Value = String> {
    let names = prop::sample::select(names::spellings().collect::<Vec<_>>());
    let statistic = prop::sample::select(vec!["", "mean.", "p99.", "p99.9.", "max."]);
    (names, statistic, 0.0..1e6_f64, 0..9_usize).prop_map(|((spelling, named), statistic, number, unit)| {
        let units: &[&str] = match named.kind {
            names::Kind::Time => &["ms", "s", "us"],
            names::Kind::Share => &["", "%"],
            names::Kind::Percent => &["%"],
            names::Kind::TokenRate => &["", "tok/s"],
            names::Kind::RequestRate => &["", "rps"],
            names::Kind::Count => &[""],
        };
        let number = if named.kind.largest() < 1e3 { number / 1e6 } else { number };
        let statistic = if named.of_request.is_some() { statistic } else { "" };
        let sign = Bound::of(named.definition.direction).typed();
        format!("{statistic}{spelling}{sign}{number}{}", units[unit % units.len()])
    })
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(text in limit()) {
        let slo: Slo = text.parse().unwrap();
        let printed = slo.to_string();
        prop_assert_eq!(printed.parse::<Slo>().unwrap(), slo, "{}", printed);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}", terms in prop::collection::vec(limit(), 0..4)) {
        let together = format!("{}{}{text}", terms.join(","), if terms.is_empty() { "" } else { "," });
        for text in [&text, &together] {
            if let Err(error) = text.parse::<Slo>() {
                prop_assert!(!error.to_string().is_empty() && !error.hint().is_empty());
            }
        }
    }
}
