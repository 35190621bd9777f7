//! The progress bar: a reader of a run's events.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use weighbridge_types::event::{Pulse, RunEvent, Sink, SinkError};
use weighbridge_types::record::{PhaseResult, Record, Status};

use crate::output::{self, Level};

/// Shows where a run stands, on stderr. Without a terminal it writes one line per phase instead.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    plain: bool,
}

impl Progress {
    /// Prepares the display.
    pub(crate) fn new(is_terminal: bool) -> Self {
        let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::hidden());
        if is_terminal && output::says(Level::Info) {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
            let style = ProgressStyle::with_template("{prefix:>10} [{bar:24}] {pos}/{len} {wide_msg} {elapsed}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
            bar.enable_steady_tick(Duration::from_millis(500));
        }
        Self { bar, plain: !is_terminal }
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn pulse(&self, pulse: &Pulse) {
        let (done, total) = match (pulse.until, pulse.sessions) {
            (Some(until), _) => ((pulse.at - pulse.begin).as_millis(), (until - pulse.begin).as_millis()),
            (None, Some(sessions)) => (u128::from(pulse.released), u128::from(sessions)),
            (None, None) => (0, 1),
        };
        let short = |count: u128| u64::try_from(count).unwrap_or(u64::MAX);
        self.bar.set_length(short(total));
        self.bar.set_position(short(done.min(total)));
        let load = format!("{} of {}", pulse.number, pulse.count);
        let message =
            format!("load {load}: {}, {} released, {} in flight", pulse.what, pulse.released, pulse.in_flight);
        self.bar.set_message(message);
    }

    fn say(&self, line: &str) {
        if self.plain {
            output::talk(line);
        } else {
            self.bar.suspend(|| output::talk(line));
        }
    }
}

impl Sink for Progress {
    fn event(&mut self, event: &RunEvent) -> Result<(), SinkError> {
        match event {
            RunEvent::PhaseStarted { phase, .. } => {
                self.bar.set_prefix(phase.name());
                self.bar.set_message("");
                self.bar.set_length(1);
                self.bar.set_position(0);
            }
            RunEvent::Progress { what, done, total, .. } => {
                self.bar.set_length(*total);
                self.bar.set_position(*done);
                self.bar.set_message(what.clone());
            }
            RunEvent::Pulse(pulse) => self.pulse(pulse),
            RunEvent::PhaseFinished { result, .. } => self.say(&finished(result)),
            _ => {}
        }
        Ok(())
    }

    fn checkpoint(&mut self, _record: &Record) -> Result<(), SinkError> {
        Ok(())
    }
}

/// The line of a phase that is over.
pub(crate) fn finished(result: &PhaseResult) -> String {
    let state = match result.status {
        Status::Complete => "done",
        Status::Interrupted => "interrupted",
        Status::Failed => "failed",
        Status::Skipped => "skipped",
        Status::Pending | Status::Running => "left open",
    };
    let seconds = result.duration_s.map_or_else(String::new, |seconds| format!(" {seconds:.1} s"));
    let notes = result.notes.first().map_or_else(String::new, |note| format!("  {note}"));
    format!("{:>10} {state}{seconds}{notes}", result.phase.name())
}
