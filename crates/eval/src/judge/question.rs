//! What a judge is asked: a document for every answer, for both orders of two, and for every planted error.

use std::path::Path;

use super::{JudgeError, JudgeForm, JudgeSettings, Verdict};
use crate::task::data::Rows;
use crate::task::{Selected, Selection, TaskConfig, TaskError, Value};

/// Name of the task that asks a judge.
pub const TASK: &str = "judge";

/// An answer to judge, or two.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub(super) question: String,
    pub(super) reference: Option<String>,
    /// One text, or two for a pair.
    pub(super) texts: Vec<String>,
    /// What a human said of it.
    pub(super) human: Option<Verdict>,
    /// What it is counted with, beside all: names and values.
    pub(super) groups: Vec<(String, String)>,
}

/// Reads what a human said.
pub(super) fn human_of(label: &Value, form: JudgeForm) -> Result<Verdict, String> {
    let unknown = || format!("its label `{}` is none of `--form {}`", label.text(), form.name());
    Verdict::of_label(label, form).ok_or_else(unknown)
}

/// Reads the answers of a file; `columns` names other columns for the fields.
///
/// # Errors
/// Names the first row that lacks a field, or has a label that is none.
pub fn answers(rows: &Rows, form: JudgeForm, columns: &[(String, String)]) -> Result<Vec<Answer>, JudgeError> {
    let column =
        |field: &str| columns.iter().find(|(known, _)| known == field).map_or(field.to_owned(), |pair| pair.1.clone());
    let read = |row: usize| {
        let doc = rows.get(row).unwrap_or(Value::None);
        let problem = |problem: String| JudgeError::Row { row: row + 1, problem };
        let optional = |field: &str| doc.get(&column(field)).filter(|value| **value != Value::None);
        let text = |field: &str| {
            let value = optional(field).ok_or_else(|| problem(format!("it has no `{}`", column(field))))?;
            // A list holds the repeats of an answer; the first counts.
            Ok(value.as_list().and_then(<[Value]>::first).unwrap_or(value).text())
        };
        let texts = match form {
            JudgeForm::Pair => vec![text("answer_a")?, text("answer_b")?],
            JudgeForm::Verdict | JudgeForm::Score => vec![text("answer")?],
        };
        let human = optional("human").map(|label| human_of(label, form).map_err(problem));
        let reference = optional("reference").map(Value::text);
        let groups = optional("group").map(|value| ("group".to_owned(), value.text())).into_iter().collect();
        Ok(Answer { question: text("question")?, reference, texts, human: human.transpose()?, groups })
    };
    let answers: Vec<Answer> = (0..rows.len()).map(read).collect::<Result<_, _>>()?;
    if answers.is_empty() { Err(JudgeError::Empty) } else { Ok(answers) }
}

/// How an answer was damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    /// It is the answer to another question.
    Swapped,
    /// Its second half is missing.
    Cut,
    /// Its last number is another one.
    Number,
}

impl Damage {
    const ALL: [(Self, &'static str); 3] = [(Self::Swapped, "swapped"), (Self::Cut, "cut"), (Self::Number, "number")];

    /// The damaged text; `None` where it would be the same, or the damage would hardly show.
    fn apply(self, answers: &[Answer], place: usize) -> Option<String> {
        let text = answers[place].texts.first()?;
        let damaged = match self {
            Self::Swapped => answers.get((place + 1) % answers.len())?.texts.first()?.clone(),
            Self::Cut => {
                let words: Vec<&str> = text.split_whitespace().collect();
                (words.len() >= 8).then(|| words[..words.len() / 2].join(" "))?
            }
            Self::Number => other_number(text)?,
        };
        (damaged != *text).then_some(damaged)
    }
}

/// The text with another last number: one more, and a digit longer where it is long enough to be read over.
fn other_number(text: &str) -> Option<String> {
    let end = text.rfind(|char: char| char.is_ascii_digit())? + 1;
    let start = text[..end]
        .rfind(|char: char| !char.is_ascii_digit())
        .map_or(0, |place| place + text[place..].chars().next().map_or(1, char::len_utf8));
    let number: u64 = text[start..end].parse().ok()?;
    Some(format!("{}{}{}", &text[..start], number.checked_mul(3)?.checked_add(7)?, &text[end..]))
}

/// The documents that a judge is asked: `item`, `planted` (`no` or the kind of damage), `order`, `human`, `groups`, `prompt`.
#[must_use]
pub fn questions(answers: &[Answer], settings: &JudgeSettings) -> Vec<Value> {
    let mut documents = Vec::new();
    for (item, answer) in answers.iter().enumerate() {
        let mut ask = |planted: &str, texts: &[String]| {
            let orders: &[&str] = if texts.len() == 2 { &["ab", "ba"] } else { &["a"] };
            for order in orders {
                let mut shown = texts.to_vec();
                if *order == "ba" {
                    shown.reverse();
                }
                documents.push(document(item, planted, order, answer, &prompt(answer, &shown, settings)));
            }
        };
        ask("no", &answer.texts);
        for (damage, name) in Damage::ALL.into_iter().filter(|_| settings.planted) {
            if let Some(damaged) = damage.apply(answers, item) {
                match settings.form {
                    // The undamaged answer against its damaged copy: A should win.
                    JudgeForm::Pair => ask(name, &[answer.texts[0].clone(), damaged]),
                    JudgeForm::Verdict | JudgeForm::Score => ask(name, &[damaged]),
                }
            }
        }
    }
    documents
}

fn document(item: usize, planted: &str, order: &str, answer: &Answer, prompt: &str) -> Value {
    let text = |text: &str| Value::Text(text.to_owned());
    let human = answer.human.filter(|_| planted == "no").map_or(Value::None, |human| Value::Float(human.rating()));
    let entries = [
        ("item", Value::Int(i64::try_from(item).unwrap_or(i64::MAX))),
        ("planted", text(planted)),
        ("order", text(order)),
        ("human", human),
        ("groups", Value::Dict(answer.groups.iter().map(|(name, value)| (name.clone(), text(value))).collect())),
        ("prompt", text(prompt)),
    ];
    Value::Dict(entries.map(|(key, value)| (key.to_owned(), value)).to_vec())
}

fn prompt(answer: &Answer, texts: &[String], settings: &JudgeSettings) -> String {
    let mut prompt = match settings.form {
        JudgeForm::Pair => "Two answers to a question are compared by a rubric.\n".to_owned(),
        JudgeForm::Verdict | JudgeForm::Score => "An answer to a question is judged by a rubric.\n".to_owned(),
    };
    let mut part = |title: &str, text: &str| prompt.push_str(&format!("\n[{title}]\n{}\n", text.trim()));
    part("Rubric", &settings.rubric);
    part("Question", &answer.question);
    if let Some(reference) = &answer.reference {
        part("Reference answer", reference);
    }
    match texts {
        [one] => part("Answer", one),
        many => many.iter().zip(["Answer A", "Answer B"]).for_each(|(text, title)| part(title, text)),
    }
    prompt.push_str(match settings.form {
        JudgeForm::Verdict => {
            "\nDoes the answer meet the rubric? You may reason first. The last line must be exactly `Verdict: pass` or \
             `Verdict: fail`."
        }
        JudgeForm::Score => {
            "\nHow well does the answer meet the rubric, from 1 (not at all) to 5 (fully)? You may reason first. The last \
             line must be exactly `Score: ` and the number."
        }
        JudgeForm::Pair => {
            "\nWhich answer meets the rubric better? Neither length nor order counts. You may reason first. The last line \
             must be exactly `Verdict: A`, `Verdict: B` or `Verdict: tie`."
        }
    });
    prompt
}

/// The task that asks the documents of a file.
///
/// # Errors
/// When the settings make no task, which would be a bug.
pub fn task(file: &Path, settings: &JudgeSettings) -> Result<Selection, TaskError> {
    let is_greedy = settings.temperature <= 0.0;
    let value = serde_json::json!({
        "task": TASK,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": file.display().to_string()}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "prompt",
        "doc_to_target": "",
        "repeats": settings.repeats,
        "generation_kwargs": {
            "until": [],
            "max_gen_toks": settings.max_tokens,
            "do_sample": !is_greedy,
            "temperature": settings.temperature,
        },
        "metric_list": [{"metric": "bypass"}],
    });
    let broken = |error: serde_json::Error| TaskError::Yaml { path: file.to_owned(), problem: error.to_string() };
    let config = TaskConfig::from_value(&serde_json::from_value(value).map_err(broken)?)?;
    let folder = file.parent().map(Path::to_owned).unwrap_or_default();
    Ok(Selection { tasks: vec![Selected { config, folder }], groups: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(form: JudgeForm) -> JudgeSettings {
        JudgeSettings {
            form,
            rubric: "It is right.".to_owned(),
            repeats: 1,
            temperature: 0.0,
            max_tokens: 64,
            planted: true,
        }
    }

    fn read(form: JudgeForm, lines: &str) -> Result<Vec<Answer>, JudgeError> {
        let rows = Rows::of_bytes(Path::new("a.jsonl"), lines.as_bytes(), &Value::None).unwrap();
        answers(&rows, form, &[("answer".to_owned(), "said".to_owned())])
    }

    #[test]
    fn damage_shows_and_is_left_out_where_it_would_not() {
        assert_eq!(other_number("from 3 to 12 cm").unwrap(), "from 3 to 43 cm");
        assert_eq!(other_number("é7").unwrap(), "é28");
        assert_eq!(other_number("none"), None);
        let answers = read(
            JudgeForm::Verdict,
            "{\"question\": \"q\", \"said\": \"yes\"}\n{\"question\": \"r\", \"said\": [\"no\"]}",
        )
        .unwrap();
        let documents = questions(&answers, &settings(JudgeForm::Verdict));
        let planted: Vec<String> = documents.iter().map(|doc| doc.get("planted").unwrap().text()).collect();
        assert_eq!(planted, ["no", "swapped", "no", "swapped"]);
        assert!(documents[1].get("prompt").unwrap().text().contains("[Answer]\nno\n"));
    }

    #[test]
    fn pairs_are_asked_in_both_orders() {
        let line = r#"{"question": "q", "answer_a": "x", "answer_b": "y", "human": "B"}"#;
        let documents = questions(&read(JudgeForm::Pair, line).unwrap(), &settings(JudgeForm::Pair));
        assert_eq!(documents.len(), 2);
        let prompt = |place: usize| documents[place].get("prompt").unwrap().text();
        assert!(
            prompt(0).contains("[Answer A]\nx\n\n[Answer B]\ny")
                && prompt(1).contains("[Answer A]\ny\n\n[Answer B]\nx")
        );
        assert_eq!(documents[0].get("human"), Some(&Value::Float(-1.0)));
    }

    #[test]
    fn rows_that_cannot_be_judged_are_named() {
        let check = |form, lines: &str, expected: &str| {
            let error = read(form, lines).unwrap_err();
            assert!(error.to_string().contains(expected) && !error.hint().is_empty(), "{error}");
        };
        check(
            JudgeForm::Verdict,
            "{\"question\": \"q\", \"said\": \"a\"}\n{\"question\": \"q\"}",
            "row 2 of the answers: it has no `said`",
        );
        check(JudgeForm::Score, "{\"question\": \"q\", \"said\": \"a\", \"human\": 9}", "its label `9` is none");
        check(JudgeForm::Pair, "", "there are none");
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_damaged(text in "(?s).{0,60}") {
            if let Some(damaged) = other_number(&text) {
                proptest::prop_assert_ne!(damaged, text);
            }
        }
    }
}
