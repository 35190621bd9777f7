//! The page of a load run: its charts, and what they do without a log, without values, without success.

use std::path::Path;

use weighbridge_report::console::{self, Color, Width};
use weighbridge_report::html::{LoadReading, LoadTraces, render, render_load};
use weighbridge_report::{check, markdown};
use weighbridge_summary::Rows;
use weighbridge_types::metric::{Metric, Provenance, Statistic};
use weighbridge_types::record::Record;
use weighbridge_types::request::{FailureClass, Outcome};

use crate::sample_load::{LOADS, record, rows};

/// Names of the figures of a page, in its order.
fn charts(page: &str) -> Vec<&str> {
    let after = page.split("<title id=\"").skip(1);
    after.filter_map(|rest| Some(rest.split_once("-title\"")?.0)).collect()
}

/// The charts of a page with a line for each mark, coordinates and all; grid lines say no more than their numbers.
fn drawn(page: &str) -> String {
    let figures = page.split("<figure>").skip(1).filter_map(|rest| rest.split_once("</figure>"));
    let marks = figures.map(|(figure, _)| figure.replace("><", ">\n<")).collect::<Vec<_>>().join("\n\n");
    let is_said = |line: &&str| !line.starts_with("</") && !line.starts_with("<line class=\"grid\"");
    marks.lines().filter(is_said).collect::<Vec<_>>().join("\n")
}

fn whole() -> (Record, Rows) {
    let rows = rows(&LOADS);
    (record(&rows, true), rows)
}

#[test]
fn the_charts_of_a_search() {
    let (record, rows) = whole();
    let page = render(&record, Some(&rows));
    // For whoever wants to look at it.
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("load.html"), &page).unwrap();
    insta::assert_snapshot!(drawn(&page));
}

#[test]
fn what_the_clients_figures_are_worth_stands_in_the_head() {
    let (mut record, _) = whole();
    record.engine.engine = "http".into();
    let check = |record: &Record, expected: &str, begin: &str| {
        let shown = console::render(record, Width::new(160), Color::Never);
        assert!(shown.contains(expected), "{shown}");
        assert!(render(record, None).contains(begin) && markdown::render(record).contains(begin));
    };
    check(
        &record,
        "grade A: TTFT +0.04 ms (p99 0.21), ITL -0.00 ms (p99 0.12) at 128 streams; kernel stamps",
        "grade A: TTFT",
    );
    record.calibration = None;
    check(&record, "not calibrated: run `weighbridge calibrate`", "not calibrated: run");
}

#[test]
fn the_page_asks_for_nothing_and_repeats_no_name() {
    let (record, rows) = whole();
    let page = render(&record, Some(&rows));
    for forbidden in ["<script", "src=", "url(", "http://", "https://", " style=\"", "NaN", "inf "] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    let mut names = charts(&page);
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!((names.len(), count), (11, 11));
}

#[test]
fn a_log_read_row_by_row_draws_the_same() {
    let (record, rows) = whole();
    let mut reading = LoadReading::new(&record).unwrap();
    rows.requests.iter().for_each(|row| reading.push(row));
    let mut traces = reading.finish();
    rows.requests.iter().rev().for_each(|row| traces.push(row));
    assert_eq!(render_load(&record, &traces), render(&record, Some(&rows)));
}

#[test]
fn each_chart_is_drawn_where_it_has_something_to_say() {
    const LATENCY: [&str; 3] = ["load-ttft-0", "load-itl-0", "load-e2e-0"];
    let check = |what: &str, record: &Record, rows: Option<&Rows>, expected: &[&str]| {
        let page = render(record, rows);
        assert!(!page.contains("NaN"), "{what}");
        assert_eq!(charts(&page), expected, "{what}");
    };
    let one = rows(&LOADS[..1]);
    let of_one = [LATENCY.as_slice(), &["where-time-goes", "course-0"]].concat();
    check("one load", &record(&one, false), Some(&one), &of_one);

    let (record_of_all, all) = whole();
    let curves = ["curve-requests-rate", "curve-tokens-rate", "curve-ttft-rate", "pareto"];
    let without_log = [curves.as_slice(), &LATENCY, &["where-time-goes"]].concat();
    check("no log", &record_of_all, None, &without_log);
    check("an empty log", &record_of_all, Some(&Rows::default()), &without_log);

    let mut nothing = record_of_all.clone();
    nothing.metrics.iter_mut().for_each(make_unknown);
    check("no figure", &nothing, None, &[]);

    let mut failed = all.clone();
    for row in &mut failed.requests {
        row.timeline.frames.clear();
        row.usage = None;
        row.outcome = Outcome::Failed { class: FailureClass::Timeout, message: String::new() };
    }
    let courses = ["curve-requests-rate", "curve-tokens-rate", "course-0", "course-1", "course-2"];
    check("no success", &record(&failed, false), Some(&failed), &courses);

    let mut foreign = record_of_all;
    foreign.settings = serde_json::Value::Null;
    assert!(LoadTraces::of(&foreign, &all).is_none());
    check("a load of another tool", &foreign, Some(&all), &without_log);
}

fn make_unknown(metric: &mut Metric) {
    (metric.value, metric.interval, metric.n) = (None, None, 0);
    (metric.reason, metric.provenance) = (Some("not seen".into()), Provenance::Unavailable);
}

#[test]
fn a_target_names_its_load_where_there_are_several() {
    let check = |loads: usize, expected: bool| {
        let record = record(&rows(&LOADS[..loads]), false);
        let texts =
            [render(&record, None), markdown::render(&record), console::render(&record, Width::new(200), Color::Never)];
        for text in texts {
            assert_eq!(text.contains("(slo) at rate 20"), expected, "{text}");
        }
    };
    check(3, true);
    check(1, false);
}

#[test]
fn the_headings_say_what_kind_of_load_it_was() {
    let check = |kind: &str, title: &str, heading: &str| {
        let mut record = record(&rows(&LOADS[..1]), false);
        record.kind = kind.into();
        let page = render(&record, None);
        assert!(page.contains(&format!("<h1>{title}, 2026-03-01</h1>")), "{kind}");
        assert!(page.contains(&format!("<h2>{heading}</h2>")), "{kind}");
    };
    check("load", "tiny under load", "Load");
    check("stress", "tiny under stress", "Stress");
    check("soak", "tiny in a soak", "Soak");
}

#[test]
fn a_slope_may_fall() {
    let (mut record, rows) = whole();
    let report = check::check(&record, Some(&rows));
    assert!(report.passed(), "{}", report.render());
    let slope = record.metrics.iter_mut().find(|m| m.statistic == Statistic::Slope && m.value.is_some()).unwrap();
    slope.value = Some(-0.5);
    slope.interval = None;
    slope.interval_reason = Some("not of interest here".into());
    let report = check::check(&record, None);
    assert!(report.passed(), "{}", report.render());
}
