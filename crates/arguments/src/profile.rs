//! `profile`, and the flag of that name of other verbs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::ResultsArguments;

const HELP: &str = "\
Examples:
  weighbridge bench --quick --profile
  weighbridge profile --pid 4711 --duration 10s --output flamegraphs
  weighbridge profile show flamegraphs/bench_profile.pb
  weighbridge profile diff before.pb after.pb --output change.svg
  weighbridge profile diff --slow-against-fast latest --output slow.svg

Files are collapsed stacks as text, or messages of pprof, packed with gzip or not, of this program or of others.";

/// Samples a running process, or shows profiles.
#[derive(Clone, Debug, Args)]
#[command(after_help = HELP, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ProfileArguments {
    #[command(subcommand)]
    pub verb: Option<ProfileVerb>,
    /// The process that is sampled, with all its threads
    #[arg(long, value_name = "PID", required = true)]
    pub pid: Option<u32>,
    /// How long; a number alone is seconds
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub duration: String,
    /// Samples in a second of processor time
    #[arg(long, value_name = "N", default_value_t = 99, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub hertz: u32,
    /// Folder for the flame graph, the profile in two forms, and the hotspots
    #[arg(short, long, value_name = "FOLDER", default_value = ProfileFlag::FOLDER)]
    pub output: PathBuf,
}

#[derive(Clone, Debug, Subcommand)]
pub enum ProfileVerb {
    /// Print where the time of a profile went
    Show {
        /// The profile
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Functions that are listed
        #[arg(long, value_name = "N", default_value_t = 30)]
        top: usize,
        /// Also draw its flame graph
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
    },
    /// Draw what changed between two profiles, each as shares of its own total, and list the functions that changed most
    Diff(DiffArguments),
}

/// Which profiles are set against each other.
#[derive(Clone, Debug, Args)]
pub struct DiffArguments {
    /// The earlier profile; with --slow-against-fast the one of that run [default: flamegraphs/KIND_profile.pb]
    #[arg(value_name = "BEFORE", required_unless_present = "slow_against_fast")]
    pub before: Option<PathBuf>,
    /// The later profile
    #[arg(value_name = "AFTER", required_unless_present = "slow_against_fast", conflicts_with = "slow_against_fast")]
    pub after: Option<PathBuf>,
    /// Of one load that was made with --profile: the time while more of its requests took longer than the median against the time
    /// while fewer did; a run by its name, folder or label, or `latest`
    #[arg(long, value_name = "RUN")]
    pub slow_against_fast: Option<String>,
    /// Functions that are listed
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub top: usize,
    /// The flame graph that is written: red grew, blue shrank
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    #[command(flatten)]
    pub results: ResultsArguments,
}

/// The flag of verbs that compute in this process.
#[derive(Clone, Debug, Default, Args)]
pub struct ProfileFlag {
    /// Sample this process 99 times in a second of processor time, and write a flame graph, a pprof file, collapsed stacks and
    /// hotspots [default folder: flamegraphs]
    #[arg(
        long,
        value_name = "FOLDER",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ProfileFlag::FOLDER
    )]
    profile: Option<PathBuf>,
    /// Sample also where this process allocates memory, a stack for each 512 KiB
    #[arg(long, requires = "profile")]
    profile_allocations: bool,
}

impl ProfileFlag {
    /// Where profiles go when no folder is named.
    pub const FOLDER: &str = "flamegraphs";

    /// Where the profile goes; `None` where nothing is sampled.
    pub fn folder(&self) -> Option<&Path> {
        self.profile.as_deref()
    }

    /// The flag as it is typed.
    pub fn words(&self) -> Vec<OsString> {
        let flag = |folder: &Path| {
            let mut word = OsString::from("--profile=");
            word.push(folder);
            word
        };
        let allocations = self.profile_allocations.then(|| "--profile-allocations".into());
        self.folder().map(flag).into_iter().chain(allocations).collect()
    }

    /// Where the profile of allocations goes; `None` where none is asked for.
    pub fn allocations_folder(&self) -> Option<&Path> {
        self.folder().filter(|_| self.profile_allocations)
    }
}
