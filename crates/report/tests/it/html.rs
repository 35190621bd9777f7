//! The page: self-contained, escaped, complete.

use std::path::{Path, PathBuf};
use std::process::Command;

use weighbridge_report::html::render;
use weighbridge_types::metric::Cell;
use weighbridge_types::record::Phase;

use crate::sample;

fn written(name: &str, page: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, page).unwrap();
    path
}

#[test]
fn the_page_asks_for_nothing() {
    let page = render(&sample::record(), Some(&sample::rows()));
    written("report.html", &page);
    for forbidden in ["<script", "src=", "@import", "url(", "http://", "https://", "<link", " style=\""] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains("default-src 'none'") || page.contains("default-src &#39;none"), "no policy");
}

#[test]
fn the_page_holds_every_number_and_every_chart() {
    let record = sample::record();
    let page = render(&record, Some(&sample::rows()));
    assert_eq!(page.matches("<th scope=\"row\"><a href=\"#d-").count(), record.metrics.len());
    for chart in [
        "distribution-ttft",
        "distribution-itl",
        "distribution-e2e",
        "load-rate",
        "load-latency",
        "memory-run",
        "memory-growth",
        "quality-size",
        "quality-speed",
        "quality-tasks",
    ] {
        assert!(page.contains(&format!("id=\"{chart}-title\"")), "{chart}");
    }
}

#[test]
fn names_of_others_are_text_and_never_markup() {
    let attack = "</title><script>alert(1)</script>\"'<svg onload=x>";
    let mut record = sample::record();
    record.label = attack.into();
    record.run_id = attack.into();
    record.engine.model = attack.into();
    record.engine.model_ref = attack.into();
    record.environment.cpu_model = Some(attack.into());
    record.settings = serde_json::json!({ "label": attack });
    record.findings[0].text = attack.into();
    record.targets[0].because = attack.into();
    record.phases[0].checks[0].evidence = attack.into();
    record.phases[1].notes.push(attack.into());
    record.metrics[0].reason = Some(attack.into());
    for metric in &mut record.metrics {
        if metric.cell.get("task").is_some() {
            metric.cell = Cell::of(Phase::Quality).with("task", attack).with("variant", attack);
        }
    }
    let page = render(&record, Some(&sample::rows()));
    assert!(!page.contains("<script") && !page.contains("<svg onload"));
    assert_eq!(page.matches("</title>").count(), page.matches("<title").count());
}

/// Opens the page in a headless browser where there is one, and reads back what it laid out.
#[test]
fn a_browser_opens_the_page() {
    let path = written("browser.html", &render(&sample::record(), Some(&sample::rows())));
    let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser-profile");
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--virtual-time-budget=2000", "--enable-logging=stderr", "--dump-dom"])
        .arg(format!("file://{}", path.display()))
        .output();
    let Ok(output) = output else {
        println!("skipped: chromium is not installed");
        return;
    };
    let dom = String::from_utf8_lossy(&output.stdout);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(dom.contains("id=\"quality-tasks-title\""), "{log}");
    assert!(!log.contains("Content Security Policy"), "the page breaks its own policy: {log}");
}
