//! The host profile: how far this client's figures can be trusted on this host.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weighbridge_types::calibration::Grade;
use weighbridge_types::environment::Environment;
use weighbridge_types::request::ReceiveClock;

/// Folder of the profiles, within the results folder.
const FOLDER: &str = "host-profiles";

/// What calibration found, against a server with a known timeline on the same host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostProfile {
    /// Name of the profile, for the records that rest on it.
    pub id: String,
    /// Wall time, RFC 3339.
    pub created_at: String,
    /// The host and the build that were calibrated.
    pub environment: Environment,
    /// Event loops of the client.
    pub reactors: u32,
    /// The clock of these errors: the kernel's, where it stamps.
    #[serde(default = "kernel")]
    pub clock: ReceiveClock,
    /// Errors by the number of streams, rising.
    pub truth: Vec<Truth>,
    /// The most streams at which every error stays within what the grade promises; 0 when none does.
    pub clean_streams: u32,
    /// Cost and ceiling without delays.
    pub cost: Cost,
    /// How late sessions were released in open loop.
    pub lag: Lag,
    /// What the errors are worth.
    pub grade: Grade,
    /// Largest absolute mean error of TTFT or ITL at any number of streams up to the clean ones, ms.
    pub bias_bound_ms: f64,
    /// The same with stamps of this program, which is how TLS is measured; null where that was not calibrated apart.
    #[serde(default)]
    pub user: Option<Graded>,
}

/// Profiles without the field were made with the kernel's stamps.
const fn kernel() -> ReceiveClock {
    ReceiveClock::Kernel
}

/// Errors with what they are worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Graded {
    /// Errors by the number of streams, rising.
    pub truth: Vec<Truth>,
    /// The most streams at which every error stays within what the grade promises; 0 when none does.
    pub clean_streams: u32,
    /// What the errors are worth.
    pub grade: Grade,
    /// Largest absolute mean error of TTFT or ITL at any number of streams up to the clean ones, ms.
    pub bias_bound_ms: f64,
}

impl HostProfile {
    /// The errors with stamps of a clock; `None` where they were not calibrated.
    #[must_use]
    pub fn by(&self, clock: ReceiveClock) -> Option<Graded> {
        let own = || Graded {
            truth: self.truth.clone(),
            clean_streams: self.clean_streams,
            grade: self.grade,
            bias_bound_ms: self.bias_bound_ms,
        };
        if self.clock == clock { Some(own()) } else { self.user.clone().filter(|_| clock == ReceiveClock::User) }
    }
}

impl Graded {
    pub(crate) fn of(truth: Vec<Truth>) -> Self {
        let (grade, clean_streams, bias_bound_ms) = judge(&truth);
        Self { truth, clean_streams, grade, bias_bound_ms }
    }
}

/// Errors of the client at one number of streams, against the server's own stamps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Truth {
    /// Streams at once.
    pub streams: u32,
    /// Requests compared.
    pub requests: u64,
    /// TTFT: reported less true.
    pub ttft: ErrorFigures,
    /// ITL: reported less true, every gap.
    pub itl: ErrorFigures,
}

/// A distribution of errors, ms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorFigures {
    /// Errors counted.
    pub n: u64,
    /// Mean error, with its sign: the bias.
    pub bias_ms: f64,
    /// Median of the absolute errors.
    pub p50_ms: f64,
    /// 99th percentile of the absolute errors (type 7); null below 662 errors, which bound it no better than the largest.
    pub p99_ms: Option<f64>,
    /// Largest absolute error.
    pub max_ms: f64,
}

/// What a request costs the client, and how many it makes when the server does not hold it back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// Streams at once.
    pub streams: u32,
    /// Tokens of each answer, one frame each.
    pub tokens: u32,
    /// Requests compared.
    pub requests: u64,
    /// Requests per second, client and server on one host.
    pub requests_per_s: f64,
    /// Frames per second.
    pub frames_per_s: f64,
    /// CPU seconds of the reactors per 1,000 requests; null where the system does not tell it per thread.
    pub cpu_s_per_1000: Option<f64>,
    /// CPU of the reactors per frame, microseconds.
    pub cpu_us_per_frame: Option<f64>,
}

/// Release after plan, ms, in open loop with Poisson arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lag {
    /// Arrivals per second.
    pub rate: f64,
    /// Sessions.
    pub n: u64,
    /// Median.
    pub p50_ms: f64,
    /// 99th percentile; null below 662 sessions.
    pub p99_ms: Option<f64>,
    /// Largest.
    pub max_ms: f64,
}

impl Truth {
    /// The larger p99 of TTFT and ITL, the largest error where a p99 is unknown.
    #[must_use]
    pub fn worst_p99_ms(&self) -> f64 {
        let bound = |figures: &ErrorFigures| figures.p99_ms.unwrap_or(figures.max_ms);
        bound(&self.ttft).max(bound(&self.itl))
    }

    fn worst_bias_ms(&self) -> f64 {
        self.ttft.bias_ms.abs().max(self.itl.bias_ms.abs())
    }
}

/// Streams whose errors decide the grade.
const GRADED_STREAMS: u32 = 128;

/// Grade, clean streams and bias bound of a series of errors, rising by streams.
#[must_use]
pub(crate) fn judge(truth: &[Truth]) -> (Grade, u32, f64) {
    let graded = truth.iter().rfind(|row| row.streams <= GRADED_STREAMS).or(truth.first());
    let grade = graded.map_or(Grade::F, |row| Grade::of(row.worst_p99_ms()));
    let limit = grade.limit_ms().unwrap_or(0.0);
    let clean: Vec<&Truth> = truth.iter().take_while(|row| row.worst_p99_ms() <= limit).collect();
    let streams = clean.last().map_or(0, |row| row.streams);
    let bounded = if clean.is_empty() { truth.iter().collect() } else { clean };
    (grade, streams, bounded.iter().map(|row| row.worst_bias_ms()).fold(0.0, f64::max))
}

/// A profile that could not be kept or read.
#[derive(Debug, thiserror::Error)]
#[error("{what} the host profile `{}`: {problem}", path.display())]
pub struct ProfileError {
    what: &'static str,
    path: PathBuf,
    problem: String,
}

impl ProfileError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        "name a folder that can be written with `--output-dir`; `weighbridge calibrate` makes a new profile"
    }
}

/// Writes a profile into the results folder, by rename, and says where.
///
/// # Errors
/// When it cannot be written.
pub fn write_profile(results: &Path, profile: &HostProfile) -> Result<PathBuf, ProfileError> {
    let folder = results.join(FOLDER);
    let path = folder.join(format!("{}.json", profile.id));
    let failed = |problem: String| ProfileError { what: "write", path: path.clone(), problem };
    std::fs::create_dir_all(&folder).map_err(|error| failed(error.to_string()))?;
    let text = serde_json::to_string_pretty(profile).map_err(|error| failed(error.to_string()))?;
    let draft = folder.join(format!(".{}.json", profile.id));
    std::fs::write(&draft, text + "\n").map_err(|error| failed(error.to_string()))?;
    std::fs::rename(&draft, &path).map_err(|error| failed(error.to_string()))?;
    Ok(path)
}

/// The newest profile of this host, if it was ever calibrated. A profile of another host or build says nothing here, and
/// one that cannot be read is passed over.
#[must_use]
pub fn newest_profile(results: &Path, environment: &Environment) -> Option<HostProfile> {
    let entries = std::fs::read_dir(results.join(FOLDER)).ok()?;
    let profiles = entries.filter_map(|entry| {
        let text = std::fs::read_to_string(entry.ok()?.path()).ok()?;
        serde_json::from_str::<HostProfile>(&text).ok()
    });
    profiles
        .filter(|profile| profile.environment.digest == environment.digest)
        .max_by(|a, b| a.created_at.cmp(&b.created_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(streams: u32, p99_ms: f64, bias_ms: f64) -> Truth {
        // Too few for a p99 of TTFT, so that the largest error counts.
        let ttft = ErrorFigures { n: 100, bias_ms, p50_ms: 0.0, p99_ms: None, max_ms: p99_ms };
        Truth { streams, requests: 100, ttft, itl: ErrorFigures { n: 1000, p99_ms: Some(0.0), ..ttft } }
    }

    #[test]
    fn the_grade_follows_from_the_errors() {
        let check = |rows: &[Truth], expected: (Grade, u32, f64)| assert_eq!(judge(rows), expected);
        check(&[truth(1, 0.1, 0.01), truth(128, 0.2, -0.03), truth(512, 0.29, 0.02)], (Grade::A, 512, 0.03));
        check(&[truth(1, 0.1, 0.01), truth(128, 0.2, 0.02), truth(512, 4.0, 0.9)], (Grade::A, 128, 0.02));
        check(&[truth(1, 0.1, 0.01), truth(128, 2.0, 0.5)], (Grade::C, 128, 0.5));
        check(&[truth(1, 80.0, 7.0)], (Grade::F, 0, 7.0));
        check(&[], (Grade::F, 0, 0.0));
    }

    #[test]
    fn the_newest_profile_of_this_host_is_found() {
        let results = tempfile::tempdir().unwrap();
        let here = Environment { digest: "here".to_owned(), ..Environment::default() };
        let there = Environment { digest: "there".to_owned(), ..Environment::default() };
        assert_eq!(newest_profile(results.path(), &here), None);
        let (grade, clean_streams, bias_bound_ms) = judge(&[truth(128, 0.2, 0.01)]);
        let profile = |id: &str, at: &str, environment: &Environment| HostProfile {
            id: id.to_owned(),
            created_at: at.to_owned(),
            environment: environment.clone(),
            reactors: 1,
            clock: ReceiveClock::Kernel,
            user: None,
            truth: vec![truth(128, 0.2, 0.01)],
            clean_streams,
            cost: Cost {
                streams: 64,
                tokens: 64,
                requests: 9,
                requests_per_s: 1.0,
                frames_per_s: 64.0,
                cpu_s_per_1000: None,
                cpu_us_per_frame: None,
            },
            lag: Lag { rate: 1.0, n: 1, p50_ms: 0.0, p99_ms: None, max_ms: 0.0 },
            grade,
            bias_bound_ms,
        };
        for (id, at, environment) in [("b", "2026-02", &here), ("a", "2026-01", &here), ("c", "2026-03", &there)] {
            write_profile(results.path(), &profile(id, at, environment)).unwrap();
        }
        std::fs::write(results.path().join(FOLDER).join("torn.json"), "{").unwrap();
        assert_eq!(newest_profile(results.path(), &here).unwrap().id, "b");
    }
}
