//! Whether a value fits a schema: values of `enum` are held against what stands beside it.

use std::cmp::Ordering;
use std::collections::HashMap;

use serde_json::Number;

use super::document::Document;
use super::error::SchemaError;
use super::parts::{Part, Type, count, together, types};
use super::pattern::Automaton;

/// Schemas that are looked at for the values of one `enum`, at most: alternatives within alternatives could take for ever.
const MOST_LOOKS: u32 = 100_000;

/// Schemas within each other at most.
const MOST_LEVELS: u32 = 100;

/// Holds values against schemas of one document.
#[derive(Debug)]
pub(super) struct Checker<'d> {
    root: &'d Document,
    looks: u32,
    levels: u32,
    /// Automata of expressions that were met.
    automata: HashMap<&'d str, Option<Automaton>>,
}

impl<'d> Checker<'d> {
    pub(super) fn new(root: &'d Document) -> Self {
        Self { root, looks: 0, levels: 0, automata: HashMap::new() }
    }

    /// Whether a value fits all of these schemas and what they refer to; `oneOf` is read as `anyOf`.
    pub(super) fn fits(&mut self, parts: Vec<Part<'d>>, value: &Document) -> Result<bool, SchemaError> {
        self.levels += 1;
        let mut fits = true;
        for part in together(self.root, parts)? {
            self.looks += 1;
            if self.looks > MOST_LOOKS || self.levels > MOST_LEVELS {
                return Err(part.error("enum", "is held against too many schemas"));
            }
            if !(fits_plainly(&part, value)
                && self.fits_pattern(&part, value)?
                && self.fits_inside(&part, value)?
                && self.fits_choice(&part, value)?)
            {
                fits = false;
                break;
            }
        }
        self.levels -= 1;
        Ok(fits)
    }

    fn fits_pattern(&mut self, part: &Part<'d>, value: &Document) -> Result<bool, SchemaError> {
        let (Some(pattern), Some(text)) = (part.get("pattern").and_then(Document::text), value.text()) else {
            return Ok(true);
        };
        if !self.automata.contains_key(pattern) {
            let automaton = Automaton::new(pattern, 0, u32::MAX).map_err(|problem| part.error("pattern", problem))?;
            self.automata.insert(pattern, automaton);
        }
        Ok(self.automata[pattern].as_ref().is_some_and(|automaton| automaton.holds(text)))
    }

    fn fits_choice(&mut self, part: &Part<'d>, value: &Document) -> Result<bool, SchemaError> {
        for keyword in ["anyOf", "oneOf"] {
            let Some(choice) = part.below(keyword) else { continue };
            let mut fits = false;
            for branch in choice.each() {
                fits = fits || self.fits(vec![branch], value)?;
            }
            if !fits {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether what is in a container fits.
    fn fits_inside(&mut self, part: &Part<'d>, value: &Document) -> Result<bool, SchemaError> {
        let mut inside = Vec::new();
        for (name, member) in value.members() {
            let property = part.below("properties").and_then(|named| Some(named.at(name, named.get(name)?)));
            inside.extend(property.or_else(|| part.below("additionalProperties")).map(|schema| (schema, member)));
        }
        let first: Vec<Part<'_>> = part.below("prefixItems").iter().flat_map(Part::each).collect();
        for (place, element) in value.elements().iter().enumerate() {
            let item = first.get(place).cloned().or_else(|| part.below("items"));
            inside.extend(item.map(|schema| (schema, element)));
        }
        for (schema, value) in inside {
            if !self.fits(vec![schema], value)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether the value itself fits, leaving aside what is in it.
fn fits_plainly(part: &Part<'_>, value: &Document) -> bool {
    if matches!(part.schema, Document::Bool(false)) {
        return false;
    }
    let is_type = |known: &Document| types(known).into_iter().any(|kind| is_of(kind, value));
    let same = |known: &Document| is_same(known, value);
    let has = |name: &Document| value.members().iter().any(|(known, _)| Some(known.as_str()) == name.text());
    let length = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
    let mut fits = part.get("type").is_none_or(is_type)
        && part.get("const").is_none_or(same)
        && part.get("enum").is_none_or(|values| values.elements().iter().any(same));
    match value {
        Document::Text(text) => {
            let characters = length(text.chars().count());
            fits &= part.get("minLength").and_then(count).is_none_or(|least| characters >= least);
            fits &= part.get("maxLength").and_then(count).is_none_or(|most| characters <= most);
        }
        Document::List(elements) => {
            fits &= part.get("minItems").and_then(count).is_none_or(|least| length(elements.len()) >= least);
            fits &= part.get("maxItems").and_then(count).is_none_or(|most| length(elements.len()) <= most);
        }
        Document::Object(_) => {
            fits &= part.get("required").is_none_or(|names| names.elements().iter().all(has));
        }
        Document::Number(number) => {
            let order = |keyword: &str| match part.get(keyword) {
                Some(Document::Number(bound)) => Some(compare(number, bound)),
                _ => None,
            };
            fits &= order("minimum").is_none_or(Ordering::is_ge);
            fits &= order("maximum").is_none_or(Ordering::is_le);
            fits &= order("exclusiveMinimum").is_none_or(Ordering::is_gt);
            fits &= order("exclusiveMaximum").is_none_or(Ordering::is_lt);
        }
        Document::Null | Document::Bool(_) => {}
    }
    fits
}

fn is_of(kind: Type, value: &Document) -> bool {
    match (kind, value) {
        (Type::Null, Document::Null)
        | (Type::Boolean, Document::Bool(_))
        | (Type::Number, Document::Number(_))
        | (Type::String, Document::Text(_))
        | (Type::Array, Document::List(_))
        | (Type::Object, Document::Object(_)) => true,
        // As with bounds, a whole number is one however it is written.
        (Type::Integer, Document::Number(number)) => {
            !number.is_f64() || number.as_f64().is_some_and(|number| number.fract().abs() <= 0.0)
        }
        _ => false,
    }
}

/// Whether two values are equal: numbers by value, objects whatever the order.
fn is_same(a: &Document, b: &Document) -> bool {
    match (a, b) {
        (Document::Number(a), Document::Number(b)) => compare(a, b).is_eq(),
        (Document::List(a), Document::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Document::Object(a), Document::Object(members)) => {
            a.len() == members.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| is_same(a, b)))
        }
        _ => a == b,
    }
}

fn compare(a: &Number, b: &Number) -> Ordering {
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => {
            // Zero has one sign here.
            let value = |number: &Number| number.as_f64().unwrap_or_default() + 0.0;
            value(a).total_cmp(&value(b))
        }
    }
}
