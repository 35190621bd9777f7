//! Numbers in words, the same on the screen and in lines.

use std::time::Duration;

use weighbridge_types::request::{ClientFault, FailureClass};

use super::model::{Counts, Done, EarlierLoad, LiveModel, Stage};

/// A line without a terminal: `load 2 of 5: 8 in flight, 12 s of 30 s, 210 requests/s, TTFT p50 20 ms p99 35 ms, 0 errors`.
pub(crate) fn status(model: &LiveModel) -> Option<String> {
    let pulse = model.last_pulse()?;
    let mut parts = vec![format!("{} in flight", count(pulse.in_flight)), model.done().map_or_else(String::new, done)];
    if model.stage() == Stage::Draining {
        parts.push("draining".to_owned());
    }
    parts.extend(model.rates().map(|(requests, _)| format!("{} requests/s", rate(requests))));
    let (_, all) = model.latencies();
    parts.extend(ttft(all.ttft.quantile(0.5).zip(all.ttft.quantile(0.99))));
    parts.push(errors(model.counts().errors()));
    Some(format!("load {} of {} ({}): {}", pulse.number, pulse.count, pulse.what, parts.join(", ")))
}

/// The line of a load that is over.
pub(crate) fn ended(load: &EarlierLoad, of: u32) -> String {
    let mut parts = vec![plural(load.succeeded, "request", "requests")];
    parts.extend(load.rate.map(|value| format!("{} requests/s", rate(value))));
    parts.extend(ttft(load.ttft));
    parts.push(errors(load.errors));
    format!("load {} of {of} ({}) ended: {}", load.number, load.what, parts.join(", "))
}

fn ttft(percentiles: Option<(f64, f64)>) -> Option<String> {
    let (p50, p99) = percentiles?;
    Some(format!("TTFT p50 {} ms p99 {} ms", latency(p50), latency(p99)))
}

fn errors(errors: u64) -> String {
    plural(errors, "error", "errors")
}

fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// How far a load is: `12 s of 30 s`.
pub(crate) fn done(done: Done) -> String {
    match done {
        Done::Time { elapsed, of } => format!("{} of {}", duration(elapsed), duration(of)),
        Done::Sessions { elapsed, released, of } => {
            format!("{} released of {} sessions in {}", count(released), count(of), duration(elapsed))
        }
        Done::Open { elapsed } => duration(elapsed),
    }
}

/// Failures by class, most frequent first: `rate limited 12, timeout 3`.
pub(crate) fn failures(counts: &Counts) -> String {
    let mut classes: Vec<_> = counts.failed.iter().map(|(class, number)| (*class, *number)).collect();
    classes.sort_by_key(|(class, number)| (std::cmp::Reverse(*number), *class));
    let parts: Vec<String> =
        classes.into_iter().map(|(class, number)| format!("{} {}", failure(class), count(number))).collect();
    parts.join(", ")
}

const fn failure(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Connect => "no connection",
        FailureClass::Tls => "TLS",
        FailureClass::RateLimited => "rate limited",
        FailureClass::ClientError => "client error (4xx)",
        FailureClass::ServerError => "server error",
        FailureClass::Timeout => "timeout",
        FailureClass::TimeoutConnect => "connect timeout",
        FailureClass::TimeoutFirstToken => "first-token timeout",
        FailureClass::TimeoutStall => "stalled",
        FailureClass::Truncated => "truncated",
        FailureClass::Empty => "empty",
        FailureClass::Malformed => "malformed",
        FailureClass::Engine => "engine",
    }
}

pub(crate) const fn fault(fault: ClientFault) -> &'static str {
    match fault {
        ClientFault::ScheduleLag => "late release",
        ClientFault::ReactorLag => "loop held up",
        ClientFault::CpuSaturated => "CPU used up",
        ClientFault::Steal => "CPU stolen",
    }
}

/// A whole number with a comma at every third digit.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number that is not negative, with three digits at least.
fn three_digits(value: f64) -> String {
    if value < 9.995 {
        return format!("{value:.2}");
    }
    if value < 99.95 {
        return format!("{value:.1}");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates")]
    count(value.round() as u64)
}

/// A rate per second.
pub(crate) fn rate(value: f64) -> String {
    three_digits(value)
}

/// A latency in ms, without its unit.
pub(crate) fn latency(ms: f64) -> String {
    three_digits(ms)
}

/// A time in whole seconds, as `12 s`, `3 min 5 s` or `2 h 5 min`; rounds down.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let check = |text: String, expected: &str| assert_eq!(text, expected);
        check(count(0), "0");
        check(count(999), "999");
        check(count(1_000), "1,000");
        check(count(12_345_678), "12,345,678");
        check(rate(0.0), "0.00");
        check(rate(9.996), "10.0");
        check(rate(99.96), "100");
        check(rate(13_465.6), "13,466");
        check(latency(0.034), "0.03");
        check(duration(Duration::from_millis(12_900)), "12 s");
        check(duration(Duration::from_secs(185)), "3 min 5 s");
        check(duration(Duration::from_secs(7_530)), "2 h 5 min");
    }
}
