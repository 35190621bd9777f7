//! Flags of other load generators: their spelling, and what is answered to those that have no counterpart.

use std::ffi::OsString;

/// Verbs that take the flags of other tools.
const VERBS: [&str; 4] = ["load", "stress", "soak", "calibrate"];

/// Flags of other tools that are refused by name, with what to do instead.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("--dataset-name", "name the data with `--data KIND:FILE`, or lengths with `--isl` and `--osl`"),
    ("--dataset-path", "name the data with `--data KIND:FILE`"),
    ("--input-file", "name the data with `--data KIND:FILE`"),
    ("--custom-dataset-type", "name the kind in `--data KIND:FILE`"),
    ("--public-dataset", "nothing is downloaded; name a local file with `--data KIND:FILE`"),
    ("--processor", "name a file with `--tokenizer PATH`; nothing is downloaded"),
    ("--target", "write the target as the first argument, such as `vllm:http://127.0.0.1:8000`"),
    ("--host", "write the target as the first argument, such as `vllm:http://127.0.0.1:8000`"),
    ("--port", "write the target as the first argument, such as `vllm:http://127.0.0.1:8000`"),
    ("--endpoint", "the target's kind names its endpoints; use `openai:` for other servers"),
    ("--save-result", "every run writes a record; `--output-dir` names the folder"),
    ("--save-detailed", "every run keeps every request in `events.jsonl.zst`"),
    ("--result-filename", "every run has a folder of its own; `--label` names it"),
    ("--profile-export-file", "write other tools' forms with `-o FORMAT=PATH`"),
    ("--percentile-metrics", "every metric has its percentiles"),
    ("--num-profile-runs", "repeat the loads with `--runs N`"),
    ("--reset-prefix-cache", "prompts are salted, so that no cache of prefixes knows them"),
    ("--flush-cache", "prompts are salted, so that no cache of prefixes knows them"),
    ("--streaming", "every request streams"),
    ("--disable-tqdm", "without a terminal there is no progress bar"),
    ("--trust-remote-code", "no code of a model is run here"),
    ("--ramp-up-strategy", "write `--arrivals ramp:FROM..TO,TIME`"),
    ("--ramp-up-start-rps", "write `--arrivals ramp:FROM..TO,TIME`"),
    ("--ramp-up-end-rps", "write `--arrivals ramp:FROM..TO,TIME`"),
    ("--best-of", "one answer a request"),
    ("--use-beam-search", "one answer a request"),
];

/// Writes flags of the load verbs with `-` where other tools have `_`. Values stay as they are.
pub(super) fn spelled(arguments: Vec<OsString>) -> Vec<OsString> {
    let is_load = arguments.get(1).and_then(|verb| verb.to_str()).is_some_and(|verb| VERBS.contains(&verb));
    if !is_load {
        return arguments;
    }
    let mut is_value_list = false;
    let spell = |argument: OsString| {
        is_value_list |= argument == "--";
        match argument.to_str() {
            Some(text) if text.starts_with("--") && !is_value_list => {
                let (flag, value) = text.split_at(text.find('=').unwrap_or(text.len()));
                OsString::from(flag.replace('_', "-") + value)
            }
            _ => argument,
        }
    };
    arguments.into_iter().map(spell).collect()
}

/// What to do instead of a flag that is known from another tool.
pub(super) fn instead_of(flag: &str) -> Option<&'static str> {
    let name = flag.split('=').next().unwrap_or(flag);
    UNSUPPORTED.iter().find(|(known, _)| *known == name).map(|(_, instead)| *instead)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn flags_are_spelled_one_way_and_values_stay() {
        let check = |given: &[&str], expected: &[&str]| {
            let given = given.iter().map(OsString::from).collect();
            assert_eq!(spelled(given), expected.iter().map(OsString::from).collect::<Vec<_>>());
        };
        check(&["w", "load", "--num_prompts", "8"], &["w", "load", "--num-prompts", "8"]);
        check(&["w", "load", "--label=a_b", "c_d"], &["w", "load", "--label=a_b", "c_d"]);
        check(&["w", "load", "--request_rate=a_b"], &["w", "load", "--request-rate=a_b"]);
        check(&["w", "bench", "--no_such"], &["w", "bench", "--no_such"]);
    }

    #[test]
    fn what_is_refused_is_not_a_flag() {
        let command = crate::Arguments::command();
        let load = command.find_subcommand("load").unwrap();
        for (flag, _) in UNSUPPORTED {
            let name = flag.trim_start_matches("--");
            let is_known = load.get_arguments().any(|argument| {
                argument.get_long() == Some(name)
                    || argument.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
            });
            assert!(!is_known, "{flag} is both a flag and refused");
        }
    }
}
