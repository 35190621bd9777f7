//! Small documents, a model that answers by rule, and runs over them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use weighbridge_convert::{Converted, Format, Grade, Refusal, Signals};
use weighbridge_pipeline::digest::sha256_hex;
use weighbridge_pipeline::run::{
    Ask, Model, ModelFailure, Pipeline, PipelineError, Progress, Reply, RunOptions, RunReport, SourceDocument,
};
use weighbridge_pipeline::settings::Settings;
use weighbridge_types::time::Clock;

pub(crate) fn document(path: &str, markdown: &str) -> SourceDocument {
    let converted = Converted {
        format: Format::Markdown,
        title: None,
        markdown: markdown.to_owned(),
        pages: Vec::new(),
        grade: Grade::Good,
        signals: Signals::default(),
    };
    SourceDocument {
        path: path.to_owned(),
        bytes: markdown.len() as u64,
        file: sha256_hex(markdown.as_bytes()),
        licence: Some("MIT".to_owned()),
        outcome: Ok(converted),
        read_in: Duration::ZERO,
        converted_in: Duration::ZERO,
    }
}

pub(crate) fn refused(path: &str, refusal: Refusal) -> SourceDocument {
    SourceDocument { outcome: Err(refusal), ..document(path, path) }
}

/// A document about a made-up program; each number gives another one.
pub(crate) fn manual(number: u32) -> String {
    let names = ["Ardent", "Bracken", "Cinder", "Dapple", "Ember", "Fennel", "Gorse", "Heather"];
    let name = names[number as usize % names.len()];
    let (size, age, limit) = (number * 7 + 3, number * 60 + 60, number * 11 + 20);
    format!(
        "# {name} server {number}\n\nThe {name} server is a store of answers for models of kind {number}. It supports readers in \
         {limit} places, and every reader of {name} is counted by the house that lends it.\n\n## Parameters\n\n\
         | Option | Default | Meaning |\n|---|---|---|\n| `{name}_size` | {size} | how many answers {name} keeps |\n\
         | `{name}_age` | {age} | how many seconds {name} keeps each of them |\n\n## How to start {name}\n\n\
         1. Install the package of {name} from disk {number}.\n2. Run the command with port {limit}.\n3. Open the page of {name}.\n\n\
         ## Troubleshooting\n\nIf the disk of {name} is full, the server forgets its {size} oldest answers. The server of {name} \
         cannot read files above {limit} MB. Restart {name} because a stale lock {number} keeps readers waiting.\n\n\
         ## Why is {name} slow?\n\nIts disk {number} is full. Remove the answers that {name} kept for more than {age} seconds.\n"
    )
}

pub(crate) fn manuals(count: u32) -> Vec<SourceDocument> {
    (0..count).map(|number| document(&format!("manual{number:02}.md"), &manual(number))).collect()
}

/// Answers each prompt by rule: the first long lines of the text become extractions and questions.
#[derive(Debug, Default)]
pub(crate) struct RuleModel {
    pub(crate) calls: AtomicU64,
    /// Fails every so many calls; 0 never does.
    pub(crate) fails_every: u64,
    /// Passes whatever it judges.
    pub(crate) is_blind: bool,
    /// Answers with nonsense.
    pub(crate) is_mad: bool,
}

impl Model for RuleModel {
    fn name(&self) -> String {
        "rule".to_owned()
    }

    fn ask(&self, ask: &Ask) -> Result<Reply, ModelFailure> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if self.fails_every > 0 && call.is_multiple_of(self.fails_every) {
            return Err(ModelFailure { problem: "status 503".to_owned(), tries: 4 });
        }
        if self.is_mad {
            return Ok(Reply { text: "I like turtles {[".to_owned(), ..Reply::default() });
        }
        if let Some(text) = self.examined(ask) {
            return Ok(Reply { text, ..Reply::default() });
        }
        let text = ask.prompt.split("<<<\n").nth(1).unwrap_or_default().trim_end_matches("\n>>>");
        let lines: Vec<&str> =
            text.lines().filter(|line| line.len() > 40 && !line.starts_with(['#', '|'])).take(3).collect();
        let value = if ask.prompt.contains("\"extractions\"") {
            let found = lines
                .iter()
                .map(|line| serde_json::json!({"class": "features", "subject": "", "text": line, "attributes": []}));
            serde_json::json!({"extractions": found.collect::<Vec<_>>()})
        } else {
            let made = lines.iter().map(|line| {
                let subject: String = line.split_whitespace().skip(1).take(4).collect::<Vec<_>>().join(" ");
                let turn =
                    serde_json::json!({"question": format!("What about {subject}?"), "answer": line, "quotes": [line]});
                serde_json::json!({"type": "factual", "turns": [turn]})
            });
            serde_json::json!({"conversations": made.collect::<Vec<_>>()})
        };
        Ok(Reply { text: value.to_string(), prompt_tokens: Some(10), output_tokens: Some(5), retries: 0 })
    }
}

impl RuleModel {
    /// A verdict by comparison, letter for letter, or the cited bytes as an answer.
    fn examined(&self, ask: &Ask) -> Option<String> {
        let source = ask.prompt.split("<<<\n").nth(1).and_then(|rest| rest.split("\n>>>").next());
        if let Some(rest) = ask.prompt.strip_prefix("Judge an answer") {
            let answer = rest.split("\n\nAnswer: ").nth(1)?.split("\n\nReply with").next()?;
            let is_faithful = self.is_blind || source?.contains(answer.trim_end_matches('.'));
            return Some(
                serde_json::json!({"faithful": is_faithful, "relevant": true, "answerable": true}).to_string(),
            );
        }
        if ask.prompt.starts_with("Answer the question") {
            return Some(source.unwrap_or("unknown").to_owned());
        }
        None
    }
}

pub(crate) fn run_with(
    documents: &[SourceDocument],
    output: &Path,
    settings: &Settings,
    model: Option<&dyn Model>,
    stop_after: Option<u64>,
) -> Result<RunReport, PipelineError> {
    let stop = Arc::new(AtomicBool::new(false));
    let pipeline = Pipeline { settings, model, tokenizer: None, clock: Clock::start() };
    let options = RunOptions { output: output.to_owned(), concurrency: 3, stop: Arc::clone(&stop) };
    let mut watch = |progress: &Progress| {
        if stop_after.is_some_and(|after| progress.chunks >= after) {
            stop.store(true, Ordering::Relaxed);
        }
    };
    pipeline.run(&mut documents.iter().cloned(), &options, &mut watch)
}

/// Every file of a data set but the journal and the report, with its bytes.
pub(crate) fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for folder in [folder.to_owned(), folder.join("documents")] {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_file() && name != "journal" && name != "report.json" {
                found.push((name, std::fs::read(entry.path()).unwrap()));
            }
        }
    }
    found.sort();
    found
}
