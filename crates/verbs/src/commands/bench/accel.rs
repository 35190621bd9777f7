//! `bench accel`: devices side by side on a transformer, a convolutional network, and both at once.

use std::sync::Arc;

use comfy_table::{Table, presets};
use serde::Serialize;
use weighbridge_bench::accel::{AccelRow, DeviceUnderTest, Workload, accel};
use weighbridge_engine::Engine;
use weighbridge_types::model_ref::ModelRef;
use weighbridge_types::time::Clock;

use crate::arguments::{AccelArguments, AccelWorkload, Device, LocalArguments, OutputFormat};
use crate::commands::runtime;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::registry::Registry;

/// The convolutional network inside this program.
const CNN: &str = "onnx:bytes";

#[derive(Serialize)]
struct Accel {
    transformer: String,
    cnn: String,
    rounds: u32,
    seed: u64,
    rows: Vec<AccelRow>,
}

pub(super) fn run(arguments: &AccelArguments, environment: &Environment) -> Result<Exit, Failure> {
    if !(2..=1000).contains(&arguments.rounds) {
        let what = format!("accept `{}` as rounds: it must be 2 to 1000", arguments.rounds);
        return Err(Failure::usage(what, "five show whether rounds are alike"));
    }
    let model: ModelRef = arguments.model.parse()?;
    let workloads: Vec<Workload> = Workload::ALL
        .into_iter()
        .filter(|workload| {
            arguments.workload.is_empty() || arguments.workload.iter().any(|asked| is_of(*asked, *workload))
        })
        .collect();
    let runtime = runtime()?;
    let rows = runtime.block_on(async {
        let mut devices = Vec::new();
        for &device in &arguments.device {
            devices.push(DeviceUnderTest {
                name: device.name().to_owned(),
                transformer: load(environment, arguments.threads, device, &model).await,
                cnn: load(environment, arguments.threads, device, &CNN.parse()?).await,
            });
        }
        // A model that cannot be loaded on the processor is no absent device.
        if let Some(Err(why)) =
            devices.iter().find(|device| device.name == Device::Cpu.name()).map(|cpu| &cpu.transformer)
        {
            return Err(Failure::new(Exit::Invalid, why.clone(), "name a model that writes text with `--model`"));
        }
        Ok(accel(&devices, &workloads, arguments.rounds, arguments.seed, Clock::start()).await)
    })?;
    let measured = rows.iter().any(|row| row.time_ms.is_some());
    let accel = Accel {
        transformer: model.to_string(),
        cnn: CNN.to_owned(),
        rounds: arguments.rounds,
        seed: arguments.seed,
        rows,
    };
    match arguments.output.output_format {
        OutputFormat::Json => output::json(&accel)?,
        OutputFormat::Console => output::data(&text(&accel))?,
    }
    Ok(if measured { Exit::Pass } else { Exit::Invalid })
}

async fn load(
    environment: &Environment,
    threads: Option<usize>,
    device: Device,
    model: &ModelRef,
) -> Result<Arc<dyn Engine>, String> {
    let local = LocalArguments { device, threads, ..LocalArguments::default() };
    let registry = Registry::new(environment, local).map_err(|failure| failure.into_parts().0)?;
    registry.load(model).await.map_err(|failure| failure.into_parts().0)
}

fn is_of(asked: AccelWorkload, workload: Workload) -> bool {
    match asked {
        AccelWorkload::Transformer => workload == Workload::Transformer,
        AccelWorkload::Cnn => workload == Workload::Cnn,
        AccelWorkload::Mixed => workload == Workload::Mixed,
    }
}

fn text(accel: &Accel) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "workload",
        "device",
        "time of a round",
        "95 % interval",
        "times as fast",
    ]);
    for row in &accel.rows {
        let time = row.time_ms.map_or_else(|| "n/a".to_owned(), |time| format!("{time:.1} ms"));
        let interval = row.interval_ms.map_or_else(String::new, |[low, high]| format!("{low:.1} to {high:.1}"));
        let speed = match (row.speed, row.speed_interval) {
            (Some(speed), Some([low, high])) => format!("{speed:.2} [{low:.2}, {high:.2}]"),
            _ => String::new(),
        };
        table.add_row([row.workload.name(), &row.device, &time, &interval, &speed]);
    }
    let mut lines = vec![format!(
        "transformer {}, cnn {}, {} rounds in turns, seed {}",
        accel.transformer, accel.cnn, accel.rounds, accel.seed
    )];
    lines.push(table.trim_fmt());
    let mut reasons: Vec<String> = accel
        .rows
        .iter()
        .filter_map(|row| Some(format!("{}: could not {}", row.device, row.reason.as_ref()?)))
        .collect();
    reasons.dedup();
    lines.extend(reasons);
    lines.join("\n")
}
