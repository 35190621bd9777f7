//! `/metrics` in the text form of Prometheus, on a listener of its own.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use weighbridge_serving::{BreakerState, FaultClass, PeerState, Residence};

use crate::figures::{BOUNDS, Figures, Histogram, read};
use crate::servers::Peer;
use crate::service::Service;
use crate::visitor;

/// The routes of the metrics listener.
pub fn metrics_app(service: &Arc<Service>) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(Arc::clone(service))
}

/// No key is needed for it, so that pages of other sites are refused whatever keys there are.
async fn metrics(State(service): State<Arc<Service>>, uri: Uri, headers: HeaderMap) -> Response {
    match visitor::check(&uri, &headers, &service.settings.hosts) {
        Ok(()) => respond(page(&service)),
        Err(error) => (error.status, error.message).into_response(),
    }
}

fn respond(page: String) -> Response {
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], page).into_response()
}

/// A page under construction.
struct Page {
    text: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing into memory cannot fail.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.text, "{name}{{{labels}}} {value}");
    }

    fn histogram(&mut self, name: &str, labels: &str, histogram: &Histogram) {
        let (counts, sum) = histogram.read();
        for (bound, count) in BOUNDS.iter().zip(counts) {
            let _ = writeln!(self.text, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
        }
        let all = counts[BOUNDS.len()];
        let _ = writeln!(self.text, "{name}_bucket{{{labels},le=\"+Inf\"}} {all}");
        let _ = writeln!(self.text, "{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {all}");
    }
}

/// A label's value, escaped.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn page(service: &Service) -> String {
    let mut page = Page { text: String::with_capacity(16 << 10) };
    let states = service.pool.states();
    let models: Vec<(String, &Figures, weighbridge_serving::GateState)> = states
        .iter()
        .filter_map(|state| {
            let entry = service.entries.get(&state.name)?;
            Some((format!("model_name=\"{}\"", escaped(&state.name)), &entry.figures, entry.gate.state()))
        })
        .collect();
    for prefix in ["weighbridge_", "vllm:"] {
        let name = |rest: &str| format!("{prefix}{rest}");
        let running = name(if prefix == "vllm:" { "num_requests_running" } else { "requests_running" });
        let waiting = name(if prefix == "vllm:" { "num_requests_waiting" } else { "requests_waiting" });
        page.family(&running, "gauge", "Requests that are computed.");
        models.iter().for_each(|(labels, _, gate)| page.sample(&running, labels, gate.running));
        page.family(&waiting, "gauge", "Requests that wait for a place.");
        models.iter().for_each(|(labels, _, gate)| page.sample(&waiting, labels, gate.waiting));
        type Of = fn(&Figures) -> &Histogram;
        let histograms: [(&str, &str, Of); 4] = [
            ("time_to_first_token_seconds", "From a request's arrival to its first token.", |figures| &figures.ttft),
            ("inter_token_latency_seconds", "Between two tokens of an answer.", |figures| &figures.itl),
            ("e2e_request_latency_seconds", "From a request's arrival to the end of its answer.", |figures| {
                &figures.e2e
            }),
            ("request_queue_time_seconds", "Waiting for a place.", |figures| &figures.queue),
        ];
        for (rest, help, histogram) in histograms {
            page.family(&name(rest), "histogram", help);
            models.iter().for_each(|(labels, figures, _)| page.histogram(&name(rest), labels, histogram(figures)));
        }
        for (rest, help, is_input) in [
            ("prompt_tokens_total", "Tokens of prompts.", true),
            ("generation_tokens_total", "Tokens of answers.", false),
        ] {
            page.family(&name(rest), "counter", help);
            for (labels, figures, _) in &models {
                page.sample(
                    &name(rest),
                    labels,
                    read(if is_input { &figures.input_tokens } else { &figures.output_tokens }),
                );
            }
        }
        let success = name("request_success_total");
        page.family(&success, "counter", "Answers that ended, by their reason.");
        for (labels, figures, _) in &models {
            for (reason, counter) in ["stop", "length", "other"].iter().zip(&figures.finished) {
                page.sample(&success, &format!("{labels},finished_reason=\"{reason}\""), read(counter));
            }
        }
    }
    own(&mut page, service, &models);
    page.text
}

/// What only we tell.
fn own(page: &mut Page, service: &Service, models: &[(String, &Figures, weighbridge_serving::GateState)]) {
    page.family("weighbridge_overhead_seconds", "histogram", "What the server adds to a first token.");
    models
        .iter()
        .for_each(|(labels, figures, _)| page.histogram("weighbridge_overhead_seconds", labels, &figures.overhead));
    page.family("weighbridge_model_load_wait_seconds", "histogram", "Waiting for a model to be loaded.");
    models
        .iter()
        .for_each(|(labels, figures, _)| page.histogram("weighbridge_model_load_wait_seconds", labels, &figures.load));
    page.family("weighbridge_request_failures_total", "counter", "Requests that failed, by class.");
    for (labels, figures, _) in models {
        for (class, counter) in FaultClass::ALL.iter().zip(&figures.failed) {
            page.sample(
                "weighbridge_request_failures_total",
                &format!("{labels},class=\"{}\"", class.name()),
                read(counter),
            );
        }
    }
    page.family("weighbridge_requests_canceled_total", "counter", "Streams whose client went away.");
    models.iter().for_each(|(labels, figures, _)| {
        page.sample("weighbridge_requests_canceled_total", labels, read(&figures.canceled))
    });
    page.family("weighbridge_cache_hits_total", "counter", "Requests that were answered from the cache.");
    models.iter().for_each(|(labels, figures, _)| {
        page.sample("weighbridge_cache_hits_total", labels, read(&figures.cache_hits))
    });
    page.family("weighbridge_cache_misses_total", "counter", "Requests that the cache did not know.");
    models.iter().for_each(|(labels, figures, _)| {
        page.sample("weighbridge_cache_misses_total", labels, read(&figures.cache_misses))
    });
    near(page, service, models);
    page.family("weighbridge_queue_refused_total", "counter", "Requests that were refused because too many waited.");
    models.iter().for_each(|(labels, _, gate)| page.sample("weighbridge_queue_refused_total", labels, gate.refused));
    servers(page, service);
    page.family("weighbridge_model_loaded", "gauge", "Whether a model is in memory.");
    let states = service.pool.states();
    for state in &states {
        let labels = format!("model_name=\"{}\"", escaped(&state.name));
        page.sample("weighbridge_model_loaded", &labels, u8::from(state.residence == Residence::Loaded));
    }
    page.family("weighbridge_model_memory_bytes", "gauge", "Memory that a model takes.");
    for state in &states {
        page.sample("weighbridge_model_memory_bytes", &format!("model_name=\"{}\"", escaped(&state.name)), state.bytes);
    }
    page.family("weighbridge_in_flight", "gauge", "Requests under way, whatever they ask.");
    let instance = escaped(service.settings.instance.as_deref().unwrap_or(""));
    page.sample("weighbridge_in_flight", &format!("instance=\"{instance}\""), service.in_flight());
}

/// The servers of models elsewhere.
fn servers(page: &mut Page, service: &Service) {
    type Of = fn(&Peer, &PeerState) -> u64;
    let families: [(&str, &str, &str, Of); 5] = [
        ("weighbridge_breaker_state", "gauge", "Of a server elsewhere: 0 asked, 1 tried, 2 left alone.", |peer, _| {
            match peer.breaker.state() {
                BreakerState::Closed => 0,
                BreakerState::HalfOpen => 1,
                BreakerState::Open => 2,
            }
        }),
        ("weighbridge_server_left_out", "gauge", "Whether a server elsewhere is out of turn.", |_, state| {
            u64::from(state.is_out)
        }),
        ("weighbridge_server_in_flight", "gauge", "Requests that a server elsewhere has.", |_, state| {
            u64::from(state.active)
        }),
        ("weighbridge_server_requests_total", "counter", "Requests that a server elsewhere had.", |_, state| {
            state.chosen
        }),
        ("weighbridge_server_failures_total", "counter", "Requests that a server elsewhere failed.", |_, state| {
            state.failed
        }),
    ];
    let models = service.pool.states();
    let upstreams: Vec<_> = models
        .iter()
        .filter_map(|model| Some((escaped(&model.name), service.entries.get(&model.name)?.upstream.as_ref()?.states())))
        .collect();
    for (name, kind, help, value) in families {
        page.family(name, kind, help);
        for (model, states) in &upstreams {
            for (peer, state) in states {
                let labels = format!("model_name=\"{model}\",server=\"{}\"", escaped(&peer.url));
                page.sample(name, &labels, value(peer, state));
            }
        }
    }
}

/// What became of near texts, where they are answered.
fn near(page: &mut Page, service: &Service, models: &[(String, &Figures, weighbridge_serving::GateState)]) {
    let Some(texts) = &service.near else { return };
    page.family("weighbridge_cache_near_hits_total", "counter", "Requests that got the answer to a near text.");
    models.iter().for_each(|(labels, figures, _)| {
        page.sample("weighbridge_cache_near_hits_total", labels, read(&figures.cache_near))
    });
    page.family("weighbridge_cache_near_checks_total", "counter", "Such answers that were computed as well.");
    let checks = [
        ("equal", &texts.equal),
        ("different", &texts.different),
        ("failed", &texts.failed),
        ("skipped", &texts.skipped),
    ];
    for (outcome, counter) in checks {
        page.sample("weighbridge_cache_near_checks_total", &format!("outcome=\"{outcome}\""), read(counter));
    }
    let Some((value, low, high, _)) = texts.equal_share() else { return };
    page.family("weighbridge_cache_near_equal_share", "gauge", "Share of equal ones, and its interval of 95 %.");
    for (bound, share) in [("value", value), ("low", low), ("high", high)] {
        page.sample("weighbridge_cache_near_equal_share", &format!("bound=\"{bound}\""), share);
    }
}
