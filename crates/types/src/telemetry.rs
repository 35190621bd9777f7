//! What is seen beside a load of the server that carries it: the lines that the event log keeps, and the windows that
//! figures of them are over.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metric::Cell;
use crate::server::{GpuSample, HostEnergySample, ProcessTreeSample, ServerSample};
use crate::time::Stamp;

/// One thing seen beside a load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "of")]
pub enum Telemetry {
    /// The server's own metrics.
    Server(Box<ServerSample>),
    /// A graphics processor.
    Gpu(GpuSample),
    /// Energy of the host's processors.
    HostEnergy(HostEnergySample),
    /// The server's processes.
    Tree(ProcessTreeSample),
    /// What a watch did and cost, once it is over; or why there is none.
    Watch(WatchReport),
}

/// Something that watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Watch {
    /// Asks the server for its metrics.
    Server,
    /// Asks a DCGM exporter for its graphics processors.
    Dcgm,
    /// Reads this host's graphics processors.
    Gpu,
    /// Reads the energy counters of this host.
    HostEnergy,
    /// Reads the server's processes.
    Tree,
}

impl Watch {
    /// The name used in files and cells.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Dcgm => "dcgm",
            Self::Gpu => "gpu",
            Self::HostEnergy => "host_energy",
            Self::Tree => "tree",
        }
    }
}

impl fmt::Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a watch did and cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WatchReport {
    /// Which.
    pub watch: Watch,
    /// Readings that were kept.
    pub read: u64,
    /// Readings that failed, were left out because an earlier one still ran, or were lost to a full buffer.
    pub missed: u64,
    /// CPU seconds of its thread; `None` where the system does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<f64>,
    /// Wall seconds that it ran.
    pub wall_seconds: f64,
    /// Wall seconds spent reading answers; scrapers only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading_seconds: Option<f64>,
    /// Why readings failed, the last time; or why nothing was watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl WatchReport {
    /// A watch that there is none of, with the reason.
    #[must_use]
    pub fn absent(watch: Watch, problem: impl Into<String>) -> Self {
        Self {
            watch,
            read: 0,
            missed: 0,
            cpu_seconds: None,
            wall_seconds: 0.0,
            reading_seconds: None,
            problem: Some(problem.into()),
        }
    }
}

/// The steady window of one load, with the tokens that the client saw in it.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadWindow {
    /// The load.
    pub cell: Cell,
    /// Its start.
    pub from: Stamp,
    /// Its end; equal to the start where no window is left.
    pub to: Stamp,
    /// Output tokens with a stamp in it, of requests that succeeded.
    pub output_tokens: u64,
    /// Prompt tokens of the requests that succeeded and whose first token came in it; `None` where no length is known.
    pub input_tokens: Option<u64>,
    /// Cached prompt tokens, and prompt tokens, of its requests whose usage tells both; `None` where none does.
    pub cached: Option<(u64, u64)>,
}

impl LoadWindow {
    /// Whether any time is left in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.to <= self.from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_of_what_they_are() {
        let check = |telemetry: Telemetry, expected: &str| {
            let text = serde_json::to_string(&telemetry).unwrap();
            assert!(text.starts_with(expected), "{text}");
            assert_eq!(serde_json::from_str::<Telemetry>(&text).unwrap(), telemetry);
        };
        check(Telemetry::Gpu(GpuSample { index: 3, ..GpuSample::default() }), r#"{"of":"gpu","at":0,"index":3}"#);
        check(Telemetry::Tree(ProcessTreeSample::default()), r#"{"of":"tree","at":0,"processes":0"#);
        let none = WatchReport::absent(Watch::HostEnergy, "no counter");
        check(Telemetry::Watch(none), r#"{"of":"watch","watch":"host_energy","read":0,"missed":0"#);
    }
}
