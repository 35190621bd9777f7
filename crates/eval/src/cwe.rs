//! How far two weaknesses lie apart in the hierarchy of CWE.
//!
//! The hierarchy is read from a file that the user names, and is not shipped: MITRE's terms of use let copies be made
//! only together with their text, and a copy would age.

use std::collections::{HashMap, VecDeque};

/// The view of research concepts. It stands above its pillars here, so that any two weaknesses have something in common.
const VIEW: u32 = 1000;

/// The weaknesses and their parents in the view of research concepts (CWE-1000).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hierarchy {
    parents: HashMap<u32, Vec<u32>>,
}

/// Why a file holds no hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read the weaknesses in line {line}: {what}")]
pub struct CweError {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub what: String,
}

impl CweError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        "name the CSV export of the view of research concepts (1000.csv from cwe.mitre.org), or a table with the columns \
         `child` and `parent`"
    }
}

impl Hierarchy {
    /// Reads the CSV export of the view, by its columns `CWE-ID` and `Related Weaknesses`, or a table `child,parent`.
    ///
    /// # Errors
    /// When the columns are others, or an id is no number.
    pub fn parse(text: &str) -> Result<Self, CweError> {
        let fail = |line: u64, what: &str| CweError { line, what: what.to_owned() };
        // Lines of the export end with a comma that its head does not have.
        let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
        let broken =
            |error: csv::Error| fail(error.position().map_or(1, csv::Position::line), "it is no line of a CSV table");
        let head = reader.headers().map_err(broken)?.clone();
        let column = |name: &str| head.iter().position(|known| known.trim_start_matches('\u{feff}') == name);
        let (child, parent, is_export) = match (column("CWE-ID"), column("Related Weaknesses")) {
            (Some(child), Some(parent)) => (child, parent, true),
            _ => match (column("child"), column("parent")) {
                (Some(child), Some(parent)) => (child, parent, false),
                _ => {
                    return Err(fail(
                        1,
                        "the columns are neither `CWE-ID` and `Related Weaknesses` nor `child` and `parent`",
                    ));
                }
            },
        };
        let mut parents: HashMap<u32, Vec<u32>> = HashMap::new();
        for record in reader.records() {
            let record = record.map_err(broken)?;
            let line = record.position().map_or(0, csv::Position::line);
            let id = |text: &str| number(text).ok_or_else(|| fail(line, &format!("`{text}` is no id of a weakness")));
            let above = record.get(parent).unwrap_or_default();
            let own = parents.entry(id(record.get(child).unwrap_or_default())?).or_default();
            let found = if is_export { related(above) } else { vec![id(above)?] };
            own.extend(found);
        }
        if parents.is_empty() {
            return Err(fail(1, "there is no weakness in it"));
        }
        // A parent that has no line of its own is known all the same.
        for above in parents.values().flatten().copied().collect::<Vec<u32>>() {
            parents.entry(above).or_default();
        }
        Ok(Self { parents })
    }

    /// Weaknesses in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parents.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parents.is_empty()
    }

    /// Edges on the shortest way from one weakness up to a common ancestor and down to the other; 0 for the same one. The
    /// pillars have the view itself as parent. `None` where either is not in the view.
    #[must_use]
    pub fn distance(&self, a: u32, b: u32) -> Option<u32> {
        let (above_a, above_b) = (self.above(a)?, self.above(b)?);
        above_a.iter().filter_map(|(id, up)| Some(up + above_b.get(id)?)).min()
    }

    /// The weakness and everything above it, with the fewest edges to it.
    fn above(&self, id: u32) -> Option<HashMap<u32, u32>> {
        self.parents.get(&id)?;
        let mut found = HashMap::from([(id, 0)]);
        let mut queue = VecDeque::from([(id, 0)]);
        while let Some((id, up)) = queue.pop_front() {
            let parents = self.parents.get(&id).map(Vec::as_slice).unwrap_or_default();
            let parents = if parents.is_empty() && id != VIEW { &[VIEW] } else { parents };
            for &parent in parents {
                found.entry(parent).or_insert_with(|| {
                    queue.push_back((parent, up + 1));
                    up + 1
                });
            }
        }
        Some(found)
    }
}

/// The weakness that a text names last, as answers give their reasons first: `CWE-79`, in any case. `None` without one.
///
/// ```
/// assert_eq!(weighbridge_eval::cwe::last_in("Not CWE-20 but cwe-79."), Some(79));
/// assert_eq!(weighbridge_eval::cwe::last_in("CWE-"), None);
/// ```
#[must_use]
pub fn last_in(text: &str) -> Option<u32> {
    let bytes = text.as_bytes();
    let is_here = |at: usize| bytes[at..].get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"cwe-"));
    let begins = |at: &usize| is_here(*at) && (*at == 0 || !bytes[at - 1].is_ascii_alphanumeric());
    (0..bytes.len()).rev().filter(begins).find_map(|at| {
        let digits = bytes[at + 4..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        text[at + 4..at + 4 + digits].parse().ok()
    })
}

/// `79` or `CWE-79`.
fn number(text: &str) -> Option<u32> {
    let digits = if text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("cwe-")) { &text[4..] } else { text };
    digits.parse().ok()
}

/// The parents in a field of the export: `::NATURE:ChildOf:CWE ID:74:VIEW ID:1000:ORDINAL:Primary::`.
fn related(field: &str) -> Vec<u32> {
    let parent = |entry: &str| {
        let mut parts = entry.split(':');
        let is_parent = parts.next() == Some("NATURE") && parts.next() == Some("ChildOf");
        let id = (parts.next() == Some("CWE ID")).then(|| parts.next()).flatten()?.parse().ok()?;
        let view: u32 = (parts.next() == Some("VIEW ID")).then(|| parts.next()).flatten()?.parse().ok()?;
        (is_parent && view == VIEW).then_some(id)
    };
    let mut found: Vec<u32> = field.split("::").filter_map(parent).collect();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A made-up hierarchy: pillars 1 and 2; 3 and 4 under 1, 5 under 3 and under 2.
    const TABLE: &str = "child,parent\nCWE-3,1\n4,1\n5,3\n5,2\n";

    #[test]
    fn distances_go_over_the_nearest_common_ancestor() {
        let hierarchy = Hierarchy::parse(TABLE).unwrap();
        assert_eq!(hierarchy.len(), 5);
        let check = |a: u32, b: u32, expected: Option<u32>| {
            assert_eq!(hierarchy.distance(a, b), expected, "{a} {b}");
            assert_eq!(hierarchy.distance(b, a), expected, "{b} {a}");
        };
        check(3, 3, Some(0));
        check(3, 5, Some(1));
        check(3, 4, Some(2));
        check(4, 5, Some(3));
        // Over the view, which stands above the pillars.
        check(1, 2, Some(2));
        check(4, 2, Some(3));
        check(5, 2, Some(1));
        check(5, 99, None);
    }

    #[test]
    fn the_export_is_read_by_its_columns() {
        let export = "CWE-ID,Name,Related Weaknesses\n\
            3,three,::NATURE:ChildOf:CWE ID:1:VIEW ID:1000:ORDINAL:Primary::NATURE:ChildOf:CWE ID:7:VIEW ID:699::,\n\
            1,\"one, with a comma\",::NATURE:CanPrecede:CWE ID:3:VIEW ID:1000::,\n";
        let hierarchy = Hierarchy::parse(export).unwrap();
        assert_eq!((hierarchy.len(), hierarchy.distance(3, 1)), (2, Some(1)));
    }

    #[test]
    fn other_files_are_refused() {
        let check = |text: &str, expected: &str| {
            let error = Hierarchy::parse(text).unwrap_err();
            assert!(error.to_string().contains(expected) && !error.hint().is_empty(), "{error}");
        };
        check("", "line 1: the columns");
        check("a,b\n1,2\n", "line 1: the columns");
        check("child,parent\n", "no weakness");
        check("child,parent\n1,2\nx,1\n", "line 3: `x`");
        check("child,parent\n1\n", "line 2: ``");
    }

    #[test]
    fn a_circle_ends() {
        let hierarchy = Hierarchy::parse("child,parent\n1,2\n2,1\n3,1\n").unwrap();
        assert_eq!(hierarchy.distance(1, 2), Some(1));
        assert_eq!(hierarchy.distance(3, 2), Some(2));
    }

    proptest! {
        #[test]
        fn any_text_is_a_hierarchy_or_an_error(text in ".*", ids in prop::collection::vec((0_u32..9, 0_u32..9), 0..20)) {
            let _ = (Hierarchy::parse(&text), last_in(&text), last_in(&format!("é{text}CWE-{text}")));
            let table: String = ids.iter().map(|(child, parent)| format!("{child},{parent}\n")).collect();
            if let Ok(hierarchy) = Hierarchy::parse(&format!("child,parent\n{table}")) {
                for (a, b) in &ids {
                    prop_assert_eq!(hierarchy.distance(*a, *b), hierarchy.distance(*b, *a));
                    prop_assert_eq!(hierarchy.distance(*a, *a), Some(0));
                    prop_assert!(a == b || hierarchy.distance(*a, *b) == Some(1));
                }
            }
        }
    }
}
