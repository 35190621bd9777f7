//! `model embed`: vectors of texts, and how alike they are.

use std::path::{Path, PathBuf};

use comfy_table::{Table, presets};
use serde::Serialize;
use weighbridge_engine::{EmbedRequest, Embedded};
use weighbridge_types::model_ref::ModelRef;

use super::super::runtime;
use crate::arguments::{LocalArguments, OutputFormat};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::registry::Registry;

/// Texts up to which each is compared with each; with more of them the nearest is named.
const FEW: usize = 8;

/// Characters of a text that the table shows.
const SHOWN: usize = 40;

/// Texts to be embedded.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) model: String,
    pub(super) texts: Vec<String>,
    /// A file with a text on each line, after those texts.
    pub(super) file: Option<PathBuf>,
}

pub(super) fn run(job: Job, format: OutputFormat, environment: &Environment) -> Result<Exit, Failure> {
    let Job { model, mut texts, file } = job;
    let model: ModelRef = model.parse()?;
    if let Some(file) = &file {
        texts.extend(lines(file)?);
    }
    if texts.is_empty() {
        return Err(Failure::usage("embed no text", "give `--text TEXT`, or `--file FILE` with a text on each line"));
    }
    let registry = Registry::new(environment, LocalArguments::default())?;
    let found = runtime()?.block_on(async {
        let engine = registry.load(&model).await?;
        if !engine.capabilities().embed {
            let what = format!("embed texts with `{model}`: it is no encoder");
            return Err(Failure::usage(what, "name an encoder: `onnx:FOLDER` with model.onnx and tokenizer.json"));
        }
        let answer = engine.embed(EmbedRequest { inputs: texts.clone() }).await;
        answer.map_err(|error| Failure::new(Exit::Invalid, error.to_string(), error.hint()))
    })?;
    match format {
        OutputFormat::Json => output::data(&documents(&texts, &found)?)?,
        OutputFormat::Console => output::data(&table(&model, &texts, &found))?,
    }
    Ok(Exit::Pass)
}

fn lines(file: &Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let what = format!("read the texts of `{}`: {error}", file.display());
        Failure::usage(what, "name an existing file of UTF-8 text, one text on each line")
    })?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// A text with its vector.
#[derive(Serialize)]
struct Line<'a> {
    text: &'a str,
    tokens: u32,
    is_truncated: bool,
    vector: &'a [f32],
}

/// A JSON document for each text, a line each.
fn documents(texts: &[String], found: &[Embedded]) -> Result<String, Failure> {
    let line = |(text, found): (&String, &Embedded)| {
        let Embedded { vector, tokens, is_truncated } = found;
        serde_json::to_string(&Line { text, tokens: *tokens, is_truncated: *is_truncated, vector })
    };
    Ok(texts.iter().zip(found).map(line).collect::<Result<Vec<_>, _>>()?.join("\n"))
}

fn table(model: &ModelRef, texts: &[String], found: &[Embedded]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let mut header = vec!["".to_owned(), "text".to_owned(), "tokens".to_owned()];
    if texts.len() <= FEW {
        header.extend((1..=texts.len()).map(|place| format!("cos {place}")));
    } else {
        header.push("nearest".to_owned());
    }
    table.set_header(header);
    for (place, (text, own)) in texts.iter().zip(found).enumerate() {
        let cut = if own.is_truncated { " (cut)" } else { "" };
        let mut row = vec![(place + 1).to_string(), shortened(text), format!("{}{cut}", own.tokens)];
        if texts.len() <= FEW {
            row.extend(found.iter().map(|other| format!("{:.3}", cosine(own, other))));
        } else {
            row.push(nearest(place, found));
        }
        table.add_row(row);
    }
    let dimensions = found.first().map_or(0, |first| first.vector.len());
    format!("{model}: {} texts, {dimensions} dimensions\n\n{}", texts.len(), table.trim_fmt())
}

/// The other text that is most alike, and how much.
fn nearest(place: usize, found: &[Embedded]) -> String {
    let others = (0..found.len()).filter(|&other| other != place);
    let alike = others.map(|other| (cosine(&found[place], &found[other]), other + 1));
    let best = alike.max_by(|(first, _), (second, _)| first.total_cmp(second));
    best.map_or_else(String::new, |(cosine, other)| format!("{other} ({cosine:.3})"))
}

/// Cosine of the angle between two vectors of length 1.
fn cosine(first: &Embedded, second: &Embedded) -> f64 {
    first.vector.iter().zip(&second.vector).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= SHOWN {
        return line;
    }
    line.chars().take(SHOWN - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(values: &[f32]) -> Embedded {
        Embedded { vector: values.to_vec(), tokens: 3, is_truncated: false }
    }

    #[test]
    fn few_texts_are_compared_each_with_each_and_many_with_the_nearest() {
        let model: ModelRef = "onnx:some".parse().unwrap();
        let texts = |count: usize| vec!["a\nb".to_owned(); count];
        let few = table(&model, &texts(2), &[vector(&[1.0, 0.0]), vector(&[0.6, 0.8])]);
        assert!(few.contains("2 texts, 2 dimensions") && few.contains("a b") && few.contains("0.600"), "{few}");
        let mut all = vec![vector(&[1.0, 0.0]); FEW];
        all.push(vector(&[0.6, 0.8]));
        let many = table(&model, &texts(FEW + 1), &all);
        assert!(many.contains("8 (1.000)") && many.contains("8 (0.600)"), "{many}");
        assert_eq!(nearest(0, &all[..1]), "");
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(shortened(&"é".repeat(50)).chars().count(), SHOWN);
        assert_eq!(shortened(" a \n b "), "a b");
    }
}
