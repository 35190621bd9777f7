//! The live view without a terminal: a line every ten seconds, and one for each load that is over.

use std::time::Duration;

use weighbridge_types::time::Stamp;

use super::model::LiveModel;
use super::text;

/// Time between two lines: a log of an hour stays readable.
const EVERY: Duration = Duration::from_secs(10);

/// When a line is due.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lines {
    /// Begin of the load that lines are told of, and how many of its periods were told.
    told: Option<(Stamp, u128)>,
}

impl Lines {
    /// The line to write after a pulse, if one is due.
    pub(crate) fn due(&mut self, model: &LiveModel) -> Option<String> {
        let pulse = model.last_pulse()?;
        let period = (pulse.at - pulse.begin).as_nanos() / EVERY.as_nanos();
        let told = self.told.filter(|(begin, _)| *begin == pulse.begin).map_or(0, |(_, told)| told);
        self.told = Some((pulse.begin, period));
        if period > told { text::status(model) } else { None }
    }
}
