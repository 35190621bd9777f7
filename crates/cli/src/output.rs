//! Writing to people and programs: data to stdout, talk to stderr.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use weighbridge_report::console::{Color, Width};

use crate::environment::Environment;
use crate::failure::Failure;
use crate::live;

/// Columns where no terminal tells its width, as in a pipe or a log.
const COLUMNS_WITHOUT_TERMINAL: u16 = 100;

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
    std::fs::write(path, contents).map_err(|error| unwritable(path, &error))
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

/// Writes a line to stderr, once the live view is off it; there is nobody to tell when that fails.
pub(crate) fn talk(line: &str) {
    if live::hold(line) {
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
