//! How numbers read: units that suit their size, as many digits as their interval supports.

use weighbridge_types::metric::{Metric, MetricInterval};

/// The confidence that intervals have unless they say otherwise.
const USUAL_CONFIDENCE: f64 = 0.95;

/// Stands for a number that overflows in the unit it would be shown in.
const OFF_SCALE: &str = "off scale";

/// Byte prefixes with their size.
const BYTES: [(&str, f64); 5] =
    [("TiB", 1_099_511_627_776.0), ("GiB", 1_073_741_824.0), ("MiB", 1_048_576.0), ("KiB", 1024.0), ("B", 1.0)];

/// How a unit is shown: the stored value is divided by `divisor`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scale {
    divisor: f64,
    /// The unit as printed; empty for a plain ratio.
    pub(crate) unit: String,
}

impl Scale {
    /// The scale that suits values of a unit up to `largest`.
    pub(crate) fn of(unit: &str, largest: f64) -> Self {
        if let Some(rest) = unit.strip_prefix("bytes") {
            let (name, divisor) = BYTES.into_iter().find(|(_, size)| largest.abs() >= *size).unwrap_or(BYTES[4]);
            return Self { divisor, unit: format!("{name}{rest}") };
        }
        match unit {
            "share" => Self { divisor: 0.01, unit: "%".to_owned() },
            "ratio" => Self { divisor: 1.0, unit: String::new() },
            _ => Self { divisor: 1.0, unit: unit.to_owned() },
        }
    }

    /// The scale of one metric.
    pub(crate) fn of_metric(metric: &Metric) -> Self {
        Self::of(&metric.unit, metric.value.unwrap_or(0.0))
    }

    /// The scale of differences that are no ratio: a share of 20 % that becomes 0 % has lost 20 points, and not 20 %.
    pub(crate) fn of_difference(&self) -> Self {
        let unit = if self.unit == "%" { "points".to_owned() } else { self.unit.clone() };
        Self { unit, ..*self }
    }

    /// The stored value on this scale.
    pub(crate) fn apply(&self, value: f64) -> f64 {
        value / self.divisor
    }

    /// The text with the unit behind it.
    pub(crate) fn label(&self, text: &str) -> String {
        if self.unit.is_empty() { text.to_owned() } else { format!("{text} {}", self.unit) }
    }
}

/// A value with its unit and, where there is one, its interval: `20.1 ± 0.4 ms`. Without a value: `n/a (reason)`.
pub(crate) fn figure(metric: &Metric) -> String {
    let scale = Scale::of_metric(metric);
    match bare_figure(metric, &scale) {
        Some(text) => scale.label(&text),
        None => format!("n/a ({})", reason(metric)),
    }
}

/// The same without the unit; `None` without a value.
pub(crate) fn bare_figure(metric: &Metric, scale: &Scale) -> Option<String> {
    let value = scale.apply(metric.value?);
    let Some(interval) = &metric.interval else { return Some(significant(value, 3)) };
    let (low, high) = (scale.apply(interval.low), scale.apply(interval.high));
    Some(with_interval(value, low, high))
}

/// The value alone, with its unit: `20.1 ms`.
pub(crate) fn value(metric: &Metric) -> String {
    let scale = Scale::of_metric(metric);
    match metric.value {
        Some(value) => scale.label(&significant(scale.apply(value), 3)),
        None => format!("n/a ({})", reason(metric)),
    }
}

/// Why a metric has no value.
pub(crate) fn reason(metric: &Metric) -> &str {
    metric.reason.as_deref().unwrap_or("no reason recorded")
}

/// Ends of an interval: `19.71 to 20.55`, with the confidence when it is not 95 %.
pub(crate) fn ends(interval: &MetricInterval, scale: &Scale) -> String {
    let (low, high) = (scale.apply(interval.low), scale.apply(interval.high));
    let decimals = decimals_of(0.5 * (high - low), low.abs().max(high.abs()));
    let text = format!("{} to {}", fixed(low, decimals), fixed(high, decimals));
    if (interval.confidence - USUAL_CONFIDENCE).abs() < 1e-9 {
        text
    } else {
        format!("{text} at {} %", significant(interval.confidence * 100.0, 3))
    }
}

/// `value ± half` where the interval is nearly symmetric, else `value [low, high]`.
fn with_interval(value: f64, low: f64, high: f64) -> String {
    let (below, above) = (value - low, high - value);
    let half = below.max(above);
    if half <= 0.0 {
        return format!("{} ± 0", significant(value, 3));
    }
    let decimals = decimals_of(half, value.abs().max(half));
    let smallest = 10_f64.powi(-i32::try_from(decimals).unwrap_or(0));
    let is_symmetric = (above - below).abs() <= 0.2 * half;
    if !is_symmetric && half >= smallest {
        return format!("{} [{}, {}]", fixed(value, decimals), fixed(low, decimals), fixed(high, decimals));
    }
    let spread = if half > 0.0 && half < smallest / 2.0 {
        format!("<{}", fixed(smallest, decimals))
    } else {
        fixed(half, decimals)
    };
    format!("{} ± {spread}", fixed(value, decimals))
}

/// Decimals that the spread supports, and at most four digits of the value.
///
/// The rule is that of the Particle Data Group (Review of Particle Physics, introduction, "rounding"): two digits of a
/// spread whose leading digits are below 355, else one.
fn decimals_of(spread: f64, size: f64) -> usize {
    if spread <= 0.0 {
        return decimals_for(size, 4);
    }
    let mantissa = spread / 10_f64.powf(spread.log10().floor());
    let digits = if mantissa < 3.55 { 2 } else { 1 };
    decimals_for(spread, digits).min(decimals_for(size, 4))
}

/// Decimals after the point for so many significant digits.
pub(crate) fn decimals_for(value: f64, digits: i32) -> usize {
    if value == 0.0 {
        return 0;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the magnitude of a finite f64 lies within ±324")]
    let magnitude = value.abs().log10().floor() as i32;
    usize::try_from((digits - 1 - magnitude).clamp(0, 9)).unwrap_or(0)
}

/// A number with so many significant digits; whole numbers stay whole.
pub(crate) fn significant(value: f64, digits: i32) -> String {
    let size = value.abs();
    if !size.is_finite() {
        return OFF_SCALE.to_owned();
    }
    if size != 0.0 && !(1e-6..1e15).contains(&size) {
        return format!("{value:.2e}");
    }
    if value.fract() == 0.0 { fixed(value, 0) } else { fixed(value, decimals_for(size, digits)) }
}

/// A number with so many decimals; from five digits on, thousands are set apart: `12,345`.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return OFF_SCALE.to_owned();
    }
    if value.abs() >= 1e15 {
        return format!("{value:.2e}");
    }
    let text = format!("{value:.decimals$}");
    let text = match text.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|byte| matches!(byte, b'0' | b'.')) => rest.to_owned(),
        _ => text,
    };
    let start = usize::from(text.starts_with('-'));
    let end = text.find('.').unwrap_or(text.len());
    if end - start < 5 {
        return text;
    }
    let mut grouped = String::with_capacity(text.len() + 4);
    for (index, digit) in text.char_indices() {
        if index > start && index < end && (end - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count of parameters: `9.4 M`, `124 M`, `0.5 B`.
pub(crate) fn count(value: u64) -> String {
    let value = value as f64;
    match value {
        v if v >= 1e9 => format!("{} B", significant(v / 1e9, 3)),
        v if v >= 1e6 => format!("{} M", significant(v / 1e6, 3)),
        v if v >= 1e4 => format!("{} k", significant(v / 1e3, 3)),
        v => significant(v, 3),
    }
}

/// Seconds for people: `0.42 s`, `31.2 s`, `1 min 58 s`, `2 h 5 min`.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{} s", significant(seconds, 3));
    }
    let whole = seconds.round();
    let (hours, minutes, rest) = ((whole / 3600.0).floor(), (whole / 60.0).floor() % 60.0, whole % 60.0);
    if hours > 0.0 { format!("{hours} h {minutes} min") } else { format!("{minutes} min {rest} s") }
}

/// A share in percent, without the sign: `3.1`.
pub(crate) fn percent(share: f64) -> String {
    significant(share * 100.0, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_follow_the_interval() {
        let check = |value: f64, low: f64, high: f64, expected: &str| {
            assert_eq!(with_interval(value, low, high), expected);
        };
        check(20.1312, 19.71, 20.55, "20.1 ± 0.4");
        check(2.1312, 1.91, 2.35, "2.13 ± 0.22");
        check(1397.4, 1385.0, 1409.0, "1397 ± 12");
        check(91.2, 85.6, 94.4, "91 [86, 94]");
        check(190.12345, 190.1232, 190.1236, "190.1 ± <0.1");
        check(20.0, 20.0, 20.0, "20 ± 0");
        check(12345.6, 12000.0, 12691.0, "12,346 ± 346");
        check(0.0, -3.0, 3.0, "0.0 ± 3.0");
        check(5.0, 4.04, 5.96, "5.0 ± 1.0");
    }

    #[test]
    fn plain_numbers_keep_three_digits() {
        let check = |value: f64, expected: &str| assert_eq!(significant(value, 3), expected);
        check(0.0, "0");
        check(3.0, "3");
        check(0.012_345, "0.0123");
        check(123_456.7, "123,457");
        check(-0.000_000_1, "-1.00e-7");
        check(1e18, "1.00e18");
        check(f64::INFINITY, "off scale");
        check(-1234.5, "-1234");
    }

    #[test]
    fn units_suit_the_size() {
        let check = |unit: &str, value: f64, expected: &str| {
            let scale = Scale::of(unit, value);
            assert_eq!(scale.label(&significant(scale.apply(value), 3)), expected);
        };
        check("bytes", 19_818_086.0, "18.9 MiB");
        check("bytes", 12.0, "12 B");
        check("bytes/request", -2048.0, "-2 KiB/request");
        check("share", 0.915, "91.5 %");
        check("ratio", 1.62, "1.62");
        check("ms", 20.13, "20.1 ms");
    }

    #[test]
    fn durations_read_like_speech() {
        let check = |seconds: f64, expected: &str| assert_eq!(duration(seconds), expected);
        check(0.4213, "0.421 s");
        check(118.4, "1 min 58 s");
        check(119.9, "2 min 0 s");
        check(7500.0, "2 h 5 min");
        assert_eq!((count(124_000_000), count(9_437_184), count(512)), ("124 M".into(), "9.44 M".into(), "512".into()));
        assert_eq!((percent(0.0312), percent(0.0)), ("3.1".into(), "0".into()));
    }
}
