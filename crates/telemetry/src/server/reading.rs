//! From an exposition to what one known server tells.

use std::collections::BTreeMap;

use weighbridge_types::server::{HistogramSnapshot, ServerDistribution, ServerKind, ServerQuantity};

use super::names::{NAMES, NameRow, Part, Target};
use crate::prometheus::{Exposition, Series, histogram};

/// Names of metrics that an error shows.
const SHOWN: usize = 5;
/// Labels that name the model of a series.
const MODEL_LABELS: [&str; 3] = ["model_name", "model", "served_model_name"];
/// Labels of workers that share one request: each tells the same, so that only rank 0 counts. Replicas (`engine`,
/// `dp_rank`) add up.
const RANK_LABELS: [&str; 3] = ["tp_rank", "pp_rank", "moe_ep_rank"];

/// What a server told.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerReading {
    /// The kind of server.
    pub server: ServerKind,
    /// Single numbers.
    pub values: BTreeMap<ServerQuantity, f64>,
    /// Distributions, seconds.
    pub distributions: BTreeMap<ServerDistribution, HistogramSnapshot>,
    /// Known names whose values could not be used, with the reason.
    pub left_out: Vec<String>,
}

/// An exposition of which nothing is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// No known name.
    #[error("read the server's metrics: none of its {count} names is known (it starts with {first})")]
    Unknown {
        /// Different names found.
        count: usize,
        /// The first of them.
        first: String,
    },
    /// The model that was asked for is not served.
    #[error("read the server's metrics: no series is of the model `{model}`, only of {found}")]
    NoSuchModel {
        /// What was asked for.
        model: String,
        /// What there is.
        found: String,
    },
}

impl ServerError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => {
                "known are vLLM, TGI, SGLang, llama-server (started with --metrics), TensorRT-LLM and Triton; Ollama \
                 tells nothing; a gateway before the server may hide its metrics"
            }
            Self::NoSuchModel { .. } => "use the name that the server gives the model, or leave the model out",
        }
    }
}

/// Reads what a known server tells, in full or of one model.
///
/// Series of several engines are added up; the share of the KV cache and the start of the process take the largest.
///
/// # Errors
/// When no name is known, or the model is not served: then nothing is kept.
pub fn read_server(exposition: &Exposition<'_>, model: Option<&str>) -> Result<ServerReading, ServerError> {
    let groups = group(&exposition.series, model)?;
    let server = kind(&groups).ok_or_else(|| unknown(&exposition.series))?;
    let mut reading =
        ServerReading { server, values: BTreeMap::new(), distributions: BTreeMap::new(), left_out: Vec::new() };
    for row in NAMES.iter().filter(|row| row.server.is_none_or(|kind| kind == server)) {
        reading.take(row, &groups);
    }
    Ok(reading)
}

/// Series by name, with `:` as `_` and without the prefix that Ray adds.
type Groups<'a> = BTreeMap<String, Vec<&'a Series<'a>>>;

fn group<'a>(series: &'a [Series<'a>], model: Option<&str>) -> Result<Groups<'a>, ServerError> {
    let mut by_name: BTreeMap<&str, Vec<&Series<'_>>> = BTreeMap::new();
    let mut others: Vec<&str> = Vec::new();
    let mut has_model = false;
    for one in series.iter().filter(|one| is_first_rank(one)) {
        let own = MODEL_LABELS.iter().find_map(|name| one.labels.get(name));
        match (model, own) {
            (Some(model), Some(own)) if model != own => {
                if others.len() < SHOWN && !others.contains(&own) {
                    others.push(own);
                }
                continue;
            }
            (Some(_), Some(_)) => has_model = true,
            _ => {}
        }
        by_name.entry(one.name).or_default().push(one);
    }
    if let Some(model) = model.filter(|_| !has_model && !others.is_empty()) {
        return Err(ServerError::NoSuchModel { model: model.to_owned(), found: quoted(&others) });
    }
    let groups = by_name.into_iter().map(|(name, mut series)| {
        keep_totals(&mut series);
        (canonical(name.strip_prefix("ray_").unwrap_or(name)), series)
    });
    Ok(groups.collect())
}

fn is_first_rank(series: &Series<'_>) -> bool {
    RANK_LABELS.iter().all(|label| series.labels.get(label).is_none_or(|rank| rank == "0"))
}

/// SGLang writes a total with an empty `priority` beside one series for each priority.
fn keep_totals(series: &mut Vec<&Series<'_>>) {
    if series.iter().any(|one| one.labels.get("priority") == Some("")) {
        series.retain(|one| one.labels.get("priority").is_none_or(str::is_empty));
    }
}

fn canonical(name: &str) -> String {
    name.replace(':', "_")
}

/// The server of which most names are found.
fn kind(groups: &Groups<'_>) -> Option<ServerKind> {
    let mut found: BTreeMap<ServerKind, usize> = BTreeMap::new();
    for row in NAMES {
        if let Some(server) = row.server.filter(|_| find(row, groups).is_some()) {
            *found.entry(server).or_default() += 1;
        }
    }
    found.into_iter().max_by_key(|&(_, count)| count).map(|(server, _)| server)
}

fn unknown(series: &[Series<'_>]) -> ServerError {
    let mut names: Vec<&str> = series.iter().map(|one| one.name).collect();
    names.sort_unstable();
    names.dedup();
    ServerError::Unknown { count: names.len(), first: quoted(&names[..names.len().min(SHOWN)]) }
}

fn quoted(names: &[&str]) -> String {
    match names {
        [] => "nothing".to_owned(),
        names => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    }
}

/// The series of a row; `None` when there is none.
fn find<'a>(row: &NameRow, groups: &'a Groups<'a>) -> Option<Vec<&'a Series<'a>>> {
    let name = canonical(row.name);
    let group = match row.part {
        Part::Plain => groups.get(&format!("{name}_total")).or_else(|| groups.get(&name)),
        Part::Sum => groups.get(&format!("{name}_sum")),
        Part::Buckets => groups.get(&format!("{name}_bucket")),
    }?;
    let fits = |series: &&&Series<'_>| row.label.is_none_or(|(label, value)| series.labels.get(label) == Some(value));
    let series: Vec<_> = group.iter().filter(fits).copied().collect();
    (!series.is_empty()).then_some(series)
}

impl ServerReading {
    fn take(&mut self, row: &NameRow, groups: &Groups<'_>) {
        let Some(series) = find(row, groups) else {
            return;
        };
        match row.target {
            Target::Quantity(quantity) if !self.values.contains_key(&quantity) => match combine(quantity, &series) {
                Some(value) => drop(self.values.insert(quantity, value)),
                None => self.left_out.push(format!("`{}` is not a number of 0 or more", row.name)),
            },
            Target::Distribution(distribution) if !self.distributions.contains_key(&distribution) => {
                let sums = groups.get(&format!("{}_sum", canonical(row.name)));
                let sum = sums.map(|sums| sums.iter().map(|one| one.value).sum());
                match histogram(series, sum) {
                    Ok(found) => drop(self.distributions.insert(distribution, found)),
                    Err(error) => self.left_out.push(format!("`{}`: {error}", row.name)),
                }
            }
            Target::Quantity(_) | Target::Distribution(_) => {}
        }
    }
}

/// `None` when a value is negative or not finite: a part of a sum is no sum.
fn combine(quantity: ServerQuantity, series: &[&Series<'_>]) -> Option<f64> {
    if !series.iter().all(|one| one.value.is_finite() && one.value >= 0.0) {
        return None;
    }
    let values = series.iter().map(|one| one.value);
    Some(match quantity {
        ServerQuantity::KvUsage | ServerQuantity::ProcessStart => values.fold(0.0, f64::max),
        _ => values.sum(),
    })
}

#[cfg(test)]
mod tests {
    use weighbridge_types::server::ServerKind as K;
    use weighbridge_types::server::ServerQuantity as Q;

    use super::*;
    use crate::prometheus::parse;

    fn read(text: &str, model: Option<&str>) -> Result<ServerReading, ServerError> {
        read_server(&parse(text.as_bytes()).unwrap(), model)
    }

    fn check(text: &str, server: K, expected: &[(Q, f64)]) {
        let found = read(text, None).unwrap();
        assert_eq!(found.server, server, "{text}");
        assert_eq!(found.values, expected.iter().copied().collect(), "{text}");
    }

    /// The shapes of lines that the documentation of each server shows; see the origins in the table.
    #[test]
    fn each_server_is_known_by_its_names() {
        check(
            "vllm:num_requests_running{engine=\"0\",model_name=\"m\"} 3.0\n\
             vllm:num_requests_running{engine=\"1\",model_name=\"m\"} 4.0\n\
             vllm:gpu_cache_usage_perc{engine=\"0\"} 0.9\nvllm:kv_cache_usage_perc{engine=\"0\"} 0.25\n\
             vllm:kv_cache_usage_perc{engine=\"1\"} 0.5\nvllm:prompt_tokens_total 1000.0\n\
             vllm:prefix_cache_hits_total 40.0\nvllm:gpu_prefix_cache_queries_total 90.0\n\
             process_start_time_seconds 1.7e9\nprocess_virtual_memory_bytes 5\n",
            K::Vllm,
            &[
                (Q::Running, 7.0),
                (Q::KvUsage, 0.5),
                (Q::PromptTokens, 1000.0),
                (Q::PrefixQueries, 90.0),
                (Q::PrefixHits, 40.0),
                (Q::ProcessStart, 1.7e9),
            ],
        );
        check(
            "tgi_batch_current_size 4\ntgi_queue_size 7\ntgi_request_generated_tokens_sum 8123\n",
            K::Tgi,
            &[(Q::Running, 4.0), (Q::Waiting, 7.0), (Q::GenerationTokens, 8123.0)],
        );
        check(
            "sglang:num_queue_reqs{tp_rank=\"0\",priority=\"\"} 5\nsglang:num_queue_reqs{tp_rank=\"0\",priority=\"1\"} 2\n\
             sglang:num_running_reqs{tp_rank=\"0\"} 6\nsglang:num_running_reqs{tp_rank=\"1\"} 6\n\
             sglang:prompt_tokens_total 8.128902e+06\nsglang:cached_tokens_total 10\n",
            K::Sglang,
            &[
                (Q::Running, 6.0),
                (Q::Waiting, 5.0),
                (Q::PromptTokens, 8_128_902.0),
                (Q::PrefixQueries, 8_128_902.0),
                (Q::PrefixHits, 10.0),
            ],
        );
        check(
            "llamacpp:prompt_tokens_total 19\nllamacpp:tokens_predicted_total 52\nllamacpp:requests_processing 1\n\
             llamacpp:requests_deferred 0\nllamacpp:n_decode_total 9\n",
            K::LlamaServer,
            &[(Q::Running, 1.0), (Q::Waiting, 0.0), (Q::PromptTokens, 19.0), (Q::GenerationTokens, 52.0)],
        );
        check(
            "trtllm_kv_cache_utilization 0.5\ntrtllm_request_success_total{finished_reason=\"stop\"} 2\n",
            K::TensorRtLlm,
            &[(Q::KvUsage, 0.5), (Q::Finished, 2.0)],
        );
        check(
            "nv_trt_llm_request_metrics{request_type=\"active\"} 9\nnv_trt_llm_request_metrics{request_type=\"scheduled\"} 8\n\
             nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=\"fraction\"} 0.125\n",
            K::Triton,
            &[(Q::Running, 8.0), (Q::KvUsage, 0.125)],
        );
        check("ray_vllm_num_requests_running 2\n", K::Vllm, &[(Q::Running, 2.0)]);
    }

    #[test]
    fn distributions_come_with_their_sum() {
        let text = "sglang:time_to_first_token_seconds_sum{x=\"1\"} 2.5\n\
                    sglang:time_to_first_token_seconds_bucket{le=\"0.1\",x=\"1\"} 1.0\n\
                    sglang:time_to_first_token_seconds_bucket{le=\"+Inf\",x=\"1\"} 3.0\n\
                    sglang:e2e_request_latency_seconds_bucket{le=\"1\"} 3.0\n";
        let found = read(text, None).unwrap();
        let expected = HistogramSnapshot { bounds: vec![0.1], counts: vec![1, 2], sum: Some(2.5) };
        assert_eq!(found.distributions, BTreeMap::from([(ServerDistribution::Ttft, expected)]));
        assert_eq!(found.left_out.len(), 1, "{:?}", found.left_out);
    }

    #[test]
    fn one_model_of_several_can_be_taken() {
        let text = "vllm:num_requests_running{model_name=\"a\"} 3\nvllm:num_requests_running{model_name=\"b\"} 4\n\
                    vllm:num_requests_waiting 1\n";
        assert_eq!(read(text, Some("b")).unwrap().values.get(&Q::Running), Some(&4.0));
        let error = read(text, Some("c")).unwrap_err();
        assert!(error.to_string().contains("`c`, only of `a`, `b`"), "{error}");
        assert_eq!(read("vllm:num_requests_running 3\n", Some("c")).unwrap().values.get(&Q::Running), Some(&3.0));
    }

    #[test]
    fn of_an_unknown_server_nothing_is_kept() {
        let error = read("go_goroutines 5\nprocess_open_fds 7\n", None).unwrap_err();
        assert!(error.to_string().contains("none of its 2 names is known (it starts with `go_goroutines`"), "{error}");
        assert!(error.hint().contains("Ollama"));
        assert!(read("", None).unwrap_err().to_string().contains("nothing"));
    }

    #[test]
    fn odd_numbers_are_left_out() {
        let found = read("vllm:num_requests_running NaN\nvllm:num_requests_waiting 2\n", None).unwrap();
        assert_eq!(found.values, BTreeMap::from([(Q::Waiting, 2.0)]));
        assert!(found.left_out[0].contains("num_requests_running"));
    }
}
