//! Cold starts as a run: each start a line of the log, the marks as figures of a record.

use serde_json::json;
use tokio_util::sync::CancellationToken;
use weighbridge_summary::{Basis, start_cell, start_metrics, start_tally};
use weighbridge_types::definition as define;
use weighbridge_types::event::{RunEvent, Sink};
use weighbridge_types::metric::Statistic;
use weighbridge_types::record::{EngineDescription, MetricPointer, Phase, Record, Status};
use weighbridge_types::start::StartRow;
use weighbridge_types::time::{Clock, WallTime};

use crate::cold_start::{ColdStartSettings, NextStart, one_start};
use crate::error::LoadError;
use crate::fresh;
use crate::run::Identity;
use crate::setup::Target;

/// Words in the name of a flag whose value is nobody's business.
const SECRET: [&str; 4] = ["key", "token", "secret", "password"];

/// Cold starts, ready to be made.
#[derive(Debug)]
pub struct ColdStartRun {
    /// What is started, and how often.
    pub settings: ColdStartSettings,
    /// The server that the command starts.
    pub target: Target,
    /// How the run is called, and where it runs.
    pub identity: Identity,
    /// The run's clock.
    pub clock: Clock,
    /// Ends the run; what is recorded stays valid.
    pub cancel: CancellationToken,
}

impl ColdStartRun {
    /// Starts the server again and again, and returns the record with the starts. The record is handed to the journal
    /// after each.
    ///
    /// # Errors
    /// When the command cannot be started, something listens at the address already, or the journal fails.
    pub async fn run(self, journal: &mut dyn Sink) -> Result<(Record, Vec<StartRow>), LoadError> {
        let begin = self.clock.now();
        let engine = EngineDescription { model_ref: self.target.model_ref.clone(), ..EngineDescription::default() };
        let mut record = fresh::record(&self.identity, self.stored(), 0, engine, None);
        journal.checkpoint(&record)?;
        journal.event(&RunEvent::PhaseStarted { phase: Phase::Load, attempt: 1 })?;
        let mut starts = Vec::new();
        for number in 1..=self.settings.starts {
            let what = format!("start {number} of {}", self.settings.starts);
            let (done, total) = (u64::from(number - 1), u64::from(self.settings.starts));
            journal.event(&RunEvent::Progress { phase: Phase::Load, what, done, total })?;
            let start = match one_start(&self.settings, &self.target, &self.cancel).await? {
                NextStart::Cancelled => break,
                NextStart::Made(start) => start,
            };
            if let Some(engine) = start.engine.clone() {
                record.engine = EngineDescription { model_ref: self.target.model_ref.clone(), ..engine };
            }
            let row = start.row(number);
            journal.event(&RunEvent::Start(row.clone()))?;
            starts.push(row);
            record.metrics = start_metrics(&starts, &Basis::new(record.seed, &record.engine));
            record.phases[0].tally = start_tally(&starts);
            journal.checkpoint(&record)?;
        }
        self.conclude(&mut record, &starts, (self.clock.now() - begin).as_secs_f64());
        journal.checkpoint(&record)?;
        let (result, metrics) = (Box::new(record.phases[0].clone()), record.metrics.clone());
        journal.event(&RunEvent::PhaseFinished { result, metrics })?;
        Ok((record, starts))
    }

    fn conclude(&self, record: &mut Record, starts: &[StartRow], seconds: f64) {
        let status = match (self.cancel.is_cancelled(), record.phases[0].tally.succeeded) {
            (true, _) => Status::Interrupted,
            (false, 0) => Status::Failed,
            (false, _) => Status::Complete,
        };
        record.metrics = start_metrics(starts, &Basis::new(record.seed, &record.engine));
        record.status = status;
        record.duration_s = seconds;
        record.updated_at = WallTime::now().to_string();
        let phase = &mut record.phases[0];
        phase.status = status;
        phase.duration_s = Some(seconds);
        phase.notes =
            starts.iter().filter_map(|row| Some(format!("start {}: {}", row.number, row.problem.as_ref()?))).collect();
        let key = format!("{}.{}", define::START_STEADY.name, Statistic::Mean.name());
        phase.key_metric = record
            .metrics
            .iter()
            .any(|metric| metric.key() == key && metric.value.is_some())
            .then(|| MetricPointer { key, cell: start_cell() });
    }

    fn stored(&self) -> serde_json::Value {
        let ColdStartSettings { command, address, starts, limit, prompt, output_tokens } = &self.settings;
        json!({
            "command": without_secrets(command),
            "address": format!("{}:{}", address.0, address.1),
            "starts": starts,
            "limit_s": limit.as_secs_f64(),
            "prompt": prompt,
            "output_tokens": output_tokens,
        })
    }
}

/// The command as a record may hold it: values of flags that sound like a secret are left out.
fn without_secrets(command: &[String]) -> Vec<String> {
    let is_secret = |flag: &str| {
        let name = flag.to_lowercase();
        flag.starts_with('-') && SECRET.iter().any(|word| name.contains(word))
    };
    let mut hides_next = false;
    let mut hidden = |argument: &String| {
        let hides = std::mem::replace(&mut hides_next, false);
        match argument.split_once('=') {
            Some((flag, _)) if is_secret(flag) => format!("{flag}=***"),
            _ if is_secret(argument) => {
                hides_next = true;
                argument.clone()
            }
            _ if hides && !argument.starts_with('-') => "***".to_owned(),
            _ => argument.clone(),
        }
    };
    command.iter().map(&mut hidden).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_a_command_are_left_out() {
        let check = |command: &str, expected: &str| {
            let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
            assert_eq!(without_secrets(&words).join(" "), expected);
        };
        check("serve --port 80", "serve --port 80");
        check("serve --api-key sk-1 --port 80", "serve --api-key *** --port 80");
        check("serve --api-key=sk-1", "serve --api-key=***");
        check("serve --HF_TOKEN abc", "serve --HF_TOKEN ***");
        check("serve --no-token --port 80", "serve --no-token --port 80");
    }
}
