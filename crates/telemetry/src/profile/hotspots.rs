//! Which functions the time went to.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use super::stacks::{Period, Profile};
use super::stages::stage_shares;

/// A function, and how often the processor was in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hotspot<'a> {
    /// Its name.
    pub name: &'a str,
    /// Samples with the processor in the function itself.
    pub own: u64,
    /// Samples with the function anywhere on the stack; a function that calls itself counts once.
    pub total: u64,
}

/// Every frame, those with most samples of their own first; names decide between equals.
#[must_use]
pub fn hotspots(profile: &Profile) -> Vec<Hotspot<'_>> {
    let mut counts: HashMap<&str, (u64, u64)> = HashMap::new();
    for (frames, count) in profile.stacks() {
        for name in frames.iter().collect::<HashSet<_>>() {
            let (_, total) = counts.entry(name).or_default();
            *total = total.saturating_add(count);
        }
        if let Some(last) = frames.last() {
            let (own, _) = counts.entry(last).or_default();
            *own = own.saturating_add(count);
        }
    }
    let mut hotspots: Vec<Hotspot<'_>> =
        counts.into_iter().map(|(name, (own, total))| Hotspot { name, own, total }).collect();
    hotspots.sort_by(|a, b| b.own.cmp(&a.own).then(b.total.cmp(&a.total)).then(a.name.cmp(b.name)));
    hotspots
}

/// The first `top` of the hotspots as a table, below what was sampled and the shares of the stages.
#[must_use]
pub fn hotspots_text(profile: &Profile, top: usize) -> String {
    let total = profile.total();
    let mut text = format!("{}\n", summary(profile));
    if let Some(shares) = stage_shares(profile) {
        text.push_str("\n  share    samples  stage\n");
        for (stage, count) in shares {
            let name = stage.name().unwrap_or("no stage of an inference");
            let _ = writeln!(text, "{:>6.1}%  {count:>9}  {name}", percent(count, total));
        }
    }
    let hotspots = hotspots(profile);
    let _ = writeln!(text, "\n{:>7}  {:>7}  {:>9}  function", "self", "total", "samples");
    for Hotspot { name, own, total: anywhere } in hotspots.iter().take(top) {
        let (own_share, share) = (percent(*own, total), percent(*anywhere, total));
        let _ = writeln!(text, "{own_share:>6.1}%  {share:>6.1}%  {own:>9}  {name}");
    }
    let left = hotspots.len().saturating_sub(top);
    if left > 0 {
        let own = hotspots[top..].iter().fold(0_u64, |sum, hotspot| sum.saturating_add(hotspot.own));
        let _ = writeln!(text, "{:>6.1}%  {:>7}  {own:>9}  {left} more", percent(own, total), "");
    }
    text
}

/// The functions whose own share changed most from one profile to another, as a table. Each profile counts as shares of its own
/// total.
#[must_use]
pub fn difference_text(before: (&str, &Profile), after: (&str, &Profile), top: usize) -> String {
    let ((old_name, old), (new_name, new)) = (before, after);
    let mut shares: HashMap<&str, [f64; 2]> = HashMap::new();
    let (olds, news) = (hotspots(old), hotspots(new));
    for (side, (found, total)) in [(&olds, old.total()), (&news, new.total())].into_iter().enumerate() {
        for hotspot in found {
            shares.entry(hotspot.name).or_default()[side] = percent(hotspot.own, total);
        }
    }
    let change = |[old, new]: [f64; 2]| new - old;
    let mut rows: Vec<(&str, [f64; 2])> =
        shares.into_iter().filter(|(_, shares)| change(*shares).abs() > 0.0).collect();
    rows.sort_by(|a, b| change(b.1).abs().total_cmp(&change(a.1).abs()).then(a.0.cmp(b.0)));
    let mut text = format!("{old_name}: {}\n{new_name}: {}\n\n", summary(old), summary(new));
    let _ = writeln!(text, "{old_name:>8}  {new_name:>8}    points  function, by its own share");
    for (name, shares) in rows.iter().take(top) {
        let _ = writeln!(text, "{:>7.1}%  {:>7.1}%  {:>+8.1}  {name}", shares[0], shares[1], change(*shares));
    }
    if rows.len() > top {
        let _ = writeln!(text, "{:>8}  {:>8}  {:>8}  {} more", "", "", "", rows.len() - top);
    }
    text
}

/// How much was sampled, in a line.
#[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
pub(super) fn summary(profile: &Profile) -> String {
    let total = profile.total();
    let mut text = format!("{total} samples");
    match profile.period() {
        Some(Period::Processor(period)) => {
            let (seconds, rate) = (total as f64 * period.as_secs_f64(), 1.0 / period.as_secs_f64());
            let _ = write!(text, ", {seconds:.2} s on processors at {rate:.0} samples a second");
        }
        Some(Period::Allocated(bytes)) => {
            let (mib, kib) = (total as f64 * bytes as f64 / f64::from(1 << 20), bytes as f64 / f64::from(1 << 10));
            let _ = write!(text, ", {mib:.1} MiB allocated, a sample for each {kib:.0} KiB");
        }
        None => {}
    }
    if profile.lost() > 0 {
        let _ = write!(text, ", {} more were lost", profile.lost());
    }
    text
}

/// A part of all samples, per cent; of none it is 0.
#[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
pub(super) fn percent(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { 100.0 * part as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn profile() -> Profile {
        let mut profile = Profile::new(Some(Period::Processor(Duration::from_millis(10))));
        for (frames, count) in [
            (&["main", "run", "work", "work"][..], 6),
            (&["main", "run"], 1),
            (&["helper", "work"], 2),
            (&["main", "idle"], 1),
        ] {
            profile.add(frames.iter().copied(), Duration::ZERO, count);
        }
        profile
    }

    #[test]
    fn own_and_total_are_told_apart_and_recursion_counts_once() {
        let profile = profile();
        let found = hotspots(&profile);
        let check = |place: usize, name, own, total| assert_eq!(found[place], Hotspot { name, own, total });
        check(0, "work", 8, 8);
        check(1, "run", 1, 7);
        check(2, "idle", 1, 1);
        check(3, "main", 0, 8);
        assert_eq!(found.iter().map(|hotspot| hotspot.own).sum::<u64>(), profile.total());
    }

    #[test]
    fn what_changed_most_comes_first() {
        let mut after = Profile::new(None);
        after.add(["main", "run", "fresh"], Duration::ZERO, 5);
        after.add(["main", "run"], Duration::ZERO, 5);
        let text = difference_text(("fast", &profile()), ("slow", &after), 2);
        let expected = "fast: 10 samples, 0.10 s on processors at 100 samples a second\nslow: 10 samples\n\n    fast      \
                        slow    points  function, by its own share\n   80.0%      0.0%     -80.0  work\n    0.0%     \
                        50.0%     +50.0  fresh\n                              2 more\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_table_says_what_it_leaves_out() {
        let text = hotspots_text(&profile(), 2);
        assert_eq!(
            text,
            "10 samples, 0.10 s on processors at 100 samples a second\n\n   self    total    samples  function\n  80.0%    80.0%          8  work\n  10.0%    70.0%          1  run\n  10.0%                   1  3 more\n"
        );
        assert!(hotspots_text(&Profile::new(None), 5).starts_with("0 samples\n"));
        let mut allocated = Profile::new(Some(Period::Allocated(512 << 10)));
        allocated.add(["main"], Duration::ZERO, 3);
        assert_eq!(summary(&allocated), "3 samples, 1.5 MiB allocated, a sample for each 512 KiB");
    }
}
