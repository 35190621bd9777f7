//! Built-in functions of the security tasks: the public sets in the form that the tasks ask, without what the shipped
//! classifiers were trained on.

use sha2::{Digest, Sha256};

use super::value::Value;

/// Texts whose digest begins with a byte below this are held out: a quarter. `models/classifiers/data.py` has the same.
const HELD_OUT_BELOW: u8 = 64;

/// Whether a text was kept from the training of the shipped classifiers.
fn is_held_out(text: &str) -> bool {
    Sha256::digest(text)[0] < HELD_OUT_BELOW
}

fn text(doc: &Value, key: &str) -> Option<String> {
    doc.get(key).map(Value::text)
}

/// Keeps held-out payloads.
pub(super) fn http_params(doc: &Value, _: &str) -> Option<Value> {
    is_held_out(&text(doc, "payload")?).then(|| doc.clone())
}

/// Joins the columns of a held-out row to `calls`, and makes `label` of the number.
pub(super) fn malbehavd(doc: &Value, _: &str) -> Option<Value> {
    let Value::Dict(entries) = doc else { return None };
    let is_call = |(key, value): &&(String, Value)| key != "sha256" && key != "labels" && *value != Value::None;
    let calls: Vec<String> = entries.iter().filter(is_call).map(|(_, value)| value.text()).collect();
    let calls = calls.join(" ");
    let label = if doc.get("labels")?.as_int()? == 1 { "malware" } else { "benign" };
    let entry = |key: &str, value: &str| (key.to_owned(), Value::Text(value.to_owned()));
    is_held_out(&calls).then(|| {
        let digest = text(doc, "sha256").unwrap_or_default();
        Value::Dict(vec![entry("sha256", &digest), entry("calls", &calls), entry("label", label)])
    })
}

/// Keeps held-out messages.
pub(super) fn spamassassin(doc: &Value, _: &str) -> Option<Value> {
    is_held_out(&text(doc, "text")?).then(|| doc.clone())
}

/// `question`, `choices` and `answer` of a row whose columns have spaces in their names.
pub(super) fn cti_mcq(doc: &Value, _: &str) -> Option<Value> {
    let choices = ["A", "B", "C", "D"].map(|letter| text(doc, &format!("Option {letter}")).map(Value::Text));
    let choices: Option<Vec<Value>> = choices.into_iter().collect();
    let entries = [
        ("question", Value::Text(text(doc, "Question")?)),
        ("choices", Value::List(choices?)),
        ("answer", Value::Text(text(doc, "GT")?.trim().to_uppercase())),
    ];
    Some(Value::Dict(entries.map(|(key, value)| (key.to_owned(), value)).to_vec()))
}

/// `line` and `state`: a row whose label is `-` is normal, any other label names an alert.
pub(super) fn bgl(doc: &Value, _: &str) -> Option<Value> {
    let state = if text(doc, "Label")? == "-" { "normal" } else { "failure" };
    let line = [text(doc, "Component")?, text(doc, "Level")?, text(doc, "Content")?].join(" ");
    let entries = [("line", line), ("state", state.to_owned())];
    Some(Value::Dict(entries.map(|(key, value)| (key.to_owned(), Value::Text(value))).to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    // Vectors: `is_held_out` of `models/classifiers/data.py`, with hashlib's SHA-256.
    #[test]
    fn the_split_is_that_of_training() {
        let held: Vec<usize> = (0..24).filter(|n| is_held_out(&format!("payload {n}"))).collect();
        assert_eq!(held, [0, 13, 22, 23]);
    }

    #[test]
    fn call_columns_become_one_text() {
        // A text of one call is held out or not by its own digest; try calls until one is.
        let held = (0..99).map(|n| format!("Call{n} NtClose")).find(|calls| is_held_out(calls)).unwrap();
        let (first, second) = held.split_once(' ').unwrap();
        let row = format!(r#"{{"sha256": "ab", "labels": 1, "0": "{first}", "1": "{second}", "2": null, "": null}}"#);
        let doc = malbehavd(&value(&row), "").unwrap();
        assert_eq!((text(&doc, "calls"), text(&doc, "label")), (Some(held), Some("malware".to_owned())));
        assert_eq!(malbehavd(&value(r#"{"0": "A"}"#), ""), None);
    }

    #[test]
    fn rows_of_public_sets_are_renamed() {
        let row =
            r#"{"Question": "q", "Option A": "a", "Option B": "b", "Option C": "c", "Option D": "d", "GT": " b"}"#;
        let doc = cti_mcq(&value(row), "").unwrap();
        assert_eq!(doc.repr(), "{'question': 'q', 'choices': ['a', 'b', 'c', 'd'], 'answer': 'B'}");
        let row = r#"{"Label": "KERNDTLB", "Component": "KERNEL", "Level": "FATAL", "Content": "data TLB error"}"#;
        let doc = bgl(&value(row), "").unwrap();
        assert_eq!(doc.repr(), "{'line': 'KERNEL FATAL data TLB error', 'state': 'failure'}");
        assert_eq!(bgl(&value("{}"), ""), None);
    }
}
