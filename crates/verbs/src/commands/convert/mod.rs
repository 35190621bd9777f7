//! `convert`: documents as Markdown, each converted in a process with bounds.

mod documents;
mod stream;
mod worker;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use weighbridge_convert::{Converted, Grade, Refusal, Signals};
use weighbridge_types::time::Clock;

pub(super) use self::documents::{Content, Document, documents};
pub(super) use self::stream::{Converting, Finished};
use crate::arguments::{ConvertArguments, ConvertingArguments, OutputFormat};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

pub(super) fn run(arguments: &ConvertArguments, environment: &Environment) -> Result<Exit, Failure> {
    if arguments.worker {
        return worker::serve(arguments.converting.file_memory);
    }
    let found = documents(&arguments.files)?;
    match (&arguments.to, found.as_slice()) {
        (None, [one]) if arguments.output.output_format != OutputFormat::Json && !holds_more(one, arguments) => {
            single(found, &arguments.converting)
        }
        (None, [_]) if arguments.output.output_format != OutputFormat::Json => Err(Failure::usage(
            "print the documents of an archive as one",
            "name a folder for their Markdown files with `--to`",
        )),
        (None, [_, _, ..]) => Err(Failure::usage(
            format!("print {} documents as one", found.len()),
            "name a folder for their Markdown files with `--to`",
        )),
        (None, []) => Err(Failure::usage("convert nothing", "name a folder that holds files")),
        (to, _) => all(found, to.as_deref(), arguments, environment),
    }
}

/// Whether a file is an archive.
fn holds_more(document: &Document, arguments: &ConvertArguments) -> bool {
    stream::is_archive(document, arguments.converting.file_size.0)
}

/// One document on standard output.
fn single(found: Vec<Document>, how: &ConvertingArguments) -> Result<Exit, Failure> {
    for finished in Converting::start(found, how, Clock::start())? {
        let converted = finished.outcome.map_err(|refusal| failed(&finished.name, &refusal))?;
        if let Grade::Degraded(reasons) = &converted.grade {
            reasons.iter().for_each(|reason| output::warn(&format!("`{}`: {reason}", finished.name)));
        }
        output::data(&converted.markdown)?;
    }
    Ok(Exit::Pass)
}

fn failed(name: &str, refusal: &Refusal) -> Failure {
    let what = refusal.to_string().replacen("convert a file", &format!("convert `{name}`"), 1);
    Failure::usage(what, refusal.hint())
}

/// What became of a document.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    /// `good`, `degraded` or the kind of the refusal.
    state: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
    format: Option<&'static str>,
    pages: Option<usize>,
    signals: Option<Signals>,
    /// Where its Markdown lies.
    markdown: Option<PathBuf>,
}

fn all(
    found: Vec<Document>,
    to: Option<&Path>,
    arguments: &ConvertArguments,
    environment: &Environment,
) -> Result<Exit, Failure> {
    let mut rows = Vec::with_capacity(found.len());
    for finished in Converting::start(found, &arguments.converting, Clock::start())? {
        rows.push(row(&finished.name, finished.outcome, to)?);
    }
    if arguments.output.output_format == OutputFormat::Json {
        output::json(&rows)?;
    } else {
        output::data(&told(&rows, output::columns(environment)))?;
    }
    let refused = rows.iter().any(|row| row.format.is_none());
    Ok(if refused { Exit::GateFailed } else { Exit::Pass })
}

fn row(name: &str, outcome: Result<Converted, Refusal>, to: Option<&Path>) -> Result<Row, Failure> {
    let converted = match outcome {
        Ok(converted) => converted,
        Err(refusal) => {
            return Ok(Row {
                name: name.to_owned(),
                state: refusal.kind.name(),
                reasons: vec![refusal.detail],
                format: None,
                pages: None,
                signals: None,
                markdown: None,
            });
        }
    };
    let markdown = to.map(|to| to.join(format!("{name}.md")));
    if let Some(path) = &markdown {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| output::unwritable(folder, &error))?;
        }
        output::file(path, &converted.markdown)?;
    }
    let (state, reasons) = match converted.grade {
        Grade::Good => ("good", Vec::new()),
        Grade::Degraded(reasons) => ("degraded", reasons),
    };
    Ok(Row {
        name: name.to_owned(),
        state,
        reasons,
        format: Some(converted.format.name()),
        pages: (!converted.pages.is_empty()).then_some(converted.pages.len()),
        signals: Some(converted.signals),
        markdown,
    })
}

/// A line for each document that is not good, and how many are.
fn told(rows: &[Row], columns: usize) -> String {
    let mut text = String::new();
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for row in rows {
        match counts.iter_mut().find(|(state, _)| *state == row.state) {
            Some((_, count)) => *count += 1,
            None => counts.push((row.state, 1)),
        }
        if !row.reasons.is_empty() {
            let line = format!("{:<11} {}: {}", row.state, row.name, row.reasons.join("; "));
            text.extend(line.chars().take(columns.max(40)));
            text.push('\n');
        }
    }
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let counts: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    text.push_str(&format!("{} documents: {}\n", rows.len(), counts.join(", ")));
    text
}
