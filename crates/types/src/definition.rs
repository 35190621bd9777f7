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
    MEMORY_GROWTH_LATE "memory_growth_late" "memory growth, last third" "bytes/request" Lower "Theil–Sen slope of resident anonymous memory over the last third of the requests";
    MEMORY_TREND "memory_trend" "memory trend, p" "probability" Neutral "two-sided p of the Mann–Kendall test of resident anonymous memory, corrected for autocorrelation (Hamed and Rao)";
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
    CAPACITY "capacity" "capacity" "requests/s" Higher "largest rate tried at which every limit of the objective is met and requests in flight do not grow; the interval is the search's bracket";
    CAPACITY_CONCURRENCY "capacity_concurrency" "capacity" "requests" Higher "largest number in flight tried at which every limit of the objective is met; the interval is the search's bracket";
    PHASE_TIME "phase_time" "phase duration" "s" Neutral "end of the phase − its start";
    ACC_NORM "acc_norm" "accuracy by length" "share" Higher "documents whose likeliest choice, log-probability divided by characters, is right / documents (lm-eval)";
    ACC_BYTES "acc_bytes" "accuracy by bytes" "share" Higher "documents whose likeliest choice, log-probability divided by UTF-8 bytes, is right / documents (lm-eval)";
    ACC_MUTUAL_INFO "acc_mutual_info" "accuracy by mutual information" "share" Higher "documents whose choice with the largest log P(choice | prompt) − log P(choice) is right / documents (lm-eval)";
    TARGET_PERPLEXITY "target_perplexity" "perplexity of targets" "ratio" Lower "exp(−mean log-probability of the targets) (lm-eval)";
    WORD_PERPLEXITY "word_perplexity" "perplexity per word" "ratio" Lower "exp(−sum of log-probabilities / words), words split at white space (lm-eval)";
    BYTE_PERPLEXITY "byte_perplexity" "perplexity per byte" "ratio" Lower "exp(−sum of log-probabilities / UTF-8 bytes) (lm-eval)";
    CHOICE_BRIER "choice_brier" "Brier score of choices" "ratio" Lower "mean over documents of the summed squared differences between the softmax of the choices' log-probabilities and the right choice (lm-eval)";
    CHECKS_MET "checks_met" "checks met" "share" Higher "mean over documents of the share of a document's checks that hold of the answer";
    DISTINCT_1 "distinct_1" "different words" "share" Higher "mean over prompts of different words / words, over the answers to one prompt";
    DISTINCT_2 "distinct_2" "different word pairs" "share" Higher "mean over prompts of different pairs of neighboring words / pairs, over the answers to one prompt";
    SAMPLE_LATENCY "sample_latency" "latency of a document" "ms" Lower "release of a document's first request to the end of its last, documents with an answer";
    JUDGE_PASS_RATE "judge_pass_rate" "passed by the judge" "share" Higher "answers that the judge passed / answers with a verdict";
    JUDGE_SCORE "judge_score" "score by the judge" "points" Higher "mean score over answers with a score, 1 to 5";
    JUDGE_WIN_RATE "judge_win_rate" "wins of A" "share" Neutral "mean over pairs: 1 where A wins in both orders, 0 where B does, else 1/2";
    JUDGE_UNPARSABLE "judge_unparsable" "verdicts not understood" "share" Lower "answers of the judge without a verdict in the strict form / answers";
    JUDGE_CONSISTENCY "judge_consistency" "same winner in both orders" "share" Higher "pairs with one verdict in both orders / pairs with two verdicts";
    JUDGE_FIRST "judge_first" "wins of the answer shown first" "share" Neutral "mean over pairs of the share of decided verdicts for the answer shown first; 1/2 is fair";
    JUDGE_REPEAT_ALPHA "judge_repeat_alpha" "agreement with itself" "alpha" Higher "Krippendorff's alpha over the repeats of each question; nominal, for scores of squared differences";
    JUDGE_AGREEMENT "judge_agreement" "agreement with humans" "share" Higher "answers with the human's verdict / answers with both";
    JUDGE_KAPPA "judge_kappa" "kappa with humans" "kappa" Higher "Cohen's kappa of judge and human; for scores weighted by squared differences";
    JUDGE_ALPHA "judge_alpha" "alpha with humans" "alpha" Higher "Krippendorff's alpha of judge and human; nominal, for scores of squared differences";
    JUDGE_SENSITIVITY "judge_sensitivity" "good answers passed" "share" Higher "answers that judge and human passed / answers that the human passed";
    JUDGE_SPECIFICITY "judge_specificity" "bad answers failed" "share" Higher "answers that judge and human failed / answers that the human failed";
    JUDGE_CORRECTED_RATE "judge_corrected_rate" "pass rate, corrected" "share" Higher "(pass rate + specificity − 1) / (sensitivity + specificity − 1), Rogan and Gladen 1978; interval of Lang and Reiczigel 2014";
    JUDGE_CAUGHT "judge_caught" "planted errors noticed" "share" Higher "damaged answers that were failed, scored below their original, or lost to it in both orders / damaged answers with a verdict";
    DOCUMENT_RATE "document_rate" "documents per minute" "documents/min" Higher "documents with an answer / minutes of the evaluation";
    THINK_TIME "think_time" "thinking time" "ms" Lower "first answer frame − first token frame; null when nothing was answered";
    E2E_WIRE "e2e_wire" "E2E on the wire" "ms" Lower "terminator of the stream − origin";
    INTERACTIVITY "interactivity" "interactivity" "tokens/s" Higher "1 / TPOT, per request: the decode rate that one user sees";
    CONNECT_TIME "connect_time" "connect time" "ms" Lower "connection stands − released; requests that opened one";
    CLIENT_DELAY "client_delay" "client delay" "ms" Lower "first byte written − connection stands, or released where a kept connection was used";
    CLIENT_QUEUE "client_queue" "client queue" "ms" Lower "last byte of the request written − released";
    WRITE_TIME "write_time" "write time" "ms" Lower "last byte of the request written − first byte written";
    HEADERS_TIME "time_to_headers" "time to headers" "ms" Lower "response headers received − last byte of the request written";
    HEADERS_TO_TOKEN "headers_to_token" "headers to first token" "ms" Lower "first token frame − response headers received";
    ANSWER_TIME "answer_time" "answer time" "ms" Lower "last token frame − first answer frame";
    TAIL_TIME "tail_time" "tail of the stream" "ms" Lower "terminator of the stream − last token frame";
    STALL "stall" "stall" "ms" Lower "length of a gap longer than max(4 × the request's median gap, 250 ms), over all stalls";
    STALLS "stalls" "stalls" "stalls" Lower "gaps longer than max(4 × the request's median gap, 250 ms), of requests that succeeded";
    STALL_TIME "stall_time" "stalled time" "ms" Lower "sum of a request's stalls, per request; 0 without one";
    STALLED "stalled" "stalled requests" "share" Lower "requests that succeeded with a stall / requests that succeeded";
    FLUIDITY "fluidity" "fluidity index" "share" Higher "token deadlines met / (met + missed), per request: the first at the TTFT target, each later one a TBT target after the one before; being early is saved for later, and a token that is late by x misses 1 + floor(x / TBT target) deadlines and starts the count anew (after Etalon, arXiv 2407.07000)";
    GOLDEN_MATCH "golden_match" "answers as at concurrency 1" "share" Higher "prompts whose answer equals, byte for byte, the golden one that was made one request at a time / prompts with an answer here and a golden one; first turns only";
    QUALITY_DRIFT "quality_drift" "answers that the load changed" "share" Lower "golden match of a second pass at one request at a time − golden match here, over the prompts with an answer in both";
    QUALITY_DRIFT_P "quality_drift_p" "quality drift, p" "probability" Neutral "two-sided p of McNemar's exact test of golden match here and in the second pass at one request at a time, over the prompts with an answer in both";
    FIRST_DIVERGENCE "first_divergence" "first divergence" "characters" Higher "characters with which a changed answer and its golden one begin alike, over the answers that differ";
    ANSWER_LENGTH_SHIFT "answer_length_shift" "change of answer length" "tokens" Neutral "mean over prompts of output tokens here − output tokens of the golden answer";
    FINISH_CHANGED "finish_changed" "other end than golden" "share" Lower "prompts whose answer ended for another reason than the golden one / prompts with an answer here and a golden one";
    FINISH_SHARE "finish_share" "answers by their end" "share" Neutral "answers that ended for the reason in the cell's setting `finish` / answers; first turns only";
    ANSWER_SCORE "answer_score" "expected answers" "share" Higher "answers that are, or hold, the answer that the data set expects, as the settings say / answers to prompts that name one";
    SCORE_DRIFT "score_drift" "expected answers lost" "share" Lower "share of golden answers as expected − share of answers as expected here, over the prompts with both";
    SCORE_DRIFT_P "score_drift_p" "expected answers lost, p" "probability" Neutral "two-sided p of McNemar's exact test of answers as expected here and among the golden ones, over the prompts with both";
    RUN_PRECISION "run_precision" "precision reached" "share" Lower "half of the interval of the mean over runs / that mean, of the figure in the cell's setting `of`; Student's t at the confidence with which all looks together keep 95 %";
    GOODPUT "goodput" "goodput" "requests/s" Higher "requests planned in the window that succeeded within every limit on single requests / window";
    GOOD_FRACTION "good_fraction" "good requests" "share" Higher "requests that succeeded within every limit on single requests / requests planned in the window, failed and dropped ones among them, those that the load cancelled on purpose left out";
    ERROR_RATE "error_rate" "error rate" "share" Lower "requests that failed or were dropped / (requests planned in the window − cancelled)";
    ERRORS "errors" "errors" "requests" Lower "requests planned in the window that failed, by class in the cell's setting `error`";
    DROPPED "dropped" "dropped requests" "requests" Lower "requests planned in the window that could not be released";
    CANCELLED "cancelled" "cancelled requests" "requests" Neutral "requests planned in the window that the client gave up";
    LATE "late" "late requests" "requests" Lower "requests planned in the window and released later than the stated limit after their planned start";
    OFFERED_RATE "offered_rate" "offered rate" "requests/s" Neutral "requests planned in the window / window";
    ACHIEVED_RATE "achieved_rate" "achieved rate" "requests/s" Higher "requests released in the window / window";
    ACHIEVED_SHARE "achieved_share" "achieved of offered" "ratio" Higher "achieved rate / offered rate";
    IN_FLIGHT_SLOPE "in_flight_slope" "growth of requests in flight" "requests/s" Lower "slope of requests in flight over time in the window; an interval above 0 is a queue that grows";
    REQUEST_THROUGHPUT "request_throughput" "request throughput" "requests/s" Higher "requests that succeeded and ended in the window / window";
    REQUEST_THROUGHPUT_RUN "request_throughput_run" "request throughput, whole run" "requests/s" Higher "requests that succeeded / first release to last end, drain included, flagged warm-up left out";
    OUTPUT_THROUGHPUT "output_throughput" "output throughput" "tokens/s" Higher "output tokens with a stamp in the window / window, of requests that succeeded; frames are scaled to the reported count";
    OUTPUT_THROUGHPUT_RUN "output_throughput_run" "output throughput, whole run" "tokens/s" Higher "output tokens of requests that succeeded / first release to last end, drain included, flagged warm-up left out";
    INPUT_THROUGHPUT "input_throughput" "input throughput" "tokens/s" Higher "prompt tokens of requests that succeeded and whose first token came in the window / window";
    LOAD_WINDOW "load_window" "steady window" "s" Neutral "end of warm-up to the end of the schedule, or to the last release";
    WARMUP_TIME "warmup_time" "warm-up" "s" Neutral "first planned start to the start of the steady window";
    DRAIN_TIME "drain_time" "drain" "s" Neutral "end of the steady window to the last end of a request";
    CACHE_HIT "cache_hit" "cached prompt tokens" "share" Higher "cached prompt tokens / prompt tokens, over the requests whose server reports both";
    TOKENS_REQUESTED "tokens_requested" "tokens requested" "tokens" Neutral "output tokens asked for at most, over the requests of the window that succeeded";
    TOKENS_REPORTED "tokens_reported" "tokens reported" "tokens" Neutral "output tokens as the server reported them, over the requests of the window that succeeded and have a report";
    TOKENS_IN_FRAMES "tokens_in_frames" "tokens in frames" "tokens" Neutral "output tokens summed over the frames, over the requests of the window that succeeded";
    TOKENS_RETOKENIZED "tokens_retokenized" "tokens counted again" "tokens" Neutral "output tokens counted after the run by the stated tokenizer, over the requests of the window that succeeded and were counted";
    TOKEN_DISAGREEMENT "token_disagreement" "token counts that disagree" "share" Lower "requests whose frames hold another number of tokens than the server reported / requests with a report";
    RETOKENIZED_DISAGREEMENT "retokenized_disagreement" "recounts that disagree" "share" Lower "requests whose text has another number of tokens than the server reported / requests with both";
    BUNDLE_SIZE "bundle_size" "bundle size" "tokens" Neutral "tokens in a frame, over all frames";
    RECEIVE_DELAY "receive_delay" "receive delay" "ms" Lower "mean time from the kernel's receipt of a request's frames to the read, per request";
    RECEIVE_DELAY_MAX "receive_delay_max" "longest receive delay" "ms" Lower "longest time from the kernel's receipt of a request's frames to the read, per request";
    KERNEL_STAMPED "kernel_stamped" "stamped by the kernel" "share" Higher "requests whose frames the kernel stamped / requests with a receive clock";
    RETRIES "retries" "retries" "tries" Lower "tries before the last one, over the requests planned in the window";
    RETRIED "retried" "retried requests" "share" Lower "requests that took more than one try / requests released";
    RETRY_TIME "retry_time" "time of retries" "ms" Lower "first byte of the last try written − released, over the requests that took more than one try";
    CLIENT_TOUCHED "client_touched" "touched by the client" "share" Lower "requests in whose time the client was slow / requests released; by kind in the cell's setting `fault`";
    SESSIONS "sessions" "sessions" "sessions" Neutral "conversations whose first turn was planned in the window";
    SESSION_TIME "session_time" "session duration" "s" Lower "planned start of the first turn to the end of the last one, think time included";
    SESSION_TURNS "session_turns" "turns of a session" "turns" Neutral "requests in a session";
    CLIENT_CPU "client_cpu" "CPU of this program" "cores" Lower "CPU seconds of this program / seconds, between the first and the last sample in the window";
    CLIENT_CPU_PER_REQUEST "client_cpu_per_request" "CPU per request" "ms/request" Lower "CPU time of this program in the window / requests that ended in it";
    START_PORT "start_port" "spawn to port" "s" Lower "spawn of the server's process → its port accepts a connection";
    START_HEALTHY "start_healthy" "spawn to healthy" "s" Lower "spawn of the server's process → it answers as a server of its kind does";
    START_FIRST_TOKEN "start_first_token" "spawn to first token" "s" Lower "spawn of the server's process → first token of the first request";
    START_STEADY "start_steady" "spawn to steady" "s" Lower "spawn of the server's process → release of the first of five requests in a row whose E2E stays within 10 % of their median";
    START_FIRST_E2E "start_first_e2e" "E2E of the first request" "ms" Lower "release of the first request after the start → its last token";
    START_STEADY_E2E "start_steady_e2e" "E2E when steady" "ms" Lower "median E2E of the first five requests in a row that stay within 10 % of it";
    START_FIRST_OVER_STEADY "start_first_over_steady" "first over steady latency" "ratio" Lower "E2E of the first request after the start / E2E when steady";
    SOAK_TIME "soak_time" "time soaked" "s" Neutral "slices of time that are over, from the first release";
    SOAK_THROUGHPUT "soak_throughput" "throughput of the soak" "requests/s" Higher "requests that succeeded and ended in the slices that are over / their time";
    SOAK_ERROR_RATE "soak_error_rate" "error rate of the soak" "share" Lower "requests that failed / requests that ended in the slices that are over, cancelled and dropped ones left out";
    SOAK_E2E "soak_e2e" "mean E2E of the soak" "ms" Lower "mean E2E of the requests that succeeded and ended in the slices that are over";
    OUTAGES "outages" "outages" "outages" Lower "times that three or more requests in a row failed, by their end; ended by five successes in a row";
    DOWNTIME "downtime" "time in outages" "s" Lower "sum over the outages: first failure to the first of five successes in a row, or to the end";
    RECOVERY_TIME "recovery_time" "recovery time" "s" Lower "end of the first request that failed → end of the first of five that succeeded in a row, over the outages that ended";
    TTFT_TREND "ttft_trend" "drift of TTFT" "ms/h" Lower "Theil–Sen slope of the mean TTFT of slices of time";
    E2E_TREND "e2e_trend" "drift of E2E" "ms/h" Lower "Theil–Sen slope of the mean E2E of slices of time";
    ERROR_TREND "error_trend" "drift of the error share" "%/h" Lower "Theil–Sen slope of the share of requests that failed in slices of time, per cent";
    THROUGHPUT_TREND "throughput_trend" "drift of throughput" "requests/s/h" Higher "Theil–Sen slope of the rate of requests that succeeded in slices of time";
    SOAK_MEMORY_GROWTH "soak_memory_growth" "memory growth under load" "bytes/request" Lower "Theil–Sen slope of the least resident anonymous memory of slices of time over requests ended";
    SOAK_MEMORY_GROWTH_LATE "soak_memory_growth_late" "memory growth under load, last third" "bytes/request" Lower "Theil–Sen slope of the least resident anonymous memory of slices of time over requests ended, last third";
    SOAK_MEMORY_TREND "soak_memory_trend" "memory trend under load, p" "probability" Neutral "two-sided p of the Mann–Kendall test of the least resident anonymous memory of slices of time, corrected for autocorrelation (Hamed and Rao)";
    VICTIM_TTFT_RATIO "victim_ttft_ratio" "victim's TTFT beside the load" "ratio" Lower "geometric mean of the victim's TTFT from the intended start beside the load / the same alone";
    VICTIM_E2E_RATIO "victim_e2e_ratio" "victim's E2E beside the load" "ratio" Lower "geometric mean of the victim's E2E from the intended start beside the load / the same alone";
    CACHE_TTFT_RATIO "cache_ttft_ratio" "TTFT of a prompt sent again" "ratio" Lower "geometric mean of the TTFT of prompts that the workload sent before / of new prompts of the same length sent beside them";
    CACHE_EFFECTIVENESS "cache_effectiveness" "cache effectiveness" "%" Higher "100 × (1 − TTFT of prompts that the workload sent before / of new prompts of the same length)";
    CACHE_OVERHEAD "cache_overhead" "cache overhead" "%" Lower "100 × (TTFT of new prompts / of new prompts with the server's cache off − 1)";
    CACHE_NET "cache_net" "net effect of the cache" "%" Higher "cache effectiveness − cache overhead";
    SERVER_RUNNING "server_running" "requests running in the server" "requests" Neutral "requests that the server says it works on, over the scrapes in the window";
    SERVER_WAITING "server_waiting" "requests waiting in the server" "requests" Lower "requests that the server says wait for a place, over the scrapes in the window";
    SERVER_KV_USAGE "server_kv_usage" "KV cache in use" "share" Neutral "share of the KV cache that the server says is in use, the fullest engine, over the scrapes in the window";
    SERVER_MEMORY "server_memory" "resident memory of the server" "bytes" Lower "resident memory that the server's process tells, over the scrapes in the window";
    SERVER_PROMPT_TOKENS "server_prompt_tokens" "prompt tokens by the server" "tokens" Neutral "gain of the server's counter of prompt tokens over the window, between scrapes taken to rise evenly; bounds from the scrapes around each end";
    SERVER_OUTPUT_TOKENS "server_output_tokens" "output tokens by the server" "tokens" Neutral "gain of the server's counter of generated tokens over the window; bounds from the scrapes around each end";
    SERVER_OUTPUT_RATE "server_output_rate" "output tokens per second by the server" "tokens/s" Higher "gain of the server's counter of generated tokens over the window / window";
    SERVER_FINISHED "server_finished" "requests finished by the server" "requests" Neutral "gain of the server's counter of requests that ended well over the window";
    SERVER_PREEMPTIONS "server_preemptions" "preemptions" "requests" Lower "gain of the server's counter of requests pushed out of the running batch over the window";
    SERVER_PREFIX_HITS "server_prefix_hit_share" "prefix cache hits by the server" "share" Neutral "gain of prompt tokens found in the server's prefix cache / gain of prompt tokens looked up, over the window";
    SERVER_TTFT "server_ttft" "TTFT by the server" "ms" Lower "server's histogram of arrival to first token, difference over the window; quantiles by linear interpolation in a bucket, whose bounds are the interval";
    SERVER_ITL "server_itl" "inter-token latency by the server" "ms" Lower "server's histogram of gaps between tokens, difference over the window";
    SERVER_TPOT "server_tpot" "time per output token by the server" "ms" Lower "server's histogram of mean time per output token of a request, difference over the window";
    SERVER_E2E "server_e2e" "end-to-end latency by the server" "ms" Lower "server's histogram of arrival to end, difference over the window";
    SERVER_QUEUE_TIME "server_queue_time" "queue time by the server" "ms" Lower "server's histogram of time spent waiting for a place, difference over the window";
    SCRAPES "scrapes" "scrapes answered" "scrapes" Neutral "answers of the server's metrics endpoint that were read";
    SCRAPES_MISSED "scrapes_missed" "scrapes missed" "scrapes" Lower "scrapes that failed, were late and left out, or were lost to a full buffer";
    SCRAPE_COST "scrape_cost" "cost of scraping" "%" Lower "100 × wall seconds spent reading the answers, the most that their CPU can be / wall seconds; fetching them is the client's own";
    GPU_UTILIZATION "gpu_utilization" "GPU utilization" "share" Neutral "share of the driver's last period in which a kernel ran, mean over devices, over the samples in the window";
    GPU_MEMORY "gpu_memory" "GPU memory in use" "bytes" Lower "device memory in use by all processes, sum over devices";
    GPU_POWER "gpu_power" "GPU power" "W" Neutral "power draw, sum over devices";
    GPU_TEMPERATURE "gpu_temperature" "GPU temperature" "°C" Lower "temperature of the chip, hottest device";
    GPU_CLOCK "gpu_clock" "GPU clock" "MHz" Neutral "clock of the multiprocessors, slowest device";
    GPU_THROTTLED "gpu_throttled" "GPU throttled" "%" Lower "100 × samples in which power, heat or the supply held the clock of any device down / samples that tell";
    GPU_XID "gpu_xid" "GPU error" "code" Lower "largest number of a driver error (XID) seen in the window; 0 without one";
    ENERGY_GPU "energy_gpu" "energy of the GPUs" "J" Lower "gain of the energy counters over the window, else trapezoid integral of power; bounds from the samples around, widened by the sensor's 5 % (arXiv 2312.02741)";
    ENERGY_GPU_NET "energy_gpu_net" "energy of the GPUs above idle" "J" Lower "energy of the GPUs − mean idle power × window";
    ENERGY_HOST "energy_host" "energy of the host's processors" "J" Lower "gain of the package and memory energy counters (RAPL) over the window, wraps taken out";
    ENERGY_HOST_NET "energy_host_net" "energy of the host's processors above idle" "J" Lower "energy of the host's processors − mean idle power × window";
    GPU_JOULES_PER_TOKEN "joules_per_token_gpu" "GPU energy per output token" "J/token" Lower "energy of the GPUs over the window / output tokens of the window";
    GPU_JOULES_PER_TOKEN_NET "joules_per_token_gpu_net" "GPU energy per output token above idle" "J/token" Lower "energy of the GPUs above idle / output tokens of the window";
    HOST_JOULES_PER_TOKEN "joules_per_token_host" "host energy per output token" "J/token" Lower "energy of the host's processors over the window / output tokens of the window";
    HOST_JOULES_PER_TOKEN_NET "joules_per_token_host_net" "host energy per output token above idle" "J/token" Lower "energy of the host's processors above idle / output tokens of the window";
    COST_OUTPUT "cost_per_million_output" "cost per million output tokens" "$/Mtok" Lower "price per hour × window hours / output tokens × 1e6";
    COST_INPUT "cost_per_million_input" "cost per million prompt tokens" "$/Mtok" Lower "price per hour × window hours / prompt tokens × 1e6";
    COST_TOTAL "cost_per_million_total" "cost per million tokens" "$/Mtok" Lower "price per hour × window hours / (prompt + output tokens) × 1e6";
    REACTOR_LAG "reactor_lag" "reactor lag" "ms" Lower "time from waking a task of a reactor from another thread until it runs, over the pings in the window";
    REACTOR_BUSY "reactor_busy" "reactor busy" "share" Lower "CPU seconds of the busiest reactor thread / wall seconds, per second of the window";
    RUN_QUEUE_WAIT "run_queue_wait" "reactor waiting for a core" "share" Lower "time that the reactor thread which waited most was ready and not run / wall seconds, per second of the window";
    CLIENT_PROCESS_CPU "client_process_cpu" "CPU of the client" "cores" Lower "CPU seconds of the process / wall seconds, per second of the window";
    CLIENT_STEAL "client_steal" "CPU stolen from the client's host" "%" Lower "100 × stolen ticks / all ticks of the host, per second of the window";
    CLIENT_LOAD "client_load" "load of the client's host" "tasks" Lower "tasks running or ready, as the kernel counts at each sample";
    INVOLUNTARY_SWITCHES "involuntary_switches" "involuntary context switches" "switches/s" Lower "times that reactor threads were taken off a core while ready / wall seconds";
    CLIENT_MAJOR_FAULTS "client_major_faults" "page faults with IO" "faults" Lower "page faults of the process that needed IO, in the window";
    CLIENT_OPEN_FILES "client_open_files" "open files of the client" "share" Lower "open file descriptors / the process's limit, most in the window";
    CLOCK_STEP "clock_step" "step of the wall clock" "ms" Lower "largest change of wall time − monotonic time between samples a second apart; stamps of requests are monotonic";
    RETRANSMITS "retransmits" "TCP segments sent again" "%" Lower "100 × TCP segments retransmitted / sent, network namespace of the client, in the window";
    NETWORK_ERRORS "network_errors" "TCP errors" "segments" Lower "TCP segments received in error, failed connection attempts and overflown listen queues, in the window";
    HEALTH_COST "health_cost" "cost of the health monitor" "%" Lower "100 × CPU seconds of the monitor's thread / wall seconds";
    TREE_RSS "tree_rss" "resident memory of the watched process" "bytes" Lower "sum of resident set sizes over the process and its descendants";
    TREE_RSS_GROWTH "tree_rss_growth" "memory growth of the watched process" "MiB/h" Lower "slope of the sum of resident set sizes over time in the window";
    TREE_PSS "tree_pss" "proportional memory of the watched process" "bytes" Lower "sum of proportional set sizes over the process and its descendants";
    TREE_CGROUP "tree_cgroup" "memory of the watched control group" "bytes" Lower "memory charged to the control group";
    TREE_THREADS "tree_threads" "threads of the watched process" "threads" Lower "threads of the process and its descendants";
    TREE_OPEN_FILES "tree_open_files" "open files of the watched process" "files" Lower "open file descriptors of the process and its descendants";
    TREE_CPU "tree_cpu" "CPU of the watched process" "cores" Lower "CPU seconds of the process and its descendants / wall seconds";
    WATCH_COST "watch_cost" "cost of watching the server" "%" Lower "100 × CPU seconds of the threads that watch the server / wall seconds, by watch in the cell's setting `watch`";
    BALANCED_ACCURACY "balanced_accuracy" "balanced accuracy" "share" Higher "mean recall over the labels that occur";
    PRECISION "precision" "precision" "share" Higher "right among those predicted; 0 where nothing was predicted; per label, or averaged as the cell says";
    RECALL "recall" "recall" "share" Higher "found among those that are; per label, or averaged as the cell says";
    F1 "f1" "F1" "share" Higher "2 · right / (occurrences + predictions); per label, or averaged as the cell says";
    FPR "fpr" "false-positive rate" "share" Lower "samples of other labels predicted as this one / samples of other labels";
    MCC "mcc" "Matthews correlation" "coefficient" Higher "covariance of truth and prediction over the root of their variances (Gorodkin 2004)";
    KAPPA "kappa" "Cohen's kappa" "coefficient" Higher "(observed − expected agreement) / (1 − expected agreement)";
    ROC_AUC "roc_auc" "ROC-AUC" "share" Higher "chance that a positive sample scores above a negative one, ties counting one half; several labels: mean over pairs as the cell says";
    AVERAGE_PRECISION "average_precision" "average precision" "share" Higher "sum over thresholds of (recall − recall before) · precision";
    FPR_AT_TPR "fpr_at_tpr" "FPR at a fixed TPR" "share" Lower "smallest false-positive rate of a threshold that finds the cell's share of the positives";
    TPR_AT_FPR "tpr_at_fpr" "TPR at a fixed FPR" "share" Higher "largest share of positives found by a threshold whose false-positive rate is at most the cell's";
    BRIER "brier" "Brier score" "score" Lower "mean of (stated probability − outcome)²; several labels: summed over the labels";
    LOG_LOSS "log_loss" "log loss" "nats" Lower "mean of −ln of the probability stated for the true label, probabilities kept within the machine epsilon of 0 and 1";
    CALIBRATION_ERROR "calibration_error" "expected calibration error" "share" Lower "sum over bins of equal width of |samples that came true − sum of stated probabilities| / samples";
    ALERTS_PER_DAY "alerts_per_day" "alerts per day" "alerts/day" Lower "samples predicted positive / days between first and last time stamp";
    FALSE_ALERTS_PER_DAY "false_alerts_per_day" "false alerts per day" "alerts/day" Lower "negative samples predicted positive / days between first and last time stamp";
    EVENTS "events" "events" "events" Neutral "events of a stream that arrived, each once; by what became of them in the cell's setting `outcome`";
    VERDICT_LATENCY "verdict_latency" "event to verdict" "ms" Lower "planned arrival of an event → verdict of the last model that it is routed to; quantiles are read from counts in buckets, within 1.1 %";
    VERDICT_RATE "verdict_rate" "verdicts per second" "events/s" Higher "events with a verdict / seconds of the run";
    VERDICTS_PER_HOUR "verdicts_per_hour" "verdicts per hour of the events" "events/h" Higher "events with a verdict / hours by the events' time stamps";
    PREDICTIONS_PER_HOUR "predictions_per_hour" "predictions per hour of the events" "predictions/h" Higher "verdicts of a model / hours by the events' time stamps, by the model in the cell's setting `route`";
    BACKLOG "backlog" "events waiting" "events" Lower "events in the queues when one arrives";
    SHED "shed" "shed events" "share" Lower "events that a full queue did not take or gave up / events";
    OUT_OF_ORDER "out_of_order" "out-of-order events" "events" Lower "events whose time stamp is before that of an event that came earlier";
    LATE_EVENTS "late_events" "late events" "events" Lower "events that came after their stretch of time was closed; they are counted where they arrived";
    ALERTS_PER_HOUR "alerts_per_hour" "alerts per hour" "alerts/h" Lower "alerts / hours by the events' time stamps";
    FALSE_ALERTS_PER_HOUR "false_alerts_per_hour" "false alerts per hour" "alerts/h" Lower "alerts on benign events / hours by the events' time stamps";
    ALERTS_HOUR_MAX "alerts_hour_max" "most alerts in an hour" "alerts" Lower "largest number of alerts in one hour, hours counted from the first event";
    ALERTS_REPEATED "alerts_repeated" "repeated alerts" "share" Lower "alerts of a key that had one within the stated time before / alerts with a key";
    ALERTS_UNSEEN "alerts_unseen" "alerts beyond the analysts" "share" Lower "sum over hours of alerts beyond the stated number that analysts can look at / alerts";
    INCIDENTS "incidents" "incidents" "incidents" Neutral "attacks by their name; events of one name with at most the stated time between them are one";
    INCIDENTS_DETECTED "incidents_detected" "incidents detected" "share" Higher "incidents with an alert / incidents";
    TIME_TO_DETECT "time_to_detect" "time to detect" "s" Lower "first event of an incident → its first alert, by the time stamps, and the time that its verdict took; detected incidents";
    UPTIME "uptime" "uptime" "%" Higher "100 × probes of the models that were answered in time / probes";
    RSS_MEAN "rss_mean" "mean resident memory" "bytes" Lower "mean resident set size over the samples of the run";
    RSS_BASELINE "rss_baseline" "resident memory at the start" "bytes" Lower "resident set size before the first event, models loaded";
    MEMORY_EFFICIENCY "memory_efficiency" "memory efficiency" "%" Higher "100 × mean resident memory / peak resident memory";
    CPU_PEAK "cpu_peak" "most CPU used" "cores" Neutral "largest CPU seconds / wall seconds between two samples";
    CPU_LEAST "cpu_least" "least CPU used" "cores" Neutral "smallest CPU seconds / wall seconds between two samples";
    HOST_TEMPERATURE "host_temperature" "temperature of the host" "°C" Lower "hottest thermal zone at the end of the run";
    EVALUATION_TOKENS "evaluation_tokens" "tokens of the evaluation" "tokens" Neutral "sum of counted tokens over the answers that were not kept from before, by kind in the cell's setting `tokens`; null where an answer came without a count";
    EVALUATION_COST "evaluation_cost" "cost of the evaluation" "price" Lower "(prompt tokens × their price + answer tokens × theirs) / 1,000,000 + hours of the run × the price of an hour, in the currency of the prices";
    SAMPLES "samples" "samples" "samples" Neutral "samples asked or scored, each once; by what became of them in the cell's setting `outcome`";
    ANSWERED "answered" "answered" "share" Higher "samples with an answer / samples";
    EXACT_MATCH "exact_match" "exact match" "share" Higher "answers equal to one of their references, after the stated or the task's normalization / samples";
    TOKEN_F1 "token_f1" "token F1" "share" Higher "mean over texts of the best F1 of shared words over the references, normalized as SQuAD does";
    EDIT_SIMILARITY "edit_similarity" "edit similarity" "share" Higher "mean over texts of 1 − edit distance / longer length, in characters, best over the references";
    BLEU "bleu" "BLEU" "points" Higher "corpus BLEU, 4-grams, as sacrebleu computes it with the cell's signature";
    CHRF "chrf" "chrF" "points" Higher "corpus chrF or chrF++, as sacrebleu computes it with the cell's signature";
    TER "ter" "TER" "points" Lower "edits with shifts / mean reference length, as sacrebleu computes it with the cell's signature";
    ROUGE "rouge" "ROUGE" "share" Higher "mean F of the cell's kind over texts, best over the references, as rouge-score computes it";
    PASS_AT_K "pass_at_k" "pass@k" "share" Higher "mean over problems of 1 − C(n − c, k) / C(n, k), n attempts of which c passed";
    BITS_PER_BYTE "bits_per_byte" "bits per byte" "bits" Lower "−sum of log-probabilities / (ln 2 · UTF-8 bytes)";
    SPAN_F1 "span_f1" "span F1" "share" Higher "F1 over spans that agree in start, end and label";
    SET_F1 "set_f1" "set F1" "share" Higher "F1 over the members of predicted and true sets, as the cell says: over all members, or mean over samples";
    TECHNIQUE_F1 "technique_f1" "ATT&CK technique F1" "share" Higher "F1 over ATT&CK techniques named and true, as the cell says: whole ids, or parents of sub-techniques";
    CVSS_DISTANCE "cvss_distance" "CVSS distance" "points" Lower "mean absolute difference of CVSS 3.1 base scores, predicted and true, where both vectors can be read; the cell counts the others";
    CWE_DISTANCE "cwe_distance" "CWE distance" "edges" Lower "mean number of edges between predicted and true weakness over their nearest common ancestor in the view of research concepts (CWE-1000), the view above its pillars, where the answer names a known weakness; the cell counts the others";
    EQ_BENCH "eqbench" "EQ-Bench" "points" Higher "mean over questions of 10 · (10 − 0.7477 · sum of scaled differences of four emotions); 0 where the answer does not give them (EQ-Bench 2)";
    PARSEABLE "percent_parseable" "parseable" "%" Higher "100 × answers that give what is asked / samples";
    BIAS "bias_score" "bias score" "score" Lower "2 · stereotyped answers / answers that name somebody − 1; in ambiguous contexts times (1 − accuracy) (BBQ); 0 leans nowhere";
    LIKELIHOOD_DIFFERENCE "likelihood_diff" "difference of log-probabilities" "nats" Lower "mean of |log-probability of the one sentence − that of the other|";
    STEREOTYPE "pct_stereotype" "stereotype preferred" "share" Lower "pairs whose more stereotyping sentence is the likelier one / pairs";
    EXPECTED_COST "expected_cost" "expected cost" "cost" Lower "mean over samples of the cost that the given costs state for its truth and answer";
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
