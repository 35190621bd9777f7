//! GPQA's choices, which lm-eval shuffles while it reads the documents: the order of a row is that of Python's generator
//! after as many shuffles as there are rows before it.

use super::pattern::{Pattern, strip};
use super::random::PythonRandom;
use super::transform::{in_folder, is_folder};
use super::value::Value;

/// What a part of the family does to a text, and which seed it shuffles with.
#[derive(Debug)]
pub(super) struct Variant {
    folder: &'static str,
    /// The global generator begins with 0 in a run of lm-eval; one part has a generator of its own.
    seed: i64,
    /// Whether WikiHow's marks are replaced.
    is_cleaned: bool,
    /// What is removed from a text.
    removed: Option<&'static str>,
}

const VARIANTS: [Variant; 4] = [
    Variant { folder: "gpqa/zeroshot", seed: 0, is_cleaned: true, removed: None },
    Variant { folder: "gpqa/n_shot", seed: 42, is_cleaned: false, removed: None },
    Variant { folder: "gpqa/cot_zeroshot", seed: 0, is_cleaned: true, removed: Some(r"\[.*?\]") },
    Variant { folder: "gpqa/generative", seed: 0, is_cleaned: true, removed: Some(r"\[\w+\]") },
];

/// The part of the family that a function belongs to.
pub(super) fn find(name: &str) -> Option<&'static Variant> {
    let (folder, called) = in_folder(name)?;
    VARIANTS.iter().find(|variant| called == "utils.process_docs" && is_folder(folder, variant.folder))
}

/// Names of the functions.
pub(super) fn names() -> impl Iterator<Item = String> {
    VARIANTS.iter().map(|variant| format!("{}/utils.process_docs", variant.folder))
}

impl Variant {
    /// Adds `choice1` to `choice4`, `choices`, and `answer`, the letter of the right one in brackets.
    pub(super) fn apply(&self, doc: &Value, row: usize) -> Option<Value> {
        let keys = ["Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3", "Correct Answer"];
        let texts: Vec<String> = keys.iter().map(|key| Some(self.plain(doc.get(key)?))).collect::<Option<_>>()?;
        let mut random = PythonRandom::new(self.seed);
        let mut shuffled = texts.clone();
        for _ in 0..row {
            // What is shuffled does not matter, only how much is drawn.
            random.shuffle(&mut shuffled);
        }
        shuffled = texts.clone();
        random.shuffle(&mut shuffled);
        let right = shuffled.iter().position(|choice| *choice == texts[3])?;
        let mut out = doc.clone();
        for (index, choice) in shuffled.iter().enumerate() {
            out.set(&format!("choice{}", index + 1), Value::Text(choice.clone()));
        }
        out.set("choices", Value::List(shuffled.into_iter().map(Value::Text).collect()));
        out.set("answer", Value::Text(format!("({})", ["A", "B", "C", "D"][right])));
        Some(out)
    }

    fn plain(&self, value: &Value) -> String {
        if *value == Value::None {
            return " ".to_owned();
        }
        let text = value.text();
        let text = strip(&text);
        if !self.is_cleaned {
            return text.to_owned();
        }
        let text = text.replace(" [title]", ". ");
        let removed = self.removed.and_then(|removed| Pattern::new(removed).ok()?.replace(&text, "", 0).ok());
        removed.unwrap_or(text).replace("  ", " ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders(folder: &str) -> String {
        let doc = r#"{"Incorrect Answer 1": " a ", "Incorrect Answer 2": "b", "Incorrect Answer 3": "c", "Correct Answer": "d"}"#;
        let doc: Value = serde_json::from_str(doc).unwrap();
        let variant = find(&format!("{folder}/utils.process_docs")).unwrap();
        let order = |row: usize| {
            let found = variant.apply(&doc, row).unwrap();
            let choices = found.get("choices").unwrap().as_list().unwrap();
            let text: String = choices.iter().map(Value::text).collect();
            let right = text.find('d').map(|place| ["(A)", "(B)", "(C)", "(D)"][place]);
            assert_eq!(found.get("answer").and_then(Value::as_text), right);
            text
        };
        (0..6).map(order).collect::<Vec<_>>().join(" ")
    }

    // Vectors: `random.seed(0)` and `random.Random(42)` of CPython 3.11, which shuffle `["a", "b", "c", "d"]` six times.
    #[test]
    fn choices_are_shuffled_as_python_shuffles_them() {
        assert_eq!(orders("tasks/gpqa/zeroshot"), "cabd abdc acbd badc cadb dbca");
        assert_eq!(orders("gpqa/n_shot"), "cbda dcab bdca bcad bcda bdca");
        assert!(find("other/zeroshot/utils.process_docs").is_none());
    }

    #[test]
    fn texts_are_cleaned_as_their_part_does() {
        let check = |folder: &str, expected: &str| {
            let variant = find(&format!("gpqa/{folder}/utils.process_docs")).unwrap();
            assert_eq!(variant.plain(&Value::Text(" x [title]y  [z z] [z]".to_owned())), expected, "{folder}");
            assert_eq!(variant.plain(&Value::None), " ");
        };
        check("zeroshot", "x. y [z z] [z]");
        check("n_shot", "x [title]y  [z z] [z]");
        check("cot_zeroshot", "x. y  ");
        check("generative", "x. y [z z] ");
    }
}
