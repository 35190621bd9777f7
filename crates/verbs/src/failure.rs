//! What a user sees when a command cannot do its work: what failed, why, what to do, and the exit code.

use std::error::Error;
use std::fmt::Write as _;

use weighbridge_bench::BenchError;
use weighbridge_engine_http::HttpError;
use weighbridge_eval::EvalError;
use weighbridge_eval::stream::StreamError;
use weighbridge_load::LoadError;

use crate::exit::Exit;

/// A command that could not do its work.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    what: String,
    hint: String,
}

impl Failure {
    /// Makes a failure. `what` is a fragment that follows "failed to".
    pub(crate) fn new(exit: Exit, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { exit, what: what.into(), hint: hint.into() }
    }

    /// A wrong command line, file or setting.
    pub(crate) fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what, hint)
    }

    /// The message and every cause below it that the message does not hold already.
    pub(crate) fn from_error(exit: Exit, error: &dyn Error, hint: impl Into<String>) -> Self {
        let mut what = error.to_string();
        let mut cause = error.source();
        while let Some(source) = cause {
            let text = source.to_string();
            if !what.contains(&text) {
                let _ = write!(what, ": {text}");
            }
            cause = source.source();
        }
        Self::new(exit, what, hint)
    }

    /// What failed, and the hint.
    pub(crate) fn into_parts(self) -> (String, String) {
        (self.what, self.hint)
    }

    /// The text for stderr.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("error: failed to {}", self.what);
        if !self.hint.is_empty() {
            let _ = write!(text, "\n hint: {}", self.hint);
        }
        text
    }
}

/// Maps each room's errors to an exit code; the hint is the error's own.
macro_rules! failures {
    ($($error:ty => $exit:ident;)*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                let hint = error.hint().to_string();
                Self::from_error(Exit::$exit, &error, hint)
            }
        })*
    };
}

failures! {
    weighbridge_types::model_ref::ModelRefError => Usage;
    weighbridge_types::record::RecordError => Usage;
    weighbridge_engine::scripted::ScriptError => Usage;
    weighbridge_engine::EngineError => Invalid;
    weighbridge_engine::device::DeviceError => Usage;
    weighbridge_engine_local::error::ModelError => Usage;
    weighbridge_engine_onnx::OnnxError => Usage;
    weighbridge_store::StoreError => Usage;
    weighbridge_bench::SettingsError => Usage;
    weighbridge_report::import::ImportError => Usage;
    weighbridge_report::export::ExportError => Usage;
    weighbridge_bench::memory_profile::MemoryProfileError => Invalid;
    weighbridge_telemetry::TelemetryError => Invalid;
    weighbridge_load::ProfileError => Usage;
    weighbridge_eval::predictions::PredictionsError => Usage;
    weighbridge_eval::score::ScoreError => Usage;
    weighbridge_eval::compare::CompareError => Usage;
    weighbridge_eval::judge::JudgeError => Usage;
    weighbridge_eval::judge::RunJudgeError => Usage;
    weighbridge_eval::import::ImportError => Usage;
    weighbridge_cache::CacheError => Usage;
    weighbridge_eval::matrix::MatrixError => Usage;
    weighbridge_verdict::VerdictError => Usage;
    weighbridge_verdict::results::ResultsError => Usage;
    weighbridge_verdict::regress::RegressError => Usage;
}

#[cfg(feature = "llama-cpp")]
failures! {
    weighbridge_engine_llama_cpp::LlamaCppError => Usage;
}

#[cfg(feature = "candle")]
failures! {
    weighbridge_engine_candle::CandleError => Usage;
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        let exit = match error {
            HttpError::Unreachable { .. } => Exit::Invalid,
            HttpError::Url { .. }
            | HttpError::KeyInClear { .. }
            | HttpError::KeyUnusable
            | HttpError::Header { .. }
            | HttpError::Certificates { .. }
            | HttpError::ModelNotFound { .. }
            | HttpError::ModelNotNamed { .. } => Exit::Usage,
        };
        Self::from_error(exit, &error, error.hint())
    }
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        let exit = match error {
            BenchError::Settings(_)
            | BenchError::NoEngine { .. }
            | BenchError::Mismatch { .. }
            | BenchError::Sink(_) => Exit::Usage,
            BenchError::Subject(_) => Exit::Invalid,
            BenchError::Serialize(_) => Exit::Bug,
        };
        Self::from_error(exit, &error, error.hint())
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let exit = match error {
            LoadError::Setting { .. }
            | LoadError::Spec(_)
            | LoadError::Slo(_)
            | LoadError::Until(_)
            | LoadError::Traffic { .. }
            | LoadError::Watch { .. }
            | LoadError::Recover { .. }
            | LoadError::Sink(_) => Exit::Usage,
            LoadError::Subject(_) | LoadError::System(_) => Exit::Invalid,
            LoadError::Settings(_) => Exit::Bug,
        };
        Self::from_error(exit, &error, error.hint())
    }
}

impl From<EvalError> for Failure {
    fn from(error: EvalError) -> Self {
        let exit = match error {
            EvalError::Setting { .. }
            | EvalError::Task(_)
            | EvalError::NeedsScores { .. }
            | EvalError::NeedsText { .. }
            | EvalError::NeedsAnswers { .. }
            | EvalError::NoClass { .. }
            | EvalError::ChatScores { .. }
            | EvalError::Sink(_)
            | EvalError::Write { .. }
            | EvalError::Changed { .. } => Exit::Usage,
            EvalError::Subject(_) | EvalError::Engine(_) => Exit::Invalid,
            EvalError::Stream(StreamError::Thread(_)) => Exit::Invalid,
            EvalError::Stream(_) => Exit::Usage,
            EvalError::Settings(_) => Exit::Bug,
        };
        Self::from_error(exit, &error, error.hint())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::from_error(Exit::Bug, &error, "report this as a bug")
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        let hint = match error.kind() {
            std::io::ErrorKind::StorageFull => "free some space, or name another folder with `--output-dir`",
            _ => "",
        };
        Self::from_error(Exit::Usage, &error, hint)
    }
}
