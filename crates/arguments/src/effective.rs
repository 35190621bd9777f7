//! The settings of a command line, and where each comes from.

use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory};

use super::{Arguments, foreign};

/// Arguments whose values may hold a key.
const SECRET: [&str; 3] = ["header", "extra_body", "webhook"];

/// A line for every setting of the verb that was typed: its name, its value and whether it was typed too. Nothing where the
/// line cannot be read, which is said elsewhere.
pub fn settings() -> Vec<String> {
    of(Arguments::command(), std::env::args_os().collect())
}

fn of(command: Command, line: Vec<std::ffi::OsString>) -> Vec<String> {
    let Ok(matches) = command.clone().try_get_matches_from(foreign::spelled(line)) else { return Vec::new() };
    let (mut command, mut matches, mut lines) = (&command, &matches, Vec::new());
    loop {
        lines.extend(command.get_arguments().filter_map(|argument| setting(argument, matches)));
        let Some((name, below)) = matches.subcommand() else { return lines };
        let Some(found) = command.find_subcommand(name) else { return lines };
        (command, matches) = (found, below);
    }
}

fn setting(argument: &clap::Arg, matches: &ArgMatches) -> Option<String> {
    let id = argument.get_id().as_str();
    let source = match matches.value_source(id)? {
        ValueSource::CommandLine => "command line",
        _ => "default",
    };
    let name = argument.get_long().map_or_else(|| id.to_owned(), |long| format!("--{long}"));
    if SECRET.contains(&id) {
        return Some(format!("{name} is set, which is not shown ({source})"));
    }
    let values: Vec<String> = matches.get_raw(id)?.map(|value| value.to_string_lossy().into_owned()).collect();
    Some(format!("{name} = {} ({source})", values.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_say_where_they_come_from_and_no_key() {
        let typed = ["weighbridge", "load", "tiny", "-c", "3", "--header", "x-api-key: word", "--num_prompts", "8"];
        let lines = of(Arguments::command(), typed.map(Into::into).to_vec());
        for line in [
            "--concurrency = 3 (command line)",
            "--seed = 42 (default)",
            "--header is set, which is not shown (command line)",
        ] {
            assert!(lines.iter().any(|found| found == line), "{line}: {lines:#?}");
        }
        assert!(!lines.iter().any(|line| line.contains("word")), "{lines:#?}");
        assert_eq!(of(Arguments::command(), vec!["weighbridge".into(), "nothing".into()]), Vec::<String>::new());
    }
}
