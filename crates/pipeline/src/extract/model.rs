//! Extraction by a model: what it is asked, what its reply must be, and what stands of it in the chunk.

use serde_json::{Value, json};

use super::{
    Aligner, Alignment, AlignmentLimits, Attribute, Extraction, Losses, Mention, Shape, plain, salvage_objects,
};
use crate::settings::ExtractionSettings;

/// Version of the prompt: part of what a stored result is found by.
pub const EXTRACTION_PROMPT: &str = "extract-1";

/// What a model is asked of a chunk.
#[must_use]
pub fn extraction_prompt(text: &str, headings: &[String], settings: &ExtractionSettings) -> String {
    let classes: Vec<String> = settings.classes.iter().map(|(name, what)| format!("- {name}: {what}")).collect();
    format!(
        "Find what the text says that falls into one of these classes:\n{}\n\nFor each, copy the words from the text, letter for \
         letter, into `text`. Put what it is about into `subject`, also copied; leave it empty if it has no name. Copy what is said \
         of the subject into `attributes`, each with a short name. Take nothing that the text does not say. An empty list is a valid \
         answer. Reply with JSON alone: {{\"extractions\": [{{\"class\", \"subject\", \"text\", \"attributes\": [{{\"name\", \
         \"value\"}}]}}]}}.\n\nSection: {}\n\nText:\n<<<\n{text}\n>>>",
        classes.join("\n"),
        if headings.is_empty() { "none".to_owned() } else { headings.join(" > ") },
    )
}

/// The schema of the reply.
#[must_use]
pub fn extraction_schema(settings: &ExtractionSettings) -> Value {
    let classes: Vec<&String> = settings.classes.keys().collect();
    let text = json!({"type": "string"});
    let attribute = json!({
        "type": "object", "properties": {"name": text, "value": text}, "required": ["name", "value"], "additionalProperties": false,
    });
    json!({
        "type": "object",
        "properties": {"extractions": {"type": "array", "maxItems": settings.most_per_chunk, "items": {
            "type": "object",
            "properties": {
                "class": {"enum": classes}, "subject": text, "text": text,
                "attributes": {"type": "array", "maxItems": 8, "items": attribute},
            },
            "required": ["class", "subject", "text", "attributes"],
            "additionalProperties": false,
        }}},
        "required": ["extractions"],
        "additionalProperties": false,
    })
}

/// What of a reply stands in the chunk; the rest is counted.
#[must_use]
pub fn read_extractions(
    reply: &str,
    text: &str,
    settings: &ExtractionSettings,
    losses: &mut Losses,
) -> Vec<Extraction> {
    let salvaged = salvage_objects(reply, "extractions");
    losses.unparsable += u64::from(!salvaged.is_complete && salvaged.objects.is_empty() && salvaged.broken == 0);
    losses.truncated += salvaged.broken;
    let aligner = Aligner::new(text);
    let mut near = 0;
    let mut found = Vec::new();
    for object in &salvaged.objects {
        match read_one(object, &aligner, near, settings) {
            Ok(extraction) => {
                near = extraction.span.start;
                found.push(extraction);
            }
            Err(Loss::Malformed) => losses.malformed += 1,
            Err(Loss::Unaligned) => losses.unaligned += 1,
        }
    }
    found
}

enum Loss {
    Malformed,
    Unaligned,
}

fn read_one(
    object: &Value,
    aligner: &Aligner<'_>,
    near: usize,
    settings: &ExtractionSettings,
) -> Result<Extraction, Loss> {
    let field = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let class = field(object, "class").filter(|class| settings.classes.contains_key(class)).ok_or(Loss::Malformed)?;
    let quote = field(object, "text").filter(|text| !text.trim().is_empty()).ok_or(Loss::Malformed)?;
    let limits = AlignmentLimits { coverage: settings.least_coverage, density: settings.least_density };
    let (span, alignment) = aligner.find(&quote, near, limits).ok_or(Loss::Unaligned)?;
    let mention = |text: &str| {
        let (found, _) = aligner.find(text, span.start, limits)?;
        Some(Mention { text: plain(text), span: found })
    };
    let subject = field(object, "subject").filter(|text| !text.trim().is_empty()).and_then(|text| mention(&text));
    let given = object.get("attributes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let attribute = |value: &Value| {
        let name = field(value, "name").and_then(|name| mention(&name));
        Some(Attribute { name, value: mention(&field(value, "value")?)? })
    };
    let attributes: Vec<Attribute> = given.iter().filter_map(attribute).collect();
    let has_all = attributes.len() == given.len();
    let checks = [subject.is_some(), has_all, matches!(alignment, Alignment::Exact)];
    let met = checks.iter().filter(|check| **check).count();
    let confidence = alignment.quality() * (0.7 + 0.1 * met as f64);
    Ok(Extraction { class, shape: Shape::Model, subject, span, attributes, alignment, confidence })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "The option `timeout` is 30 seconds by default. It never exceeds 600 seconds.";

    fn read(reply: &str) -> (Vec<Extraction>, Losses) {
        let mut losses = Losses::default();
        let found = read_extractions(reply, TEXT, &ExtractionSettings::default(), &mut losses);
        (found, losses)
    }

    #[test]
    fn what_stands_in_the_chunk_is_kept_and_the_rest_is_counted() {
        let (found, losses) = read(
            r#"{"extractions": [
                {"class": "parameters", "subject": "timeout", "text": "The option `timeout` is 30 seconds by default.",
                 "attributes": [{"name": "default", "value": "30 seconds"}]},
                {"class": "parameters", "subject": "", "text": "Retries are made five times.", "attributes": []},
                {"class": "poems", "subject": "", "text": "timeout", "attributes": []},
                {"class": "specifications", "subject": "", "text": "it never exceeds 600 seconds", "attributes": []},
                {"class": "specif"#,
        );
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].subject.as_ref().map(|subject| &TEXT[subject.span.clone()]), Some("timeout"));
        assert_eq!(&TEXT[found[0].attributes[0].value.span.clone()], "30 seconds");
        assert_eq!((found[0].alignment, found[1].alignment), (Alignment::Exact, Alignment::Normalized));
        assert!((found[0].confidence - 1.0).abs() < 1e-9);
        assert_eq!((losses.unaligned, losses.malformed, losses.truncated, losses.unparsable), (1, 1, 1, 0));
    }

    #[test]
    fn nonsense_and_nothing_are_told_apart() {
        assert_eq!(read("{\"extractions\": []}"), (Vec::new(), Losses::default()));
        assert_eq!(read("Sorry, I can't.").1, Losses { unparsable: 1, ..Losses::default() });
    }

    #[test]
    fn the_schema_is_one_that_engines_hold() {
        weighbridge_engine::constraint::Grammar::schema(&extraction_schema(&ExtractionSettings::default())).unwrap();
    }
}
