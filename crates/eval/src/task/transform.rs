//! Built-in functions: what well-known tasks do in Python, by the folder, module and name of the function.
//!
//! A task file names one as it names its Python function, `!function utils.process_docs`; the loader adds the file's
//! folder, and `hellaswag/utils.process_docs` is looked up here. Anything else is refused: a task runs no code.

use super::pattern::{Pattern, strip};
use super::security;
use super::value::Value;
use super::{bbq, gpqa};
use crate::check::Check;

/// What a built-in function makes of a document.
type Function = fn(&Value, &str) -> Option<Value>;

/// Folder, function, implementation, and a word for it. A function that ends in `*` stands for every ending.
const FUNCTIONS: [(&str, &str, Function); 25] = [
    ("hellaswag", "utils.process_docs", hellaswag),
    ("winogrande", "preprocess_winogrande.doc_to_text", winogrande_label),
    ("winogrande", "preprocess_winogrande.doc_to_target", winogrande_rest),
    ("winogrande", "preprocess_winogrande.doc_to_choice", winogrande_choices),
    ("mmlu_pro", "utils.process_*", mmlu_pro_subject),
    ("mmlu_pro", "utils.doc_to_text", mmlu_pro_question),
    ("mmlu_pro", "utils.fewshot_to_text", mmlu_pro_question),
    ("mmlu_pro", "utils.fewshot_to_target", mmlu_pro_thought),
    ("truthfulqa", "utils.process_docs_gen", truthfulqa_answers),
    ("security", "held_out.http_params", security::http_params),
    ("security", "held_out.malbehavd", security::malbehavd),
    ("security", "held_out.spamassassin", security::spamassassin),
    ("security", "ctibench.mcq", security::cti_mcq),
    ("security", "loghub.bgl", security::bgl),
    ("bbq", "utils.process_docs", bbq::biased_answers),
    ("bbq", "utils.process_docs_ambig", bbq::ambiguous),
    ("bbq", "utils.process_docs_disambig", bbq::disambiguated),
    ("bbq", "utils.doc_to_choice", bbq::choices),
    ("bbq", "utils.doc_to_target", bbq::target),
    ("bbq", "utils.doc_to_targets", bbq::targets),
    ("crows_pairs", "utils.doc_to_choice", crows_pairs_choices),
    ("crows_pairs", "utils.filter_*", crows_pairs_kind),
    ("public", "bbq.process_docs", bbq::biased_answers),
    ("public", "bfcl.call", bfcl_call),
    ("public", "ifeval.checks", ifeval_checks),
];

/// Whether a function is built in; `name` ends in `folder/module.function`.
#[must_use]
pub fn is_known(name: &str) -> bool {
    find(name).is_some() || gpqa::find(name).is_some()
}

/// Every built-in function, as `folder/module.function`.
pub fn names() -> impl Iterator<Item = String> {
    FUNCTIONS.iter().map(|(folder, function, _)| format!("{folder}/{function}")).chain(gpqa::names())
}

/// Applies a function to the document of a row, which counts where a function draws at random. For `process_docs` `None`
/// leaves the document out.
#[must_use]
pub fn apply_to_row(name: &str, doc: &Value, row: usize) -> Option<Value> {
    gpqa::find(name).map_or_else(|| apply(name, doc), |variant| variant.apply(doc, row))
}

/// Applies a function to a document. For `process_docs` `None` leaves the document out.
#[must_use]
pub fn apply(name: &str, doc: &Value) -> Option<Value> {
    let (function, rest) = find(name)?;
    function(doc, &rest)
}

/// The function, and what stood for the `*`.
fn find(name: &str) -> Option<(Function, String)> {
    let (folder, called) = in_folder(name)?;
    FUNCTIONS.iter().filter(|(known, ..)| is_folder(folder, known)).find_map(|(_, function, apply)| {
        let rest = match function.strip_suffix('*') {
            Some(start) => called.strip_prefix(start)?,
            None => (called == *function).then_some("")?,
        };
        Some((*apply, rest.to_owned()))
    })
}

/// Folder, and module with function.
pub(super) fn in_folder(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('/')
}

/// Whether a path ends in a known folder.
pub(super) fn is_folder(path: &str, known: &str) -> bool {
    path.strip_suffix(known).is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

fn text(doc: &Value, key: &str) -> Option<String> {
    doc.get(key).map(Value::text)
}

/// `query` is the activity and the context, `choices` the endings, `gold` the label, all cleaned of WikiHow's marks.
fn hellaswag(doc: &Value, _: &str) -> Option<Value> {
    let context = format!("{} {}", text(doc, "ctx_a")?, capitalized(&text(doc, "ctx_b")?));
    let query = clean(&format!("{}: {context}", text(doc, "activity_label")?));
    let endings = doc.get("endings")?.as_list()?.iter().map(|ending| Value::Text(clean(&ending.text()))).collect();
    let gold = text(doc, "label")?.trim().parse().ok()?;
    let mut out = doc.clone();
    out.set("query", Value::Text(query));
    out.set("choices", Value::List(endings));
    out.set("gold", Value::Int(gold));
    Some(out)
}

fn clean(text: &str) -> String {
    let text = strip(text).replace(" [title]", ". ");
    let without = Pattern::new(r"\[.*?\]").and_then(|pattern| pattern.replace(&text, "", 0)).unwrap_or(text);
    without.replace("  ", " ")
}

/// Python's `str.capitalize`: the first letter large, all others small.
fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().map(|char| char.to_uppercase().collect()).unwrap_or_default();
    first + &chars.as_str().to_lowercase()
}

/// The right option, from 0.
fn winogrande_label(doc: &Value, _: &str) -> Option<Value> {
    match text(doc, "answer")?.as_str() {
        "1" => Some(Value::Int(0)),
        "2" => Some(Value::Int(1)),
        _ => None,
    }
}

/// What follows the gap.
fn winogrande_rest(doc: &Value, _: &str) -> Option<Value> {
    let sentence = text(doc, "sentence")?;
    let (_, rest) = sentence.split_once('_')?;
    Some(Value::Text(strip(rest).to_owned()))
}

/// The sentence up to the gap, with each option in it.
fn winogrande_choices(doc: &Value, _: &str) -> Option<Value> {
    let sentence = text(doc, "sentence")?;
    let (start, _) = sentence.split_once('_')?;
    let choice = |key: &str| Some(Value::Text(format!("{start}{}", text(doc, key)?)));
    Some(Value::List(vec![choice("option1")?, choice("option2")?]))
}

/// Keeps the documents of one subject.
fn mmlu_pro_subject(doc: &Value, subject: &str) -> Option<Value> {
    (text(doc, "category")? == subject.replace('_', " ")).then(|| doc.clone())
}

/// The question with up to ten lettered options.
fn mmlu_pro_question(doc: &Value, _: &str) -> Option<Value> {
    let mut prompt = format!("Question:\n{}\nOptions:\n", text(doc, "question")?);
    for (letter, option) in ('A'..='J').zip(doc.get("options")?.as_list()?) {
        prompt.push_str(&format!("{letter}. {}\n", strip(&option.text())));
    }
    Some(Value::Text(prompt + "Answer: Let's think step by step."))
}

/// The worked answer of an example.
fn mmlu_pro_thought(doc: &Value, _: &str) -> Option<Value> {
    Some(Value::Text(text(doc, "cot_content")?.replace("A: Let's think step by step. ", "")))
}

/// Answers trimmed, ended with a period, and with one that declines among the right ones.
fn truthfulqa_answers(doc: &Value, _: &str) -> Option<Value> {
    let format = |key: &str| {
        let answers = doc.get(key)?.as_list()?.iter().map(|answer| strip(&answer.text()).to_owned());
        let ended = |answer: String| if answer.ends_with('.') { answer } else { answer + "." };
        Some(answers.filter(|answer| !answer.is_empty()).map(ended).map(Value::Text).collect::<Vec<_>>())
    };
    let (incorrect, mut correct) = (format("incorrect_answers")?, format("correct_answers")?);
    let declines = Value::Text("I have no comment.".to_owned());
    if !correct.contains(&declines) {
        correct.push(declines);
    }
    let mut out = doc.clone();
    out.set("question", Value::Text(strip(&text(doc, "question")?).to_owned()));
    out.set("correct_answers", Value::List(correct));
    out.set("incorrect_answers", Value::List(incorrect));
    Some(out)
}

/// The two sentences.
fn crows_pairs_choices(doc: &Value, _: &str) -> Option<Value> {
    Some(Value::List(vec![doc.get("sent_more")?.clone(), doc.get("sent_less")?.clone()]))
}

/// Keeps the documents of one kind of bias.
fn crows_pairs_kind(doc: &Value, name: &str) -> Option<Value> {
    let kind = match name {
        "race_color" => "race-color",
        "socio" => "socioeconomic",
        "orientation" => "sexual-orientation",
        "appearance" => "physical-appearance",
        "gender" | "age" | "religion" | "disability" | "nationality" | "autre" => name,
        _ => return None,
    };
    text(doc, "bias_type")?.starts_with(kind).then(|| doc.clone())
}

/// `checks` holds the call that `ground_truth` accepts.
fn bfcl_call(doc: &Value, _: &str) -> Option<Value> {
    let Value::Dict(calls) = doc.get("ground_truth")?.as_list()?.first()? else { return None };
    let (name, arguments) = calls.first()?;
    let call = entries([("name", Value::Text(name.clone())), ("arguments", arguments.clone())]);
    let mut out = doc.clone();
    out.set("checks", Value::List(vec![entries([("call", call)])]));
    Some(out)
}

/// `checks` holds an instruction for each of `instruction_id_list`; a document with one that is not known is left out.
fn ifeval_checks(doc: &Value, _: &str) -> Option<Value> {
    let (ids, options) = (doc.get("instruction_id_list")?.as_list()?, doc.get("kwargs")?.as_list()?);
    let check = |(id, options): (&Value, &Value)| {
        let check = entries([("instruction", entries([("id", id.clone()), ("options", options.clone())]))]);
        Check::of_value(&check).is_ok().then_some(check)
    };
    let mut out = doc.clone();
    out.set("checks", Value::List(ids.iter().zip(options).map(check).collect::<Option<_>>()?));
    Some(out)
}

fn entries<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Dict(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(name: &str, doc: &str) -> Option<Value> {
        super::apply(name, &serde_json::from_str(doc).unwrap())
    }

    // Vectors: lm-eval 0.4.13, `tasks/hellaswag/utils.py` and `tasks/winogrande/preprocess_winogrande.py`.
    #[test]
    fn hellaswag_is_cleaned() {
        let doc = r#"{"activity_label": "Roof shingle removal", "ctx_a": "A man is sitting [step] on a roof.",
                      "ctx_b": "he Starts", "endings": ["pulling  up [title] x", " b"], "label": "1"}"#;
        let doc = apply("tasks/hellaswag/utils.process_docs", doc).unwrap();
        let text = |key: &str| doc.get(key).unwrap().repr();
        assert_eq!(text("query"), "'Roof shingle removal: A man is sitting on a roof. He starts'");
        assert_eq!(text("choices"), "['pulling up. x', 'b']");
        assert_eq!(text("gold"), "1");
    }

    #[test]
    fn winogrande_fills_the_gap() {
        let doc = r#"{"sentence": "The cup did not fit in the box because _ was big.", "option1": "the cup",
                      "option2": "the box", "answer": "1"}"#;
        let call = |name: &str| apply(&format!("winogrande/preprocess_winogrande.{name}"), doc).unwrap().repr();
        assert_eq!(call("doc_to_text"), "0");
        assert_eq!(call("doc_to_target"), "'was big.'");
        let start = "The cup did not fit in the box because";
        assert_eq!(call("doc_to_choice"), format!("['{start} the cup', '{start} the box']"));
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        assert_eq!(apply("hellaswag/utils.process_docs", "{}"), None);
        assert!(!is_known("other/utils.process_docs") && !is_known("utils.process_docs"));
        let law = r#"{"category": "computer science"}"#;
        assert!(apply("mmlu_pro/utils.process_computer_science", law).is_some());
        assert!(apply("mmlu_pro/utils.process_law", law).is_none());
    }
}
