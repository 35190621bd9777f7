//! What the columns of a file of predictions mean.

use std::borrow::Cow;

use super::error::{PredictionsError, shorten};
use super::json::Take;

macro_rules! fields {
    ($($variant:ident $name:literal [$($alias:literal),*] $doc:literal;)*) => {
        /// The meaning of a column.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Field {
            $(#[doc = $doc] $variant,)*
        }

        impl Field {
            /// Every meaning.
            pub const ALL: &[Self] = &[$(Self::$variant),*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// Name in files and flags.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The meaning that a column of this name has by itself.
            #[must_use]
            pub fn of_column(column: &str) -> Option<Self> {
                match column {
                    $($name $(| $alias)* => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

fields! {
    Id "id" ["sample_id", "doc_id"] "Name of the sample; each stands once.";
    Target "target" ["truth", "gold", "expected"] "The right label, number, or set.";
    Prediction "prediction" ["label", "predicted", "pred", "answer"] "The label, number, or set that was given.";
    Score "score" ["probability", "confidence"] "How sure the model is of the positive label; higher is surer.";
    Probabilities "probabilities" ["probs"] "A probability for each label, as an object or a list in the order of labels.";
    Text "text" ["output", "hypothesis", "response"] "The text that was given.";
    References "references" ["reference", "ref"] "The right texts: one, or a list.";
    Cluster "cluster" ["group"] "What the sample was drawn together with: document, question, subject.";
    Prompt "prompt" ["input", "question"] "What was asked, for the report.";
    Problem "problem" ["error_class", "error class", "failure"] "Why there is no answer, as one of the known classes.";
    Why "why" ["reason", "explanation"] "What is to be said about the problem, for the report.";
    Weight "weight" ["sample_weight"] "How much the sample counts.";
    Timestamp "timestamp" ["time", "ts"] "When the event happened: seconds since 1970.";
    LogProbability "logprob" ["loglikelihood", "log_probability"] "Log-probability of the sample's text, natural.";
    Tokens "tokens" ["token_count"] "Tokens of the sample's text.";
    Bytes "bytes" ["byte_count"] "UTF-8 bytes of the sample's text.";
    Attempts "attempts" ["n_samples"] "Attempts at the sample's problem.";
    Passed "passed" ["correct", "n_correct"] "Attempts that passed.";
    Source "source" [] "Where an event comes from.";
    Key "key" [] "What an alert is about: host, rule, user.";
    Incident "incident" [] "The attack that an event belongs to.";
}

/// A value as it stands in the file.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value<'a> {
    /// The column is not there.
    #[default]
    Absent,
    /// `null`, or an empty field of a table.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as written; also `NaN` and `Infinity`, which Python writes.
    Number(&'a str),
    /// Text.
    Text(Cow<'a, str>),
    /// A JSON list or object as written.
    Json(&'a str),
    /// A field of a table, whose type is not known.
    Cell(Cow<'a, str>),
}

impl Value<'_> {
    /// Whether there is a value.
    #[must_use]
    pub const fn is_given(&self) -> bool {
        !matches!(self, Self::Absent | Self::Null)
    }

    /// The value for a message.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Absent => "nothing".to_owned(),
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(text) | Self::Json(text) => shorten(text),
            Self::Text(text) | Self::Cell(text) => shorten(text),
        }
    }
}

/// One sample as read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row<'a> {
    /// Line of the file that it begins in, from 1.
    pub line: u64,
    /// Values by [`Field`].
    values: [Value<'a>; Field::COUNT],
    /// The fields that are there, a bit for each.
    there: u32,
}

impl<'a> Row<'a> {
    /// A row without values.
    #[must_use]
    pub fn new(line: u64) -> Self {
        const { assert!(Field::COUNT <= u32::BITS as usize, "each field has a bit") };
        Self { line, values: [const { Value::Absent }; Field::COUNT], there: 0 }
    }

    /// Makes it another row, without values: cheaper than a new one, as most fields are absent.
    pub(super) fn clear(&mut self, line: u64) {
        self.line = line;
        while self.there != 0 {
            self.values[self.there.trailing_zeros() as usize] = Value::Absent;
            self.there &= self.there - 1;
        }
    }

    /// The value of a column.
    #[must_use]
    pub fn get(&self, field: Field) -> &Value<'a> {
        &self.values[field as usize]
    }

    /// Whether any of these columns is there.
    #[inline]
    #[must_use]
    pub fn has_any(&self, fields: &[Field]) -> bool {
        fields.iter().any(|field| self.there & (1 << *field as u32) != 0)
    }

    /// A finite number, if there is a value.
    ///
    /// # Errors
    /// [`PredictionsError::Value`] for what is no finite number.
    #[inline]
    pub fn number(&self, field: Field) -> Result<Option<f64>, PredictionsError> {
        if self.get(field).is_given() { self.given_number(field).map(Some) } else { Ok(None) }
    }

    fn given_number(&self, field: Field) -> Result<f64, PredictionsError> {
        let text: &str = match self.get(field) {
            Value::Number(text) => text,
            Value::Cell(text) => text.trim(),
            _ => return Err(self.refuse(field, "a number")),
        };
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            Ok(_) => Err(self.refuse(field, "a finite number; leave out what is unknown")),
            Err(_) => Err(self.refuse(field, "a number")),
        }
    }

    /// Text, if there is a value; numbers and truth values as they are written.
    ///
    /// # Errors
    /// [`PredictionsError::Value`] for a list or an object.
    pub fn text(&self, field: Field) -> Result<Option<&str>, PredictionsError> {
        match self.get(field) {
            Value::Absent | Value::Null => Ok(None),
            Value::Number(text) => Ok(Some(text)),
            Value::Bool(value) => Ok(Some(if *value { "true" } else { "false" })),
            Value::Text(text) | Value::Cell(text) => Ok(Some(text)),
            Value::Json(_) => Err(self.refuse(field, "text, not a list or an object")),
        }
    }

    /// The error of a value that does not fit.
    #[must_use]
    pub fn refuse(&self, field: Field, expected: impl Into<String>) -> PredictionsError {
        let value = self.get(field).shown();
        PredictionsError::Value { line: self.line, field: field.name(), value, expected: expected.into() }
    }

    /// The columns that hold something, for a message.
    #[must_use]
    pub fn columns(&self) -> String {
        let there = |field: &&Field| !matches!(self.get(**field), Value::Absent);
        let names: Vec<&str> = Field::ALL.iter().filter(there).map(|field| field.name()).collect();
        if names.is_empty() { "none with a known name".to_owned() } else { names.join(", ") }
    }
}

impl<'a> Take<'a> for Row<'a> {
    #[inline]
    fn set(&mut self, field: Field, value: Value<'a>) -> bool {
        let bit = 1 << field as u32;
        let was_absent = self.there & bit == 0;
        self.values[field as usize] = value;
        self.there |= bit;
        was_absent
    }
}

/// Which column holds what, where its name does not say it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapping {
    columns: Vec<(String, Field)>,
}

impl Mapping {
    /// Reads `field=column` pairs.
    ///
    /// # Errors
    /// [`PredictionsError::Map`] for an unknown field, a pair without `=`, or a field or column that stands twice.
    pub fn parse<'t>(pairs: impl IntoIterator<Item = &'t str>) -> Result<Self, PredictionsError> {
        let mut mapping = Self::default();
        for pair in pairs {
            let fail = |what: String| PredictionsError::Map { text: pair.to_owned(), what };
            let (name, column) = pair.split_once('=').ok_or_else(|| fail("no `=` in it".to_owned()))?;
            let field = Field::ALL.iter().copied().find(|field| field.name() == name.trim()).ok_or_else(|| {
                let names: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
                fail(format!("`{name}` is no field; the fields are {}", names.join(", ")))
            })?;
            if mapping.columns.iter().any(|(known, of)| *of == field || known == column) {
                return Err(fail("its field or column is mapped already".to_owned()));
            }
            mapping.columns.push((column.to_owned(), field));
        }
        Ok(mapping)
    }

    /// Whether a column holds an object of which something is mapped: `answer.text` is the `text` of `answer`.
    #[must_use]
    pub fn is_entered(&self, column: &str) -> bool {
        let inside = |known: &str| known.strip_prefix(column).is_some_and(|rest| rest.starts_with('.'));
        self.columns.iter().any(|(known, _)| inside(known))
    }

    /// The meaning of a column. A field that is mapped is taken from no other column.
    #[must_use]
    pub fn field(&self, column: &str) -> Option<Field> {
        if let Some((_, field)) = self.columns.iter().find(|(known, _)| known == column) {
            return Some(*field);
        }
        Field::of_column(column).filter(|field| self.columns.iter().all(|(_, mapped)| mapped != field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_fields_come_from_their_column_only() {
        let mapping = Mapping::parse(["target=gold_label", "prediction=y"]).unwrap();
        assert_eq!(mapping.field("gold_label"), Some(Field::Target));
        assert_eq!((mapping.field("target"), mapping.field("label")), (None, None));
        assert_eq!(mapping.field("score"), Some(Field::Score));
    }

    #[test]
    fn bad_mappings_are_refused() {
        for pair in ["target", "truth=x", "=x"] {
            assert!(matches!(Mapping::parse([pair]), Err(PredictionsError::Map { .. })), "{pair}");
        }
        assert!(Mapping::parse(["target=a", "target=b"]).is_err());
        assert!(Mapping::parse(["target=a", "prediction=a"]).is_err());
    }
}
