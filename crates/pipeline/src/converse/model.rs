//! Conversations by a model: what it is asked, and what of its reply stands in the chunk.

use serde_json::{Value, json};

use super::{Candidate, QuestionType, Turn};
use crate::extract::{Aligner, Alignment, AlignmentLimits, Extraction, Losses, salvage_objects};
use crate::settings::Settings;

/// Version of the prompt: part of what a stored result is found by.
pub const CONVERSATION_PROMPT: &str = "converse-1";
/// Quotations of an answer at most.
const QUOTES: usize = 6;

/// What a model is asked of a chunk and of what was found in it.
#[must_use]
pub fn conversation_prompt(text: &str, headings: &[String], found: &[Extraction], settings: &Settings) -> String {
    let limits = &settings.conversations;
    let types: Vec<&str> = QuestionType::ALL.iter().map(|kind| kind.name()).collect();
    let facts: Vec<String> = found
        .iter()
        .take(20)
        .map(|one| format!("- {}: {}", one.class, text[one.span.clone()].replace('\n', " ")))
        .collect();
    format!(
        "Write {} to {} conversations that teach what the text says, of one to {} questions with their answers each. Use the types {} \
         where the text allows. Begin the questions with different words. A question must be clear to someone who does not see the text: \
         name the product or section. An answer says only what the text says, keeps every number and name as it is, and never mentions \
         the text itself. For each answer, copy into `quotes` the words of the text that bear it, letter for letter. An empty list is a \
         valid answer. Reply with JSON alone: {{\"conversations\": [{{\"type\", \"turns\": [{{\"question\", \"answer\", \"quotes\"}}]}}]}}.\
         \n\nSection: {}\n\nFound in it:\n{}\n\nText:\n<<<\n{text}\n>>>",
        limits.pairs_min,
        limits.pairs_max,
        limits.turns_max,
        types.join(", "),
        if headings.is_empty() { "none".to_owned() } else { headings.join(" > ") },
        facts.join("\n"),
    )
}

/// The schema of the reply.
#[must_use]
pub fn conversation_schema(settings: &Settings) -> Value {
    let types: Vec<&str> = QuestionType::ALL.iter().map(|kind| kind.name()).collect();
    let text = json!({"type": "string"});
    let turn = json!({
        "type": "object",
        "properties": {"question": text, "answer": text, "quotes": {"type": "array", "items": text, "minItems": 1, "maxItems": QUOTES}},
        "required": ["question", "answer", "quotes"],
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "properties": {"conversations": {"type": "array", "maxItems": settings.conversations.pairs_max, "items": {
            "type": "object",
            "properties": {
                "type": {"enum": types},
                "turns": {"type": "array", "items": turn, "minItems": 1, "maxItems": settings.conversations.turns_max},
            },
            "required": ["type", "turns"],
            "additionalProperties": false,
        }}},
        "required": ["conversations"],
        "additionalProperties": false,
    })
}

/// The conversations of a reply. One that cites nothing of the chunk keeps an empty list of evidence, and is rejected for it later; one that
/// cannot be read is counted here.
#[must_use]
pub fn read_conversations(reply: &str, text: &str, settings: &Settings, losses: &mut Losses) -> Vec<Candidate> {
    let salvaged = salvage_objects(reply, "conversations");
    losses.unparsable += u64::from(!salvaged.is_complete && salvaged.objects.is_empty() && salvaged.broken == 0);
    losses.truncated += salvaged.broken;
    let aligner = Aligner::new(text);
    let mut found = Vec::new();
    for object in &salvaged.objects {
        match read_one(object, &aligner, settings) {
            Some(candidate) => found.push(candidate),
            None => losses.malformed += 1,
        }
    }
    losses.surplus += found.len().saturating_sub(settings.conversations.pairs_max) as u64;
    found.truncate(settings.conversations.pairs_max);
    found
}

fn read_one(object: &Value, aligner: &Aligner<'_>, settings: &Settings) -> Option<Candidate> {
    let kind = object.get("type")?.as_str()?;
    let kind = QuestionType::ALL.into_iter().find(|known| known.name() == kind)?;
    let given = object.get("turns")?.as_array()?;
    let turns: Option<Vec<Turn>> =
        given.iter().take(settings.conversations.turns_max).map(|turn| read_turn(turn, aligner, settings)).collect();
    let turns = turns.filter(|turns| !turns.is_empty())?;
    Some(Candidate { kind, extraction: None, turns })
}

fn read_turn(turn: &Value, aligner: &Aligner<'_>, settings: &Settings) -> Option<Turn> {
    let field = |name: &str| turn.get(name)?.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    let (question, answer) = (field("question")?, field("answer")?);
    let limits =
        AlignmentLimits { coverage: settings.extraction.least_coverage, density: settings.extraction.least_density };
    let mut alignment = Alignment::Exact;
    let mut evidence = Vec::new();
    for quote in turn.get("quotes")?.as_array()?.iter().take(QUOTES).filter_map(Value::as_str) {
        if let Some((range, how)) = aligner.find(quote, 0, limits) {
            if how.quality() < alignment.quality() || alignment == Alignment::Exact {
                alignment = how;
            }
            evidence.push(range);
        }
    }
    Some(Turn { questions: vec![question], answer, evidence, alignment })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "The cache keeps answers for 3600 seconds. It is empty at the start.";

    #[test]
    fn a_reply_becomes_candidates() {
        let mut losses = Losses::default();
        let reply = r#"{"conversations": [
            {"type": "quantitative", "turns": [{"question": "How long are answers kept?", "answer": "For 3600 seconds.",
              "quotes": ["the cache keeps answers for 3600 seconds", "nowhere to be found here"]}]},
            {"type": "riddle", "turns": []},
            {"type": "factual", "turns": [{"question": "Is it blue?", "answer": "Yes.", "quotes": ["The sky is blue today"]}]},
            {"type": "fact"#;
        let found = read_conversations(reply, TEXT, &Settings::default(), &mut losses);
        assert_eq!(found.len(), 2);
        assert_eq!(&TEXT[found[0].turns[0].evidence[0].clone()], "The cache keeps answers for 3600 seconds");
        assert_eq!(found[0].turns[0].alignment, Alignment::Normalized);
        assert!(found[1].turns[0].evidence.is_empty());
        assert_eq!((losses.malformed, losses.truncated), (1, 1));
    }

    #[test]
    fn the_schema_is_one_that_engines_hold() {
        weighbridge_engine::constraint::Grammar::schema(&conversation_schema(&Settings::default())).unwrap();
    }
}
