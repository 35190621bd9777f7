//! The strict form of a verdict.

use super::{JudgeForm, SCORES};
use crate::task::Value;

/// What a judge, or a human, says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The answer meets the rubric.
    Pass,
    /// It does not.
    Fail,
    /// How well it does.
    Score(u8),
    /// The first answer of the file is better.
    A,
    /// The second one is.
    B,
    /// Neither is.
    Tie,
}

impl Verdict {
    /// Reads the last line that is not empty: `Verdict: pass`, `Score: 4`, `Verdict: A`. Case and the marks of emphasis
    /// are left aside; anything else is `None`.
    #[must_use]
    pub fn of_answer(answer: &str, form: JudgeForm) -> Option<Self> {
        let line = answer.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
        let line: String = line.chars().filter(|char| !matches!(char, '*' | '`' | '_')).collect();
        let (label, value) = line.split_once(':')?;
        let expected = if form == JudgeForm::Score { "score" } else { "verdict" };
        if !label.trim().eq_ignore_ascii_case(expected) {
            return None;
        }
        Self::of_text(value.trim().trim_end_matches('.'), form)
    }

    /// Reads a human's label: the words of a verdict, 1 and 0 or true and false for pass and fail, a number for a score.
    #[must_use]
    pub fn of_label(label: &Value, form: JudgeForm) -> Option<Self> {
        match (form, label) {
            (JudgeForm::Verdict, Value::Bool(pass)) => Some(if *pass { Self::Pass } else { Self::Fail }),
            (JudgeForm::Verdict, Value::Int(0)) => Some(Self::Fail),
            (JudgeForm::Verdict, Value::Int(1)) => Some(Self::Pass),
            (_, label) => Self::of_text(label.text().trim(), form),
        }
    }

    fn of_text(text: &str, form: JudgeForm) -> Option<Self> {
        let text = text.to_lowercase();
        match (form, text.as_str()) {
            (JudgeForm::Verdict, "pass") => Some(Self::Pass),
            (JudgeForm::Verdict, "fail") => Some(Self::Fail),
            (JudgeForm::Pair, "a") => Some(Self::A),
            (JudgeForm::Pair, "b") => Some(Self::B),
            (JudgeForm::Pair, "tie") => Some(Self::Tie),
            (JudgeForm::Score, text) => text.parse().ok().filter(|score| SCORES.contains(score)).map(Self::Score),
            _ => None,
        }
    }

    /// The same verdict when the answers were shown the other way round.
    #[must_use]
    pub const fn swapped(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
            other => other,
        }
    }

    /// As a rating: pass 1, fail 0; the score; A 1, B −1, tie 0.
    #[must_use]
    pub fn rating(self) -> f64 {
        match self {
            Self::Pass | Self::A => 1.0,
            Self::Fail | Self::Tie => 0.0,
            Self::B => -1.0,
            Self::Score(score) => f64::from(score),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_have_one_form() {
        let check = |answer: &str, form, expected| assert_eq!(Verdict::of_answer(answer, form), expected, "{answer:?}");
        check("It is right.\n\nVerdict: pass\n", JudgeForm::Verdict, Some(Verdict::Pass));
        check("**Verdict:** FAIL.", JudgeForm::Verdict, Some(Verdict::Fail));
        check("Verdict: pass\nor not", JudgeForm::Verdict, None);
        check("pass", JudgeForm::Verdict, None);
        check("Verdict: pass or fail", JudgeForm::Verdict, None);
        check("Score: 4", JudgeForm::Score, Some(Verdict::Score(4)));
        check("Score: 4/5", JudgeForm::Score, None);
        check("Score: 6", JudgeForm::Score, None);
        check("Score: 0", JudgeForm::Score, None);
        check("Verdict: B", JudgeForm::Pair, Some(Verdict::B));
        check("Verdict: tie", JudgeForm::Pair, Some(Verdict::Tie));
        check("Verdict: tie", JudgeForm::Verdict, None);
        check("", JudgeForm::Verdict, None);
        assert_eq!(Verdict::of_label(&Value::Bool(false), JudgeForm::Verdict), Some(Verdict::Fail));
        assert_eq!(Verdict::of_label(&Value::Int(3), JudgeForm::Score), Some(Verdict::Score(3)));
        assert_eq!(Verdict::of_label(&Value::Int(2), JudgeForm::Verdict), None);
    }

    proptest::proptest! {
        #[test]
        fn any_answer_is_a_verdict_or_not(answer in "(?s).{0,60}", which in 0_usize..3) {
            let form = [JudgeForm::Verdict, JudgeForm::Score, JudgeForm::Pair][which];
            if let Some(verdict) = Verdict::of_answer(&answer, form) {
                proptest::prop_assert_eq!(verdict.swapped().swapped(), verdict);
            }
        }
    }
}
