//! Spans that an answer lists, against those of a target.

use super::value::Value;
use crate::score::Overlap;

/// What an answer has in common with a target, both lists of spans as `label: text`; the answer has one in a line.
///
/// White space, case and the marks of a list do not count, since targets are joined tokens; `none` alone lists nothing. Of
/// equal spans as many are found as are listed: strict agreement in label and text, as `conlleval` has it in label and
/// place.
pub(super) fn found(target: &Value, answer: &str) -> Overlap {
    let listed =
        |line: &str| plain(line.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '-' | '*' | '•')));
    let mut open: Vec<String> = match target {
        Value::List(items) => items.iter().map(|item| plain(&item.text())).collect(),
        one => vec![plain(&one.text())],
    };
    let there = open.len() as u64;
    let given: Vec<String> = answer.lines().map(listed).filter(|line| !line.is_empty() && line != "none").collect();
    let mut both = 0;
    for line in &given {
        if let Some(place) = open.iter().position(|known| known == line) {
            open.swap_remove(place);
            both += 1;
        }
    }
    Overlap { given: given.len() as u64, there, both }
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn target(spans: &[&str]) -> Value {
        Value::List(spans.iter().map(|span| Value::Text((*span).to_owned())).collect())
    }

    #[test]
    fn spans_are_found_as_often_as_they_are_listed() {
        let target = target(&["Malware: Riltok", "Malware: Riltok", "System: Google Play ( beta )"]);
        let check = |answer: &str, given: u64, both: u64| {
            assert_eq!(found(&target, answer), Overlap { given, there: 3, both }, "{answer}");
        };
        check("Malware: Riltok\n- malware: riltok\n\n* System: Google Play (beta)\n", 3, 3);
        check("Malware: Riltok\nMalware: Riltok\nMalware: Riltok", 3, 2);
        check("System: Riltok\nThere are others.", 2, 0);
        check("None", 0, 0);
    }

    proptest! {
        #[test]
        fn a_target_that_is_listed_is_found_whole(spans in prop::collection::vec("[A-C]: [a-c ]{0,3}x", 0..6)) {
            let spans: Vec<&str> = spans.iter().map(String::as_str).collect();
            prop_assert!(found(&target(&spans), &spans.join("\n")).is_whole());
        }

        #[test]
        fn no_more_is_found_than_there_is(spans in prop::collection::vec(".*", 0..4), answer in ".*") {
            let spans: Vec<&str> = spans.iter().map(String::as_str).collect();
            let overlap = found(&target(&spans), &answer);
            prop_assert!(overlap.both <= overlap.given.min(overlap.there));
        }
    }
}
