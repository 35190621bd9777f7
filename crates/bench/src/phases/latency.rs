//! Latency: one request at a time, one length after the other.

use weighbridge_types::definition as define;
use weighbridge_types::event::SinkError;
use weighbridge_types::metric::{Metric, Statistic};
use weighbridge_types::record::Check;

use crate::context::{Context, Output};
use crate::driver::Load;

/// Fewer than two requests have no spread.
const LEAST: usize = 2;

/// A decode rate that varies by less than this share of its mean is called stable.
pub(crate) const STABLE_CV: f64 = 0.10;

pub(crate) async fn run(context: &mut Context<'_>, output: &mut Output) -> Result<(), SinkError> {
    let settings = context.settings;
    let shares = settings.latency_shares();
    for (part, (lengths, share)) in (0..).zip(settings.lengths.iter().zip(shares)) {
        let cell = context.cell().with("input_tokens", lengths.input).with("output_tokens", lengths.output);
        if let Err(why) = context.fits(*lengths) {
            let cell = weighbridge_summary::figure_cell(&cell);
            output.metrics.push(Metric::unavailable(&define::TTFT, Statistic::Mean, &cell, why.clone()));
            output.notes.push(format!("left out {lengths}: {why}"));
            continue;
        }
        let prompts = context.prompts(part);
        let load = Load {
            cell,
            what: format!("{lengths} tokens"),
            warmups: prompts.prepare(*lengths, 0, settings.warmups),
            requests: prompts.prepare(*lengths, u64::from(settings.warmups), settings.latency_requests),
            concurrency: 1,
            budget: context.budget().mul_f64(share),
            least: LEAST,
        };
        let driven = context.drive(load).await?;
        output.rows.requests.extend(driven.rows);
        if driven.stop.is_some() {
            output.stop = driven.stop;
            break;
        }
    }
    Ok(())
}

/// Whether the prompts had their length, and whether generation is as steady as its name says.
pub(crate) fn conclude(metrics: &[Metric], output: &mut Output) {
    output.checks.extend(exact_lengths(output));
    let mut spreads: Vec<(&str, f64)> = metrics
        .iter()
        .filter(|metric| metric.key() == "decode_rate.mean")
        .filter_map(|metric| Some((metric.cell.get("input_tokens")?, metric.cv?)))
        .collect();
    spreads.sort_by(|a, b| b.1.total_cmp(&a.1));
    let Some((length, worst)) = spreads.first() else { return };
    output.checks.push(Check {
        name: "generation speed stable".to_owned(),
        passed: Some(*worst < STABLE_CV),
        evidence: format!(
            "largest coefficient of variation {:.1} % at {length} input tokens, limit {:.0} %",
            100.0 * worst,
            100.0 * STABLE_CV
        ),
    });
}

/// Whether the engine counted as many prompt tokens as were asked for; `None` where nobody could count.
fn exact_lengths(output: &Output) -> Option<Check> {
    let counted = output.rows.requests.iter().filter(|row| !row.warmup && row.outcome.is_success());
    let pairs: Vec<(u32, u32)> =
        counted.filter_map(|row| Some((row.planned_input_tokens?, row.usage?.input_tokens))).collect();
    let wrong = pairs.iter().find(|(planned, counted)| planned != counted);
    let evidence = match wrong {
        Some((planned, counted)) => format!("a prompt of {planned} tokens was counted as {counted}"),
        None => format!("{} of {} prompts have the length asked for", pairs.len(), pairs.len()),
    };
    (!pairs.is_empty()).then(|| Check {
        name: "prompt lengths exact".to_owned(),
        passed: Some(wrong.is_none()),
        evidence,
    })
}
