//! The detailed arrays of vLLM and SGLang as rows: one entry per request, times in seconds.

use std::time::Duration;

use serde_json::Value;
use weighbridge_types::metric::Cell;
use weighbridge_types::request::{
    Channel, FailureClass, FinishReason, FrameStamp, Outcome, RequestRow, Timeline, Usage,
};
use weighbridge_types::time::Stamp;

use super::figures::{Sheet, count, nanos, number};

/// Relative difference between a stated and a recomputed mean that rounding explains.
const TOLERANCE: f64 = 1e-6;

/// Text of an error that a row keeps.
const LONGEST_ERROR: usize = 300;

/// The arrays of one document.
#[derive(Debug)]
pub(super) struct Arrays<'a> {
    document: &'a Value,
}

impl<'a> Arrays<'a> {
    pub(super) const fn of(document: &'a Value) -> Self {
        Self { document }
    }

    fn list(&self, key: &str) -> &'a [Value] {
        self.document.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Requests whose error is not empty; `None` without the array.
    pub(super) fn failed(&self) -> Option<u64> {
        let errors = self.list("errors");
        (!errors.is_empty()).then(|| errors.iter().filter(|error| is_error(error)).count() as u64)
    }

    fn is_success(&self, index: usize) -> bool {
        !self.list("errors").get(index).is_some_and(is_error)
    }

    /// Lengths of requests that succeeded.
    pub(super) fn lengths(&self, key: &str) -> Vec<f64> {
        let successes = self.list(key).iter().enumerate().filter(|(index, _)| self.is_success(*index));
        successes.filter_map(|(_, length)| count(Some(length)).map(|length| length as f64)).collect()
    }

    /// How many values a latency rests on, where the arrays tell.
    pub(super) fn observations(&self, field: &str) -> Option<u64> {
        match field {
            "tpot" if !self.list("output_lens").is_empty() => {
                Some(self.lengths("output_lens").into_iter().filter(|length| *length > 1.0).count() as u64)
            }
            "itl" if !self.list("itls").is_empty() => {
                Some(self.list("itls").iter().filter_map(Value::as_array).map(|gaps| gaps.len() as u64).sum())
            }
            _ => None,
        }
    }
}

fn is_error(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        _ => true,
    }
}

/// The rows of a document; none without the times of first tokens.
pub(super) fn rows(arrays: &Arrays<'_>, cell: &Cell, first_id: u64, sheet: &mut Sheet) -> Vec<RequestRow> {
    let firsts = arrays.list("ttfts");
    if firsts.is_empty() {
        return Vec::new();
    }
    for key in ["itls", "input_lens", "output_lens", "errors"] {
        let length = arrays.list(key).len();
        if length != firsts.len() {
            sheet
                .note(format!("`{key}` has {length} entries and `ttfts` {}; what is missing is unknown", firsts.len()));
        }
    }
    let starts = starts(arrays, firsts.len());
    if starts.is_none() {
        sheet
            .note("the file does not tell when requests started: every row starts at 0, so that their overlap is lost");
    }
    sheet.note("frames of the rows are chunks: how many tokens each held is not in the file, and 1 stands for it");
    let mut rows = Vec::with_capacity(firsts.len());
    for index in 0..firsts.len() {
        let start = starts.as_ref().map_or(0, |starts| starts[index]);
        match row(arrays, index, start) {
            Some(row) => rows.push(RequestRow { id: first_id + index as u64, cell: cell.clone(), ..row }),
            None => sheet.note(format!("request {index} has a time that is no time, and no row")),
        }
    }
    if rows.iter().any(|row| !row.outcome.is_success()) {
        sheet.note("classes of failures are read from their texts");
    }
    rows
}

/// Starts since the first one, nanoseconds; `None` unless every request has one.
fn starts(arrays: &Arrays<'_>, expected: usize) -> Option<Vec<u64>> {
    let starts: Option<Vec<f64>> = arrays.list("start_times").iter().map(Value::as_f64).collect();
    let starts = starts.filter(|starts| starts.len() == expected)?;
    // A request that failed before it started has 0, which is no time of the clock.
    let is_start = |index: usize, start: f64| start > 0.0 || arrays.is_success(index);
    let real = starts.iter().enumerate().filter(|(index, start)| is_start(*index, **start)).map(|(_, start)| *start);
    let first = real.fold(f64::INFINITY, f64::min);
    let since = |(index, start): (usize, f64)| nanos(if is_start(index, start) { start - first } else { 0.0 });
    starts.into_iter().enumerate().map(since).collect()
}

fn row(arrays: &Arrays<'_>, index: usize, start: u64) -> Option<RequestRow> {
    let start = Stamp::from_nanos(start);
    let at = |key: &str| arrays.list(key).get(index);
    let first = nanos(at("ttfts").and_then(Value::as_f64)?)?;
    let mut frames = Vec::new();
    if first > 0 {
        let mut stamp = start.after(Duration::from_nanos(first));
        frames.push(FrameStamp { at: stamp, tokens: 1, channel: Channel::Answer });
        for gap in at("itls").and_then(Value::as_array).into_iter().flatten() {
            stamp = stamp.after(Duration::from_nanos(nanos(gap.as_f64()?)?));
            frames.push(FrameStamp { at: stamp, tokens: 1, channel: Channel::Answer });
        }
    }
    let latency = at("latencies")
        .and_then(Value::as_f64)
        .and_then(nanos)
        .map(|latency| start.after(Duration::from_nanos(latency)));
    let last = frames.last().map(|frame| frame.at);
    let ended = latency.into_iter().chain(last).max();
    let length = |key: &str| count(at(key)).and_then(|length| u32::try_from(length).ok());
    let outcome = outcome(at("errors"), frames.is_empty());
    let output = length("output_lens");
    let usage = length("input_lens")
        .zip(output)
        .filter(|_| outcome.is_success())
        .map(|(input_tokens, output_tokens)| Usage { input_tokens, output_tokens, ..Usage::default() });
    let timeline = Timeline { planned: start, released: start, frames, ended, ..Timeline::default() };
    Some(RequestRow {
        planned_input_tokens: length("input_lens"),
        usage,
        ..RequestRow::new(0, Cell::default(), output.unwrap_or(0), timeline, outcome)
    })
}

fn outcome(error: Option<&Value>, is_silent: bool) -> Outcome {
    match error {
        Some(error) if is_error(error) => {
            let message = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
            failed(&message)
        }
        _ if is_silent => Outcome::Failed { class: FailureClass::Empty, message: "no token arrived".to_owned() },
        _ => Outcome::Succeeded { finish: FinishReason::Other },
    }
}

/// A failure whose class is read from its text, for want of a better source.
pub(super) fn failed(message: &str) -> Outcome {
    let text = message.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let class = if has(&["timeout", "timed out"]) {
        FailureClass::Timeout
    } else if has(&["429", "too many requests", "rate limit"]) {
        FailureClass::RateLimited
    } else if has(&["refused", "cannot connect", "connection reset", "disconnected", "connect call"]) {
        FailureClass::Connect
    } else if has(&["ssl", "certificate", "tls"]) {
        FailureClass::Tls
    } else if has(&["bad request", "not found", "unauthorized", "forbidden", "400", "401", "403", "404"]) {
        FailureClass::ClientError
    } else if has(&["internal server", "bad gateway", "unavailable", "500", "502", "503", "504"]) {
        FailureClass::ServerError
    } else {
        FailureClass::Malformed
    };
    // A trace may hold the request, and the request its key: the last line alone is the message.
    let line = message.trim().lines().last().unwrap_or_default();
    Outcome::Failed { class, message: line.chars().take(LONGEST_ERROR).collect() }
}

/// Compares the stated mean with that of the arrays.
pub(super) fn cross_check(document: &Value, rows: &[RequestRow], sheet: &mut Sheet) {
    let Ok(stated) = number(document.get("mean_ttft_ms"), "mean_ttft_ms") else { return };
    let firsts: Vec<f64> = rows
        .iter()
        .filter(|row| row.outcome.is_success())
        .filter_map(|row| row.timeline.ttft())
        .map(|first| first.as_secs_f64() * 1e3)
        .collect();
    if firsts.is_empty() {
        return;
    }
    let mean = firsts.iter().sum::<f64>() / firsts.len() as f64;
    // Stamps are whole nanoseconds, so a mean of them is right to 1e-6 ms at best.
    if (mean - stated).abs() > TOLERANCE * stated.abs() + 1e-6 {
        sheet.note(format!("suspicious: `mean_ttft_ms` is {stated}, and the mean of `ttfts` is {mean:.6} ms"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_read_from_texts() {
        let check = |text: &str, expected| {
            assert!(matches!(failed(text), Outcome::Failed { class, .. } if class == expected), "{text}");
        };
        check("Traceback\n  key=secret\nasyncio.TimeoutError", FailureClass::Timeout);
        check("Too Many Requests", FailureClass::RateLimited);
        check("Cannot connect to host", FailureClass::Connect);
        check("Internal Server Error", FailureClass::ServerError);
        check("Not Found", FailureClass::ClientError);
        check("no idea", FailureClass::Malformed);
        assert!(!format!("{:?}", failed("a\nkey=secret\nlast")).contains("secret"));
    }
}
