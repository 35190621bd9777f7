//! `profile`: where the processor was, in a running process or in a file.

mod speed;

use std::path::Path;

use weighbridge_telemetry::profile::{
    FormError, Profile, difference_graph, difference_text, flame_graph, hotspots_text, read,
};

use crate::arguments::{DiffArguments, ProfileArguments, ProfileVerb};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{output, profiling};

pub(super) fn run(arguments: &ProfileArguments) -> Result<Exit, Failure> {
    match (&arguments.verb, arguments.pid) {
        (Some(ProfileVerb::Show { file, top, svg }), _) => show(file, *top, svg.as_deref()),
        (Some(ProfileVerb::Diff(diff)), _) => difference(diff),
        (None, Some(pid)) => sample(pid, arguments),
        (None, None) => Err(Failure::usage("sample a process: none is named", "name it with `--pid`")),
    }
}

fn show(file: &Path, top: usize, svg: Option<&Path>) -> Result<Exit, Failure> {
    let profile = profile_of(file)?;
    if let Some(svg) = svg {
        let title = profiling::title(&file.display().to_string(), &profile);
        output::file(svg, flame_graph(&title, &profile))?;
        output::talk(&format!("flame graph {}", svg.display()));
    }
    output::data(&hotspots_text(&profile, top))?;
    Ok(Exit::Pass)
}

fn difference(arguments: &DiffArguments) -> Result<Exit, Failure> {
    let DiffArguments { before, after, top, output, .. } = arguments;
    let (title, text, graph) = match (&arguments.slow_against_fast, before, after) {
        (Some(run), file, _) => {
            let (run_id, parts) = speed::parts(run, file.as_deref(), &arguments.results.output_dir)?;
            let title = format!("from fast to slow requests of {run_id}");
            let text = difference_text(("fast", &parts.fast), ("slow", &parts.slow), *top);
            let graph = difference_graph(&title, &parts.fast, &parts.slow);
            output::talk(&format!(
                "samples: {} while slow requests prevailed, {} while fast ones did, {} while neither did, {} without a request",
                parts.slow.total(),
                parts.fast.total(),
                parts.even,
                parts.idle
            ));
            (title, text, graph)
        }
        (None, Some(before), Some(after)) => {
            let (earlier, later) = (profile_of(before)?, profile_of(after)?);
            let title = format!("from {} to {}", before.display(), after.display());
            let text = difference_text(("before", &earlier), ("after", &later), *top);
            let graph = difference_graph(&title, &earlier, &later);
            (title, text, graph)
        }
        (None, _, _) => {
            return Err(Failure::usage("set profiles against each other: two are needed", "name two files"));
        }
    };
    crate::output::file(output, graph)?;
    output::talk(&format!("flame graph {}: {title}", output.display()));
    output::data(&text)?;
    Ok(Exit::Pass)
}

fn profile_of(file: &Path) -> Result<Profile, Failure> {
    let bytes = std::fs::read(file).map_err(|error| {
        Failure::usage(format!("read `{}`: {error}", file.display()), "name a `.pb` file of pprof or collapsed stacks")
    })?;
    read(&bytes).map_err(|error: FormError| {
        Failure::usage(format!("read `{}` as a profile: cannot {error}", file.display()), error.hint())
    })
}

#[cfg(target_os = "linux")]
fn sample(pid: u32, arguments: &ProfileArguments) -> Result<Exit, Failure> {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use weighbridge_telemetry::profile::{ProcessError, profile_process};
    use weighbridge_types::time::Clock;

    let duration = super::load::settings::time("duration", &arguments.duration)?;
    profiling::make(&arguments.output)?;
    let runtime = super::runtime()?;
    let is_over = Arc::new(AtomicBool::new(false));
    let interrupted = Arc::clone(&is_over);
    runtime.spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.store(true, Ordering::SeqCst);
        }
    });
    let sampled = profile_process(pid, arguments.hertz, duration, Clock::start(), &|| is_over.load(Ordering::SeqCst));
    runtime.shutdown_background();
    let profile = sampled.map_err(|error| {
        let exit = match error {
            ProcessError::NoProcess { .. } => Exit::Usage,
            ProcessError::Refused { .. } | ProcessError::System { .. } => Exit::Invalid,
        };
        Failure::from_error(exit, &error, error.hint())
    })?;
    if profile.total() == 0 {
        let what = format!("sample process `{pid}`: it was on no processor in {}", arguments.duration);
        return Err(Failure::new(Exit::Invalid, what, FormError::Empty.hint()));
    }
    profiling::write(&profile, &arguments.output, &format!("pid{pid}"))?;
    Ok(if is_over.load(Ordering::SeqCst) { Exit::Interrupted } else { Exit::Pass })
}

#[cfg(not(target_os = "linux"))]
fn sample(pid: u32, _: &ProfileArguments) -> Result<Exit, Failure> {
    let what = format!("sample process `{pid}`: that works on Linux only");
    Err(Failure::new(Exit::Invalid, what, "take the profiler of your system"))
}
