//! The answers of a run that was kept: each turn of each document, beside the same one of another run for a pair.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::question::{Answer, human_of};
use super::{JudgeError, JudgeForm};
use crate::runner::sample_files;
use crate::task::data::Rows;
use crate::task::{TaskError, Value, literal};

/// What a run answered, with what it left unanswered.
#[derive(Debug, Default)]
pub struct RunAnswers {
    /// Answers in the order of tasks, documents and turns.
    pub answers: Vec<Answer>,
    /// Documents that have no answer in one of the runs.
    pub unanswered: usize,
}

/// Which turn of which document of which task.
type Place = (String, i64, usize);

/// A turn as the samples of a run have it.
#[derive(Clone, Debug)]
struct Turn {
    /// SHA-256 of the document, which two runs of the same data share.
    document: String,
    question: String,
    answer: String,
    reference: Option<String>,
    doc: Value,
    /// Its number from 1, where there are several.
    turn: Option<usize>,
}

/// Reads the answers of a run's folder, and for pairs of another's. `columns` name columns of the documents for
/// `reference`, `human` and `group`.
///
/// # Errors
/// When a run kept no samples, has no texts, or the two were asked different documents.
pub fn run_answers(
    folder: &Path,
    other: Option<&Path>,
    form: JudgeForm,
    columns: &[(String, String)],
) -> Result<RunAnswers, RunJudgeError> {
    let (ours, mut unanswered) = turns(folder)?;
    let theirs = match other {
        None => None,
        Some(other) => {
            let (turns, lost) = turns(other)?;
            unanswered += lost;
            Some(turns.into_iter().collect::<HashMap<Place, Turn>>())
        }
    };
    let mut answers = Vec::new();
    for (place, turn) in ours {
        let mut texts = vec![turn.answer.clone()];
        if let Some(theirs) = &theirs {
            let Some(their) = theirs.get(&place) else { continue };
            if their.document != turn.document {
                return Err(RunJudgeError::Different { task: place.0, document: place.1 });
            }
            texts.push(their.answer.clone());
        }
        answers.push(turn.answer_of(&place, texts, form, columns)?);
    }
    if answers.is_empty() {
        return Err(JudgeError::Empty.into());
    }
    Ok(RunAnswers { answers, unanswered })
}

impl Turn {
    fn answer_of(
        self,
        (task, document, _): &Place,
        texts: Vec<String>,
        form: JudgeForm,
        columns: &[(String, String)],
    ) -> Result<Answer, RunJudgeError> {
        let problem = |problem| RunJudgeError::Document { task: task.clone(), document: *document, problem };
        let mapped = |field: &str| {
            let Some((_, column)) = columns.iter().find(|(known, _)| known == field) else { return Ok(None) };
            let missing = || problem(format!("it has no column `{column}`"));
            self.doc.get(column).map(|value| Some(value).filter(|value| **value != Value::None)).ok_or_else(missing)
        };
        let reference = match mapped("reference")? {
            Some(value) => of_turn(value, self.turn),
            None => self.reference.clone(),
        };
        let human = mapped("human")?.map(|label| human_of(label, form).map_err(problem)).transpose()?;
        let turn = self.turn.map(|turn| ("turn".to_owned(), turn.to_string()));
        let group = mapped("group")?.map(|value| ("group".to_owned(), value.text()));
        let groups = turn.into_iter().chain(group).collect();
        Ok(Answer { question: self.question.clone(), reference, texts, human, groups })
    }
}

/// A list holds a text for each turn.
fn of_turn(value: &Value, turn: Option<usize>) -> Option<String> {
    let own = match (value, turn) {
        (Value::List(items), Some(turn)) => items.get(turn - 1)?.text(),
        (value, _) => value.text(),
    };
    (!own.trim().is_empty()).then_some(own)
}

/// The turns of all tasks of a run, and how many documents have none.
fn turns(folder: &Path) -> Result<(Vec<(Place, Turn)>, usize), RunJudgeError> {
    let files = sample_files(folder);
    if files.is_empty() {
        return Err(RunJudgeError::NoSamples { path: folder.to_owned() });
    }
    let (mut turns, mut unanswered) = (Vec::new(), 0);
    for (task, file) in files {
        let rows = Rows::read(&[file], &Value::None)?;
        let lines = (0..rows.len()).filter_map(|row| rows.get(row));
        // Every filter has a line for each document, with the same answers.
        let mut filter = None;
        for line in lines {
            let own = line.get("filter").map(Value::text).unwrap_or_default();
            if *filter.get_or_insert_with(|| own.clone()) != own {
                continue;
            }
            let document = line.get("doc_id").and_then(Value::as_int).unwrap_or(-1);
            let found = turns_of(&line, || RunJudgeError::NoTexts { task: task.clone() })?;
            unanswered += usize::from(found.is_empty());
            turns.extend(found.into_iter().enumerate().map(|(at, turn)| ((task.clone(), document, at), turn)));
        }
    }
    Ok((turns, unanswered))
}

fn turns_of(line: &Value, no_texts: impl Fn() -> RunJudgeError) -> Result<Vec<Turn>, RunJudgeError> {
    let text = |value: Option<&Value>| value.map(Value::text).unwrap_or_default();
    let doc = line.get("doc").cloned().unwrap_or(Value::None);
    let responses = line.get("resps").and_then(Value::as_list).unwrap_or_default();
    let is_long = responses.len() > 1;
    let target = text(line.get("target"));
    // The text of a list is Python's.
    let target = literal::parse(&target).ok().filter(|value| is_long && value.as_list().is_some());
    let target = target.unwrap_or_else(|| line.get("target").cloned().unwrap_or(Value::None));
    let mut turns = Vec::new();
    for (at, repeats) in responses.iter().enumerate() {
        let answer = repeats.as_list().and_then(<[Value]>::first).unwrap_or(repeats);
        let prompt = line.get("arguments").and_then(|all| all.get(&format!("gen_args_{at}"))?.get("arg_0"));
        let (Value::Text(answer), Some(prompt)) = (answer, prompt) else {
            return Err(no_texts());
        };
        let turn = is_long.then_some(at + 1);
        turns.push(Turn {
            document: text(line.get("doc_hash")),
            question: conversation(&prompt.text()),
            answer: answer.clone(),
            reference: of_turn(&target, turn),
            doc: doc.clone(),
            turn,
        });
    }
    Ok(turns)
}

/// A conversation, which samples hold as JSON, with its roles before its texts; one question alone is itself.
fn conversation(prompt: &str) -> String {
    let messages = serde_json::from_str::<Value>(prompt).ok();
    let Some(messages) = messages.as_ref().and_then(Value::as_list) else { return prompt.to_owned() };
    let message = |message: &Value| Some((message.get("role")?.text(), message.get("content")?.text()));
    match messages.iter().map(message).collect::<Option<Vec<_>>>() {
        Some(messages) if messages.len() == 1 => messages.into_iter().map(|(_, content)| content).collect(),
        Some(messages) if !messages.is_empty() => {
            let shown = messages.into_iter().map(|(role, content)| format!("{role}: {content}"));
            shown.collect::<Vec<_>>().join("\n\n")
        }
        _ => prompt.to_owned(),
    }
}

/// A run whose answers cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum RunJudgeError {
    /// It kept none.
    #[error("judge the run `{}`: it has no samples", path.display())]
    NoSamples {
        /// Its folder.
        path: PathBuf,
    },
    /// Log-probabilities have nothing to read.
    #[error("judge the task `{task}`: its answers are no texts")]
    NoTexts {
        /// The task.
        task: String,
    },
    /// Two runs of different data.
    #[error("compare document {document} of the task `{task}`: the runs were asked different ones")]
    Different {
        /// The task.
        task: String,
        /// The document.
        document: i64,
    },
    /// A column that is not there, or a label that is none.
    #[error("judge document {document} of the task `{task}`: {problem}")]
    Document {
        /// The task.
        task: String,
        /// The document.
        document: i64,
        /// What is wrong.
        problem: String,
    },
    /// Nothing to judge.
    #[error(transparent)]
    Answers(#[from] JudgeError),
    /// The samples cannot be read.
    #[error(transparent)]
    Read(#[from] TaskError),
}

impl RunJudgeError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NoSamples { .. } => "name a run of `eval run` that was made without `--no-export`".to_owned(),
            Self::NoTexts { .. } => {
                "judge a run of tasks that generate texts: `output_type: generate_until`".to_owned()
            }
            Self::Different { .. } => "name two runs of the same tasks with the same data and limit".to_owned(),
            Self::Document { .. } => {
                "`--map reference=COLUMN`, `human=COLUMN` and `group=COLUMN` name columns of the run's documents"
                    .to_owned()
            }
            Self::Answers(error) => error.hint().to_owned(),
            Self::Read(error) => error.hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(lines: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("lm-eval")).unwrap();
        std::fs::write(folder.path().join("lm-eval/samples_t.jsonl"), lines.join("\n")).unwrap();
        folder
    }

    const TWO_TURNS: &str = r#"{"doc_id": 0, "doc": {"kind": "math"}, "doc_hash": "h", "filter": "none",
        "target": "['one', 'two']", "resps": [["a1"], ["a2"]], "arguments": {"gen_args_0": {"arg_0": "q1"},
        "gen_args_1": {"arg_0": "[{\"role\": \"user\", \"content\": \"q1\"}, {\"role\": \"assistant\", \"content\": \"a1\"}]"}}}"#;

    fn line(text: &str) -> String {
        text.replace('\n', " ")
    }

    #[test]
    fn every_turn_is_an_answer() {
        let folder = run(&[
            &line(TWO_TURNS),
            r#"{"doc_id": 1, "doc": {"kind": "x"}, "doc_hash": "i", "filter": "none", "target": "", "resps": [], "arguments": {}}"#,
            &line(TWO_TURNS).replace("none", "other"),
        ]);
        let columns = [("group".to_owned(), "kind".to_owned())];
        let found = run_answers(folder.path(), None, JudgeForm::Score, &columns).unwrap();
        assert_eq!((found.answers.len(), found.unanswered), (2, 1));
        let second = &found.answers[1];
        assert_eq!((second.question.as_str(), second.texts[0].as_str()), ("user: q1\n\nassistant: a1", "a2"));
        assert_eq!(second.reference.as_deref(), Some("two"));
        let group = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(second.groups, [group("turn", "2"), group("group", "math")]);
    }

    #[test]
    fn two_runs_make_pairs_of_the_same_documents() {
        let (ours, theirs) = (run(&[&line(TWO_TURNS)]), run(&[&line(TWO_TURNS).replace("\"a2\"", "\"b2\"")]));
        let found = run_answers(ours.path(), Some(theirs.path()), JudgeForm::Pair, &[]).unwrap();
        assert_eq!(found.answers[1].texts, ["a2", "b2"]);
        let other = run(&[&line(TWO_TURNS).replace("\"h\"", "\"g\"")]);
        let error = run_answers(ours.path(), Some(other.path()), JudgeForm::Pair, &[]).unwrap_err();
        assert!(error.to_string().contains("asked different ones"), "{error}");
    }

    #[test]
    fn runs_that_cannot_be_judged_are_refused() {
        let check = |folder: &Path, columns: &[(String, String)], expected: &str| {
            let error = run_answers(folder, None, JudgeForm::Score, columns).unwrap_err();
            assert!(error.to_string().contains(expected) && !error.hint().is_empty(), "{error}");
        };
        let good = run(&[&line(TWO_TURNS)]);
        check(&good.path().join("lm-eval"), &[], "it has no samples");
        check(good.path(), &[("group".to_owned(), "none".to_owned())], "it has no column `none`");
        check(good.path(), &[("human".to_owned(), "kind".to_owned())], "its label `math` is none");
        let scores = run(&[&line(TWO_TURNS).replace("[\"a1\"]", "[[\"-1.5\", \"True\"]]")]);
        check(scores.path(), &[], "its answers are no texts");
    }
}
