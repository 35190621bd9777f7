//! `load`: the load laboratory.

mod answers;
mod exports;
mod recount;
pub(super) mod settings;
mod traffic;
mod watch;

use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;
use weighbridge_bench::{Gate, gate};
use weighbridge_load::{
    Identity, LoadError, LoadRun, LoadSettings, Recount, Target, TrafficFactory, Warmup, Watching, futile_reason,
    invalid_reason, newest_profile,
};
use weighbridge_store::{Index, RunFolder};
use weighbridge_telemetry::profile::note_run;
use weighbridge_telemetry::{SystemRoot, fingerprint};
use weighbridge_types::model_ref::ModelRef;
use weighbridge_types::record::{Record, Status, Tally};
use weighbridge_types::time::{Clock, WallTime};

use super::bench::{REPORT_FILE, cancel_on_interrupt};
use super::{runs, runtime};
use crate::arguments::{
    CacheArguments, ClientArguments, LoadArguments, ObserveArguments, RunArguments, SoakArguments, StressArguments,
    TargetArguments,
};
use crate::build::build;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::live::{Live, LiveSettings};
use crate::open_files;
use crate::output;
use crate::readers::Readers;
use crate::registry::Registry;

/// What was sent to which server, in the results folder.
const SENT_LOG: &str = "sent.jsonl";

/// A run as the flags ask for it.
struct Order<'a> {
    /// What kind of run: `load`, `stress`, `soak`.
    kind: &'static str,
    target: &'a TargetArguments,
    client: &'a ClientArguments,
    observe: &'a ObserveArguments,
    run: &'a RunArguments,
    settings: LoadSettings,
    /// The tokenizer that counts answers again.
    tokenizer: Option<&'a Path>,
}

pub(super) fn run(arguments: &LoadArguments, environment: &Environment) -> Result<Exit, Failure> {
    let LoadArguments { target, client, observe, run, .. } = arguments;
    Order {
        observe,
        kind: "load",
        target,
        client,
        run,
        settings: settings::of_load(arguments)?,
        tokenizer: arguments.data.tokenizer.as_deref(),
    }
    .carry_out(environment)
}

pub(super) fn stress(arguments: &StressArguments, environment: &Environment) -> Result<Exit, Failure> {
    let StressArguments { target, client, observe, run, .. } = arguments;
    Order {
        observe,
        kind: "stress",
        target,
        client,
        run,
        settings: settings::of_stress(arguments)?,
        tokenizer: arguments.data.tokenizer.as_deref(),
    }
    .carry_out(environment)
}

pub(super) fn soak(arguments: &SoakArguments, environment: &Environment) -> Result<Exit, Failure> {
    let SoakArguments { target, client, observe, run, .. } = arguments;
    Order {
        observe,
        kind: "soak",
        target,
        client,
        run,
        settings: settings::of_soak(arguments)?,
        tokenizer: arguments.data.tokenizer.as_deref(),
    }
    .carry_out(environment)
}

/// A cache benchmark is a load of its own kind: what it sends is made for the comparison.
pub(super) fn cache(arguments: &CacheArguments, environment: &Environment) -> Result<Exit, Failure> {
    let CacheArguments { target, client, observe, run, .. } = arguments;
    Order { kind: "cache", target, client, observe, run, settings: settings::of_cache(arguments)?, tokenizer: None }
        .carry_out(environment)
}

/// Makes a load run and writes its record, without printing it.
pub(super) fn measure(arguments: &LoadArguments, environment: &Environment) -> Result<Record, Failure> {
    let LoadArguments { target, client, observe, run, .. } = arguments;
    let settings = settings::of_load(arguments)?;
    let tokenizer = arguments.data.tokenizer.as_deref();
    Order { observe, kind: "load", target, client, run, settings, tokenizer }.valid(environment)
}

/// The same of a cache benchmark.
pub(super) fn measure_cache(arguments: &CacheArguments, environment: &Environment) -> Result<Record, Failure> {
    let CacheArguments { target, client, observe, run, .. } = arguments;
    let settings = settings::of_cache(arguments)?;
    Order { kind: "cache", target, client, observe, run, settings, tokenizer: None }.valid(environment)
}

/// Makes a load with the settings of an earlier one, and writes its record, without printing it. `arguments` name the
/// target and where the record goes; how an endpoint is spoken to is theirs too.
pub(super) fn again(
    arguments: &LoadArguments,
    settings: LoadSettings,
    environment: &Environment,
) -> Result<Option<Record>, Failure> {
    let LoadArguments { target, client, observe, run, .. } = arguments;
    let mut order = Order { observe, kind: "load", target, client, run, settings, tokenizer: None };
    Ok(order.measure(environment)?.map(|(record, _)| record).filter(|record| record.status != Status::Interrupted))
}

impl Order<'_> {
    fn carry_out(mut self, environment: &Environment) -> Result<Exit, Failure> {
        match self.measure(environment)? {
            Some((record, folder)) => self.conclude(&record, &folder, environment),
            None => Ok(Exit::Pass),
        }
    }

    /// Makes the run; a record that is no measurement of its target is an error, unless it was interrupted.
    fn valid(mut self, environment: &Environment) -> Result<Record, Failure> {
        let (record, folder) = self
            .measure(environment)?
            .ok_or_else(|| Failure::usage("measure with `--dry-run`", "leave it out of the flags of the load"))?;
        match self.invalid(&record) {
            Some(why) if record.status != Status::Interrupted => {
                let what = format!("measure `{}`: {why}", record.engine.model_ref);
                Err(Failure::new(Exit::Invalid, what, format!("see `weighbridge report show {}`", folder.display())))
            }
            _ => Ok(record),
        }
    }

    /// Makes the run and writes its record; of a dry run prints the settings.
    fn measure(&mut self, environment: &Environment) -> Result<Option<(Record, PathBuf)>, Failure> {
        let exports = exports::Exports::read(&self.run.exports)?;
        let model: ModelRef = settings::target(self.target)?.parse()?;
        let registry =
            Registry::new(environment, self.target.local)?.with_http(settings::http(self.client)?).with_class_names();
        let traffic = traffic::prepare(&self.settings, &self.run.results.output_dir)?;
        self.settings.watch = watch::settings(self.observe);
        watch::check(&self.settings.watch)?;
        self.settings = settings::settled(self.settings.clone(), traffic.is_timed).checked()?;
        traffic.notes.iter().for_each(|note| output::talk(&format!("note: {note}")));
        if self.run.dry_run {
            output::json(&self.settings)?;
            return Ok(None);
        }
        if matches!(model, ModelRef::Endpoint(_)) {
            open_files::allow(&self.settings)?;
        }
        let recount = self.tokenizer.map(recount::open).transpose()?;
        let runtime = runtime()?;
        let cancel = CancellationToken::new();
        runtime.spawn(cancel_on_interrupt(cancel.clone()));
        // A target that is not there is found before anything is written.
        runtime.block_on(registry.check(&model))?;
        let watching = runtime.block_on(watch::find(&self.settings.watch, &model, &registry))?;
        let watching = watching.with_sent_log(self.run.results.output_dir.join(SENT_LOG));
        let target = Target { model_ref: model.to_string(), load: registry.factory(model) };
        let ended = runtime.block_on(self.drive(target, watching, traffic.factory, recount, cancel, environment));
        runtime.shutdown_background();
        let (record, folder) = ended?;
        exports.write(&folder)?;
        Ok(Some((record, folder)))
    }

    async fn drive(
        &self,
        target: Target,
        watching: Watching,
        traffic: TrafficFactory,
        recount: Option<Recount>,
        cancel: CancellationToken,
        environment: &Environment,
    ) -> Result<(Record, PathBuf), Failure> {
        let results = &self.run.results.output_dir;
        let label = self.run.label.as_deref().unwrap_or(self.kind).to_owned();
        let folder = RunFolder::create(results, self.kind, &label, WallTime::now())?;
        let path = folder.path().to_owned();
        let root = SystemRoot::host();
        let identity = Identity {
            run_id: folder.run_id().to_owned(),
            kind: self.kind.to_owned(),
            label,
            environment: fingerprint(&root, build(), results),
        };
        let calibration = newest_profile(results, &identity.environment);
        let live = LiveSettings {
            target: target.model_ref.clone(),
            disturbed_limit: self.settings.disturbed_limit,
            with_warmup: !matches!(self.settings.warmup, Warmup::Sessions(_)),
            wanted: !self.client.no_live,
        };
        let mut journal = Readers::start(folder, Live::new(live, environment))?;
        let (settings, clock) = (self.settings.clone(), Clock::start());
        note_run(&identity.run_id);
        let run = LoadRun { settings, target, traffic, identity, calibration, recount, watching, root, clock, cancel };
        let ended = run.run(&mut journal).await;
        // The record is whole before anything waits for the terminal.
        let closed = journal.close();
        journal.view.clear();
        let record = ended.inspect_err(|error| {
            if matches!(error, LoadError::Sink(_)) {
                let run = path.display();
                output::talk(&format!(
                    "what was written is whole: `weighbridge report recover {run}` makes its figures"
                ));
            }
        })?;
        closed?;
        output::write(&path.join(REPORT_FILE), runs::page(&path, &record)?)?;
        Index::open(results)?.register(&path)?;
        Ok((record, path))
    }

    /// Prints the result and decides the exit code.
    fn conclude(&self, record: &Record, folder: &Path, environment: &Environment) -> Result<Exit, Failure> {
        runs::print(record, folder, self.run.output.output_format, environment)?;
        if let Some(why) = invalid_reason(record) {
            output::fail(&format!("no valid measurement of the target: {why}"));
        }
        if let Some(why) = futile_reason(record) {
            output::fail(&format!("no valid measurement of the target: {why}"));
        }
        if let Some(share) = self.mostly_failed(record) {
            output::fail(&format!("no valid measurement of the target: {share}"));
            return Ok(Exit::Invalid);
        }
        Ok(match record.status {
            Status::Interrupted => Exit::Interrupted,
            Status::Failed => Exit::Invalid,
            _ if invalid_reason(record).is_some() => Exit::Invalid,
            _ if record.phases.iter().all(|phase| phase.tally.succeeded == 0) => {
                output::fail("no request succeeded: there is no measurement");
                Exit::Invalid
            }
            Status::Pending | Status::Running | Status::Complete | Status::Skipped => match gate(record) {
                Gate::Passed => Exit::Pass,
                Gate::Inconclusive => Exit::Inconclusive,
                Gate::Failed => Exit::GateFailed,
            },
        })
    }

    /// Why a record is no measurement of its target.
    fn invalid(&self, record: &Record) -> Option<String> {
        let is_empty = record.phases.iter().all(|phase| phase.tally.succeeded == 0);
        let nothing = || is_empty.then(|| "no request succeeded".to_owned());
        let found = invalid_reason(record).map(|why| why.to_string());
        found
            .or_else(|| futile_reason(record).map(|why| why.to_string()))
            .or_else(|| self.mostly_failed(record))
            .or_else(nothing)
    }

    /// Says so when most requests failed and no objective says that they may: the figures are those of the few that got
    /// through.
    fn mostly_failed(&self, record: &Record) -> Option<String> {
        let sum = |count: fn(&Tally) -> u64| record.phases.iter().map(|phase| count(&phase.tally)).sum::<u64>();
        let (failed, succeeded) = (sum(|tally| tally.failed), sum(|tally| tally.succeeded));
        let is_so = record.status == Status::Complete && self.settings.slo.is_none() && failed > succeeded;
        (is_so && succeeded > 0).then(|| {
            format!(
                "{failed} of {} requests failed; where that is right, say so with `--slo 'error<99%'`",
                failed + succeeded
            )
        })
    }
}
