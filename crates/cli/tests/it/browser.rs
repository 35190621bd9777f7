//! The HTML report in a real browser, where there is one.

use std::process::Command;

use crate::support::{bench, passes};

/// Names under which a browser that renders without a display is installed.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

#[test]
fn the_page_renders_without_a_network() {
    let is_there = |name: &&&str| Command::new(name).arg("--version").output().is_ok_and(|out| out.status.success());
    let Some(browser) = BROWSERS.iter().find(is_there) else {
        eprintln!("skipped: no browser is installed, looked for {}", BROWSERS.join(", "));
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    bench(folder, &["scripted:ttft=2ms,itl=1ms", "--quick", "--phases", "latency,throughput", "--label", "page"]);
    passes(folder, &["report", "export", "latest", "--format", "html", "--output", "page.html"]);
    let page = std::fs::read_to_string(folder.join("page.html")).unwrap();
    // Addresses of other places may be named (the namespace of SVG is one), but nothing may be loaded from them.
    for forbidden in ["src=\"http", "href=\"http", "url(http", "@import", "<script"] {
        assert!(!page.contains(forbidden), "the page holds `{forbidden}`");
    }
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg("--dump-dom")
        .arg(format!("file://{}", folder.join("page.html").display()))
        .output()
        .unwrap();
    let rendered = String::from_utf8_lossy(&output.stdout);
    assert!(rendered.contains("<svg") && rendered.contains("scripted"), "{}", String::from_utf8_lossy(&output.stderr));
}
