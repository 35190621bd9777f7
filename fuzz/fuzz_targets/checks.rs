//! Checks of answers, and verdicts of judges: any check is read or refused, and says yes or no to any answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_eval::check::{Check, distinct};
use weighbridge_eval::judge::{JudgeForm, Verdict};

fuzz_target!(|texts: (&str, &str)| {
    let (check, answer) = texts;
    if let Ok(value) = serde_json::from_str(check)
        && let Ok(check) = Check::of_value(&value)
    {
        let _ = check.holds(answer);
    }
    for form in [JudgeForm::Verdict, JudgeForm::Score, JudgeForm::Pair] {
        if let Some(verdict) = Verdict::of_answer(answer, form) {
            assert_eq!(verdict.swapped().swapped(), verdict);
        }
    }
    let _ = distinct(&[check.to_owned(), answer.to_owned()], 2);
});
