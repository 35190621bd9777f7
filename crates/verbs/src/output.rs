//! Writing to people and programs: data to stdout, talk to stderr.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

use weighbridge_report::console::{Color, Width};

use crate::environment::Environment;
use crate::failure::Failure;
use crate::live;

/// Columns where no terminal tells its width, as in a pipe or a log.
const COLUMNS_WITHOUT_TERMINAL: u16 = 100;

/// How much is said on stderr; each level says what those before it say. Data on stdout is no talk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Why the program did not do what was asked.
    Error,
    /// What a reader of the result must know.
    Warn,
    /// How the work goes on, and where its files lie.
    #[default]
    Info,
    /// What was understood, and what takes the time.
    Debug,
}

impl Level {
    /// Every level with its name, the quietest first.
    pub(crate) const ALL: [(&str, Self); 4] =
        [("error", Self::Error), ("warn", Self::Warn), ("info", Self::Info), ("debug", Self::Debug)];

    /// The level of this name, in letters of any case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, level)| level)
    }
}

/// The level of this process. Like the terminal it belongs to everything that talks, so that it is not passed along.
static LEVEL: AtomicU8 = AtomicU8::new(Level::Info as u8);

/// Sets how much is said from now on.
pub(crate) fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Whether something of this level is said.
pub(crate) fn says(level: Level) -> bool {
    level as u8 <= LEVEL.load(Ordering::Relaxed)
}

/// Writes data to stdout. A reader that went away, as `head` does, is no error.
pub(crate) fn data(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| if text.ends_with('\n') { Ok(()) } else { stdout.write_all(b"\n") });
    match written.and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(io::Error::new(error.kind(), format!("write to standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Writes a file that the user named.
pub(crate) fn file(path: &Path, contents: impl AsRef<[u8]>) -> Result<(), Failure> {
    write(path, contents).map_err(|error| unwritable(path, &error))
}

/// Writes a file.
pub(crate) fn write(path: &Path, contents: impl AsRef<[u8]>) -> io::Result<()> {
    let contents = contents.as_ref();
    std::fs::write(path, contents)?;
    debug(|| format!("wrote {}, {} bytes", path.display(), contents.len()));
    Ok(())
}

/// Why a file that the user named cannot be written.
pub(crate) fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let hint = "name a file in a folder that exists, can be written and has room";
    Failure::usage(format!("write `{}`: {error}", path.display()), hint)
}

/// Writes a value as indented JSON to stdout.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<(), Failure> {
    Ok(data(&serde_json::to_string_pretty(value)?)?)
}

/// Says how the work goes on.
pub(crate) fn talk(line: &str) {
    say(Level::Info, line);
}

/// Says what a reader of the result must know.
pub(crate) fn warn(what: &str) {
    say(Level::Warn, &format!("warning: {what}"));
}

/// Says why the program does not end well.
pub(crate) fn fail(line: &str) {
    say(Level::Error, line);
}

/// Says what helps to understand the program; the line is only made where it is heard.
pub(crate) fn debug(what: impl FnOnce() -> String) {
    if says(Level::Debug) {
        say(Level::Debug, &format!("debug: {}", what()));
    }
}

/// Writes a line to stderr, once the live view is off it; there is nobody to tell when that fails.
pub(crate) fn say(level: Level, line: &str) {
    if !says(level) || live::hold(line) {
        return;
    }
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Width and color of what goes to stdout.
pub(crate) fn console(environment: &Environment) -> (Width, Color) {
    let color = if io::stdout().is_terminal() && !environment.no_color { Color::Always } else { Color::Never };
    (Width::new(columns(environment)), color)
}

/// Columns of what goes to stdout.
pub(crate) fn columns(environment: &Environment) -> usize {
    let terminal = terminal_size::terminal_size().map(|(width, _)| width.0);
    usize::from(environment.columns.or(terminal).unwrap_or(COLUMNS_WITHOUT_TERMINAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_names_and_an_order() {
        for (name, level) in Level::ALL {
            assert_eq!((Level::named(name), Level::named(&name.to_uppercase())), (Some(level), Some(level)));
        }
        assert_eq!((Level::named(""), Level::named("trace")), (None, None));
        assert!(Level::ALL.is_sorted_by_key(|(_, level)| level) && Level::default() == Level::Info);
        assert!(says(Level::Error) && says(Level::Info) && !says(Level::Debug));
    }
}
