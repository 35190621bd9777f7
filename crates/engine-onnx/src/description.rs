//! What an ONNX file says of itself, in its metadata.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::OnnxError;
use crate::features::Features;

/// Key of the metadata (`metadata_props`) under which the description stands, as JSON.
pub const DESCRIPTION_KEY: &str = "weighbridge.classifier";

/// The version of the description that is read here.
const VERSION: u32 = 1;

/// Most classes.
const MOST_CLASSES: usize = 1000;

/// A classifier's classes and inputs: what a graph alone does not tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Version of this form, 1.
    pub version: u32,
    /// Names of the classes, in the order of the graph's output; 2 to 1000, all different.
    pub labels: Vec<String>,
    /// What the graph's output is.
    pub output: Output,
    /// How a text becomes the graph's input.
    pub features: Features,
}

/// What the numbers of a graph's output are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Any numbers, of which the softmax is the probabilities.
    Logits,
    /// Probabilities.
    Probabilities,
}

impl FromStr for Description {
    type Err = OnnxError;

    fn from_str(text: &str) -> Result<Self, OnnxError> {
        let wrong = |problem: String| OnnxError::Description { problem };
        let description: Self = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if description.version != VERSION {
            return Err(wrong(format!("it has version {}; this program reads {VERSION}", description.version)));
        }
        let labels = &description.labels;
        if labels.len() < 2 || labels.len() > MOST_CLASSES {
            return Err(wrong(format!("it names {} classes; expected 2 to {MOST_CLASSES}", labels.len())));
        }
        let mut seen = BTreeSet::new();
        if let Some(label) = labels.iter().find(|label| label.trim().is_empty() || !seen.insert(label.as_str())) {
            return Err(wrong(format!("the class `{label}` is empty or stands twice")));
        }
        description.features.problem().map_or(Ok(description), |problem| Err(wrong(problem)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"version": 1, "labels": ["benign", "attack"], "output": "logits", "features": {"kind":
        "hashed_ngrams", "unit": "byte", "from": 1, "to": 3, "buckets": 64, "max_bytes": 100}}"#;

    #[test]
    fn a_description_is_read_and_printed_back() {
        let description: Description = GOOD.parse().unwrap();
        assert_eq!(description.labels, ["benign", "attack"]);
        let printed = serde_json::to_string(&description).unwrap();
        assert_eq!(printed.parse::<Description>().unwrap(), description);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |from: &str, to: &str, expected: &str| {
            let error = GOOD.replace(from, to).parse::<Description>().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("\"version\": 1", "\"version\": 2", "version 2");
        check("\"attack\"", "\"benign\"", "`benign` is empty or stands twice");
        check("\"attack\"", "\" \"", "` ` is empty");
        check(", \"attack\"", "", "names 1 classes");
        check("logits", "odds", "`odds`");
        check("hashed_ngrams", "bag", "`bag`");
        check("\"buckets\": 64", "\"buckets\": 0", "0 buckets");
        check("\"output\"", "\"outputs\"", "`outputs`");
        check("\"buckets\": 64", "\"buckets\": -1", "-1");
        check("}}", "}", "EOF");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
            drop(text.parse::<Description>());
        }

        #[test]
        fn any_damage_is_read_or_refused(place in 0_usize..GOOD.len(), with in "[0-9a-z\"{}:,-]{0,3}") {
            if GOOD.is_char_boundary(place) {
                let (start, rest) = GOOD.split_at(place);
                if let Ok(description) = format!("{start}{with}{}", rest.get(1..).unwrap_or_default()).parse::<Description>() {
                    proptest::prop_assert!(description.features.problem().is_none() && description.labels.len() >= 2);
                }
            }
        }
    }
}
