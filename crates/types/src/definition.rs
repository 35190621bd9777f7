//! What each metric means: one list for the record, the reports, the schema and the targets.

/// Which way a metric should move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
    /// Neither: a fact.
    Neutral,
}

/// The definition of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Name in files and flags.
    pub name: &'static str,
    /// Version of the formula; a changed formula is a new version.
    pub version: u32,
    /// Name for people.
    pub title: &'static str,
    /// Unit of every value.
    pub unit: &'static str,
    /// Which way is better.
    pub direction: Direction,
    /// The formula, in words.
    pub formula: &'static str,
}

impl Definition {
    /// Name and version, `ttft/1`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}", self.name, self.version)
    }
}

/// Finds a definition by its name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Definition> {
    ALL.iter().find(|definition| definition.name == name)
}

macro_rules! definitions {
    ($($constant:ident $name:literal $title:literal $unit:literal $direction:ident $formula:literal;)*) => {
        $(#[doc = $formula] pub const $constant: Definition = Definition {
            name: $name, version: 1, title: $title, unit: $unit, direction: Direction::$direction, formula: $formula,
        };)*
        /// Every metric, in the order of reports.
        pub const ALL: &[Definition] = &[$($constant),*];
    };
}

definitions! {
    TTFT "ttft" "time to first token" "ms" Lower "first token frame − first byte of the request written (in process: release to the engine)";
    TTFT_USER "ttft_user" "TTFT from the intended start" "ms" Lower "first token frame − planned start";
    TTFO "ttfo" "time to first answer token" "ms" Lower "first answer frame − origin; null when nothing was answered";
    ITL "itl" "inter-token latency" "ms" Lower "gap between consecutive token frames divided by the tokens of the later frame, weighted by those tokens";
    ICL "icl" "inter-chunk latency" "ms" Lower "gap between consecutive token frames, whatever they carry";
    TPOT "tpot" "time per output token" "ms" Lower "(last token − first token) / (output tokens − 1), per request; null below two tokens";
    NTPOT "ntpot" "normalized time per output token" "ms" Lower "(last token − origin) / output tokens, per request";
    E2E "e2e" "end-to-end latency" "ms" Lower "last token frame − origin; a usage frame or terminator does not extend it";
    E2E_SCHEDULED "e2e_scheduled" "E2E from the intended start" "ms" Lower "last token frame − planned start";
    PREFILL_RATE "prefill_rate" "prefill rate" "tokens/s" Higher "uncached prompt tokens / TTFT, single stream";
    DECODE_RATE "decode_rate" "decode rate" "tokens/s" Higher "(output tokens − 1) / (last token − first token), per request";
    INPUT_TOKENS "input_tokens" "prompt tokens" "tokens" Neutral "prompt tokens per request, as the engine or server counted them";
    OUTPUT_TOKENS "output_tokens" "output tokens" "tokens" Neutral "generated tokens per request";
    SCHEDULE_LAG "schedule_lag" "schedule lag" "ms" Lower "released − planned";
    TTFT_SLOPE "ttft_per_input_token" "TTFT growth with input" "ms/token" Lower "slope of the least-squares line of TTFT over prompt tokens";
    TTFT_GROWTH "ttft_growth" "TTFT growth factor" "ratio" Lower "mean TTFT at this input length / mean TTFT at the shortest";
    REQUEST_RATE "request_rate" "requests per second" "requests/s" Higher "requests that succeeded / measured window";
    OUTPUT_RATE "output_rate" "output tokens per second" "tokens/s" Higher "output tokens of requests that succeeded / measured window";
    RELIABILITY "reliability" "reliability" "%" Higher "100 × succeeded / (scheduled − cancelled)";
    FAILED "failed" "failed requests" "requests" Lower "requests that failed or were dropped";
    REQUESTS "requests" "requests" "requests" Neutral "requests scheduled, warm-up left out";
    WINDOW "window" "measured window" "s" Neutral "first release to last end of the measured requests";
    CONCURRENCY "concurrency" "requests in flight" "requests" Neutral "time-weighted mean of requests in flight over the window";
    LITTLE_RESIDUAL "little_residual" "Little's law residual" "ratio" Neutral "(L − λW) / L over the window, with W from release to end";
    SCALING "scaling" "scaling factor" "ratio" Higher "requests/s at this concurrency / requests/s at concurrency 1";
    LATENCY_GROWTH "latency_growth" "latency growth" "ratio" Lower "mean E2E at this concurrency / mean E2E at concurrency 1";
    MARGINAL_GAIN "marginal_gain" "marginal gain" "%" Higher "100 × (requests/s here / requests/s one level below − 1)";
    KNEE "knee_concurrency" "knee" "requests" Neutral "smallest concurrency after which the next level gains less than 15 % requests/s";
    LOAD_TIME "load_time" "model load time" "ms" Lower "reference given → engine ready for a request";
    FIRST_TOKEN_COLD "cold_first_token" "cold start to first token" "ms" Lower "reference given → first token of the first request";
    WEIGHTS_EXPECTED "weights_expected" "weights by arithmetic" "bytes" Neutral "sum over tensors of elements × bytes per element of their block type";
    WEIGHTS_MAPPED "weights_mapped" "weights mapped" "bytes" Neutral "bytes of weights read in place from a mapped file or from the binary";
    WEIGHTS_HEAP "weights_heap" "weights on the heap" "bytes" Lower "bytes of weights that the engine allocated";
    KV_PER_TOKEN "kv_per_token" "KV cache per token" "bytes" Lower "layers × 2 × KV heads × head width × bytes per element";
    KV_CACHE_PEAK "kv_cache_peak" "KV cache, most held" "bytes" Lower "largest sum of KV cache bytes held by live requests";
    REQUEST_HIGH_WATER "request_high_water" "memory of one request" "bytes" Lower "highest engine bytes beyond weights while the request ran: KV cache and scratch";
    MEMORY_GROWTH "memory_growth" "memory growth per request" "bytes/request" Lower "Theil–Sen slope of resident anonymous memory over requests served, read after each request has drained";
    MEMORY_GROWTH_HOURLY "memory_growth_hourly" "memory growth per hour" "MiB/h" Lower "memory growth per request × measured requests per hour";
    RSS_PEAK "rss_peak" "peak resident memory" "bytes" Lower "highest resident set size of the process, as the kernel counted it";
    RSS_AFTER_LOAD "rss_after_load" "resident memory after load" "bytes" Lower "resident set size when the model was ready";
    RSS_LOAD_DELTA "rss_load_delta" "memory of loading" "bytes" Lower "resident set size after loading − before";
    RSS_REQUEST_DELTA "rss_request_delta" "resident growth of the phase" "bytes" Lower "resident set size at the end of the phase − after warm-up";
    INSTANCES "instances" "instances per machine" "instances" Higher "floor(0.9 × memory limit of host or container / peak resident memory)";
    ACCURACY "accuracy" "accuracy" "share" Higher "items answered right / items";
    MACRO_F1 "macro_f1" "macro F1" "share" Higher "unweighted mean of F1 over the labels";
    CHANCE "chance" "accuracy of guessing" "share" Neutral "1 / number of labels";
    PERPLEXITY "perplexity" "perplexity" "ratio" Lower "exp(−mean log-probability per token of the held-out text)";
    MODEL_BYTES "model_bytes" "model size" "bytes" Lower "bytes of the model's file";
    ITEM_RATE "item_rate" "items per second" "items/s" Higher "quality items scored / time spent scoring them";
    SAMPLER_COST "sampler_cost" "cost of sampling" "%" Lower "100 × CPU seconds of the resource sampler / wall seconds sampled";
    CPU_USED "cpu_used" "CPU used" "cores" Neutral "CPU seconds of the process / wall seconds of the phase";
    STEAL "steal" "CPU stolen" "%" Lower "100 × stolen ticks / all ticks of the host over the phase";
    PHASE_TIME "phase_time" "phase duration" "s" Neutral "end of the phase − its start";
    CALIBRATION_RATE "calibration_rate" "calibration kernel" "GB/s" Higher "bytes read per second by all cores summing a buffer beyond the last-level cache";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        let mut names: Vec<_> = ALL.iter().map(|definition| definition.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        assert_eq!(find("ttft"), Some(&TTFT));
        assert_eq!(TTFT.id(), "ttft/1");
    }
}
