//! Generated loads as text.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::part::{CancelWhen, Cancellation, Part, Prefixes, PromptShape, SessionShape, SlowReaders};
use crate::distributions::{LengthDistribution, TimeDistribution};
use crate::spec::{SpecError, SpecKind, SpecProblem, number, share, whole};

/// Other names of keys: the ones of GuideLLM and AIPerf, and the short ones.
const ALIASES: &[(&str, &str)] = &[
    ("isl", "input"),
    ("prompt_tokens", "input"),
    ("input_tokens", "input"),
    ("isl_stddev", "input_stdev"),
    ("prompt_tokens_stdev", "input_stdev"),
    ("prompt_tokens_min", "input_min"),
    ("prompt_tokens_max", "input_max"),
    ("osl", "output"),
    ("output_tokens", "output"),
    ("osl_stddev", "output_stdev"),
    ("output_tokens_stdev", "output_stdev"),
    ("output_tokens_min", "output_min"),
    ("output_tokens_max", "output_max"),
];

/// `key=value` parts, taken one by one; what nobody took is unknown.
#[derive(Debug)]
pub(crate) struct KeyValues(BTreeMap<String, String>);

impl KeyValues {
    /// Reads parts separated by commas. A part without `=` belongs to the value before it, as in `input=normal:5,2`.
    /// An object of JSON is read as well.
    pub(crate) fn read(text: &str) -> Result<Self, SpecProblem> {
        let mut values = Self(BTreeMap::new());
        if text.trim_start().starts_with('{') {
            let object: BTreeMap<String, serde_json::Value> =
                serde_json::from_str(text).map_err(|_| SpecProblem::shape(text, "a JSON object"))?;
            for (key, value) in object {
                match value {
                    serde_json::Value::Null => {}
                    serde_json::Value::String(value) => values.insert(&key, value)?,
                    other => values.insert(&key, other.to_string())?,
                }
            }
            return Ok(values);
        }
        let mut open: Option<(&str, String)> = None;
        for part in text.split(',') {
            match (part.split_once('='), &mut open) {
                (Some((key, value)), _) => {
                    if let Some((key, value)) = open.replace((key, value.trim().to_owned())) {
                        values.insert(key, value)?;
                    }
                }
                (None, Some((_, value))) => {
                    value.push(',');
                    value.push_str(part.trim());
                }
                (None, None) => return Err(SpecProblem::shape(part.trim(), "`key=value`")),
            }
        }
        if let Some((key, value)) = open {
            values.insert(key, value)?;
        }
        Ok(values)
    }

    fn insert(&mut self, key: &str, value: String) -> Result<(), SpecProblem> {
        // Users of other tools type either form.
        let key = key.trim().replace('-', "_");
        let name = ALIASES.iter().find(|(alias, _)| *alias == key).map_or(key.as_str(), |(_, name)| name);
        match self.0.insert(name.to_owned(), value) {
            Some(_) => Err(SpecProblem::Twice(name.to_owned())),
            None => Ok(()),
        }
    }

    pub(crate) fn take(&mut self, key: &str) -> Option<String> {
        self.0.remove(key)
    }

    pub(crate) fn finish(self) -> Result<(), SpecProblem> {
        match self.0.into_keys().next() {
            Some(key) => Err(SpecProblem::UnknownKey(key)),
            None => Ok(()),
        }
    }
}

/// Reads the parts of a mixture, separated by `;`, and the number of different samples.
pub(crate) fn read_parts(text: &str) -> Result<(Vec<Part>, Option<u64>), SpecProblem> {
    let mut parts = Vec::new();
    let mut samples = None;
    for text in text.split(';').filter(|text| !text.trim().is_empty()) {
        let mut values = KeyValues::read(text)?;
        if let Some(count) = values.take("samples") {
            let count = whole(&count)?;
            if count == 0 {
                return Err(SpecProblem::value(count, "a number of samples above 0"));
            }
            if samples.replace(count).is_some() {
                return Err(SpecProblem::Twice("samples".to_owned()));
            }
        }
        parts.push(part(values)?);
    }
    if parts.is_empty() { Err(SpecProblem::Missing("a part")) } else { Ok((parts, samples)) }
}

impl FromStr for Part {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let in_text = |problem: SpecProblem| problem.in_text(SpecKind::Synthetic, text);
        let part = KeyValues::read(text).and_then(part).map_err(in_text)?;
        part.check().map_err(|error| in_text(error.problem))?;
        Ok(part)
    }
}

fn part(mut values: KeyValues) -> Result<Part, SpecProblem> {
    let input = lengths(&mut values, "input")?.ok_or(SpecProblem::Missing("`input`"))?;
    let output = lengths(&mut values, "output")?.ok_or(SpecProblem::Missing("`output`"))?;
    let mut part = Part::new(input, output);
    part.group = values.take("group");
    if let Some(weight) = values.take("weight") {
        part.weight = number(&weight)?;
    }
    part.prompt = match values.take("format").as_deref() {
        None | Some("text") => PromptShape::Text,
        Some("chat") => PromptShape::Chat,
        Some(other) => return Err(SpecProblem::value(other, "`text` or `chat`")),
    };
    part.prefixes = prefixes(&mut values)?;
    part.shape = shape(&mut values)?;
    part.cancel = values.take("cancel").map(|text| text.parse()).transpose()?;
    part.slow = values.take("slow").map(|text| text.parse()).transpose()?;
    values.finish()?;
    Ok(part)
}

/// A distribution, or GuideLLM's mean with a deviation and bounds.
fn lengths(values: &mut KeyValues, key: &str) -> Result<Option<LengthDistribution>, SpecProblem> {
    let part = |values: &mut KeyValues, end: &str| values.take(&format!("{key}_{end}"));
    let (deviation, low, high) = (part(values, "stdev"), part(values, "min"), part(values, "max"));
    let Some(text) = values.take(key) else {
        return match deviation.or(low).or(high) {
            Some(_) => Err(SpecProblem::Missing("the mean length")),
            None => Ok(None),
        };
    };
    let default = LengthDistribution::UNBOUNDED;
    let bound = |text: &Option<String>, default| text.as_ref().map_or(Ok(default), |text| whole(text));
    let bounds = (bound(&low, default.0)?, bound(&high, default.1)?);
    let lengths = match deviation {
        Some(deviation) => LengthDistribution::Normal { mean: number(&text)?, deviation: number(&deviation)?, bounds },
        // Without a deviation GuideLLM draws evenly between the bounds.
        None if low.is_some() && high.is_some() => LengthDistribution::Uniform { low: bounds.0, high: bounds.1 },
        None if low.is_some() || high.is_some() => return Err(SpecProblem::Missing("the other bound of the length")),
        None => text.parse::<LengthDistribution>()?,
    };
    lengths.check()?;
    Ok(Some(lengths))
}

fn prefixes(values: &mut KeyValues) -> Result<Option<Prefixes>, SpecProblem> {
    let (prefix, tokens, count) = (values.take("prefix"), values.take("prefix_tokens"), values.take("prefix_count"));
    match (prefix, tokens, count) {
        (None, None, None) => Ok(None),
        (Some(text), None, None) => Ok(Some(text.parse::<Prefixes>()?)),
        (None, Some(tokens), count) => {
            let count = count.map_or(Ok(1), |count| whole(&count))?;
            Ok(Some(Prefixes { count, tokens: whole(&tokens)?, share: 1.0 }))
        }
        (None, None, Some(_)) => Err(SpecProblem::Missing("`prefix_tokens`")),
        (Some(_), _, _) => Err(SpecProblem::Twice("prefix".to_owned())),
    }
}

fn shape(values: &mut KeyValues) -> Result<SessionShape, SpecProblem> {
    let think = values.take("think").map(|text| text.parse::<TimeDistribution>()).transpose()?;
    let mut count = |key: &str| -> Result<Option<LengthDistribution>, SpecProblem> {
        Ok(values.take(key).map(|text| text.parse()).transpose()?)
    };
    let (turns, fan_out, rounds) = (count("turns")?, count("fan_out")?, count("rounds")?);
    match (turns, fan_out, rounds, think) {
        (None, None, None, None) => Ok(SessionShape::Single),
        (Some(turns), None, None, think) => Ok(SessionShape::Conversation { turns, think: think.unwrap_or_default() }),
        (None, Some(fan_out), rounds, think) => {
            let rounds = rounds.unwrap_or(LengthDistribution::Fixed(1));
            Ok(SessionShape::Agent { fan_out, rounds, think: think.unwrap_or_default() })
        }
        (Some(_), _, _, _) => Err(SpecProblem::Twice("turns".to_owned())),
        (None, None, Some(_), _) => Err(SpecProblem::Missing("`fan_out`")),
        (None, None, None, Some(_)) => Err(SpecProblem::Missing("`turns` or `fan_out`")),
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "input={},output={}", self.input, self.output)?;
        if self.prompt == PromptShape::Chat {
            write!(f, ",format=chat")?;
        }
        if let Some(prefixes) = self.prefixes {
            write!(f, ",prefix={prefixes}")?;
        }
        match &self.shape {
            SessionShape::Single => {}
            SessionShape::Conversation { turns, think } => write!(f, ",turns={turns},think={think}")?,
            SessionShape::Agent { fan_out, rounds, think } => {
                write!(f, ",fan_out={fan_out},rounds={rounds},think={think}")?;
            }
        }
        if let Some(cancel) = &self.cancel {
            write!(f, ",cancel={cancel}")?;
        }
        if let Some(slow) = &self.slow {
            write!(f, ",slow={slow}")?;
        }
        if let Some(group) = &self.group {
            write!(f, ",group={group}")?;
        }
        if (self.weight - 1.0).abs() > 0.0 {
            write!(f, ",weight={}", self.weight)?;
        }
        Ok(())
    }
}

impl FromStr for Prefixes {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let read = || {
            let (sizes, reused) = text.split_once('@').map_or((text, None), |(sizes, reused)| (sizes, Some(reused)));
            let (count, tokens) = sizes.split_once('x').ok_or_else(|| SpecProblem::shape(sizes, "`COUNTxTOKENS`"))?;
            Ok(Self { count: whole(count)?, tokens: whole(tokens)?, share: reused.map_or(Ok(1.0), share)? })
        };
        read().map_err(|problem: SpecProblem| problem.in_text(SpecKind::Prefixes, text))
    }
}

impl fmt::Display for Prefixes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.count, self.tokens)?;
        if self.share < 1.0 { write!(f, "@{}", self.share) } else { Ok(()) }
    }
}

impl FromStr for Cancellation {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let read = || {
            let (part, when) = text.split_once('@').ok_or_else(|| SpecProblem::shape(text, "`SHARE@WHEN`"))?;
            let when = match when.trim().strip_suffix("frames") {
                Some(frames) => CancelWhen::Frames(frames.parse::<LengthDistribution>()?),
                None => CancelWhen::Time(when.parse::<TimeDistribution>()?),
            };
            Ok(Self { share: share(part)?, when })
        };
        read().map_err(|problem: SpecProblem| problem.in_text(SpecKind::Cancellation, text))
    }
}

impl fmt::Display for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.when {
            CancelWhen::Time(time) => write!(f, "{}@{time}", self.share),
            CancelWhen::Frames(frames) => write!(f, "{}@{frames}frames", self.share),
        }
    }
}

impl FromStr for SlowReaders {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let read = || {
            let (part, pause) = text.split_once('@').ok_or_else(|| SpecProblem::shape(text, "`SHARE@PAUSE`"))?;
            Ok(Self { share: share(part)?, pause: pause.parse::<TimeDistribution>()? })
        };
        read().map_err(|problem: SpecProblem| problem.in_text(SpecKind::SlowReaders, text))
    }
}

impl fmt::Display for SlowReaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.share, self.pause)
    }
}
