//! The live view of a load: a reader of a run's events that shows where it stands, on stderr.
//!
//! On a terminal it is a screen, drawn five times a second; without one it is a line every ten seconds. It is called
//! between two looks at the requests that ended, never while one is timed, and it never waits for the terminal.

mod disturbed;
mod draw;
mod lines;
mod model;
mod modes;
#[cfg(test)]
mod samples;
mod screen;
mod seconds;
mod text;

use std::io::IsTerminal;

use weighbridge_types::event::{RunEvent, Sink, SinkError};
use weighbridge_types::record::Record;

use crate::environment::Environment;
use crate::output::{self, Level};
use crate::progress::{self, Progress};
use draw::Look;
use lines::Lines;
use model::LiveModel;
use screen::Screen;

pub(crate) use screen::{hold, restore};

/// What the user wants to see, and where.
#[derive(Clone, Debug)]
pub(crate) struct LiveSettings {
    /// What is loaded.
    pub(crate) target: String,
    /// Share of disturbed requests above which the run is no measurement.
    pub(crate) disturbed_limit: f64,
    /// Whether percentiles include a warm-up that is left out only when a load is over.
    pub(crate) with_warmup: bool,
    /// Whether a screen is wanted, where there is one.
    pub(crate) wanted: bool,
}

/// Shows a run of loads.
#[derive(Debug)]
pub(crate) enum Live {
    /// A screen, entered with the first load.
    Screen(Box<Watched>),
    /// A line now and then.
    Lines(Box<LiveModel>, Lines),
    /// A progress bar, where a screen does not fit or is not wanted.
    Bar(Progress),
}

/// A model and the screen that it is drawn on.
#[derive(Debug)]
pub(crate) struct Watched {
    model: LiveModel,
    screen: Option<Screen>,
    color: bool,
}

impl Live {
    /// Chooses how a run is shown.
    pub(crate) fn new(settings: LiveSettings, environment: &Environment) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines(Box::new(LiveModel::new(settings, false)), Lines::default());
        }
        let fits =
            screen::size().is_some_and(|(columns, rows)| columns >= draw::SMALLEST.0 && rows >= draw::SMALLEST.1);
        if !settings.wanted || !fits || environment.dumb_terminal || !output::says(Level::Info) {
            return Self::Bar(Progress::new(true));
        }
        let model = LiveModel::new(settings, true);
        Self::Screen(Box::new(Watched { model, screen: None, color: !environment.no_color }))
    }

    /// Takes the view away.
    pub(crate) fn clear(&mut self) {
        match self {
            Self::Screen(watched) => watched.screen = None,
            Self::Lines(..) => {}
            Self::Bar(bar) => bar.clear(),
        }
    }
}

impl Watched {
    /// Draws the model; false when the terminal was lost, or must be left alone.
    fn draw(&mut self) -> bool {
        if self.screen.is_none() {
            self.screen = Screen::enter();
        }
        let Some(screen) = self.screen.as_mut().filter(|screen| screen.is_on()) else { return false };
        let (model, color) = (&self.model, self.color);
        screen.draw(|frame, said| draw::draw(frame, model, &Look { color, said }));
        true
    }
}

impl Sink for Live {
    fn event(&mut self, event: &RunEvent) -> Result<(), SinkError> {
        match self {
            Self::Bar(bar) => return bar.event(event),
            Self::Lines(model, lines) => {
                model.take(event);
                if let Some(line) = is_pulse(event).then(|| lines.due(model)).flatten() {
                    output::talk(&line);
                }
            }
            Self::Screen(watched) => {
                watched.model.take(event);
                if is_news(event) && !watched.draw() {
                    *self = Self::Lines(Box::new(watched.model.clone()), Lines::default());
                }
            }
        }
        if let RunEvent::PhaseFinished { result, .. } = event {
            output::talk(&progress::finished(result));
        }
        Ok(())
    }

    fn checkpoint(&mut self, record: &Record) -> Result<(), SinkError> {
        let model = match self {
            Self::Bar(bar) => return bar.checkpoint(record),
            Self::Lines(model, _) => model,
            Self::Screen(watched) => {
                watched.model.end_load();
                return Ok(());
            }
        };
        let count = model.last_pulse().map_or(0, |pulse| pulse.count);
        if let Some(load) = model.end_load() {
            output::talk(&text::ended(&load, count));
        }
        Ok(())
    }
}

const fn is_pulse(event: &RunEvent) -> bool {
    matches!(event, RunEvent::Pulse(_))
}

/// What changes the screen at once: a load as it stands, and that its figures are being made, which takes a while.
const fn is_news(event: &RunEvent) -> bool {
    matches!(event, RunEvent::Pulse(_) | RunEvent::Progress { .. })
}
