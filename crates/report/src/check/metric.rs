//! What must hold of each metric alone.

use weighbridge_types::definition;
use weighbridge_types::metric::{Metric, Provenance, Statistic};

use super::{Checker, is_close, shown};

impl Checker<'_> {
    /// Checks one metric.
    pub(super) fn metric(&mut self, metric: &Metric) {
        self.definition(metric);
        self.presence(metric);
        self.spread(metric);
        self.interval(metric);
        self.range(metric);
    }

    fn definition(&mut self, metric: &Metric) {
        let known = definition::find(&metric.name);
        let id = known.map(definition::Definition::id);
        let expected = id.clone().unwrap_or_else(|| "a metric that this program knows".to_owned());
        self.of_metric(
            id.as_deref() == Some(&metric.definition),
            "definition-known",
            metric,
            &metric.definition,
            expected,
        );
        if let Some(known) = known {
            self.of_metric(metric.unit == known.unit, "unit", metric, &metric.unit, known.unit);
        }
    }

    /// A value has an origin and rests on something; a null has a reason.
    fn presence(&mut self, metric: &Metric) {
        let is_unavailable = metric.provenance == Provenance::Unavailable;
        match metric.value {
            Some(value) => {
                self.of_metric(value.is_finite(), "finite", metric, value, "a finite number");
                self.of_metric(
                    metric.reason.is_none(),
                    "null-has-reason",
                    metric,
                    "a value and a reason for none",
                    "no reason",
                );
                self.of_metric(
                    !is_unavailable,
                    "provenance",
                    metric,
                    "a value that is unavailable",
                    "where the value comes from",
                );
                // A count of nothing rests on nothing.
                let is_count_of_none = metric.unit == "requests" && metric.value.is_some_and(|value| value <= 0.0);
                let is_founded = metric.provenance != Provenance::Measured || metric.n > 0 || is_count_of_none;
                self.of_metric(is_founded, "count", metric, "measured with n = 0", "n of at least 1");
            }
            None => {
                let has_reason = metric.reason.as_ref().is_some_and(|reason| !reason.trim().is_empty());
                self.of_metric(has_reason, "null-has-reason", metric, "null without a reason", "why there is no value");
                self.of_metric(
                    is_unavailable,
                    "provenance",
                    metric,
                    format!("null, {:?}", metric.provenance),
                    "unavailable",
                );
                self.of_metric(
                    metric.interval.is_none(),
                    "interval-holds-value",
                    metric,
                    "an interval of no value",
                    "none",
                );
            }
        }
    }

    fn spread(&mut self, metric: &Metric) {
        let is_spread = |value: f64| value.is_finite() && value >= 0.0;
        if let Some(deviation) = metric.deviation {
            self.of_metric(is_spread(deviation), "deviation", metric, shown(deviation), "0 or more");
            self.of_metric(metric.n >= 2, "deviation", metric, format!("n = {}", metric.n), "n of at least 2");
        }
        if let (Statistic::Mean, Some(cv), Some(deviation), Some(mean)) =
            (metric.statistic, metric.cv, metric.deviation, metric.value)
        {
            let expected = deviation / mean.abs();
            self.of_metric(is_close(cv, expected), "cv", metric, shown(cv), shown(expected));
        }
        if let Some(n) = metric.n_effective {
            self.of_metric(n.is_finite() && n > 0.0, "effective-n", metric, shown(n), "above 0");
        }
    }

    fn interval(&mut self, metric: &Metric) {
        let (Some(interval), Some(value)) = (&metric.interval, metric.value) else { return };
        let slack = 1e-9 * value.abs();
        let holds = interval.low - slack <= value && value <= interval.high + slack;
        let ends = format!("{} to {}", shown(interval.low), shown(interval.high));
        self.of_metric(holds, "interval-holds-value", metric, ends, format!("an interval around {}", shown(value)));
        // 1 is of bounds, which hold what chance does not play in.
        let is_level = interval.confidence > 0.0 && interval.confidence <= 1.0;
        self.of_metric(is_level, "confidence", metric, interval.confidence, "above 0 and at most 1");
        self.of_metric(
            !interval.method.is_empty(),
            "interval-method",
            metric,
            "an interval without a method",
            "its method",
        );
        let is_alone = metric.interval_reason.is_none();
        self.of_metric(is_alone, "interval-reason", metric, "an interval and a reason for none", "no reason");
    }

    /// Shares lie between 0 and 1, percentages of a whole between 0 and 100; counts, sizes and times are not negative.
    /// A slope has the unit of what it follows, and a sign.
    fn range(&mut self, metric: &Metric) {
        let Some(value) = metric.value.filter(|_| metric.statistic != Statistic::Slope) else { return };
        let whole = 1.0 + 1e-9;
        let (holds, expected) = match (metric.unit.as_str(), metric.name.as_str()) {
            // What a load took away may be less than nothing.
            ("share", "quality_drift" | "score_drift") => ((-whole..=whole).contains(&value), "between -1 and 1"),
            (_, "answer_length_shift") => return,
            ("share", _) => ((0.0..=whole).contains(&value), "between 0 and 1"),
            ("%", "reliability" | "steal") => ((0.0..=100.0 * whole).contains(&value), "between 0 and 100"),
            // A slope may fall.
            (_, "in_flight_slope") => return,
            ("ms" | "s" | "requests" | "tokens" | "instances" | "tokens/s" | "requests/s" | "items/s", _) => {
                (value >= 0.0, "0 or more")
            }
            _ => return,
        };
        self.of_metric(holds, "range", metric, shown(value), expected);
    }
}
