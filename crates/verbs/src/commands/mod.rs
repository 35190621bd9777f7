//! One file per verb. Each resolves its settings, calls one library function and turns the outcome into an exit code.

mod ab;
mod baseline;
mod bench;
mod cache;
mod calibrate;
mod cold_start;
mod compare;
mod config;
#[cfg(feature = "documents")]
mod convert;
mod doctor;
mod errors;
mod eval;
mod history;
mod import;
mod load;
mod memory;
mod memory_profile;
mod metrics;
mod model;
mod performance;
#[cfg(feature = "documents")]
mod pipeline;
mod profile;
mod recover;
mod reference;
mod regress;
mod report;
mod runs;
mod schema;
mod scripted_server;
mod serve;
mod sides;
mod system;
mod typed;
mod webhook;

use crate::arguments::{Arguments, CacheVerb, DoctorVerb, MetricsVerb, PlanVerb, SystemVerb, Verb};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::profiling::flagged;

/// The runtime of a verb that waits for requests.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Runs the verb of the command line.
pub(crate) fn run(arguments: Arguments, environment: &Environment) -> Result<Exit, Failure> {
    match arguments.verb {
        Verb::Bench(bench) => flagged(&bench.profile, "bench", || bench::run(&bench, environment)),
        Verb::Load(load) => flagged(&load.run.profile, "load", || load::run(&load, environment)),
        Verb::Stress(stress) => flagged(&stress.run.profile, "stress", || load::stress(&stress, environment)),
        Verb::Soak(soak) => flagged(&soak.run.profile, "soak", || load::soak(&soak, environment)),
        Verb::Cache { verb: CacheVerb::Bench(cache) } => match &cache.verb {
            Some(own) => cache::bench(own, environment),
            None => flagged(&cache.run.profile, "cache", || load::cache(&cache, environment)),
        },
        Verb::Cache { verb: CacheVerb::Stats(stats) } => cache::stats(&stats, environment),
        Verb::Cache { verb: CacheVerb::Verify { folder, output } } => cache::verify(&folder, output.output_format),
        Verb::ColdStart(cold) => cold_start::run(&cold, environment),
        Verb::MemoryProfile(profile) => memory_profile::run(&profile, environment),
        Verb::Profile(profile) => profile::run(&profile),
        Verb::Calibrate(calibrate) => calibrate::run(&calibrate),
        Verb::ScriptedServer(server) => scripted_server::run(&server),
        Verb::Serve(arguments) => serve::run(&arguments, environment),
        Verb::Memory { verb } => memory::run(&verb, environment),
        Verb::Errors(arguments) => errors::run(&arguments, environment),
        Verb::Model { verb } => model::run(verb, environment),
        Verb::Eval { verb } => eval::run(verb, environment),
        Verb::Compare(compare) => compare::run(&compare, environment),
        Verb::Ab(ab) => ab::run(&ab, environment),
        Verb::Baseline { verb } => baseline::run(&verb),
        Verb::PerformanceBenchmark { verb } => performance::run(&verb, environment),
        Verb::Regress(regress) => regress::run(&regress),
        Verb::Metrics { verb: MetricsVerb::Export(export) } => metrics::export(&export),
        Verb::Report { verb } => report::run(verb, environment),
        Verb::Import(import) => import::run(&import),
        Verb::History(history) => history::run(&history, environment),
        Verb::Doctor { verb: DoctorVerb::Gpu(output) } => doctor::gpu(output.output_format, environment),
        Verb::Doctor { verb: DoctorVerb::Performance(asked) } => performance::doctor(&asked),
        Verb::System { verb: SystemVerb::Plan { verb: PlanVerb::Gpu(output) } } => {
            system::plan_gpu(output.output_format)
        }
        #[cfg(feature = "documents")]
        Verb::Convert(convert) => convert::run(&convert, environment),
        #[cfg(feature = "documents")]
        Verb::Pipeline { verb } => pipeline::run(verb, environment),
        #[cfg(not(feature = "documents"))]
        Verb::Convert(_) | Verb::Pipeline { .. } => Err(Failure::usage(
            "read documents: this build has no readers of them",
            "build it with `cargo build --release --features documents`",
        )),
        Verb::Config { verb } => config::run(&verb),
        Verb::Schema(schema) => schema::run(&schema),
        Verb::Reference(reference) => reference::run(&reference),
    }
}
