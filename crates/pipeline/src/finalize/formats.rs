//! Conversations in the forms that trainers read.

use serde_json::{Value, json};

use super::record::ItemRecord;
use crate::settings::ChatFormat;

impl ChatFormat {
    /// The name in files and flags.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sharegpt => "sharegpt",
            Self::Openai => "openai",
            Self::Alpaca => "alpaca",
        }
    }
}

/// The lines of an item in a form: one, or one for each turn where the form has no turns.
#[must_use]
pub fn line_of(item: &ItemRecord, format: ChatFormat) -> Vec<Value> {
    let turns = item.turns.iter();
    match format {
        ChatFormat::Sharegpt => {
            let said = turns.flat_map(|turn| {
                [json!({"from": "human", "value": turn.question}), json!({"from": "gpt", "value": turn.answer})]
            });
            vec![json!({"id": item.id, "conversations": said.collect::<Vec<_>>()})]
        }
        ChatFormat::Openai => {
            let said = turns.flat_map(|turn| {
                [
                    json!({"role": "user", "content": turn.question}),
                    json!({"role": "assistant", "content": turn.answer}),
                ]
            });
            vec![json!({"messages": said.collect::<Vec<_>>()})]
        }
        ChatFormat::Alpaca => {
            turns.map(|turn| json!({"instruction": turn.question, "input": "", "output": turn.answer})).collect()
        }
    }
}

/// All items as CSV: a line for each turn.
///
/// # Errors
///
/// Never in practice: it writes to memory.
pub fn csv_of<'a>(items: impl IntoIterator<Item = &'a ItemRecord>) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "id", "split", "type", "turn", "question", "answer", "score", "document", "path", "licence", "evidence",
    ])?;
    for item in items {
        for (number, turn) in item.turns.iter().enumerate() {
            let spans: Vec<String> = turn.evidence.iter().map(|span| format!("{}-{}", span.start, span.end)).collect();
            writer.write_record([
                item.id.as_str(),
                item.split.name(),
                item.kind.name(),
                &(number + 1).to_string(),
                &turn.question,
                &turn.answer,
                &format!("{:.4}", item.score.score),
                &item.document,
                &item.path,
                item.licence.as_deref().unwrap_or_default(),
                &spans.join(" "),
            ])?;
        }
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::converse::QuestionType;
    use crate::dedup::Split;
    use crate::extract::Alignment;
    use crate::finalize::TurnRecord;
    use crate::quality::{Answerability, ScoreInput, score_item};
    use crate::run::SpanRecord;

    pub(crate) fn item() -> ItemRecord {
        let turn = |question: &str, answer: &str| TurnRecord {
            question: question.to_owned(),
            answer: answer.to_owned(),
            evidence: vec![SpanRecord { start: 3, end: 9, hash: "0123456789abcdef".to_owned(), page: Some(2) }],
            alignment: Alignment::Exact,
        };
        ItemRecord {
            version: 1,
            id: "id".to_owned(),
            split: Split::Train,
            kind: QuestionType::Factual,
            class: Some("features".to_owned()),
            document: "doc".to_owned(),
            path: "a/b.md".to_owned(),
            licence: None,
            chunk: 0,
            language: Some("eng".to_owned()),
            turns: vec![turn("What is \"it\"?", "This,\nthat."), turn("And then?", "Done.")],
            score: score_item(&ScoreInput {
                grounding: 1.0,
                answerability: Answerability::Lexical(1.0),
                conversion: 1.0,
                well_formed: 1.0,
                non_redundancy: 1.0,
            }),
            doubts: Vec::new(),
        }
    }

    #[test]
    fn forms_are_those_of_trainers() {
        let check = |format, expected: &str| {
            let lines: Vec<String> = line_of(&item(), format).iter().map(Value::to_string).collect();
            assert_eq!(lines.join("\n"), expected);
        };
        check(
            ChatFormat::Openai,
            r#"{"messages":[{"content":"What is \"it\"?","role":"user"},{"content":"This,\nthat.","role":"assistant"},{"content":"And then?","role":"user"},{"content":"Done.","role":"assistant"}]}"#,
        );
        check(
            ChatFormat::Sharegpt,
            r#"{"conversations":[{"from":"human","value":"What is \"it\"?"},{"from":"gpt","value":"This,\nthat."},{"from":"human","value":"And then?"},{"from":"gpt","value":"Done."}],"id":"id"}"#,
        );
        check(
            ChatFormat::Alpaca,
            "{\"input\":\"\",\"instruction\":\"What is \\\"it\\\"?\",\"output\":\"This,\\nthat.\"}\n{\"input\":\"\",\"instruction\":\"And then?\",\"output\":\"Done.\"}",
        );
    }

    #[test]
    fn csv_quotes_what_it_must() {
        let text = String::from_utf8(csv_of([&item()]).unwrap()).unwrap();
        assert!(
            text.contains("id,train,factual,1,\"What is \"\"it\"\"?\",\"This,\nthat.\",1.0000,doc,a/b.md,,3-9\n"),
            "{text}"
        );
    }

    #[test]
    fn items_survive_their_lines() {
        let line = serde_json::to_string(&item()).unwrap();
        assert_eq!(serde_json::from_str::<ItemRecord>(&line).unwrap(), item());
    }
}
