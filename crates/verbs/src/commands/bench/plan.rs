//! What a weigh-in would do: the text of `--dry-run`.

use std::fmt::Write as _;

use weighbridge_types::record::Phase;

use super::settings::Resolved;

/// Describes the plan, one phase a line.
pub(super) fn describe(resolved: &Resolved) -> String {
    let settings = &resolved.settings;
    let list = |items: Vec<String>| items.join(", ");
    let mut text = format!("would weigh `{}`, seed {}, runs {}\n", resolved.model, settings.seed, settings.runs);
    for phase in Phase::WEIGH_IN.into_iter().filter(|phase| settings.phases.contains(phase)) {
        let what = match phase {
            Phase::Validate => "seven checks, each with its evidence".to_owned(),
            Phase::Latency => format!(
                "input/output {} tokens, up to {} requests each",
                list(settings.lengths.iter().map(ToString::to_string).collect()),
                settings.latency_requests
            ),
            Phase::Memory => format!("up to {} requests one after another", settings.memory_requests),
            Phase::Throughput => format!(
                "concurrency {}, {} tokens, up to {} requests each",
                list(settings.concurrency.iter().map(ToString::to_string).collect()),
                settings.throughput_lengths,
                settings.throughput_requests
            ),
            Phase::Load | Phase::Evaluate | Phase::Stream => continue,
            Phase::Quality => format!("up to {} items per task and variant", settings.quality_items),
        };
        let seconds = settings.budgets_s.of(phase).as_secs();
        let _ = writeln!(text, "{:>10}  {what}; at most about {seconds} s per run", phase.name());
    }
    text
}
