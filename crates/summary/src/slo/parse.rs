//! Reading objectives.

use weighbridge_types::definition::Direction;
use weighbridge_types::metric::Statistic;

use super::names::{self, Named};
use super::{Bound, SloError, SloLimit, SloScope};

/// Longest text that is read, bytes.
pub(super) const MAX_BYTES: usize = 4_096;

/// Most limits in an objective.
pub(super) const MAX_LIMITS: usize = 32;

/// The statistics that a limit can be on, longest name first, with other words for them.
const STATISTICS: [(&str, Statistic); 15] = [
    ("p99.99", Statistic::P9999),
    ("p99.9", Statistic::P999),
    ("median", Statistic::P50),
    ("mean", Statistic::Mean),
    ("avg", Statistic::Mean),
    ("p99", Statistic::P99),
    ("p95", Statistic::P95),
    ("p90", Statistic::P90),
    ("p75", Statistic::P75),
    ("p50", Statistic::P50),
    ("p25", Statistic::P25),
    ("p10", Statistic::P10),
    ("max", Statistic::Max),
    ("min", Statistic::Min),
    ("p5", Statistic::P5),
];

const SIGNS: [(&str, Option<Bound>); 9] = [
    ("<=", Some(Bound::AtMost)),
    ("=<", Some(Bound::AtMost)),
    ("≤", Some(Bound::AtMost)),
    (">=", Some(Bound::AtLeast)),
    ("=>", Some(Bound::AtLeast)),
    ("≥", Some(Bound::AtLeast)),
    ("<", Some(Bound::Below)),
    (">", Some(Bound::Above)),
    // A colon leaves the side to the metric.
    (":", None),
];

/// Reads limits apart by commas, semicolons or white space.
pub(super) fn limits(text: &str) -> Result<Vec<SloLimit>, SloError> {
    if text.len() > MAX_BYTES {
        return Err(SloError::TooLong { what: "bytes", limit: MAX_BYTES });
    }
    let is_separator = |c: char| c.is_whitespace() || c == ',' || c == ';';
    let mut limits: Vec<SloLimit> = Vec::new();
    let mut rest = text.trim_start_matches(is_separator);
    while !rest.is_empty() {
        let (limit, after) = limit(rest)?;
        let is_same = |other: &SloLimit| {
            other.named == limit.named && other.scope == limit.scope && is_upper(other) == is_upper(&limit)
        };
        if limits.iter().any(is_same) {
            return Err(SloError::Twice { name: limit.key().unwrap_or_else(|| limit.named.name.to_owned()) });
        }
        limits.push(limit);
        if limits.len() > MAX_LIMITS {
            return Err(SloError::TooLong { what: "limits", limit: MAX_LIMITS });
        }
        rest = after.trim_start_matches(is_separator);
    }
    if limits.is_empty() { Err(SloError::Empty) } else { Ok(limits) }
}

fn is_upper(limit: &SloLimit) -> bool {
    matches!(limit.bound, Bound::Below | Bound::AtMost)
}

/// Reads the first limit of a text, and hands back the rest.
fn limit(text: &str) -> Result<(SloLimit, &str), SloError> {
    let (name, rest) = split_while(text, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if name.is_empty() {
        return Err(syntax(text, rest, "the name of a metric"));
    }
    let found = SIGNS.iter().find_map(|(sign, bound)| Some((bound, rest.trim_start().strip_prefix(sign)?)));
    let Some((bound, after_sign)) = found else {
        return Err(syntax(text, rest, "one of `<`, `<=`, `>`, `>=` or `:`"));
    };
    let (number, rest) = split_while(after_sign.trim_start(), |c| c.is_ascii_digit() || c == '.');
    let Some(number) = number.parse::<f64>().ok().filter(|number| number.is_finite()) else {
        return Err(syntax(text, rest, "a number"));
    };
    let (unit, rest) = split_while(rest, |c| c.is_alphabetic() || matches!(c, '%' | '/'));
    let is_end = rest.is_empty() || rest.starts_with(|c: char| c.is_whitespace() || c == ',' || c == ';');
    if !is_end {
        return Err(syntax(text, rest, "a comma or the end"));
    }
    let (named, scope) = meaning(name)?;
    let bound = side(named, *bound)?;
    let value = value(named, number, unit, found.is_some_and(|(bound, _)| bound.is_none()))?;
    Ok((SloLimit { named, scope, bound, value }, rest))
}

pub(super) fn split_while(text: &str, is_part: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c: char| !is_part(c)).unwrap_or(text.len()))
}

/// An error about the term at the start of `text`, of which everything before `rest` was understood.
fn syntax(text: &str, rest: &str, expected: &'static str) -> SloError {
    let read = &text[..text.len() - rest.len()];
    let (term, _) = split_while(text, |c| !c.is_whitespace() && c != ',' && c != ';');
    SloError::Syntax { term: shortened(term), read: shortened(read.trim()), expected }
}

/// At most the first characters of what was written: messages stay readable.
pub(super) fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut short: String = text.chars().take(SHOWN).collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push('…');
    }
    short
}

/// The metric of a name, and the statistic before or after it.
pub(super) fn meaning(written: &str) -> Result<(&'static Named, SloScope), SloError> {
    let name = written.to_ascii_lowercase().replace('-', "_");
    if let Some(named) = names::find(&name) {
        let scope = if named.of_request.is_some() { SloScope::Request } else { SloScope::Figure };
        return Ok((named, scope));
    }
    let is_join = |c: char| c == '.' || c == '_';
    for (word, statistic) in STATISTICS {
        let before = name.strip_prefix(word).and_then(|rest| rest.strip_prefix(is_join));
        let after = name.strip_suffix(word).and_then(|rest| rest.strip_suffix(is_join));
        let Some(metric) = before.or(after) else { continue };
        return match names::find(metric) {
            Some(named) if named.of_request.is_none() => Err(SloError::NoStatistic { metric: named.name, statistic }),
            Some(named) => Ok((named, SloScope::Statistic(statistic))),
            None => Err(unknown(metric)),
        };
    }
    Err(unknown(&name))
}

fn unknown(name: &str) -> SloError {
    SloError::UnknownMetric { name: shortened(name), nearest: names::nearest(name) }
}

fn side(named: &Named, bound: Option<Bound>) -> Result<Bound, SloError> {
    let bound = bound.unwrap_or(Bound::of(named.definition.direction));
    let better = match (named.definition.direction, bound) {
        (Direction::Lower, Bound::Above | Bound::AtLeast) => "lower",
        (Direction::Higher, Bound::Below | Bound::AtMost) => "higher",
        _ => return Ok(bound),
    };
    Err(SloError::WrongSide { metric: named.name, sign: bound.typed(), better })
}

fn value(named: &Named, number: f64, unit: &str, is_implied: bool) -> Result<f64, SloError> {
    let unit = if unit.is_empty() && is_implied { named.kind.implied() } else { unit };
    let value = named.kind.factor(unit).map(|factor| number * factor);
    value.filter(|value| (0.0..=named.kind.largest()).contains(value)).ok_or_else(|| SloError::Value {
        value: shortened(&format!("{number}{unit}")),
        metric: named.name,
        expected: named.kind.expected(),
    })
}
