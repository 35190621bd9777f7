//! Scales and their round numbers.

use crate::number;

/// Width of a digit in the widest of the fonts that browsers fall back to, in the units of a chart.
const DIGIT: f64 = 7.7;

/// A numbered place on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    /// Where.
    pub(crate) value: f64,
    /// What is written there.
    pub(crate) label: String,
}

/// Maps values to coordinates.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    min: f64,
    max: f64,
    is_log: bool,
    /// Coordinate of the smallest value.
    pub(crate) from: f64,
    /// Coordinate of the largest value.
    pub(crate) to: f64,
    /// Round numbers.
    pub(crate) ticks: Vec<Tick>,
    /// Quantity and unit.
    pub(crate) title: String,
}

impl Axis {
    /// An even axis that holds `low` to `high`, widened to round numbers.
    pub(crate) fn linear(low: f64, high: f64, (from, to): (f64, f64), title: impl Into<String>) -> Self {
        let (low, high) = (drawable(low), drawable(high));
        let size = low.abs().max(high.abs());
        let high = if high - low > 1e-9 * size.max(1e-12) { high } else { low + size.max(1.0) * 0.1 };
        let count = (to - from).abs() / 55.0;
        let step = round_step((high - low) / count.max(2.0));
        let (first, last) = ((low / step + 1e-9).floor(), (high / step - 1e-9).ceil());
        let decimals = number::decimals_for(step, 1);
        let mut ticks = Vec::new();
        let mut index = first;
        while index <= last && ticks.len() < 20 {
            ticks.push(Tick { value: index * step, label: number::fixed(index * step, decimals) });
            index += 1.0;
        }
        if to > from {
            thin(&mut ticks, (to - from) / (last - first).max(1.0));
        }
        Self { min: first * step, max: last * step, is_log: false, from, to, ticks, title: title.into() }
    }

    /// An even axis from `low` to `high` and no further: a course has no time after its end.
    pub(crate) fn course(low: f64, high: f64, span: (f64, f64), title: impl Into<String>) -> Self {
        let mut axis = Self::linear(low, high, span, title);
        (axis.min, axis.max) = (axis.min.max(drawable(low)), axis.max.min(drawable(high).max(drawable(low) + 1e-9)));
        let (min, max) = (axis.min, axis.max);
        axis.ticks.retain(|tick| (min..=max).contains(&tick.value));
        axis
    }

    /// An axis of equal factors that holds `low` to `high`, both above zero.
    pub(crate) fn log(low: f64, high: f64, (from, to): (f64, f64), title: impl Into<String>) -> Self {
        let low = drawable(low).max(1e-9);
        let high = drawable(high).max(low * 1.5);
        let mut ticks = Vec::new();
        let mut decade = 10_f64.powf(low.log10().floor());
        let factors: &[f64] = if high / low > 200.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        while decade <= high && ticks.len() < 20 {
            let in_range = |value: &f64| (low..=high).contains(value);
            ticks.extend(factors.iter().map(|factor| factor * decade).filter(in_range).map(tick));
            decade *= 10.0;
        }
        if ticks.len() < 3 {
            // Less than a decade: even steps are still told apart.
            let even = Self::linear(low, high, (from, to), "").ticks;
            ticks = even.into_iter().filter(|tick| (low..=high).contains(&tick.value)).collect();
        }
        Self { min: low, max: high, is_log: true, from, to, ticks, title: title.into() }
    }

    /// The axis with other numbers on it.
    pub(crate) fn with_ticks(mut self, values: impl IntoIterator<Item = (f64, String)>) -> Self {
        self.ticks = values.into_iter().map(|(value, label)| Tick { value, label }).collect();
        self
    }

    /// The coordinate of a value; values outside are moved to the edge.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let value = drawable(value).clamp(self.min, self.max);
        let share = if self.is_log {
            (value / self.min).ln() / (self.max / self.min).ln()
        } else {
            (value - self.min) / (self.max - self.min)
        };
        self.from + share * (self.to - self.from)
    }

    /// The largest value on it.
    pub(crate) fn max(&self) -> f64 {
        self.max
    }
}

/// The value itself, within a range whose differences and ratios stay finite.
fn drawable(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(-1e15, 1e15) }
}

/// Leaves out every other number of a horizontal axis until the rest have room, `spacing` units apart.
fn thin(ticks: &mut Vec<Tick>, mut spacing: f64) {
    let widest = ticks.iter().map(|tick| tick.label.chars().count()).max().unwrap_or(0);
    while ticks.len() > 2 && spacing < DIGIT * widest as f64 + 8.0 {
        let mut index = 0;
        ticks.retain(|_| {
            index += 1;
            index % 2 == 1
        });
        spacing *= 2.0;
    }
}

fn tick(value: f64) -> Tick {
    Tick { value, label: number::significant(value, 1) }
}

/// The next of 1, 2, 5 times a power of ten.
fn round_step(rough: f64) -> f64 {
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough * (1.0 - 1e-9)).unwrap_or(10.0);
    factor * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn ticks_are_round() {
        let axis = Axis::linear(0.0, 308.0, (220.0, 0.0), "");
        assert_eq!(labels(&axis), ["0", "100", "200", "300", "400"]);
        assert_eq!(labels(&Axis::log(15.0, 210.0, (0.0, 300.0), "")), ["20", "50", "100", "200"]);
        assert_eq!(labels(&Axis::log(18.0, 27.0, (0.0, 300.0), "")), ["18", "20", "22", "24", "26"]);
        assert_eq!(labels(&Axis::course(0.0, 4.3, (0.0, 300.0), "")), ["0", "1", "2", "3", "4"]);
        assert_eq!(labels(&Axis::linear(5.0, 5.0, (0.0, 110.0), "")), ["5.0", "5.5"]);
    }

    #[test]
    fn numbers_of_a_narrow_axis_do_not_touch() {
        assert_eq!(labels(&Axis::linear(680.0, 701.0, (0.0, 50.0), "")), ["680", "720"]);
        assert_eq!(labels(&Axis::linear(1_900.0, 2_300.0, (314.0, 426.0), "")), ["1800", "2200"]);
    }

    #[test]
    fn values_stay_inside() {
        let axis = Axis::linear(0.0, 10.0, (100.0, 0.0), "");
        let check = |value, expected: f64| assert!((axis.at(value) - expected).abs() < 1e-9, "{value}");
        check(0.0, 100.0);
        check(5.0, 50.0);
        check(99.0, 0.0);
        let wild = Axis::linear(f64::MIN, f64::MAX, (100.0, 0.0), "");
        assert!(wild.at(f64::INFINITY).is_finite() && wild.at(f64::NAN).is_finite());
        let log = Axis::log(1.0, 100.0, (0.0, 10.0), "");
        assert!((log.at(10.0) - 5.0).abs() < 1e-9);
    }
}
