//! The keys that read a document: `doc_to_text`, `doc_to_target`, `doc_to_choice` and their like.

use super::config::{Source, choices_of};
use super::template::{Context, Template};
use super::value::Value;

/// A key that is ready to read documents.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// Name for messages.
    pub(super) key: &'static str,
    reader: Reader,
}

#[derive(Clone, Debug)]
enum Reader {
    Column(String),
    Template(Template),
    Fixed(Value),
    Function(String),
}

/// A document in both forms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Document<'a> {
    pub(super) doc: &'a Value,
    pub(super) context: &'a Context,
}

impl Field {
    /// A text that names a column reads the column; any other is a template.
    pub(super) fn new(key: &'static str, source: &Source, columns: &[String]) -> Result<Self, String> {
        let reader = match source {
            Source::Text(text) if columns.contains(text) => Reader::Column(text.clone()),
            Source::Text(text) => Reader::Template(Template::new(text)?),
            Source::Int(number) => Reader::Fixed(Value::Int(*number)),
            Source::List(items) => Reader::Fixed(Value::List(items.clone())),
            Source::Function(name) => Reader::Function(name.clone()),
        };
        Ok(Self { key, reader })
    }

    /// The value of a column or function; `Err` holds a template's text.
    fn read(&self, document: Document<'_>) -> Result<Result<Value, String>, String> {
        match &self.reader {
            Reader::Column(name) => {
                document.doc.get(name).cloned().map(Ok).ok_or_else(|| format!("it has no column `{name}`"))
            }
            Reader::Template(template) => template.render(document.context).map(Err),
            Reader::Fixed(value) => Ok(Ok(value.clone())),
            Reader::Function(name) => {
                let value = super::transform::apply(name, document.doc);
                value.map(Ok).ok_or_else(|| format!("`{name}` does not fit it"))
            }
        }
    }

    /// A question: a text, or the number of a choice where a template prints digits and there are choices.
    pub(super) fn question(&self, document: Document<'_>, has_choices: bool) -> Result<Value, String> {
        Ok(match self.read(document)? {
            Ok(value) => value,
            Err(text) if has_choices => index_of(&text).unwrap_or(Value::Text(text)),
            Err(text) => Value::Text(text),
        })
    }

    /// An answer: as a question, and what looks like a list is one.
    pub(super) fn target(&self, document: Document<'_>, has_choices: bool) -> Result<Value, String> {
        Ok(match self.read(document)? {
            Ok(value) => value,
            Err(text) => {
                let index = index_of(&text).filter(|_| has_choices);
                let is_list = text.len() >= 2 && text.starts_with('[') && text.ends_with(']');
                let list = || choices_of(&text).ok().filter(|_| is_list);
                index.or_else(list).unwrap_or(Value::Text(text))
            }
        })
    }

    /// Choices: a list, also of a template's printed one.
    pub(super) fn choices(&self, document: Document<'_>) -> Result<Vec<String>, String> {
        let value = match self.read(document)? {
            Ok(value) => value,
            Err(text) => choices_of(&text).map_err(|error| error.to_string())?,
        };
        match value {
            Value::List(items) => Ok(items.iter().map(Value::text).collect()),
            // A text is a list of its characters in Python.
            Value::Text(text) => Ok(text.chars().map(String::from).collect()),
            other => Err(format!("`{}` is no list of choices", other.repr().chars().take(80).collect::<String>())),
        }
    }

    /// A plain text, as `description` and `gen_prefix` are.
    pub(super) fn plain(&self, document: Document<'_>) -> Result<String, String> {
        Ok(match self.read(document)? {
            Ok(value) => value.text(),
            Err(text) => text,
        })
    }
}

fn index_of(text: &str) -> Option<Value> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_digits).map(Value::Int)
}
