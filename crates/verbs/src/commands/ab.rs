//! `ab`: two targets in turns.

use std::ffi::OsString;

use weighbridge_engine_http::Webhook;
use weighbridge_stats::Resampling;
use weighbridge_types::comparison::Verdict;
use weighbridge_types::record::{Record, Status};
use weighbridge_verdict::Settings;
use weighbridge_verdict::ab::{Arm, End, Names, Outcome, Plan, Turn};

use super::compare::{exit, judged, show, tell};
use super::{load, typed, webhook};
use crate::arguments::{AbArguments, LoadArguments, Verb};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

pub(super) fn run(arguments: &AbArguments, environment: &Environment) -> Result<Exit, Failure> {
    let plan = plan(arguments)?;
    // A wrong flag of the loads is found before the first of them.
    load_of(arguments, Turn { arm: Arm::A, is_self_test: false, block: 0, seed: arguments.seed })?;
    let hook = webhook::named(&arguments.judging.webhook)?;
    let names = Names { a: &arguments.a, b: &arguments.b };
    let outcome = plan.run(names, |turn| measure(arguments, turn, environment))?;
    conclude(&outcome, arguments, hook.as_ref(), environment)
}

fn plan(arguments: &AbArguments) -> Result<Plan, Failure> {
    let settings = Settings {
        paired: true,
        force: arguments.force,
        resampling: Resampling::new(arguments.seed),
        ..judged(&arguments.judging)?
    };
    Ok(Plan {
        settings,
        most: arguments.blocks,
        precision: arguments.precision / 100.0,
        self_test: arguments.self_test,
    })
}

/// The load of a turn, as if it had been typed.
fn load_of(arguments: &AbArguments, turn: Turn) -> Result<LoadArguments, Failure> {
    let target = if turn.arm == Arm::A || turn.is_self_test { &arguments.a } else { &arguments.b };
    let side = match (turn.is_self_test, turn.arm) {
        (true, _) => "self",
        (false, Arm::A) => "a",
        (false, Arm::B) => "b",
    };
    let mut line: Vec<OsString> = vec!["load".into(), target.into()];
    line.extend(arguments.load.iter().cloned());
    line.extend(["--seed".into(), turn.seed.to_string().into()]);
    line.extend(["--label".into(), format!("{}-{side}", arguments.label).into()]);
    line.extend(["--output-dir".into(), arguments.results.output_dir.clone().into_os_string()]);
    let hint = "write the flags of `load` behind `--`, without `--seed`, `--label` and `--output-dir`";
    match typed::verb(line, "the load", hint)? {
        Verb::Load(load) => Ok(*load),
        _ => Err(Failure::usage("read the flags of the load", hint)),
    }
}

/// Makes one run; `None` when it was interrupted.
fn measure(arguments: &AbArguments, turn: Turn, environment: &Environment) -> Result<Option<Record>, Failure> {
    let record = load::measure(&load_of(arguments, turn)?, environment)?;
    let what = if turn.is_self_test { "self-test" } else { "block" };
    output::talk(&format!("{what} {}: {}, {:.1} s", turn.block + 1, record.engine.model_ref, record.duration_s));
    Ok((record.status != Status::Interrupted).then_some(record))
}

fn conclude(
    outcome: &Outcome,
    arguments: &AbArguments,
    hook: Option<&Webhook>,
    environment: &Environment,
) -> Result<Exit, Failure> {
    if let Some(found) = &outcome.self_test
        && matches!(found.verdict(), Verdict::Worse | Verdict::Better)
    {
        let because = found.contrasts.first().map_or("", |contrast| contrast.because.as_str());
        output::talk(&format!("this host tells `{}` apart from itself ({}: {because})", arguments.a, found.verdict()));
    }
    if outcome.end == End::SelfTest {
        let hint = "wait until the host is quiet, make the loads longer, or go on with `--force`";
        let what = "compare the targets: equal loads differ by more than the threshold on this host";
        return Err(Failure::new(Exit::Invalid, what, hint));
    }
    let Some(comparison) = &outcome.comparison else {
        output::fail("stopped before both targets were measured: there is nothing to compare");
        return Ok(Exit::Interrupted);
    };
    show(comparison, &arguments.judging, arguments.output.output_format, environment)?;
    let blocks = outcome.blocks;
    output::talk(&match outcome.end {
        End::Precise => format!("ended after {blocks} blocks: as precise as asked"),
        End::Blocks => format!("ended after {blocks} blocks, the most that were allowed"),
        End::Stopped | End::SelfTest => format!("stopped after {blocks} blocks"),
    });
    if outcome.end == End::Stopped {
        return Ok(Exit::Interrupted);
    }
    tell("ab", hook, comparison);
    Ok(exit(comparison))
}
