//! What the figures of other tools mean: the one table that maps a field of a file to a definition.
//!
//! A figure gets a definition of ours only where the formula is the same, over the same events, with the same weights.
//! Everything else keeps a definition of its own, `vllm.ttft/1`, so that two formulas are never compared by accident;
//! [`Meaning::closest`] and [`Meaning::why`] say which of ours comes near and what keeps it apart. Two things decide
//! most cases: no client here stamps the first byte written, so a latency from the start of a request stays its own
//! (one that opens a connection has a handshake in it); and a rate over a duration that holds ramp, drain or a probe is
//! not a rate over our window. Differences between two arrivals have no such origin, and map.

use weighbridge_types::definition::{self as d, Definition, Direction};

use super::Tool;

/// The meaning of one field of a tool's file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Meaning {
    /// The tool.
    pub tool: Tool,
    /// The name that the tool gives the figure, without statistic and unit.
    pub field: &'static str,
    /// The definition that the imported figure carries: one of ours, or the tool's own.
    pub definition: Definition,
    /// Our definition that comes near; itself where the formulas are equal, `None` where nothing does.
    pub closest: Option<Definition>,
    /// Why the formulas are equal, or how they differ.
    pub why: &'static str,
}

impl Meaning {
    /// Whether the figure carries a definition of ours.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        !self.definition.name.contains('.')
    }
}

/// Finds the meaning of a tool's field.
#[must_use]
pub fn meaning(tool: Tool, field: &str) -> Option<&'static Meaning> {
    MEANINGS.iter().find(|meaning| meaning.tool == tool && meaning.field == field)
}

/// Finds a definition, ours or a tool's, by the id that a metric carries: `tpot/1`, `vllm.ttft/1`.
#[must_use]
pub fn find(id: &str) -> Option<&'static Definition> {
    let ours = d::ALL.iter().find(|definition| definition.id() == id);
    ours.or_else(|| MEANINGS.iter().map(|meaning| &meaning.definition).find(|definition| definition.id() == id))
}

/// Finds the meaning whose own definition has this id; `None` for a definition of ours.
#[must_use]
pub fn foreign(id: &str) -> Option<&'static Meaning> {
    MEANINGS.iter().find(|meaning| !meaning.is_ours() && meaning.definition.id() == id)
}

macro_rules! row {
    ($tool:ident $prefix:literal own $field:literal $title:literal $unit:literal $direction:ident $formula:literal, $closest:expr, $why:literal) => {
        Meaning {
            tool: Tool::$tool,
            field: $field,
            definition: Definition {
                name: concat!($prefix, ".", $field),
                version: 1,
                title: $title,
                unit: $unit,
                direction: Direction::$direction,
                formula: $formula,
            },
            closest: $closest,
            why: $why,
        }
    };
    ($tool:ident $prefix:literal same $field:literal $ours:ident $why:literal) => {
        Meaning { tool: Tool::$tool, field: $field, definition: d::$ours, closest: Some(d::$ours), why: $why }
    };
}

macro_rules! meanings {
    ($($tool:ident $prefix:literal { $($kind:ident $field:literal ($($rest:tt)*);)* })*) => {
        /// Every field that an importer maps, by tool.
        pub const MEANINGS: &[Meaning] = &[$($(row!($tool $prefix $kind $field $($rest)*),)*)*];
    };
}

meanings! {
    Vllm "vllm" {
        own "ttft" ("time to first chunk" "ms" Lower "first chunk with `choices` (a role-only or empty one too) − call of the client", Some(d::TTFT), "the chunk may carry no token, and the origin lies before the connection");
        same "tpot" (TPOT "(end − first chunk) / (output tokens − 1), requests of two tokens and more; with the fix of vllm#55508 the usage chunk does not extend the end");
        same "itl" (ICL "gap between consecutive chunks, whatever they carry: what we call ICL");
        own "e2el" ("end-to-end latency" "ms" Lower "last chunk − call of the client", Some(d::E2E), "the origin lies before the connection");
        own "client_queue_time" ("wait for the client's semaphore" "ms" Lower "call of the client − arrival by the schedule", Some(d::SCHEDULE_LAG), "the arrival is when the task was made, not when it was planned");
        own "e2el_including_client_queue" ("end-to-end latency with queue" "ms" Lower "last chunk − arrival by the schedule", Some(d::E2E_SCHEDULED), "the arrival is when the task was made, not when it was planned");
        own "request_throughput" ("requests per second" "requests/s" Higher "completed / duration of the whole benchmark", Some(d::REQUEST_RATE), "the duration begins before the first arrival and ends with the last task, a probe among them");
        own "request_goodput" ("goodput" "requests/s" Higher "completed requests within every limit / duration; one token counts as a TPOT of 0", None, "no definition of ours in a record yet");
        own "output_throughput" ("output tokens per second" "tokens/s" Higher "output tokens / duration of the whole benchmark", Some(d::OUTPUT_RATE), "the duration begins before the first arrival and ends with the last task");
        own "total_token_throughput" ("all tokens per second" "tokens/s" Higher "(input + output tokens) / duration of the whole benchmark", None, "prompt and output tokens are added");
        own "max_output_tokens_per_s" ("most chunks in one second" "tokens/s" Higher "largest count of chunks in a bucket of one second", None, "chunks are counted, not tokens");
        own "max_concurrent_requests" ("most requests in flight" "requests" Neutral "largest number of completed requests in flight", None, "failed requests are left out");
        own "duration" ("benchmark duration" "s" Neutral "end of the last task − start of the benchmark", Some(d::WINDOW), "begins before the first release");
        own "input_lens" ("prompt tokens" "tokens" Neutral "prompt tokens by the client's tokenizer", Some(d::INPUT_TOKENS), "counted by the client, not by the server");
        own "output_lens" ("output tokens" "tokens" Neutral "output tokens by usage, else by the client's tokenizer", Some(d::OUTPUT_TOKENS), "may be counted by the client");
        same "failed" (FAILED "requests that did not succeed; the tool drops none");
        same "requests" (REQUESTS "completed + failed, warm-up left out");
    }
    Sglang "sglang" {
        own "ttft" ("time to first text" "ms" Lower "first chunk with text − call of the client", Some(d::TTFT), "reasoning may not count, and the origin lies before the connection");
        same "tpot" (TPOT "(end − first text) / (output tokens − 1), requests of two tokens and more");
        own "itl" ("inter-token latency" "ms" Lower "native: gap / tokens, once per token; other backends: gap between chunks", Some(d::ITL), "the formula depends on the backend");
        own "e2e_latency" ("end-to-end latency" "ms" Lower "end of the response − call of the client", Some(d::E2E), "the origin lies before the connection");
        own "request_throughput" ("requests per second" "requests/s" Higher "completed / duration", Some(d::REQUEST_RATE), "the duration holds a question to the server after the last request");
        own "input_throughput" ("prompt tokens per second" "tokens/s" Higher "prompt tokens / duration", None, "no definition of ours");
        own "output_throughput" ("output tokens per second" "tokens/s" Higher "output tokens / duration", Some(d::OUTPUT_RATE), "the duration holds a question to the server after the last request");
        own "concurrency" ("mean concurrency" "requests" Neutral "sum of latencies / duration", Some(d::CONCURRENCY), "not a time-weighted mean over the window");
        own "accept_length" ("accepted draft length" "tokens" Higher "mean tokens accepted in a step, by the server", None, "no definition of ours");
        own "total_output_tokens_retokenized" ("output tokens, tokenized again" "tokens" Neutral "tokens of the joined text by the client's tokenizer", None, "a total by another tokenizer");
        own "duration" ("benchmark duration" "s" Neutral "after the question to the server − start", Some(d::WINDOW), "holds a question to the server after the last request");
        own "input_lens" ("prompt tokens" "tokens" Neutral "prompt tokens by the client's tokenizer", Some(d::INPUT_TOKENS), "counted by the client");
        own "output_lens" ("output tokens" "tokens" Neutral "output tokens as asked for or reported", Some(d::OUTPUT_TOKENS), "may be the length asked for");
        same "failed" (FAILED "requests whose error text is not empty; the tool drops none");
        same "requests" (REQUESTS "rows of the detailed arrays, warm-up left out");
    }
    Aiperf "aiperf" {
        own "time_to_first_token" ("time to first token" "ms" Lower "first response with content (reasoning counts) − request start", Some(d::TTFT), "the origin is the start of the client's call, not the first byte written");
        own "time_to_second_token" ("time to second token" "ms" Lower "second − first response with content", None, "no definition of ours");
        own "time_to_first_output_token" ("time to first output token" "ms" Lower "first response that is no reasoning − request start", Some(d::TTFO), "the origin is the start of the client's call");
        same "inter_token_latency" (TPOT "(request latency − TTFT) / (output tokens − tokens of the first chunk), per request: our TPOT wherever the first chunk is one token");
        same "inter_chunk_latency" (ICL "gap between consecutive responses with content");
        own "request_latency" ("request latency" "ms" Lower "final response − request start", Some(d::E2E), "the origin is the start of the client's call");
        own "output_token_throughput_per_user" ("output rate per user" "tokens/s" Higher "1 / inter-token latency, per request", Some(d::DECODE_RATE), "the inverse of a latency that subtracts the first chunk's tokens");
        own "prefill_throughput_per_user" ("prefill rate per user" "tokens/s" Higher "input tokens / TTFT, per request", Some(d::PREFILL_RATE), "cached tokens count, and streams may overlap");
        own "output_sequence_length" ("output sequence length" "tokens" Neutral "tokens of the joined text by the client's tokenizer, or usage on request", Some(d::OUTPUT_TOKENS), "may be counted by the client");
        own "input_sequence_length" ("input sequence length" "tokens" Neutral "prompt tokens by the client's tokenizer, or usage on request", Some(d::INPUT_TOKENS), "may be counted by the client");
        own "output_token_count" ("output tokens without reasoning" "tokens" Neutral "tokens that are no reasoning, by the client's tokenizer", None, "reasoning is left out");
        own "reasoning_token_count" ("reasoning tokens" "tokens" Neutral "reasoning tokens by the client's tokenizer", None, "no definition of ours");
        own "request_throughput" ("requests per second" "requests/s" Higher "valid requests / benchmark duration", Some(d::REQUEST_RATE), "the duration is first request to last response of valid requests");
        own "output_token_throughput" ("output tokens per second" "tokens/s" Higher "output tokens / benchmark duration", Some(d::OUTPUT_RATE), "tokens may be counted by the client");
        own "total_token_throughput" ("all tokens per second" "tokens/s" Higher "(input + output tokens) / benchmark duration", None, "prompt and output tokens are added");
        own "goodput" ("goodput" "requests/s" Higher "valid requests within every limit / benchmark duration", None, "no definition of ours in a record yet");
        own "benchmark_duration" ("benchmark duration" "s" Neutral "last response − first request", Some(d::WINDOW), "failed requests may be left out");
        own "request_count" ("valid requests" "requests" Neutral "requests that succeeded", None, "ours counts what was scheduled");
        own "good_request_count" ("good requests" "requests" Higher "valid requests within every limit", None, "no definition of ours");
        same "error_request_count" (FAILED "requests that failed");
        same "requests" (REQUESTS "valid + failed requests of the profiling phase");
    }
    GenaiPerf "genai_perf" {
        own "time_to_first_token" ("time to first token" "ms" Lower "first response − request start", Some(d::TTFT), "responses without content count in early versions");
        own "time_to_second_token" ("time to second token" "ms" Lower "second − first response", None, "no definition of ours");
        own "inter_token_latency" ("inter-token latency" "ms" Lower "(request latency − TTFT) / (output tokens − 1), per request, rounded", Some(d::TPOT), "tokens are counted by the client and were known to be inflated");
        own "request_latency" ("request latency" "ms" Lower "final response − request start", Some(d::E2E), "the origin is the start of the client's call");
        own "output_token_throughput_per_user" ("output rate per user" "tokens/s" Higher "1 / inter-token latency, per request", Some(d::DECODE_RATE), "of inflated token counts");
        own "output_sequence_length" ("output sequence length" "tokens" Neutral "tokens of the text by the client's tokenizer", Some(d::OUTPUT_TOKENS), "counted by the client");
        own "input_sequence_length" ("input sequence length" "tokens" Neutral "prompt tokens by the client's tokenizer", Some(d::INPUT_TOKENS), "counted by the client");
        own "request_throughput" ("requests per second" "requests/s" Higher "requests / duration of the stable windows", Some(d::REQUEST_RATE), "over windows chosen by stability");
        own "output_token_throughput" ("output tokens per second" "tokens/s" Higher "output tokens / duration of the stable windows", Some(d::OUTPUT_RATE), "over windows chosen by stability");
        own "request_goodput" ("goodput" "requests/s" Higher "requests within every limit / duration", None, "no definition of ours in a record yet");
        own "request_count" ("requests" "requests" Neutral "requests in the stable windows", None, "ours counts what was scheduled");
    }
    Guidellm "guidellm" {
        own "time_to_first_token_ms" ("time to first token" "ms" Lower "first generated item (reasoning counts) − request start", Some(d::TTFT), "a connection is opened for every request, within this time");
        own "time_to_first_output_token_ms" ("time to first output token" "ms" Lower "first item that is no reasoning − request start", Some(d::TTFO), "a connection is opened for every request, within this time");
        own "time_per_output_token_ms" ("time per output token" "ms" Lower "(last token − request start) / output tokens, per request, weighted by output tokens", Some(d::NTPOT), "TTFT is in it, so it is no TPOT; our NTPOT weighs requests alike, this one weighs tokens");
        own "inter_token_latency_ms" ("inter-token latency" "ms" Lower "(last − first token) / (output tokens − 1), per request, weighted by output tokens − 1", Some(d::TPOT), "our TPOT weighs requests alike; this one weighs tokens");
        own "request_latency" ("request latency" "s" Lower "request end − request start", Some(d::E2E), "ends with the stream, and a connection is opened within this time");
        own "request_dispatch_delay" ("dispatch delay" "s" Lower "dispatch − targeted start", Some(d::SCHEDULE_LAG), "not on a monotonic clock");
        own "request_scheduled_latency" ("latency from the targeted start" "s" Lower "request end − targeted start", Some(d::E2E_SCHEDULED), "ends with the stream");
        own "requests_per_second" ("requests per second" "requests/s" Higher "rate of completions, distribution over time", Some(d::REQUEST_RATE), "a mean over the times between completions");
        own "request_concurrency" ("requests in flight" "requests" Neutral "time-weighted requests in flight", Some(d::CONCURRENCY), "the window is the tool's own");
        own "output_tokens_per_second" ("output tokens per second" "tokens/s" Higher "rate of output tokens, distribution over time", Some(d::OUTPUT_RATE), "stamps within a request are interpolated");
        own "tokens_per_second" ("all tokens per second" "tokens/s" Higher "rate of all tokens, distribution over time", None, "prompt and output tokens are added");
        own "prompt_token_count" ("prompt tokens" "tokens" Neutral "prompt tokens by usage or tokenizer", Some(d::INPUT_TOKENS), "may be counted by the client");
        own "output_token_count" ("output tokens" "tokens" Neutral "output tokens by usage or tokenizer", Some(d::OUTPUT_TOKENS), "may be counted by the client");
        own "duration" ("benchmark duration" "s" Neutral "end − start of the benchmark", Some(d::WINDOW), "by the tool's own window");
        same "failed" (FAILED "errored requests; incomplete ones are cancelled, not failed");
        same "requests" (REQUESTS "successful + errored + incomplete requests");
    }
    InferencePerf "inference_perf" {
        own "request_latency" ("request latency" "ms" Lower "end − start of the request", Some(d::E2E), "ends with the stream, starts with the client's call");
        own "normalized_time_per_output_token" ("normalized time per output token" "ms" Lower "(end − start) / output tokens, per request; 0 without a token", Some(d::NTPOT), "ends with the stream, and a missing value counts as 0");
        same "time_per_output_token" (TPOT "(last token − first token) / (output tokens − 1), requests of two tokens and more");
        own "time_to_first_token" ("time to first token" "ms" Lower "first token − start, requests with more than one token", Some(d::TTFT), "starts with the client's call, and leaves out requests of one token");
        own "inter_token_latency" ("inter-token latency" "ms" Lower "gap between tokens, where the tokens of one chunk are 0 apart", Some(d::ITL), "the whole gap of a chunk falls on its first token");
        own "schedule_delay" ("schedule delay" "ms" Lower "start − scheduled time", Some(d::SCHEDULE_LAG), "the start is the client's call; may be negative");
        own "requested_rate" ("requested rate" "requests/s" Neutral "rate that the stage asked for", None, "a setting");
        own "achieved_rate" ("achieved rate" "requests/s" Higher "requests sent / time between the first and the last send", None, "a rate of sending, not of completing");
        own "requests_per_sec" ("requests per second" "requests/s" Higher "successes / (last end − first start)", Some(d::REQUEST_RATE), "the start is the client's call");
        own "output_tokens_per_sec" ("output tokens per second" "tokens/s" Higher "output tokens of successes / (last end − first start)", Some(d::OUTPUT_RATE), "tokens are counted by the client unless asked otherwise");
        own "input_tokens_per_sec" ("prompt tokens per second" "tokens/s" Higher "prompt tokens of successes / (last end − first start)", None, "no definition of ours");
        own "total_tokens_per_sec" ("all tokens per second" "tokens/s" Higher "prompt and output tokens of successes / (last end − first start)", None, "prompt and output tokens are added");
        own "prompt_len" ("prompt tokens" "tokens" Neutral "prompt tokens per success", Some(d::INPUT_TOKENS), "may be counted by the client");
        own "output_len" ("output tokens" "tokens" Neutral "output tokens per success", Some(d::OUTPUT_TOKENS), "counted by the client");
        own "benchmark_time_seconds" ("benchmark duration" "s" Neutral "last end − first start", Some(d::WINDOW), "the start is the client's call");
        same "failed" (FAILED "requests with an error");
        same "requests" (REQUESTS "successes + failures");
    }
    LlamaBench "llama_bench" {
        own "pp" ("prompt processing" "tokens/s" Higher "prompt tokens / time of one pass over the prompt, per repetition", Some(d::PREFILL_RATE), "no tokenizing, no sampling, no first token");
        own "tg" ("text generation" "tokens/s" Higher "generated tokens / time of as many single-token passes, per repetition", Some(d::DECODE_RATE), "no sampling; the first token is within the time");
        own "pg" ("prompt and generation" "tokens/s" Higher "(prompt + generated tokens) / time of both, per repetition", None, "prefill and decode are mixed");
        own "time" ("time of a repetition" "ms" Lower "time of one repetition of the test", None, "a whole test, not a request");
    }
    K6 "k6" {
        own "http_req_duration" ("HTTP request duration" "ms" Lower "sending + waiting + receiving, without connecting", Some(d::E2E), "a whole HTTP exchange, failed ones too");
        own "http_req_waiting" ("time to first byte" "ms" Lower "request sent → first byte of the response", None, "a byte is no token");
        own "http_req_blocked" ("wait for a connection" "ms" Lower "wait for a free connection", None, "no definition of ours");
        own "http_req_connecting" ("connecting" "ms" Lower "TCP connect", None, "no definition of ours");
        own "http_req_tls_handshaking" ("TLS handshake" "ms" Lower "TLS handshake", None, "no definition of ours");
        own "http_req_sending" ("sending" "ms" Lower "writing the request", None, "no definition of ours");
        own "http_req_receiving" ("receiving" "ms" Lower "first → last byte of the response", None, "no definition of ours");
        own "iteration_duration" ("iteration duration" "ms" Lower "one run of the script, pauses too", None, "a script, not a request");
        own "http_reqs" ("HTTP requests per second" "requests/s" Higher "HTTP requests / duration of the test", Some(d::REQUEST_RATE), "failed requests count");
        own "iterations" ("iterations per second" "iterations/s" Higher "runs of the script / duration of the test", None, "a script, not a request");
        own "dropped_iterations" ("dropped iterations" "iterations" Lower "iterations that the schedule could not start", None, "a script, not a request");
        own "http_req_failed" ("failed share" "share" Lower "failed HTTP requests / HTTP requests", None, "a share, not a count");
        own "checks" ("checks passed" "share" Higher "checks that passed / checks", None, "no definition of ours");
        same "requests" (REQUESTS "HTTP requests made");
    }
    Oha "oha" {
        own "latency" ("response time" "ms" Lower "request → whole response, successes and HTTP errors", Some(d::E2E), "a whole HTTP exchange; connecting is within it");
        own "first_byte" ("time to first byte" "ms" Lower "request → first byte of the response", None, "a byte is no token");
        own "requests_per_sec" ("requests per second" "requests/s" Higher "responses / total time", Some(d::REQUEST_RATE), "HTTP errors count");
        own "success_rate" ("success rate" "share" Higher "responses / requests that did not meet the deadline", Some(d::RELIABILITY), "an HTTP error is a success here");
        own "total" ("total time" "s" Neutral "end − start of the benchmark", Some(d::WINDOW), "by the tool's own window");
        own "size_per_request" ("bytes per response" "bytes" Neutral "mean size of a response", None, "no definition of ours");
        same "requests" (REQUESTS "responses by status + errors");
    }
    Hyperfine "hyperfine" {
        own "time" ("wall time of a command" "ms" Lower "start → exit of the command, less the shell's own start", None, "a process, not a request");
        own "user" ("user CPU time" "ms" Lower "mean user CPU time of the command", None, "a process, not a request");
        own "system" ("system CPU time" "ms" Lower "mean system CPU time of the command", None, "a process, not a request");
    }
    Criterion "criterion" {
        own "time" ("time per iteration" "ns" Lower "mean over samples of time / iterations", None, "a function, not a request; the interval is an independent bootstrap");
        own "slope" ("time per iteration, by slope" "ns" Lower "slope of the least-squares line of time over iterations through the origin", None, "a function, not a request; the interval is an independent bootstrap");
    }
    Loadgen "loadgen" {
        own "latency" ("sample latency" "ms" Lower "completion − scheduled time (Server), − issue (SingleStream); percentiles by nearest rank", Some(d::E2E_SCHEDULED), "percentiles by nearest rank, and the origin depends on the scenario");
        own "first_token" ("first token latency" "ms" Lower "first token − scheduled time; percentiles by nearest rank", Some(d::TTFT_USER), "percentiles by nearest rank");
        own "tpot" ("time to output token" "ms" Lower "(end − first token) / (output tokens − 1); percentiles by nearest rank", Some(d::TPOT), "percentiles by nearest rank");
        own "completed_samples_per_second" ("completed samples per second" "requests/s" Higher "(samples − 1) / time of the last completion", Some(d::REQUEST_RATE), "one sample less");
        own "scheduled_samples_per_second" ("scheduled samples per second" "requests/s" Neutral "(samples − 1) / scheduled time of the last query", None, "a rate of the schedule, not of the system");
        own "samples_per_second" ("samples per second" "requests/s" Higher "samples / longest latency (Offline)", Some(d::REQUEST_RATE), "all samples are issued at once");
        own "completed_tokens_per_second" ("completed tokens per second" "tokens/s" Higher "tokens / time of the last completion", Some(d::OUTPUT_RATE), "by the tool's own window");
        own "tokens_per_second" ("tokens per second" "tokens/s" Higher "tokens / longest latency (Offline)", Some(d::OUTPUT_RATE), "all samples are issued at once");
        own "qps_with_overhead" ("queries per second with overhead" "requests/s" Higher "(samples − 1) / time of the last issue (SingleStream)", Some(d::REQUEST_RATE), "one sample less");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_found() {
        let mut ids: Vec<String> =
            MEANINGS.iter().filter(|meaning| !meaning.is_ours()).map(|meaning| meaning.definition.id()).collect();
        for id in &ids {
            assert_eq!(find(id).map(Definition::id).as_ref(), Some(id));
        }
        ids.sort_unstable();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count);
        assert_eq!(find("tpot/1"), Some(&d::TPOT));
        assert_eq!(find("tpot/9"), None);
    }

    #[test]
    fn only_equal_formulas_carry_our_definition() {
        let check = |tool, field: &str, id: &str| {
            let found = meaning(tool, field).map(|meaning| meaning.definition.id());
            assert_eq!(found.as_deref(), Some(id), "{field}");
        };
        check(Tool::Vllm, "tpot", "tpot/1");
        check(Tool::Vllm, "itl", "icl/1");
        check(Tool::Vllm, "ttft", "vllm.ttft/1");
        check(Tool::Aiperf, "inter_token_latency", "tpot/1");
        check(Tool::Guidellm, "time_per_output_token_ms", "guidellm.time_per_output_token_ms/1");
        check(Tool::Loadgen, "tpot", "loadgen.tpot/1");
    }

    #[test]
    fn a_closest_definition_has_the_unit_or_its_multiple() {
        for meaning in MEANINGS {
            let Some(closest) = meaning.closest else { continue };
            let units = (meaning.definition.unit, closest.unit);
            assert!(units.0 == units.1 || matches!(units, ("s", "ms") | ("share", "%")), "{meaning:?}");
            assert!(!meaning.why.is_empty());
        }
    }
}
