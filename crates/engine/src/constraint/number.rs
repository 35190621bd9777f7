//! Numbers, digit by digit.
//!
//! A number has a bounded length, so that a model cannot write digits for ever, and none is so large that a reader of doubles
//! refuses it. Between bounds it is written without an exponent and with so few digits that two different texts are two different
//! doubles: what lies within the bounds as written then does so for every reader.

use serde_json::Number;

/// Digits of an integer, and before the point of a number, at most: every such integer fits 64 bits with its sign.
const INTEGER_DIGITS: u8 = 18;

/// Digits after the point at most, without bounds. The shortest text of a double has no more before it takes an exponent.
const FRACTION_DIGITS: u8 = 32;

/// Largest exponent without bounds: with the digits before the point it stays below the largest double.
const LARGEST_EXPONENT: u16 = 280;

const EXPONENT_DIGITS: u8 = 3;

/// Digits of a number between bounds at most: so many survive the way through a double.
const BOUNDED_DIGITS: u8 = 15;

/// Stands for all magnitudes beyond those that can be written, with room for arithmetic.
const FAR: i128 = i128::MAX / 4;

/// What a number may be: both ends belong to it, in units of [`Bounds::unit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    low: i128,
    high: i128,
    is_integer: bool,
}

/// One end of the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    AtLeast,
    MoreThan,
    AtMost,
    LessThan,
}

impl Bounds {
    /// All numbers that are written between bounds.
    pub(super) fn all(is_integer: bool) -> Self {
        let digits = if is_integer { INTEGER_DIGITS } else { BOUNDED_DIGITS };
        let most = 10_i128.pow(u32::from(digits)) * Self::unit(is_integer) - 1;
        Self { low: -most, high: most, is_integer }
    }

    /// The number one, in the units of bounds.
    fn unit(is_integer: bool) -> i128 {
        if is_integer { 1 } else { 10_i128.pow(u32::from(BOUNDED_DIGITS)) }
    }

    /// Narrows the bounds; says why it cannot be done exactly.
    pub(super) fn narrow(&mut self, limit: Limit, number: &Number) -> Result<(), String> {
        let scale = if self.is_integer { 0 } else { i32::from(BOUNDED_DIGITS) };
        let scaled = Scaled::read(&number.to_string(), scale)
            .filter(|scaled| self.is_integer || scaled.is_exact)
            .ok_or_else(|| format!("is `{number}`: a bound of numbers has at most {BOUNDED_DIGITS} digits"))?;
        let (floor, ceiling) = (scaled.floor, scaled.floor.saturating_add(i128::from(!scaled.is_exact)));
        match limit {
            Limit::AtLeast => self.low = self.low.max(ceiling),
            Limit::MoreThan => self.low = self.low.max(floor.saturating_add(1)),
            Limit::AtMost => self.high = self.high.min(floor),
            Limit::LessThan => self.high = self.high.min(ceiling.saturating_sub(1)),
        }
        Ok(())
    }

    /// Whether no number is within them.
    pub(super) fn is_empty(&self) -> bool {
        let start = |is_negative| NumberState { is_negative, ..NumberState::default() };
        !self.may_become(start(false)) && !self.may_become(start(true))
    }

    /// Magnitudes of this sign within the bounds.
    fn magnitudes(&self, is_negative: bool) -> (i128, i128) {
        let (low, high) = if is_negative { (-self.high, -self.low) } else { (self.low, self.high) };
        // An integer has no negative zero: readers of integers refuse it.
        (low.max(i128::from(is_negative && self.is_integer)), high)
    }

    /// Whether digits can be added so that the number is within the bounds.
    fn may_become(&self, state: NumberState) -> bool {
        let (low, high) = self.magnitudes(state.is_negative);
        let unit = Self::unit(self.is_integer);
        let value = i128::from(state.value);
        let most = if self.is_integer { INTEGER_DIGITS } else { BOUNDED_DIGITS };
        // From `first` on `span` magnitudes can be written, all multiples of the last digit that there is room for.
        let reaches = |first: i128, span: i128, whole: u8| {
            let step = if self.is_integer { 1 } else { 10_i128.pow(u32::from(whole)) };
            let (from, to) = (low.max(first), high.min(first + span - 1));
            from <= to && (from + step - 1) / step * step <= to
        };
        match state.phase {
            Phase::Sign => (1..=most).any(|digits| {
                let first = if digits == 1 { 0 } else { 10_i128.pow(u32::from(digits) - 1) };
                reaches(first * unit, (10_i128.pow(u32::from(digits)) - first) * unit, digits)
            }),
            Phase::Zero => reaches(0, unit, 1),
            Phase::Whole => (0..=most - state.whole).any(|more| {
                let power = 10_i128.pow(u32::from(more));
                reaches(value * power * unit, power * unit, state.whole + more)
            }),
            Phase::Point | Phase::Fraction => {
                let power = unit / 10_i128.pow(u32::from(state.fraction));
                reaches(value * power, power, state.whole)
            }
            Phase::Exponent | Phase::ExponentSign | Phase::ExponentDigits => false,
        }
    }

    /// Whether the number as it stands is within the bounds.
    fn holds(&self, state: NumberState) -> bool {
        let (low, high) = self.magnitudes(state.is_negative);
        let power = Self::unit(self.is_integer) / 10_i128.pow(u32::from(state.fraction));
        (low..=high).contains(&(i128::from(state.value) * power))
    }
}

/// A decimal number times a power of ten, rounded down.
struct Scaled {
    floor: i128,
    is_exact: bool,
}

impl Scaled {
    /// Reads a number as JSON writes it. Numbers beyond all bounds become the largest; `None` for what is no number.
    fn read(text: &str, scale: i32) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let is_negative = mantissa.starts_with('-');
        let (whole, fraction) = mantissa.trim_start_matches('-').split_once('.').unwrap_or((mantissa, ""));
        let whole = whole.trim_start_matches('-');
        let places = exponent.checked_add(scale)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        let digits = [whole, fraction].concat();
        let mut magnitude = digits.bytes().try_fold(0_i128, |sum, digit| {
            let digit = i128::from(char::from(digit).to_digit(10)?);
            Some(sum.saturating_mul(10).saturating_add(digit))
        })?;
        let mut is_exact = true;
        for _ in 0..places.clamp(0, 64) {
            magnitude = magnitude.saturating_mul(10);
        }
        for _ in 0..places.saturating_neg().clamp(0, 400) {
            is_exact &= magnitude % 10 == 0;
            magnitude /= 10;
        }
        let magnitude = magnitude.min(FAR);
        let floor = if is_negative { -magnitude - i128::from(!is_exact) } else { magnitude };
        Some(Self { floor, is_exact })
    }
}

/// How much of a number was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct NumberState {
    phase: Phase,
    is_negative: bool,
    /// Digits before the point.
    whole: u8,
    /// Digits after it.
    fraction: u8,
    /// Digits of the exponent.
    exponent_digits: u8,
    exponent: u16,
    /// All digits so far as a number; 0 without bounds, so that states recur.
    value: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Phase {
    /// Before the first digit.
    #[default]
    Sign,
    /// A zero, which no digit follows.
    Zero,
    Whole,
    /// After the point.
    Point,
    Fraction,
    /// After the letter.
    Exponent,
    ExponentSign,
    ExponentDigits,
}

impl NumberState {
    /// The state after the first byte.
    pub(super) fn begin(byte: u8, is_integer: bool, bounds: Option<&Bounds>) -> Option<Self> {
        if byte == b'-' {
            let state = Self { is_negative: true, ..Self::default() };
            return bounds.is_none_or(|bounds| bounds.may_become(state)).then_some(state);
        }
        Self::default().step(byte, is_integer, bounds)
    }

    /// The state after one more byte; `None` where it cannot follow.
    pub(super) fn step(self, byte: u8, is_integer: bool, bounds: Option<&Bounds>) -> Option<Self> {
        use Phase::{Exponent, ExponentDigits, ExponentSign, Fraction, Point, Sign, Whole, Zero};
        let mut next = self;
        match (self.phase, byte) {
            (Sign, b'0') if is_integer && self.is_negative => return None,
            (Sign, b'0') => next.phase = Zero,
            (Sign, b'1'..=b'9') => next.phase = Whole,
            (Whole, b'0'..=b'9') if self.whole < INTEGER_DIGITS => {}
            (Zero | Whole, b'.') if !is_integer => next.phase = Point,
            (Point, b'0'..=b'9') => next.phase = Fraction,
            (Fraction, b'0'..=b'9') if self.fraction < FRACTION_DIGITS => {}
            (Zero | Whole | Fraction, b'e' | b'E') if !is_integer && bounds.is_none() => next.phase = Exponent,
            (Exponent, b'+' | b'-') => next.phase = ExponentSign,
            (Exponent | ExponentSign | ExponentDigits, b'0'..=b'9') => {
                next.phase = ExponentDigits;
                next.exponent = self.exponent * 10 + u16::from(byte - b'0');
                next.exponent_digits += 1;
                let fits = next.exponent_digits <= EXPONENT_DIGITS && next.exponent <= LARGEST_EXPONENT;
                return fits.then_some(next);
            }
            _ => return None,
        }
        next.count_digit(byte, bounds.is_some());
        let fits = match bounds {
            None => true,
            Some(bounds) if is_integer => bounds.may_become(next),
            Some(bounds) => {
                let digits = next.whole + next.fraction.max(u8::from(next.phase == Point));
                digits <= BOUNDED_DIGITS && bounds.may_become(next)
            }
        };
        fits.then_some(next)
    }

    fn count_digit(&mut self, byte: u8, keeps_value: bool) {
        if !byte.is_ascii_digit() {
            return;
        }
        match self.phase {
            Phase::Fraction => self.fraction += 1,
            _ => self.whole += 1,
        }
        if keeps_value {
            self.value = self.value.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
        }
    }

    /// Whether the number may end here.
    pub(super) fn is_complete(self, bounds: Option<&Bounds>) -> bool {
        let is_whole = matches!(self.phase, Phase::Zero | Phase::Whole | Phase::Fraction | Phase::ExponentDigits);
        is_whole && bounds.is_none_or(|bounds| bounds.holds(self))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accepts(text: &str, is_integer: bool, bounds: Option<&Bounds>) -> bool {
        let mut bytes = text.bytes();
        let first = bytes.next().and_then(|byte| NumberState::begin(byte, is_integer, bounds));
        let last = bytes.fold(first, |state, byte| state?.step(byte, is_integer, bounds));
        last.is_some_and(|state| state.is_complete(bounds))
    }

    fn bounds(is_integer: bool, limits: &[(Limit, &str)]) -> Bounds {
        let mut bounds = Bounds::all(is_integer);
        for (limit, text) in limits {
            bounds.narrow(*limit, &text.parse().unwrap()).unwrap();
        }
        bounds
    }

    /// No state is a dead end: from each, some text of more digits is complete.
    fn check_no_dead_end(text: &str, is_integer: bool, bounds: &Bounds) {
        let mut bytes = text.bytes();
        let mut state = bytes.next().and_then(|byte| NumberState::begin(byte, is_integer, Some(bounds)));
        while let Some(now) = state {
            assert!(may_complete(now, is_integer, bounds), "{now:?} of {text} in {bounds:?}");
            state = bytes.next().and_then(|byte| now.step(byte, is_integer, Some(bounds)));
        }
    }

    fn may_complete(state: NumberState, is_integer: bool, bounds: &Bounds) -> bool {
        // The first digits that lead on, and the last: one of them meets a bound soon.
        let follow = |order: &[u8]| {
            let mut state = state;
            for _ in 0..40 {
                if state.is_complete(Some(bounds)) {
                    return true;
                }
                let Some(next) = order.iter().find_map(|&byte| state.step(byte, is_integer, Some(bounds))) else {
                    return false;
                };
                state = next;
            }
            false
        };
        follow(b"0123456789.") || follow(b"9876543210.") || follow(b".0123456789") || follow(b".9876543210")
    }

    #[test]
    fn numbers_are_written_as_json_has_them() {
        for text in ["0", "-0", "12", "-1.5", "1e5", "1E-300", "2.5e+10", "0.00001"] {
            // Three digits reach 999, which a double has not.
            assert_eq!(accepts(text, false, None), text != "1E-300", "{text}");
        }
        for text in ["", "-", "01", "1.", ".5", "1e", "1e+", "+1", "1e281", "1e0001", "1234567890123456789"] {
            assert!(!accepts(text, false, None), "{text}");
        }
        for (text, fits) in [("0", true), ("-7", true), ("-0", false), ("1.0", false), ("1e2", false), ("007", false)] {
            assert_eq!(accepts(text, true, None), fits, "{text}");
        }
    }

    #[test]
    fn bounds_are_held_to_the_last_digit() {
        let check = |bounds: &Bounds, is_integer, held: &[&str], refused: &[&str]| {
            held.iter().for_each(|text| assert!(accepts(text, is_integer, Some(bounds)), "{text} in {bounds:?}"));
            refused.iter().for_each(|text| assert!(!accepts(text, is_integer, Some(bounds)), "{text} in {bounds:?}"));
        };
        let digits = bounds(true, &[(Limit::AtLeast, "-3"), (Limit::LessThan, "120")]);
        check(&digits, true, &["-3", "0", "7", "119"], &["-4", "120", "1000", "-0"]);
        let half = bounds(true, &[(Limit::AtLeast, "0.5"), (Limit::AtMost, "2.5")]);
        check(&half, true, &["1", "2"], &["0", "3"]);
        let share = bounds(false, &[(Limit::AtLeast, "0"), (Limit::AtMost, "1")]);
        check(&share, false, &["0", "1", "1.0", "0.25", "-0", "-0.0"], &["1.01", "-0.1", "2", "1e0", "10"]);
        let open = bounds(false, &[(Limit::MoreThan, "0.1"), (Limit::LessThan, "0.25")]);
        check(&open, false, &["0.11", "0.2499"], &["0.1", "0.10", "0.25", "0.3", "0.09"]);
        let below = bounds(false, &[(Limit::LessThan, "-1.5")]);
        check(&below, false, &["-1.51", "-2", "-1000000"], &["-1.5", "-1", "0", "1"]);
    }

    #[test]
    fn bounds_without_a_number_are_empty() {
        assert!(bounds(true, &[(Limit::MoreThan, "1"), (Limit::LessThan, "2")]).is_empty());
        assert!(!bounds(false, &[(Limit::MoreThan, "1"), (Limit::LessThan, "2")]).is_empty());
        assert!(bounds(false, &[(Limit::AtLeast, "3"), (Limit::AtMost, "2")]).is_empty());
        assert!(bounds(true, &[(Limit::AtLeast, "1e40")]).is_empty());
        // A number of fifteen digits between these needs a sixteenth.
        assert!(
            bounds(false, &[(Limit::MoreThan, "123456789012344"), (Limit::LessThan, "123456789012345")]).is_empty()
        );
        assert!(Bounds::all(false).narrow(Limit::AtLeast, &"0.1234567890123456".parse().unwrap()).is_err());
    }

    proptest! {
        #[test]
        fn integers_are_accepted_when_they_are_within(low in -2000_i64..2000, more in 0_i64..3000, value in -5000_i64..5000) {
            let text = [low.to_string(), (low + more).to_string()];
            let bounds = bounds(true, &[(Limit::AtLeast, &text[0]), (Limit::AtMost, &text[1])]);
            prop_assert_eq!(accepts(&value.to_string(), true, Some(&bounds)), (low..=low + more).contains(&value));
            check_no_dead_end(&value.to_string(), true, &bounds);
        }

        #[test]
        fn decimals_are_accepted_when_they_are_within(low in -2000_i32..2000, more in 1_i32..3000, value in -5000_i32..5000) {
            let text = |hundredths: i32| (f64::from(hundredths) / 100.0).to_string();
            let (first, last) = (text(low), text(low + more));
            let inside = bounds(false, &[(Limit::MoreThan, &first), (Limit::LessThan, &last)]);
            prop_assert_eq!(accepts(&text(value), false, Some(&inside)), low < value && value < low + more);
            check_no_dead_end(&text(value), false, &inside);
        }
    }
}
