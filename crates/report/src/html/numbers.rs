//! The parts that prove the rest: environment, every number, definitions.

use maud::{Markup, html};
use weighbridge_types::definition::{self, Direction};
use weighbridge_types::metric::Metric;
use weighbridge_types::record::{Phase, Record};
use weighbridge_types::units::ByteSize;

use crate::number::{self, Scale};
use crate::view::{cell_label, flag_text, provenance_word};

/// The fingerprint of the host.
pub(super) fn environment(record: &Record) -> Markup {
    let e = &record.environment;
    let known = |text: Option<String>| text.unwrap_or_else(|| "n/a".to_owned());
    let bytes = |size: Option<u64>| known(size.map(|size| ByteSize(size).to_string()));
    let gpus = if e.gpus.is_empty() {
        format!("none ({})", e.gpus_reason.as_deref().unwrap_or("no reason recorded"))
    } else {
        let name = |gpu: &weighbridge_types::environment::Gpu| format!("{}, {}", gpu.name, bytes(gpu.memory_bytes));
        e.gpus.iter().map(name).collect::<Vec<_>>().join("; ")
    };
    let facts = [
        ("operating system", known(e.os.clone())),
        ("kernel", known(e.kernel.clone())),
        ("CPU", known(e.cpu_model.clone())),
        (
            "cores usable / online",
            format!(
                "{} / {}",
                known(e.cores_usable.map(|n| n.to_string())),
                known(e.cores_online.map(|n| n.to_string()))
            ),
        ),
        ("CPU features", if e.cpu_flags.is_empty() { "n/a".to_owned() } else { e.cpu_flags.join(" ") }),
        ("frequency governor", known(e.governor.clone())),
        ("NUMA nodes", known(e.numa_nodes.map(|n| n.to_string()))),
        ("memory", bytes(e.memory_bytes)),
        (
            "memory limit",
            e.cgroup_memory_limit_bytes.map_or_else(|| "none".to_owned(), |size| ByteSize(size).to_string()),
        ),
        (
            "CPU limit",
            e.cgroup_cpu_limit
                .map_or_else(|| "none".to_owned(), |cores| format!("{} cores", number::significant(cores, 3))),
        ),
        ("virtualization", known(e.virtualization.clone())),
        ("storage", known(e.storage.clone())),
        ("graphics processors", gpus),
        ("calibration", known(record.calibration.as_ref().map(|note| note.id.clone()))),
        ("digest of the host", e.digest.clone()),
        ("digest of the model", known(record.engine.model_digest.clone())),
    ];
    html! {
        section #environment {
            h2 { "Environment" }
            p.soft { "Figures compare only with runs that show the same digest of the host." }
            dl.facts { @for (label, text) in facts { dt { (label) } dd { (text) } } }
            details { summary { "Settings as resolved" } p { code { (record.settings) } } }
        }
    }
}

/// Every metric of the record with what is needed to believe it.
pub(super) fn every_number(record: &Record) -> Markup {
    let of = |phase: Option<Phase>| -> Vec<&Metric> {
        let name = phase.map(Phase::name);
        record.metrics.iter().filter(|metric| metric.cell.get("phase") == name).collect()
    };
    let groups: Vec<(String, Vec<&Metric>)> = Phase::ALL
        .into_iter()
        .map(|phase| (phase.name().to_owned(), of(Some(phase))))
        .chain([("the whole run".to_owned(), of(None))])
        .filter(|(_, metrics)| !metrics.is_empty())
        .collect();
    html! {
        section #numbers {
            h2 { "Every number" }
            p.soft {
                "n counts the observations, n eff. the independent observations that they are worth. CV is deviation over mean. "
                "A value that could not be had is n/a, with the reason."
            }
            @for (name, metrics) in &groups {
                details {
                    summary { (name) ": " (metrics.len()) " figures" }
                    div.scroll tabindex="0" role="region" aria-label=(format!("Every number of {name}")) {
                        table.every {
                            thead { tr {
                                th scope="col" { "figure" } th scope="col" { "where" }
                                @for heading in ["value", "n", "n eff.", "95 % interval", "CV %"] { th.number scope="col" { (heading) } }
                                th scope="col" { "method" } th scope="col" { "origin" } th scope="col" { "doubts" }
                            } }
                            tbody { @for metric in metrics { (row(metric)) } }
                        }
                    }
                }
            }
        }
    }
}

fn row(metric: &Metric) -> Markup {
    let scale = Scale::of_metric(metric);
    let doubts: Vec<&str> = metric.flags.iter().map(|flag| flag_text(*flag)).collect();
    html! {
        tr {
            th scope="row" { a href=(format!("#d-{}", metric.name)) { (metric.key()) } }
            td { (cell_label(&metric.cell)) }
            @if metric.value.is_some() {
                td.number { (number::value(metric)) }
            } @else {
                td.faint { (number::value(metric)) }
            }
            td.number { (metric.n) }
            td.number { (metric.n_effective.map(|n| number::significant(n, 3)).unwrap_or_default()) }
            @match &metric.interval {
                Some(interval) => td.number { (number::ends(interval, &scale)) },
                None => td.faint { (metric.interval_reason.as_deref().unwrap_or_default()) },
            }
            td.number { (metric.cv.map(number::percent).unwrap_or_default()) }
            td { (metric.interval.as_ref().map(|i| i.method.replace('_', " ")).unwrap_or_default()) }
            td { (provenance_word(metric.provenance)) }
            td.doubt { (doubts.join("; ")) }
        }
    }
}

/// What each metric of the record means.
pub(super) fn definitions(record: &Record) -> Markup {
    let used = definition::ALL.iter().filter(|definition| record.metrics.iter().any(|m| m.name == definition.name));
    html! {
        section #definitions {
            h2 { "Definitions" }
            dl.defs {
                @for definition in used {
                    dt id=(format!("d-{}", definition.name)) { (definition.title) " " code { (definition.id()) } }
                    dd {
                        (definition.formula) "."
                        span.soft { " Unit: " (definition.unit) ", " (direction_words(definition.direction)) "." }
                    }
                }
            }
        }
    }
}

const fn direction_words(direction: Direction) -> &'static str {
    match direction {
        Direction::Lower => "less is better",
        Direction::Higher => "more is better",
        Direction::Neutral => "a fact, neither better nor worse",
    }
}

/// Versions and the meaning of the origins.
pub(super) fn footer(record: &Record) -> Markup {
    html! {
        footer {
            p {
                "Measured: observed in this run. Derived: computed from measured values. Projected: extrapolated with stated "
                "factors. Reference: published elsewhere. Percentiles are type 7 of Hyndman and Fan."
            }
            p { "Record of schema " (record.schema_version) ", written " (record.updated_at) " by weighbridge " (record.environment.build.version) "." }
        }
    }
}
