//! Where requests come from, as text; and the one door to all readers.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::error::{TraceError, TraceProblem};
use super::options::{OpenedTrace, TimeUnit, TraceSettings};
use super::sharegpt::{self, ShareGptMode};
use super::texts::{Output, TextSession, TextTurn, open};
use super::{blocks, messages, table};
use crate::prompt_reader::{PromptFileError, PromptFileProblem, PromptFormat, read_prompts_from};
use crate::spec::{SpecError, SpecKind, SpecProblem, whole};
use crate::synthetic::{Part, read_parts};
use crate::traffic::TurnPrompt;

/// Where the requests of a load come from.
///
/// It is read from and printed as text; [`SpecError::hint`] lists the forms.
#[derive(Clone, Debug, PartialEq)]
pub enum DataSpec {
    /// They are generated.
    Synthetic {
        /// The kinds of sessions.
        parts: Vec<Part>,
        /// Different sessions, which then repeat; `None` repeats none.
        samples: Option<u64>,
    },
    /// They are read from a file.
    Trace(TraceSpec),
    /// They are those of a recorded run, named by its folder or id; see [`Replay`](super::Replay).
    Events(String),
}

/// A file of requests.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceSpec {
    /// How it is written.
    pub kind: TraceKind,
    /// Where it is.
    pub path: PathBuf,
}

/// How a trace is written.
#[derive(Clone, Debug, PartialEq)]
pub enum TraceKind {
    /// Lengths and names of blocks, one JSON object a line: Mooncake.
    Blocks {
        /// Tokens of a block: 512 in Mooncake's traces, 64 in Weka's, 16 in Bailian's.
        block_tokens: u32,
        /// Unit of the timestamps.
        unit: TimeUnit,
    },
    /// Conversations, one JSON array.
    ShareGpt {
        /// What is played of them.
        mode: ShareGptMode,
    },
    /// Chat requests, one JSON object a line.
    Messages {
        /// Unit of the timestamps.
        unit: TimeUnit,
    },
    /// Lengths, as CSV: BurstGPT, Azure.
    Table {
        /// The model whose rows are played; `None` plays all.
        model: Option<String>,
    },
    /// Prompts without times, as JSON lines or CSV.
    Prompts,
}

impl TraceSpec {
    /// Opens and reads the file.
    ///
    /// # Errors
    /// When it cannot be read, a row is wrong, or nothing is left of it.
    pub fn open(&self, settings: &TraceSettings) -> Result<OpenedTrace, TraceError> {
        let name = self.path.display().to_string();
        let file = File::open(&self.path).map_err(|source| TraceProblem::Io(source).somewhere().in_file(&name))?;
        read_trace(&self.kind, BufReader::with_capacity(1 << 16, file), &name, settings)
    }
}

/// Reads a trace from a stream; `name` stands for the file in errors, and its ending names the format of prompts.
///
/// # Errors
/// As for [`TraceSpec::open`].
pub fn read_trace(
    kind: &TraceKind,
    input: impl BufRead,
    name: &str,
    settings: &TraceSettings,
) -> Result<OpenedTrace, TraceError> {
    let read = settings.check().and_then(|()| match kind {
        TraceKind::Blocks { block_tokens, unit } => blocks::read(input, (*block_tokens).max(1), *unit, settings),
        TraceKind::ShareGpt { mode } => sharegpt::read(input, *mode, settings),
        TraceKind::Messages { unit } => messages::read(input, *unit, settings),
        TraceKind::Table { model } => table::read(input, model.as_deref(), settings),
        TraceKind::Prompts => prompts(input, name, settings),
    });
    read.map_err(|place| place.in_file(name))
}

fn prompts(input: impl BufRead, name: &str, settings: &TraceSettings) -> Result<OpenedTrace, super::error::Place> {
    let wrong = |error: PromptFileError| TraceProblem::Prompts(Box::new(error)).somewhere();
    let ending = |problem| wrong(PromptFileError { file: name.to_owned(), line: None, column: None, problem });
    let format = PromptFormat::of_path(Path::new(name)).ok_or_else(|| ending(PromptFileProblem::Ending))?;
    let records = read_prompts_from(input, format, name).map_err(wrong)?;
    let has_other = settings.output_default.is_some() || settings.output_instead.is_some();
    let mut sessions = Vec::with_capacity(records.len());
    for record in records {
        let output = match record.max_tokens {
            Some(tokens) => Output::Tokens(tokens),
            None if has_other => Output::Unsaid,
            None => return Err(TraceProblem::NoOutput.at_line(record.line)),
        };
        let expected = record.answer.map(Into::into);
        let turn = TextTurn { prompt: TurnPrompt::Whole(record.prompt), output, think: Duration::ZERO, expected };
        sessions.push(TextSession { at: None, turns: vec![turn] });
    }
    open(sessions, |_| true, settings, Vec::new())
}

impl FromStr for DataSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let data = read(text.trim()).map_err(|problem| problem.in_text(SpecKind::Data, text))?;
        if let Self::Synthetic { parts, .. } = &data {
            for part in parts {
                part.check().map_err(|error| error.problem.in_text(SpecKind::Data, text))?;
            }
        }
        Ok(data)
    }
}

fn read(text: &str) -> Result<DataSpec, SpecProblem> {
    // A colon may stand in a length too, as in `input=normal:5,2`; a kind has no equals sign.
    let kind = text.split_once(':').filter(|(kind, _)| !kind.contains('=') && !kind.contains('{'));
    let Some((kind, rest)) = kind else {
        if !text.contains('=') && !text.starts_with('{') {
            return Err(SpecProblem::shape(text, "`KIND:FILE` or `input=…,output=…`"));
        }
        let (parts, samples) = read_parts(text)?;
        return Ok(DataSpec::Synthetic { parts, samples });
    };
    if kind == "synthetic" {
        let (parts, samples) = read_parts(rest)?;
        return Ok(DataSpec::Synthetic { parts, samples });
    }
    let (path, options) = match rest.rsplit_once('?').filter(|(_, options)| options.contains('=')) {
        Some((path, options)) => (path, options.split('&').collect()),
        None => (rest, Vec::new()),
    };
    if path.is_empty() {
        return Err(SpecProblem::Missing("the file"));
    }
    if kind == "events" {
        return match options.first() {
            Some(option) => Err(SpecProblem::UnknownKey((*option).to_owned())),
            None => Ok(DataSpec::Events(path.to_owned())),
        };
    }
    let mut trace = match kind {
        "mooncake" => TraceKind::Blocks { block_tokens: 512, unit: TimeUnit::Millis },
        "weka" => TraceKind::Blocks { block_tokens: 64, unit: TimeUnit::Millis },
        "bailian" => TraceKind::Blocks { block_tokens: 16, unit: TimeUnit::Seconds },
        "sharegpt" => TraceKind::ShareGpt { mode: ShareGptMode::First },
        "messages" => TraceKind::Messages { unit: TimeUnit::Millis },
        "burstgpt" | "azure" => TraceKind::Table { model: None },
        "prompts" => TraceKind::Prompts,
        other => return Err(SpecProblem::UnknownKind(other.to_owned())),
    };
    for option in options {
        trace = with_option(trace, option)?;
    }
    Ok(DataSpec::Trace(TraceSpec { kind: trace, path: PathBuf::from(path) }))
}

fn with_option(kind: TraceKind, option: &str) -> Result<TraceKind, SpecProblem> {
    let (key, value) = crate::spec::key_value(option)?;
    match (key, kind) {
        ("block", TraceKind::Blocks { unit, .. }) => match whole(value)? {
            0 => Err(SpecProblem::value(value, "a number of tokens above 0")),
            block_tokens => Ok(TraceKind::Blocks { block_tokens, unit }),
        },
        ("unit", TraceKind::Blocks { block_tokens, .. }) => Ok(TraceKind::Blocks { block_tokens, unit: unit(value)? }),
        ("unit", TraceKind::Messages { .. }) => Ok(TraceKind::Messages { unit: unit(value)? }),
        ("mode", TraceKind::ShareGpt { .. }) => match value {
            "first" => Ok(TraceKind::ShareGpt { mode: ShareGptMode::First }),
            "filtered" => Ok(TraceKind::ShareGpt { mode: ShareGptMode::Filtered }),
            "turns" => Ok(TraceKind::ShareGpt { mode: ShareGptMode::Turns }),
            other => Err(SpecProblem::value(other, "`first`, `filtered` or `turns`")),
        },
        ("model", TraceKind::Table { .. }) => Ok(TraceKind::Table { model: Some(value.to_owned()) }),
        _ => Err(SpecProblem::UnknownKey(key.to_owned())),
    }
}

fn unit(value: &str) -> Result<TimeUnit, SpecProblem> {
    match value {
        "ms" => Ok(TimeUnit::Millis),
        "s" => Ok(TimeUnit::Seconds),
        other => Err(SpecProblem::value(other, "`ms` or `s`")),
    }
}

impl fmt::Display for DataSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Synthetic { parts, samples } => {
                for (place, part) in parts.iter().enumerate() {
                    write!(f, "{}{part}", if place > 0 { ";" } else { "" })?;
                }
                samples.map_or(Ok(()), |samples| write!(f, ",samples={samples}"))
            }
            Self::Trace(TraceSpec { kind, path }) => {
                let (name, options) = kind.text();
                write!(f, "{name}:{}{options}", path.display())
            }
            Self::Events(run) => write!(f, "events:{run}"),
        }
    }
}

impl TraceKind {
    /// Name and options.
    fn text(&self) -> (&'static str, String) {
        let named = |unit: &TimeUnit| match unit {
            TimeUnit::Millis => "ms",
            TimeUnit::Seconds => "s",
        };
        match self {
            Self::Blocks { block_tokens, unit } => ("mooncake", format!("?block={block_tokens}&unit={}", named(unit))),
            Self::ShareGpt { mode: ShareGptMode::First } => ("sharegpt", "?mode=first".to_owned()),
            Self::ShareGpt { mode: ShareGptMode::Filtered } => ("sharegpt", "?mode=filtered".to_owned()),
            Self::ShareGpt { mode: ShareGptMode::Turns } => ("sharegpt", "?mode=turns".to_owned()),
            Self::Messages { unit } => ("messages", format!("?unit={}", named(unit))),
            Self::Table { model: Some(model) } => ("burstgpt", format!("?model={model}")),
            Self::Table { model: None } => ("burstgpt", String::new()),
            Self::Prompts => ("prompts", String::new()),
        }
    }
}
