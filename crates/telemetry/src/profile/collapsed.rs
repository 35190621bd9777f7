//! Collapsed stacks: a line for each stack, its frames parted by semicolons, then how often it was seen.

use std::fmt::Write as _;
use std::time::Duration;

use super::error::FormError;
use super::stacks::Profile;

/// How much of a line an error shows.
const SHOWN: usize = 60;

/// Every stack once, in the order of its names.
#[must_use]
pub fn write(profile: &Profile) -> String {
    let mut text = String::new();
    for (frames, count) in profile.stacks() {
        let _ = writeln!(text, "{} {count}", frames.join(";"));
    }
    text
}

/// Reads collapsed stacks. Times and the period are not in this form. Empty lines are passed over.
///
/// # Errors
/// When a line does not end with a whole number after a blank.
pub fn read(text: &str) -> Result<Profile, FormError> {
    let mut profile = Profile::new(None);
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let wrong = |problem| FormError::Line { line: number, text: line.chars().take(SHOWN).collect(), problem };
        let (stack, count) =
            line.rsplit_once(char::is_whitespace).ok_or_else(|| wrong("no count stands after its stack"))?;
        let count: u64 = count.parse().map_err(|_| wrong("its count is no whole number from 0 on"))?;
        profile.add(stack.split(';'), Duration::ZERO, count);
    }
    Ok(profile)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_stack_is_a_line() {
        let mut profile = Profile::new(None);
        profile.add(["main", "run", "work"], Duration::ZERO, 7);
        profile.add(["main", "run"], Duration::ZERO, 1);
        assert_eq!(write(&profile), "main;run 1\nmain;run;work 7\n");
    }

    #[test]
    fn lines_of_other_tools_are_read() {
        let text = "python3 (123);<module> (app.py:7);step 12\r\n\nswapper;[k] do idle_[k]\t3\nodd;;end 1\n";
        let read = read(text).unwrap();
        let stacks: Vec<_> = read.stacks().into_iter().collect();
        let expected = [
            (vec!["odd", "?", "end"], 1),
            (vec!["python3 (123)", "<module> (app.py:7)", "step"], 12),
            (vec!["swapper", "[k] do idle_[k]"], 3),
        ];
        assert_eq!(stacks, expected);
    }

    #[test]
    fn a_bad_line_is_named() {
        let check = |text: &str, line: usize| match read(text) {
            Err(FormError::Line { line: found, .. }) => assert_eq!(found, line),
            other => panic!("{text}: {other:?}"),
        };
        check("a;b 1\na;c", 2);
        check("a;b one", 1);
        check("a;b -1", 1);
        check("a;b 1.5", 1);
        check("a;b 99999999999999999999", 1);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(stacks in prop::collection::vec((prop::collection::vec(".{0,12}", 0..6), 1_u64..9), 0..9)) {
            let mut profile = Profile::new(None);
            for (frames, count) in &stacks {
                profile.add(frames.iter().map(String::as_str), Duration::ZERO, *count);
            }
            prop_assert_eq!(read(&write(&profile)).unwrap(), profile);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}") {
            if let Ok(profile) = read(&text) {
                prop_assert_eq!(read(&write(&profile)).unwrap(), profile);
            }
        }
    }
}
