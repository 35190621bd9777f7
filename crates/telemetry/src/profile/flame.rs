//! Flame graphs: which part of all samples lies below each function, and of two profiles what changed.

use weighbridge_engine::stage::Stage;

use super::hotspots::{percent, summary};
use super::stacks::Profile;
use super::svg::{Frame, picture};

/// Draws where the time went. A box is as wide as the share of samples with this function above those callers; callers stand
/// below. Order from left to right is that of names, not of time.
#[must_use]
pub fn flame_graph(title: &str, profile: &Profile) -> String {
    let total = profile.total();
    let stacks = profile.stacks();
    let rows = stacks.iter().map(|(frames, &count)| (&frames[..], [count, 0]));
    let frames: Vec<Frame<'_>> = boxes(rows)
        .into_iter()
        .map(|Bar { name, row, before, width: [count, _] }| Frame {
            name,
            row,
            start: percent(before[0], total) / 100.0,
            width: percent(count, total) / 100.0,
            note: format!("{count} samples, {:.2} %", percent(count, total)),
            color: color(name, row),
        })
        .collect();
    picture(title, &[summary(profile)], &frames)
}

/// Draws what changed from one profile to another. Each is taken as parts of its own total, so that a longer run does not look
/// slower. A box is as wide as the mean of its two shares, so that nothing disappears; red boxes grew, blue ones shrank.
#[must_use]
pub fn difference_graph(title: &str, before: &Profile, after: &Profile) -> String {
    let totals = [before.total(), after.total()];
    let mut rows: std::collections::BTreeMap<Vec<&str>, [u64; 2]> = Default::default();
    for (side, profile) in [before, after].into_iter().enumerate() {
        for (frames, count) in profile.stacks() {
            rows.entry(frames).or_default()[side] = count;
        }
    }
    let shares = |counts: [u64; 2]| [percent(counts[0], totals[0]), percent(counts[1], totals[1])];
    // Of a profile without samples every share is 0; then the other one has the whole width.
    let sides = if totals.contains(&0) { 100.0 } else { 200.0 };
    let frames: Vec<Frame<'_>> = boxes(rows.iter().map(|(frames, &counts)| (&frames[..], counts)))
        .into_iter()
        .map(|Bar { name, row, before, width }| {
            let [old, new] = shares(width);
            let note = format!("{old:.2} % before, {new:.2} % after: {:+.2} points", new - old);
            let (start, width) = (shares(before).iter().sum::<f64>() / sides, (old + new) / sides);
            Frame { name, row, start, width, note, color: change_color(new - old) }
        })
        .collect();
    let notes = [
        format!("before: {}", summary(before)),
        format!("after: {}", summary(after)),
        "red: a larger share than before, blue: a smaller one".to_owned(),
    ];
    picture(title, &notes, &frames)
}

/// A function above those callers.
struct Bar<'a> {
    name: &'a str,
    row: usize,
    /// What lies to the left of it, of both sides.
    before: [u64; 2],
    width: [u64; 2],
}

/// Stacks in the order of their names become boxes: those with the same callers share them.
fn boxes<'a: 'b, 'b>(stacks: impl Iterator<Item = (&'b [&'a str], [u64; 2])>) -> Vec<Bar<'a>> {
    let mut boxes = Vec::new();
    let mut open: Vec<(&'a str, [u64; 2])> = Vec::new();
    let mut place = [0_u64; 2];
    let mut close = |open: &mut Vec<(&'a str, [u64; 2])>, kept: usize, place: [u64; 2]| {
        while open.len() > kept {
            let Some((name, before)) = open.pop() else { break };
            let width = [place[0] - before[0], place[1] - before[1]];
            boxes.push(Bar { name, row: open.len() + 1, before, width });
        }
    };
    for (frames, counts) in stacks {
        let same = open.iter().zip(frames).take_while(|((name, _), frame)| name == *frame).count();
        close(&mut open, same, place);
        open.extend(frames[same..].iter().map(|name| (*name, place)));
        place = [place[0].saturating_add(counts[0]), place[1].saturating_add(counts[1])];
    }
    close(&mut open, 0, place);
    boxes.push(Bar { name: "all", row: 0, before: [0, 0], width: place });
    boxes.reverse();
    boxes
}

/// Colors by where a function comes from: this program warm, libraries of Rust green, the system gray; a stage is purple.
fn color(name: &str, row: usize) -> String {
    let hash = name.bytes().fold(2_166_136_261_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619));
    let shade = hash % 12;
    let name = name.trim_start_matches(['<', '&', '*']);
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let (hue, saturation, light) = match row {
        0 => (40, 8, 84),
        1 => (220, 30, 82),
        2 if is_stage(name) => (280, 40, 84),
        _ if starts(&["weighbridge"]) => (14 + hash % 24, 88, 66),
        _ if starts(&["std::", "core::", "alloc::"]) => (52, 62, 74),
        _ if name.contains("::") => (110 + hash % 40, 38, 72),
        _ => (200, 12, 78),
    };
    format!("hsl({hue} {saturation}% {}%)", light + shade % 8)
}

fn is_stage(name: &str) -> bool {
    Stage::ALL.iter().any(|stage| stage.name() == Some(name))
}

/// From blue over white to red; 10 points of the whole are the full color.
fn change_color(points: f64) -> String {
    const FULL: f64 = 10.0;
    // Small changes are visible as well: the root spreads them.
    let strength = (points.abs() / FULL).min(1.0).sqrt();
    let hue = if points > 0.0 { 8 } else { 215 };
    format!("hsl({hue} {:.0}% {:.0}%)", 90.0 * strength, 92.0 - 30.0 * strength)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::profile::Period;

    fn profile(stacks: &[(&[&str], u64)]) -> Profile {
        let mut profile = Profile::new(Some(Period::Processor(Duration::from_millis(10))));
        for (frames, count) in stacks {
            profile.add(frames.iter().copied(), Duration::ZERO, *count);
        }
        profile
    }

    /// The title of each box with its left side and its width.
    fn drawn(svg: &str) -> Vec<(String, f64, f64)> {
        let attribute = |text: &str, name: &str| {
            let start = text.find(&format!(" {name}=\"")).unwrap() + name.len() + 3;
            text[start..].split('"').next().unwrap().parse().unwrap()
        };
        let boxes = svg.split("<g><title>").skip(1).map(|text| {
            let (title, rest) = text.split_once("</title>").unwrap();
            (title.to_owned(), attribute(rest, "x"), attribute(rest, "width"))
        });
        boxes.collect()
    }

    fn width_of(drawn: &[(String, f64, f64)], name: &str) -> f64 {
        drawn.iter().filter(|(title, ..)| title.starts_with(&format!("{name}\n"))).map(|(.., width)| width).sum()
    }

    #[test]
    fn a_box_is_as_wide_as_its_share_and_lies_within_its_caller() {
        let profile = profile(&[(&["main", "run", "work"], 3), (&["main", "run"], 1), (&["helper", "work"], 4)]);
        let svg = flame_graph("a run", &profile);
        let drawn = drawn(&svg);
        let whole = 1180.0;
        for (name, share) in [("all", 1.0), ("main", 0.5), ("run", 0.5), ("work", 0.875), ("helper", 0.5)] {
            assert!((width_of(&drawn, name) - share * whole).abs() < 0.02, "{name}: {drawn:?}");
        }
        assert!(svg.contains("8 samples, 0.08 s on processors"));
        assert_eq!(drawn.len(), 6, "main and helper each have a `work` of their own");
    }

    #[test]
    fn names_are_escaped_and_nothing_is_loaded() {
        let svg = flame_graph("<b>", &profile(&[(&["main", "<a::B as c::D>::e", "\"&\u{ffff}"], 1)]));
        assert!(svg.contains("&lt;a::B as c::D&gt;::e"), "{svg}");
        assert!(svg.contains("<title>&quot;&amp;\u{fffd}\n"), "{svg}");
        assert!(svg.contains("<title id=\"title\">&lt;b&gt;</title>"));
        let without_namespace = svg.replace("http://www.w3.org/2000/svg", "");
        assert!(!without_namespace.contains("http") && !svg.contains("<script"));
    }

    #[test]
    fn a_difference_is_of_shares_and_keeps_what_is_gone() {
        // The second run is ten times as long; only `new` is a change, at the cost of `gone`.
        let before = profile(&[(&["main", "same"], 6), (&["main", "gone"], 4)]);
        let after = profile(&[(&["main", "same"], 60), (&["main", "new"], 40)]);
        let svg = difference_graph("two runs", &before, &after);
        let drawn = drawn(&svg);
        let note = |name: &str| drawn.iter().find(|(title, ..)| title.starts_with(name)).unwrap().0.clone();
        assert_eq!(note("same"), "same\n60.00 % before, 60.00 % after: +0.00 points");
        assert_eq!(note("gone"), "gone\n40.00 % before, 0.00 % after: -40.00 points");
        assert_eq!(note("new"), "new\n0.00 % before, 40.00 % after: +40.00 points");
        for (name, share) in [("all", 1.0), ("same", 0.6), ("gone", 0.2), ("new", 0.2)] {
            assert!((width_of(&drawn, name) - share * 1180.0).abs() < 0.02, "{name}: {drawn:?}");
        }
        let fill = |name: &str| {
            svg.split(&format!("<title>{name}\n")).nth(1).unwrap().split("fill=\"").nth(1).unwrap().to_owned()
        };
        assert!(fill("new").starts_with("hsl(8 90%") && fill("gone").starts_with("hsl(215 90%"));
        assert!(fill("same").starts_with("hsl(215 0%"), "{}", fill("same"));
    }

    #[test]
    fn nothing_and_very_much_are_drawn() {
        assert!(flame_graph("none", &Profile::new(None)).contains("</svg>"));
        let both = difference_graph("one side", &Profile::new(None), &profile(&[(&["main", "run"], 1)]));
        assert!((width_of(&drawn(&both), "run") - 1180.0).abs() < 0.02);
        let names: Vec<String> = (0..20_000).map(|number| format!("f{number}")).collect();
        let deep: Vec<&str> = names.iter().map(String::as_str).collect();
        let svg = flame_graph("deep", &profile(&[(&deep, u64::MAX), (&["main"], u64::MAX)]));
        assert!(svg.contains("frames are too thin to be drawn"));
        assert!(svg.len() < 200_000);
    }
}
