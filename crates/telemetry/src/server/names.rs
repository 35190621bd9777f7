//! The names that servers use for what they tell, with the origin of each.

use weighbridge_types::server::{ServerDistribution, ServerKind, ServerQuantity};

/// Where servers answer, after scheme, host and port; tried in this order. TensorRT-LLM writes JSON on the first.
pub const METRICS_PATHS: [&str; 2] = ["/metrics", "/prometheus/metrics"];

/// Which series of a metric holds the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The series of that name, with or without `_total`.
    Plain,
    /// The `_sum` of a histogram.
    Sum,
    /// The buckets of a histogram.
    Buckets,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A single number.
    Quantity(ServerQuantity),
    /// A distribution, in seconds.
    Distribution(ServerDistribution),
}

/// One known name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameRow {
    /// The server; `None` for names that any Prometheus client library writes.
    pub server: Option<ServerKind>,
    /// What it stands for.
    pub target: Target,
    /// The name without `_total`, `_sum` or `_bucket`. A `:` also stands for `_`, as some exporters rewrite it.
    pub name: &'static str,
    /// Which series of it.
    pub part: Part,
    /// A label that the series must have.
    pub label: Option<(&'static str, &'static str)>,
    /// Where the name and its meaning are from.
    pub origin: &'static str,
}

const VLLM: &str = "vllm-project/vllm vllm/v1/metrics/loggers.py";
const VLLM_OLD: &str = "vllm-project/vllm vllm/v1/metrics/loggers.py, spelling before 0.12";
const TGI: &str = "huggingface/text-generation-inference docs/source/reference/metrics.md";
const SGLANG: &str = "sgl-project/sglang python/sglang/srt/metrics/collector.py";
const SGLANG_OLD: &str = "sgl-project/sglang docs/references/production_metrics.md, spelling before 0.5";
const LLAMA: &str = "ggml-org/llama.cpp tools/server/README.md";
const LLAMA_OLD: &str = "ggml-org/llama.cpp tools/server/README.md, builds before the cache counters were removed";
const TRTLLM: &str = "NVIDIA/TensorRT-LLM tensorrt_llm/metrics/collector.py";
const TRITON: &str = "triton-inference-server/tensorrtllm_backend custom_metrics_reporter.cc";
const CLIENTS: &str = "prometheus.io, Writing client libraries: process metrics";

const fn plain(server: ServerKind, quantity: ServerQuantity, name: &'static str, origin: &'static str) -> NameRow {
    let target = Target::Quantity(quantity);
    NameRow { server: Some(server), target, name, part: Part::Plain, label: None, origin }
}

const fn sum(server: ServerKind, quantity: ServerQuantity, name: &'static str, origin: &'static str) -> NameRow {
    NameRow { part: Part::Sum, ..plain(server, quantity, name, origin) }
}

const fn buckets(
    server: ServerKind,
    distribution: ServerDistribution,
    name: &'static str,
    origin: &'static str,
) -> NameRow {
    let target = Target::Distribution(distribution);
    NameRow { server: Some(server), target, name, part: Part::Buckets, label: None, origin }
}

const fn labelled(
    quantity: ServerQuantity,
    name: &'static str,
    label: (&'static str, &'static str),
    origin: &'static str,
) -> NameRow {
    NameRow { label: Some(label), ..plain(ServerKind::Triton, quantity, name, origin) }
}

const fn any(quantity: ServerQuantity, name: &'static str) -> NameRow {
    NameRow { server: None, ..plain(ServerKind::Vllm, quantity, name, CLIENTS) }
}

use ServerDistribution as D;
use ServerKind as K;
use ServerQuantity as Q;

/// Every known name. Of several names for one thing the first that is found counts: newer spellings come first,
/// because servers write both for some releases.
pub const NAMES: &[NameRow] = &[
    plain(K::Vllm, Q::Running, "vllm:num_requests_running", VLLM),
    plain(K::Vllm, Q::Waiting, "vllm:num_requests_waiting", VLLM),
    plain(K::Vllm, Q::KvUsage, "vllm:kv_cache_usage_perc", VLLM),
    plain(K::Vllm, Q::KvUsage, "vllm:gpu_cache_usage_perc", VLLM_OLD),
    plain(K::Vllm, Q::PromptTokens, "vllm:prompt_tokens", VLLM),
    plain(K::Vllm, Q::GenerationTokens, "vllm:generation_tokens", VLLM),
    plain(K::Vllm, Q::PrefixQueries, "vllm:prefix_cache_queries", VLLM),
    plain(K::Vllm, Q::PrefixQueries, "vllm:gpu_prefix_cache_queries", VLLM_OLD),
    plain(K::Vllm, Q::PrefixHits, "vllm:prefix_cache_hits", VLLM),
    plain(K::Vllm, Q::PrefixHits, "vllm:gpu_prefix_cache_hits", VLLM_OLD),
    plain(K::Vllm, Q::Preemptions, "vllm:num_preemptions", VLLM),
    plain(K::Vllm, Q::Finished, "vllm:request_success", VLLM),
    buckets(K::Vllm, D::Ttft, "vllm:time_to_first_token_seconds", VLLM),
    buckets(K::Vllm, D::Itl, "vllm:inter_token_latency_seconds", VLLM),
    // The old name was of the gaps between steps, not of a request's mean.
    buckets(K::Vllm, D::Itl, "vllm:time_per_output_token_seconds", VLLM_OLD),
    buckets(K::Vllm, D::Tpot, "vllm:request_time_per_output_token_seconds", VLLM),
    buckets(K::Vllm, D::E2e, "vllm:e2e_request_latency_seconds", VLLM),
    buckets(K::Vllm, D::QueueTime, "vllm:request_queue_time_seconds", VLLM),
    plain(K::Tgi, Q::Running, "tgi_batch_current_size", TGI),
    plain(K::Tgi, Q::Waiting, "tgi_queue_size", TGI),
    // Tokens are told per request only; the sum of the histogram is the counter.
    sum(K::Tgi, Q::PromptTokens, "tgi_request_input_length", TGI),
    sum(K::Tgi, Q::GenerationTokens, "tgi_request_generated_tokens", TGI),
    plain(K::Tgi, Q::Finished, "tgi_request_success", TGI),
    buckets(K::Tgi, D::Tpot, "tgi_request_mean_time_per_token_duration", TGI),
    buckets(K::Tgi, D::E2e, "tgi_request_duration", TGI),
    buckets(K::Tgi, D::QueueTime, "tgi_request_queue_duration", TGI),
    plain(K::Sglang, Q::Running, "sglang:num_running_reqs", SGLANG),
    plain(K::Sglang, Q::Waiting, "sglang:num_queue_reqs", SGLANG),
    plain(K::Sglang, Q::KvUsage, "sglang:token_usage", SGLANG),
    plain(K::Sglang, Q::PromptTokens, "sglang:prompt_tokens", SGLANG),
    plain(K::Sglang, Q::GenerationTokens, "sglang:generation_tokens", SGLANG),
    // Each prompt is looked up once, so that its tokens are the queries.
    plain(K::Sglang, Q::PrefixQueries, "sglang:prompt_tokens", SGLANG),
    plain(K::Sglang, Q::PrefixHits, "sglang:cached_tokens", SGLANG),
    plain(K::Sglang, Q::Finished, "sglang:num_requests", SGLANG),
    buckets(K::Sglang, D::Ttft, "sglang:time_to_first_token_seconds", SGLANG),
    buckets(K::Sglang, D::Itl, "sglang:inter_token_latency_seconds", SGLANG),
    buckets(K::Sglang, D::Itl, "sglang:time_per_output_token_seconds", SGLANG_OLD),
    buckets(K::Sglang, D::E2e, "sglang:e2e_request_latency_seconds", SGLANG),
    buckets(K::Sglang, D::QueueTime, "sglang:queue_time_seconds", SGLANG),
    plain(K::LlamaServer, Q::Running, "llamacpp:requests_processing", LLAMA),
    plain(K::LlamaServer, Q::Waiting, "llamacpp:requests_deferred", LLAMA),
    plain(K::LlamaServer, Q::KvUsage, "llamacpp:kv_cache_usage_ratio", LLAMA_OLD),
    plain(K::LlamaServer, Q::PromptTokens, "llamacpp:prompt_tokens", LLAMA),
    plain(K::LlamaServer, Q::GenerationTokens, "llamacpp:tokens_predicted", LLAMA),
    plain(K::TensorRtLlm, Q::Running, "trtllm_num_requests_running", TRTLLM),
    plain(K::TensorRtLlm, Q::Waiting, "trtllm_num_requests_waiting", TRTLLM),
    plain(K::TensorRtLlm, Q::KvUsage, "trtllm_kv_cache_utilization", TRTLLM),
    plain(K::TensorRtLlm, Q::PromptTokens, "trtllm_prompt_tokens", TRTLLM),
    plain(K::TensorRtLlm, Q::PrefixQueries, "trtllm_prompt_tokens", TRTLLM),
    plain(K::TensorRtLlm, Q::PrefixHits, "trtllm_prompt_cached_tokens", TRTLLM),
    plain(K::TensorRtLlm, Q::Finished, "trtllm_request_success", TRTLLM),
    buckets(K::TensorRtLlm, D::Ttft, "trtllm_time_to_first_token_seconds", TRTLLM),
    buckets(K::TensorRtLlm, D::Tpot, "trtllm_time_per_output_token_seconds", TRTLLM),
    buckets(K::TensorRtLlm, D::E2e, "trtllm_e2e_request_latency_seconds", TRTLLM),
    buckets(K::TensorRtLlm, D::QueueTime, "trtllm_request_queue_time_seconds", TRTLLM),
    // `active` counts the waiting ones too.
    labelled(Q::Running, "nv_trt_llm_request_metrics", ("request_type", "scheduled"), TRITON),
    labelled(Q::Waiting, "nv_trt_llm_request_metrics", ("request_type", "waiting"), TRITON),
    labelled(Q::KvUsage, "nv_trt_llm_kv_cache_block_metrics", ("kv_cache_block_type", "fraction"), TRITON),
    any(Q::ProcessStart, "process_start_time_seconds"),
    any(Q::ResidentBytes, "process_resident_memory_bytes"),
    any(Q::OpenFiles, "process_open_fds"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_unique_and_well_formed() {
        for (index, row) in NAMES.iter().enumerate() {
            let is_same =
                |other: &NameRow| (other.target, other.name, other.label) == (row.target, row.name, row.label);
            assert_eq!(NAMES.iter().position(is_same), Some(index), "{}", row.name);
            let suffixes = ["_total", "_sum", "_bucket", "_count"];
            assert!(!suffixes.iter().any(|suffix| row.name.ends_with(suffix)), "{}", row.name);
            assert_eq!(row.part == Part::Buckets, matches!(row.target, Target::Distribution(_)), "{}", row.name);
            assert!(!row.origin.is_empty());
        }
    }
}
