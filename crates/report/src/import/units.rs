//! Units as tools spell them, and how many of ours one of theirs is.

/// What a value in `unit` is multiplied by to stand in `target`; `None` when they measure different things.
pub(super) fn scale(unit: &str, target: &str) -> Option<f64> {
    if let Some((from, to)) = seconds(unit).zip(seconds(target)) {
        // By division where the factor is above one: 1e-3 / 1e-9 is not exact, 1 / 1e-3 is.
        return Some(if from >= to { (from / to).round() } else { 1.0 / (to / from).round() });
    }
    let plain = unit.trim_end_matches("/user").replace("/seconds", "/s").replace("/second", "/s").replace("/sec", "/s");
    let plain = plain.replace("output tokens", "tokens").replace("total tokens", "tokens");
    (plain == target || (plain == "count" && matches!(target, "requests" | "tokens"))).then_some(1.0)
}

fn seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" | "nanoseconds" => 1e-9,
        "us" | "µs" | "microseconds" => 1e-6,
        "ms" | "milliseconds" => 1e-3,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "min" | "minutes" => 60.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_convert_where_they_measure_the_same() {
        let check =
            |unit: &str, target: &str, expected: Option<f64>| assert_eq!(scale(unit, target), expected, "{unit}");
        check("ms", "ms", Some(1.0));
        check("ns", "ms", Some(1e-6));
        check("sec", "ms", Some(1000.0));
        check("sec", "s", Some(1.0));
        check("tokens/sec/user", "tokens/s", Some(1.0));
        check("requests/sec", "requests/s", Some(1.0));
        check("tokens", "ms", None);
        check("", "tokens", None);
    }
}
