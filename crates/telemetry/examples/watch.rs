//! Prints what watching costs: reading a large metrics answer, the health monitor, and a process tree.
//!
//! `cargo run --release -p weighbridge-telemetry --example watch`

#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use weighbridge_telemetry::health::{HealthMonitor, HealthSettings, ReactorProbe, health_metrics};
use weighbridge_telemetry::prometheus::parse;
use weighbridge_telemetry::server::{
    Fetch, ScrapeSettings, Scraper, read_server, scrape_metrics, server_metrics, server_reader,
};
use weighbridge_telemetry::{SystemRoot, TreeProbe, TreeSampler, TreeTarget, Window};
use weighbridge_types::breach::BreachIndex;
use weighbridge_types::metric::{Cell, Metric};
use weighbridge_types::telemetry::Watch;
use weighbridge_types::time::Clock;

/// Gauges, counters and fifteen histograms of twenty-two buckets for each engine, as vLLM writes them.
fn answer(engines: u32) -> String {
    let mut text = String::new();
    for engine in 0..engines {
        let labels = format!("engine=\"{engine}\",model_name=\"some/model-with-a-long-name\"");
        let _ = writeln!(text, "vllm:num_requests_running{{{labels}}} 3.0\nvllm:kv_cache_usage_perc{{{labels}}} 0.25");
        let _ = writeln!(text, "vllm:generation_tokens_total{{{labels}}} 1000.0");
        for name in ["vllm:time_to_first_token_seconds", "vllm:inter_token_latency_seconds", "vllm:other_seconds"] {
            for histogram in 0..5 {
                let name = if histogram == 0 { name.to_owned() } else { format!("{name}_{histogram}") };
                for bucket in 0..22 {
                    let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{}\"}} {bucket}.0", 0.01 * f64::from(bucket));
                }
                let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} 30.0\n{name}_sum{{{labels}}} 2.5");
            }
        }
    }
    text
}

fn reading_costs(clock: &Clock) -> Result<(), Box<dyn std::error::Error>> {
    for engines in [1, 8] {
        let text = answer(engines);
        let start = clock.now();
        for _ in 0..100 {
            black_box(read_server(&parse(black_box(text.as_bytes()))?, None)?);
        }
        println!("an answer of {} bytes is read in {:?}", text.len(), (clock.now() - start) / 100);
    }
    Ok(())
}

fn show(metrics: &[Metric]) {
    for metric in metrics {
        let value = metric.value.map_or_else(
            || format!("null: {}", metric.reason.as_deref().unwrap_or("?")),
            |value| format!("{value:.4}"),
        );
        println!("  {} {value} {}", metric.key(), metric.unit);
    }
}

async fn watch(root: SystemRoot, clock: Clock) -> Result<(), Box<dyn std::error::Error>> {
    let probe = ReactorProbe::new(clock);
    let task = tokio::spawn(probe.clone().serve());
    let fetch: Fetch = Arc::new(|_| Box::pin(async { Ok(Bytes::from(answer(1))) }));
    let settings = ScrapeSettings::of("http://server/metrics");
    let scraper = Scraper::start(clock, settings, fetch, server_reader(None));
    let monitor = HealthMonitor::start(&root, clock, HealthSettings::default(), vec![probe])?;
    let target = TreeTarget { pid: std::process::id(), cgroup: None };
    let tree = TreeSampler::start(TreeProbe::new(&root, target), clock, TreeSampler::settings())?;
    let from = clock.now();
    tokio::time::sleep(Duration::from_secs(5)).await;
    // A stall, which the monitor must see.
    thread::sleep(Duration::from_millis(50));
    let window = Window { from, to: clock.now() };
    let (health, scraped) = (monitor.stop(), scraper.stop().await);
    task.abort();
    println!("health, over {:.1} s", window.seconds());
    show(&health_metrics(&health.events.samples, &health, window, &Cell::default()));
    println!("  breaches: {:?}", health.events.breaches);
    println!("  faults of the whole: {:?}", BreachIndex::new(&health.events.breaches).faults(window.from, window.to));
    println!("server");
    show(&server_metrics(&scraped.samples, window, &Cell::default(), "not scraped"));
    show(&scrape_metrics(&scraped.cost.report(Watch::Server, None, window.length()), &Cell::default()));
    let tree = tree.stop();
    println!("tree: {} samples, {:?} % CPU, last {:?}", tree.samples.len(), tree.cost.percent(), tree.samples.last());
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (root, clock) = (SystemRoot::host(), Clock::start());
    reading_costs(&clock)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(watch(root, clock))
}
