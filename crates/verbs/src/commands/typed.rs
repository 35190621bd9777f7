//! Verbs that are made of others: what is to be done, as if it had been typed.

use std::ffi::OsString;

use crate::arguments::{Arguments, Verb};
use crate::failure::Failure;

/// Reads words as the command line of a verb, the verb first; `whose` names it for an error.
pub(super) fn verb(words: Vec<OsString>, whose: &str, hint: &str) -> Result<Verb, Failure> {
    let line = std::iter::once("weighbridge".into()).chain(words).collect();
    match Arguments::of(line) {
        Ok(Arguments { verb }) => Ok(verb),
        Err(error) => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Err(Failure::usage(format!("read the flags of {whose}: {first}"), hint))
        }
    }
}
