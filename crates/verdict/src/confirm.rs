//! Whether a level that looks moved is confirmed by runs that were made again.

use weighbridge_stats::compare::welch;
use weighbridge_stats::{Confidence, Interval, StatsError};

/// What runs that were made again say of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// They differ from the level before, on the side of the change.
    Confirmed,
    /// They do not reach half of the change.
    NotConfirmed,
    /// They are too few, or spread too much.
    Unclear,
}

impl Confirmation {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::NotConfirmed => "not confirmed",
            Self::Unclear => "unclear",
        }
    }
}

/// The new runs beside those before the change.
#[derive(Clone, Copy, Debug)]
pub struct Again {
    /// The verdict.
    pub confirmation: Confirmation,
    /// Mean of the new runs.
    pub mean: f64,
    /// Interval of the mean of the new runs − the mean before.
    pub difference: Interval,
}

/// Holds new runs against those before a change of the level to `after` (Welch's t). `changes` is how many changes are
/// looked at: they share the 5 % (Bonferroni).
///
/// The change was picked because it looked large, so that its own runs are no witnesses of it; new ones are. A change is
/// confirmed where the whole interval of the difference lies on its side of zero, and not confirmed where all of it lies
/// below half of the change.
///
/// # Errors
/// [`StatsError`] below two runs before or again, or where neither side varies.
pub fn confirm(before: &[f64], after: f64, again: &[f64], changes: usize) -> Result<Again, StatsError> {
    let confidence = Confidence::new(1.0 - 0.05 / changes.max(1) as f64)?;
    let test = welch(before, again, confidence)?;
    let mean_before = before.iter().sum::<f64>() / before.len() as f64;
    let change = after - mean_before;
    let ends = [test.interval.low, test.interval.high].map(|end| end * change.signum());
    let (near, far) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
    let confirmation = if far < 0.5 * change.abs() {
        Confirmation::NotConfirmed
    } else if near > 0.0 {
        Confirmation::Confirmed
    } else {
        Confirmation::Unclear
    };
    Ok(Again { confirmation, mean: mean_before + test.difference, difference: test.interval })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: [f64; 6] = [10.0, 10.1, 9.9, 10.0, 10.05, 9.95];

    #[test]
    fn new_runs_confirm_a_change_or_do_not() {
        let check = |again: &[f64], after: f64, expected| {
            let found = confirm(&BEFORE, after, again, 1).unwrap();
            assert_eq!(found.confirmation, expected, "{again:?} {found:?}");
        };
        check(&[12.0, 12.1, 11.9], 12.0, Confirmation::Confirmed);
        check(&[10.0, 10.1, 9.9], 12.0, Confirmation::NotConfirmed);
        // Twice the change is a change.
        check(&[14.0, 14.1, 13.9], 12.0, Confirmation::Confirmed);
        check(&[9.0, 13.0, 11.0], 12.0, Confirmation::Unclear);
        // Rates fall.
        check(&[8.0, 8.1, 7.9], 8.0, Confirmation::Confirmed);
        check(&[12.0, 12.1, 11.9], 8.0, Confirmation::NotConfirmed);
        assert!(confirm(&BEFORE, 12.0, &[12.0], 1).is_err());
    }

    #[test]
    fn many_changes_share_the_error() {
        let again = [10.3, 10.2, 10.35];
        let width = |changes| confirm(&BEFORE, 10.3, &again, changes).unwrap().difference.width();
        assert!(width(20) > width(1));
    }

    /// A change picked because it looked largest among 20 series without one: new runs hardly ever confirm it.
    #[test]
    fn chance_is_not_confirmed() {
        let mut state = 7_u64;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let uniform = ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
            weighbridge_stats::special::normal_quantile(uniform)
        };
        let mut confirmed = 0;
        for _ in 0..500 {
            let mut draw = |count: usize| (0..count).map(|_| 100.0 + noise()).collect::<Vec<f64>>();
            let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
            let worst = (0..20).map(|_| (draw(10), mean(&draw(10))));
            let (before, after) = worst.max_by(|a, b| (a.1 - mean(&a.0)).total_cmp(&(b.1 - mean(&b.0)))).unwrap();
            let found = confirm(&before, after, &draw(3), 1).unwrap();
            confirmed += u32::from(found.confirmation == Confirmation::Confirmed);
        }
        println!("{confirmed} of 500 confirmed");
        assert!(confirmed <= 75, "{confirmed} of 500");
    }
}
