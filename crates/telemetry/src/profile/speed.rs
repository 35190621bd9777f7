//! A profile by whether the requests that were under way were slow.

use std::collections::BTreeMap;
use std::time::Duration;

use weighbridge_stats::quantile_sorted;

use super::stacks::Profile;

/// Time in which a request was under way, since sampling began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// When it was released.
    pub from: Duration,
    /// When it had ended.
    pub to: Duration,
}

/// A profile in two parts. Where several requests are under way, a sample belongs to the kind of most of them.
#[derive(Clone, Debug)]
pub struct BySpeed {
    /// What was seen while more slow requests were under way than fast ones.
    pub slow: Profile,
    /// What was seen while more fast ones were.
    pub fast: Profile,
    /// Samples while as many slow ones were under way as fast ones.
    pub even: u64,
    /// Samples while no request was.
    pub idle: u64,
}

/// Parts a profile. A request is slow where it took longer than the median of its group, such as its load.
#[must_use]
pub fn by_speed(profile: &Profile, groups: &[Vec<Span>]) -> BySpeed {
    let balance = balance(groups);
    let mut parts = BySpeed { slow: profile.emptied(), fast: profile.emptied(), even: 0, idle: 0 };
    for (frames, sample) in profile.samples() {
        let (slow, fast) = balance.range(..=sample.at).next_back().map_or((0, 0), |(_, counts)| *counts);
        match slow.cmp(&fast) {
            std::cmp::Ordering::Greater => parts.slow.add(frames, sample.at, sample.count),
            std::cmp::Ordering::Less => parts.fast.add(frames, sample.at, sample.count),
            std::cmp::Ordering::Equal if slow > 0 => parts.even = parts.even.saturating_add(sample.count),
            std::cmp::Ordering::Equal => parts.idle = parts.idle.saturating_add(sample.count),
        }
    }
    parts
}

/// How many slow and fast requests are under way from each moment on.
fn balance(groups: &[Vec<Span>]) -> BTreeMap<Duration, (i64, i64)> {
    let mut steps: BTreeMap<Duration, (i64, i64)> = BTreeMap::new();
    for group in groups {
        let length = |span: &Span| span.to.saturating_sub(span.from).as_secs_f64();
        let mut lengths: Vec<f64> = group.iter().map(length).collect();
        lengths.sort_unstable_by(f64::total_cmp);
        let Some(median) = quantile_sorted(&lengths, 0.5) else { continue };
        for span in group.iter().filter(|span| span.from < span.to) {
            let (slow, fast) = if length(span) > median { (1, 0) } else { (0, 1) };
            let mut step = |at, sign: i64| {
                let counts = steps.entry(at).or_default();
                *counts = (counts.0 + sign * slow, counts.1 + sign * fast);
            };
            step(span.from, 1);
            step(span.to, -1);
        }
    }
    let mut under_way = (0, 0);
    for counts in steps.values_mut() {
        under_way = (under_way.0 + counts.0, under_way.1 + counts.1);
        *counts = under_way;
    }
    steps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn span(from: u64, to: u64) -> Span {
        Span { from: ms(from), to: ms(to) }
    }

    #[test]
    fn samples_belong_to_the_kind_of_most_requests() {
        let mut profile = Profile::new(None);
        let mut see = |name: &str, at: u64, count: u64| profile.add(["main", name], ms(at), count);
        see("before", 5, 1);
        see("fast", 15, 2);
        see("slow", 30, 3);
        see("even", 55, 4);
        see("slower", 70, 5);
        see("after", 99, 6);
        // Two fast ones of 10 ms, two slow ones of 40 and 30 ms; from 50 to 60 one of each.
        let loads = [vec![span(10, 20), span(20, 60), span(50, 60), span(60, 90)]];
        let parts = by_speed(&profile, &loads);
        let names = |profile: &Profile| {
            profile.stacks().into_iter().map(|(frames, count)| (frames[1].to_owned(), count)).collect::<Vec<_>>()
        };
        assert_eq!(names(&parts.fast), [("fast".to_owned(), 2)]);
        assert_eq!(names(&parts.slow), [("slow".to_owned(), 3), ("slower".to_owned(), 5)]);
        assert_eq!((parts.even, parts.idle), (4, 7));
    }

    #[test]
    fn each_load_has_a_median_of_its_own() {
        let mut profile = Profile::new(None);
        profile.add(["main"], ms(5), 1);
        profile.add(["main"], ms(110), 1);
        // Of the second load even the fast one is slower than all of the first.
        let loads = [vec![span(0, 10), span(20, 22)], vec![span(100, 150), span(200, 290)]];
        let parts = by_speed(&profile, &loads);
        assert_eq!((parts.slow.total(), parts.fast.total()), (1, 1));
    }

    proptest! {
        #[test]
        fn no_sample_is_lost(
            spans in prop::collection::vec((0_u64..50, 0_u64..50), 0..20),
            samples in prop::collection::vec((0_u64..60, 0_u64..5), 0..20),
        ) {
            let mut profile = Profile::new(None);
            for (at, count) in samples {
                profile.add(["main"], ms(at), count);
            }
            let group = spans.into_iter().map(|(from, to)| span(from, to)).collect();
            let parts = by_speed(&profile, &[group]);
            prop_assert_eq!(parts.slow.total() + parts.fast.total() + parts.even + parts.idle, profile.total());
        }
    }
}
