//! A load recorded by this program, played again.

use std::collections::HashMap;
use std::time::Duration;

use weighbridge_types::request::RequestRow;
use weighbridge_types::time::Stamp;

use super::error::{TraceError, TraceNote, TraceProblem};
use super::lengths::{Entries, Entry};
use super::lines::ROWS_MAX;
use super::options::{OpenedTrace, TraceSettings};

/// Plays recorded requests again: at their planned times, with their lengths, as the sessions that they were.
#[derive(Clone, Copy, Debug)]
pub struct Replay;

/// The last request of a session so far.
struct Before {
    session: u32,
    ended: Option<Stamp>,
    /// Tokens of its prompt and its answer, which the next turn's prompt begins with.
    context: Option<u32>,
}

impl Replay {
    /// A load of recorded rows, in the order of their planned times. Warm-up rows are left out; dropped, cancelled and
    /// failed ones are played, since they were planned. Prompts have the recorded number of tokens, and other texts.
    ///
    /// Turns of a session are played one after the other, in the order of the rows. A later one comes as long after
    /// the answer before it as it was planned to; one whose predecessor had not ended comes at once. Its message has
    /// the tokens that the server counted in the prompt beyond those of the conversation before.
    ///
    /// `name` stands for the run in errors.
    ///
    /// # Errors
    /// When there are no rows, more than 100 million, or an option is out of range.
    pub fn from_rows(
        rows: impl IntoIterator<Item = RequestRow>,
        name: &str,
        settings: &TraceSettings,
    ) -> Result<OpenedTrace, TraceError> {
        settings.check().map_err(|place| place.in_file(name))?;
        let mut entries = Entries::default();
        let mut sessions: HashMap<u64, Before> = HashMap::new();
        let (mut no_input, mut no_delay) = (0, 0);
        for row in rows {
            if row.warmup {
                continue;
            }
            if entries.len() as u64 >= ROWS_MAX {
                return Err(TraceProblem::TooMany { limit: ROWS_MAX }.somewhere().in_file(name));
            }
            let before = row.turn.and_then(|turn| sessions.get(&turn.session));
            let used = row.usage.map(|usage| usage.input_tokens);
            let input = match before {
                // What was planned, since a server's count holds its template too.
                None => row.planned_input_tokens.or(used),
                Some(before) => used.zip(before.context).map(|(input, context)| input.saturating_sub(context)),
            };
            let Some(input) = input.filter(|tokens| *tokens > 0) else {
                no_input += 1;
                continue;
            };
            let entry = Entry { input, output: row.requested_output_tokens.max(1) };
            let planned = row.timeline.planned;
            let ended = row.timeline.ended;
            let context = row.usage.map(|usage| usage.input_tokens.saturating_add(usage.output_tokens));
            let session = match before {
                Some(before) => {
                    let think = before.ended.map(|ended| planned - ended);
                    no_delay += u64::from(think.is_none());
                    entries.follow(before.session, think.unwrap_or(Duration::ZERO), entry, []);
                    before.session
                }
                None => entries.begin(i64::try_from(planned.as_nanos()).ok(), entry, []),
            };
            if let Some(group) = row.cell.get("group") {
                entries.name(session, group.to_owned());
            }
            if let Some(turn) = row.turn {
                sessions.insert(turn.session, Before { session, ended, context });
            }
        }
        let notes = [(TraceNote::NoInput(no_input), no_input), (TraceNote::NoDelay(no_delay), no_delay)];
        let notes = notes.into_iter().filter(|(_, count)| *count > 0).map(|(note, _)| note).collect();
        entries.open(1, settings, notes).map_err(|place| place.in_file(name))
    }
}
