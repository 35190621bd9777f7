//! Throughput: closed loop at one concurrency after the other.

use weighbridge_types::event::SinkError;

use crate::context::{Context, Output};
use crate::driver::Load;

pub(crate) async fn run(context: &mut Context<'_>, output: &mut Output) -> Result<(), SinkError> {
    let settings = context.settings;
    let lengths = settings.throughput_lengths;
    if let Err(why) = context.fits(lengths) {
        output.skipped = Some(why);
        return Ok(());
    }
    let budget = context.budget() / u32::try_from(settings.concurrency.len()).unwrap_or(u32::MAX);
    for (part, &level) in (0..).zip(&settings.concurrency) {
        let prompts = context.prompts(part);
        // Each place warms up once, where warm-up is wanted at all.
        let warmups = if settings.warmups == 0 { 0 } else { level };
        let load = Load {
            cell: context.cell().with("concurrency", level),
            what: format!("{level} in flight"),
            warmups: prompts.prepare(lengths, 0, warmups),
            requests: prompts.prepare(lengths, u64::from(warmups), settings.throughput_requests.max(level)),
            concurrency: level as usize,
            budget,
            least: level as usize,
        };
        let driven = context.drive(load).await?;
        output.rows.requests.extend(driven.rows);
        if driven.stop.is_some() {
            output.stop = driven.stop;
            break;
        }
    }
    if context.run == 1 {
        output.notes.push(format!("requests of {lengths} tokens; the window includes the drain at its end"));
    }
    Ok(())
}
