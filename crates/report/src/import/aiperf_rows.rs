//! AIPerf `profile_export.jsonl`: a request per line, with the values of its figures.
//!
//! The file holds no summary, so its statistics are computed here, by the tool's definitions: their origin is derived.

use std::time::Duration;

use serde_json::Value;
use weighbridge_types::metric::Cell;
use weighbridge_types::record::Phase;
use weighbridge_types::request::{
    Channel, FailureClass, FinishReason, FrameStamp, Outcome, RequestRow, Timeline, Turn, Usage,
};
use weighbridge_types::time::Stamp;

use super::definitions::meaning;
use super::draft::Draft;
use super::figures::{count, nanos, text};
use super::serving_rows::failed;
use super::{Format, ImportError, Tool, time, units};

/// Requests of one file; each becomes a row in memory.
const MOST_REQUESTS: usize = 5_000_000;

/// The figures of a line that are summarized, in this order.
const FIGURES: [&str; 9] = [
    "time_to_first_token",
    "inter_token_latency",
    "inter_chunk_latency",
    "request_latency",
    "time_to_second_token",
    "time_to_first_output_token",
    "output_token_throughput_per_user",
    "input_sequence_length",
    "output_sequence_length",
];

pub(super) fn read(documents: &[Value]) -> Result<Draft, ImportError> {
    let format = Format::AiperfRows;
    if documents.len() > MOST_REQUESTS {
        return Err(ImportError::TooLarge { format, what: "the number of requests", limit: MOST_REQUESTS });
    }
    let mut draft = Draft::new(Tool::Aiperf);
    let cell = Cell::of(Phase::Load);
    let starts = documents.iter().filter_map(|document| stamp(document, "request_start_ns"));
    let Some(first) = starts.min() else {
        return Err(ImportError::Missing { format, missing: "`metadata.request_start_ns`".to_owned() });
    };
    draft.started_at = time::from_unix_seconds(first as f64 / 1e9);
    for (index, document) in documents.iter().enumerate() {
        match row(document, first) {
            Some(row) => draft.rows.push(RequestRow { id: index as u64, cell: cell.clone(), ..row }),
            None => draft.sheet.note(format!("line {} has no usable times, and no row", index + 1)),
        }
    }
    let is_measured = |document: &&Value| document["error"].is_null() && !is_warmup(document);
    for field in FIGURES {
        let values: Vec<f64> =
            documents.iter().filter(is_measured).flat_map(|document| values(document, field)).collect();
        draft.sheet.summarize(field, &cell, values);
    }
    draft.tally = weighbridge_summary::tally(draft.rows.iter());
    let (made, failed) = (draft.tally.scheduled, draft.tally.failed);
    draft.sheet.value("requests", &cell, Ok(made as f64), made);
    draft.sheet.value("error_request_count", &cell, Ok(failed as f64), made);
    draft
        .sheet
        .note("statistics are computed here from the lines, by the tool's definitions; percentiles are of type 7");
    draft
        .sheet
        .note("times are wall-clock times of the client; frames are chunks, of one token each for want of a count");
    let last = documents.iter().filter_map(|document| stamp(document, "request_end_ns")).max();
    draft.duration_s = last.and_then(|last| last.checked_sub(first)).map(|nanos| nanos as f64 / 1e9);
    draft.is_failed = draft.tally.succeeded == 0;
    Ok(draft)
}

fn stamp(document: &Value, key: &str) -> Option<u64> {
    document["metadata"].get(key)?.as_u64()
}

fn is_warmup(document: &Value) -> bool {
    text(&document["metadata"], "benchmark_phase").is_some_and(|phase| phase.eq_ignore_ascii_case("warmup"))
}

/// The values of a figure in the unit of its definition: one, or a list.
fn values(document: &Value, field: &str) -> Vec<f64> {
    let figure = &document["metrics"][field];
    let unit = text(figure, "unit").unwrap_or_default();
    let scale = meaning(Tool::Aiperf, field).and_then(|meaning| units::scale(unit, meaning.definition.unit));
    let Some(scale) = scale else { return Vec::new() };
    let numbers: Vec<&Value> = match &figure["value"] {
        Value::Array(values) => values.iter().collect(),
        value => vec![value],
    };
    numbers.into_iter().filter_map(Value::as_f64).map(|value| value * scale).filter(|value| value.is_finite()).collect()
}

fn row(document: &Value, first: u64) -> Option<RequestRow> {
    let since = |key: &str| Some(Stamp::from_nanos(stamp(document, key)?.checked_sub(first)?));
    let released = since("request_start_ns")?;
    let frames = frames(document, released)?;
    let ended = since("request_end_ns").into_iter().chain(frames.last().map(|frame| frame.at)).max();
    // The credit is issued before the request starts; one of another clock would break the order of stamps.
    let planned = since("credit_issued_ns").filter(|planned| *planned <= released).unwrap_or(released);
    let timeline =
        Timeline { planned, released, headers: since("request_ack_ns"), frames, ended, ..Timeline::default() };
    let tokens = |field: &str| values(document, field).first().and_then(|value| count(Some(&(*value).into())));
    let tokens = |field: &str| tokens(field).and_then(|count| u32::try_from(count).ok());
    let (input, output) = (tokens("input_sequence_length"), tokens("output_sequence_length"));
    let outcome = outcome(document, timeline.frames.is_empty());
    let usage = input.zip(output).filter(|_| outcome.is_success());
    let metadata = &document["metadata"];
    let turn = count(metadata.get("session_num")).zip(count(metadata.get("turn_index")));
    Some(RequestRow {
        warmup: is_warmup(document),
        planned_input_tokens: input,
        usage: usage.map(|(input_tokens, output_tokens)| Usage { input_tokens, output_tokens, ..Usage::default() }),
        turn: turn.and_then(|(session, turn)| Some(Turn { session, turn: u32::try_from(turn).ok()? })),
        ..RequestRow::new(0, Cell::default(), output.unwrap_or(0), timeline, outcome)
    })
}

/// The first chunk at TTFT, the others by their gaps; without gaps, one more at the end of the request.
fn frames(document: &Value, released: Stamp) -> Option<Vec<FrameStamp>> {
    let frame = |at| FrameStamp { at, tokens: 1, channel: Channel::Answer };
    let later = |stamp: Stamp, millis: f64| Some(stamp.after(Duration::from_nanos(nanos(millis / 1e3)?)));
    let Some(ttft) = values(document, "time_to_first_token").first().copied() else { return Some(Vec::new()) };
    let mut stamp = later(released, ttft)?;
    let mut frames = vec![frame(stamp)];
    let gaps = values(document, "inter_chunk_latency");
    if gaps.is_empty() {
        let latency = values(document, "request_latency").first().copied().unwrap_or(ttft);
        frames.extend(later(released, latency).filter(|end| *end > stamp).map(frame));
        return Some(frames);
    }
    for gap in gaps {
        stamp = later(stamp, gap)?;
        frames.push(frame(stamp));
    }
    Some(frames)
}

fn outcome(document: &Value, is_silent: bool) -> Outcome {
    let error = &document["error"];
    if document["metadata"]["was_cancelled"] == Value::Bool(true) {
        return Outcome::Cancelled;
    }
    if error.is_null() {
        return match is_silent {
            // A response that is not streamed has no first token.
            true if values(document, "request_latency").is_empty() => {
                Outcome::Failed { class: FailureClass::Empty, message: "no token arrived".to_owned() }
            }
            _ => Outcome::Succeeded { finish: FinishReason::Other },
        };
    }
    let message = text(error, "message").unwrap_or_default();
    let class = match count(error.get("code")) {
        Some(429) => FailureClass::RateLimited,
        Some(400..=498) => FailureClass::ClientError,
        Some(500..=599) => FailureClass::ServerError,
        _ => return failed(&format!("{}: {message}", text(error, "type").unwrap_or("error"))),
    };
    match failed(message) {
        Outcome::Failed { message, .. } => Outcome::Failed { class, message },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_becomes_a_row() {
        let line = json!({
            "metadata": {"session_num": 3, "request_start_ns": 1_000, "request_end_ns": 30_001_000, "benchmark_phase": "profiling"},
            "metrics": {
                "time_to_first_token": {"value": 10.0, "unit": "ms"},
                "inter_chunk_latency": {"value": [5.0, 15.0], "unit": "ms"},
                "output_sequence_length": {"value": 3, "unit": "tokens"},
                "input_sequence_length": {"value": 7, "unit": "tokens"},
            },
            "error": null,
        });
        let row = row(&line, 0).unwrap();
        assert_eq!(row.tpot(), Some(Duration::from_millis(10)));
        assert_eq!(row.timeline.ttft(), Some(Duration::from_millis(10)));
        assert!(row.timeline.is_ordered() && row.outcome.is_success());
        assert_eq!(row.output_tokens(), 3);
    }
}
