//! Answers under load: `--check-answers`.

use weighbridge_load::{AnswerSettings, LoadSettings, Shape};

use crate::arguments::LoadArguments;

/// Requests in flight where neither a concurrency nor a rate is named: a load in which answers can get mixed up.
const USUAL_CONCURRENCY: u32 = 8;

/// The settings of a load that holds its answers against golden ones, where that is asked for.
pub(super) fn checked(settings: LoadSettings, arguments: &LoadArguments) -> LoadSettings {
    let flags = &arguments.answers;
    if !flags.check_answers {
        return settings;
    }
    let answers = AnswerSettings {
        tolerance: flags.answer_tolerance,
        score_tolerance: flags.score_tolerance,
        exact: flags.exact_answers,
    };
    let shapes = match settings.shapes.as_slice() {
        [Shape::Trace] => vec![Shape::Concurrency(USUAL_CONCURRENCY)],
        _ => settings.shapes,
    };
    // An answer that must go on after its end says nothing of how it ends.
    let ignore_eos = arguments.data.ignore_eos;
    answers.load(LoadSettings { shapes, ignore_eos, ..settings })
}
