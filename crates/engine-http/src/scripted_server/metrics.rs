//! What the scripted server tells of itself in the names of vLLM, counted from what it really does.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::MODEL_NAME;
use weighbridge_types::time::WallTime;

use super::log::Played;

/// Upper bounds of the buckets of times to first token, seconds; the grid of vLLM as far as a script goes.
const TTFT_BOUNDS: [f64; 16] =
    [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Counts since the server's start.
#[derive(Debug)]
pub(super) struct Metrics {
    started: WallTime,
    running: AtomicU64,
    finished: AtomicU64,
    prompt_tokens: AtomicU64,
    generated: AtomicU64,
    /// Times to first token by bucket; the last one has no bound.
    ttft: [AtomicU64; TTFT_BOUNDS.len() + 1],
    ttft_nanos: AtomicU64,
}

/// A generation under way; it counts as running until it is dropped.
pub(super) struct Running<'a>(&'a Metrics);

impl Metrics {
    /// Nothing was done yet.
    pub(super) fn new() -> Self {
        Self {
            started: WallTime::now(),
            running: AtomicU64::default(),
            finished: AtomicU64::default(),
            prompt_tokens: AtomicU64::default(),
            generated: AtomicU64::default(),
            ttft: Default::default(),
            ttft_nanos: AtomicU64::default(),
        }
    }

    /// A generation begins; with how many run, itself among them.
    pub(super) fn begin(&self, prompt_tokens: u32) -> (Running<'_>, u32) {
        let before = self.running.fetch_add(1, Ordering::Relaxed);
        self.prompt_tokens.fetch_add(u64::from(prompt_tokens), Ordering::Relaxed);
        (Running(self), u32::try_from(before + 1).unwrap_or(u32::MAX))
    }

    /// A generation was played, to its end or as far as the client stayed.
    pub(super) fn played(&self, played: &Played) {
        let tokens: u64 = played.writes.iter().map(|write| u64::from(write.tokens)).sum();
        self.generated.fetch_add(tokens, Ordering::Relaxed);
        if let Some(ttft) = played.ttft() {
            self.first_token(ttft);
        }
        if !played.faulted && !played.abandoned && tokens > 0 {
            self.finished.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn first_token(&self, ttft: Duration) {
        let bucket = TTFT_BOUNDS.partition_point(|bound| *bound < ttft.as_secs_f64());
        self.ttft[bucket].fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(ttft.as_nanos()).unwrap_or(u64::MAX);
        self.ttft_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// The page, in Prometheus's text form.
    pub(super) fn page(&self) -> String {
        let mut page = String::from("# Written by the scripted server of weighbridge, in the names of vLLM.\n");
        let labels = format!("model_name=\"{MODEL_NAME}\",engine=\"0\"");
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        for (name, kind, value) in [
            ("vllm:num_requests_running", "gauge", read(&self.running)),
            ("vllm:num_requests_waiting", "gauge", 0),
            ("vllm:prompt_tokens_total", "counter", read(&self.prompt_tokens)),
            ("vllm:generation_tokens_total", "counter", read(&self.generated)),
            ("vllm:request_success_total", "counter", read(&self.finished)),
        ] {
            // Writing into a string cannot fail.
            let _ = writeln!(page, "# TYPE {name} {kind}\n{name}{{{labels}}} {value}");
        }
        let started = Duration::from_millis(self.started.unix_millis()).as_secs_f64();
        let _ = writeln!(page, "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds {started:.3}");
        self.write_ttft(&mut page, &labels);
        page
    }

    fn write_ttft(&self, page: &mut String, labels: &str) {
        let name = "vllm:time_to_first_token_seconds";
        let _ = writeln!(page, "# TYPE {name} histogram");
        let bounds = TTFT_BOUNDS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        let mut count = 0;
        for (bucket, bound) in self.ttft.iter().zip(bounds) {
            count += bucket.load(Ordering::Relaxed);
            let _ = writeln!(page, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
        }
        let sum = Duration::from_nanos(self.ttft_nanos.load(Ordering::Relaxed)).as_secs_f64();
        let _ = writeln!(page, "{name}_count{{{labels}}} {count}\n{name}_sum{{{labels}}} {sum}");
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use weighbridge_types::time::Stamp;

    use super::super::log::Written;
    use super::*;

    fn played(millis: u64, tokens: u32, abandoned: bool, faulted: bool) -> Played {
        let at = Stamp::from_nanos(millis * 1_000_000);
        let writes = vec![Written { due: at, at, tokens }];
        Played { path: String::new(), prompt: String::new(), received: Stamp::default(), writes, abandoned, faulted }
    }

    #[test]
    fn the_page_tells_what_was_played() {
        let metrics = Metrics::new();
        let first = metrics.begin(7);
        drop(metrics.begin(3));
        metrics.played(&played(20, 5, false, false));
        metrics.played(&played(300, 2, true, false));
        metrics.played(&played(1, 0, false, false));
        metrics.played(&played(30, 1, false, true));
        let page = metrics.page();
        drop(first);
        let labels = "{model_name=\"scripted\",engine=\"0\"";
        for line in [
            format!("vllm:num_requests_running{labels}}} 1\n"),
            format!("vllm:num_requests_waiting{labels}}} 0\n"),
            format!("vllm:prompt_tokens_total{labels}}} 10\n"),
            format!("vllm:generation_tokens_total{labels}}} 8\n"),
            format!("vllm:request_success_total{labels}}} 1\n"),
            format!("vllm:time_to_first_token_seconds_bucket{labels},le=\"0.02\"}} 1\n"),
            format!("vllm:time_to_first_token_seconds_bucket{labels},le=\"0.04\"}} 2\n"),
            format!("vllm:time_to_first_token_seconds_bucket{labels},le=\"0.5\"}} 3\n"),
            format!("vllm:time_to_first_token_seconds_count{labels}}} 3\n"),
        ] {
            assert!(page.contains(&line), "{line}\n{page}");
        }
        assert!(page.contains("scripted server") && metrics.page().contains(&format!("running{labels}}} 0\n")));
    }
}
