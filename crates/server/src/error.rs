//! What a client is told when its request is not served.

use std::time::Duration;

use axum::http::StatusCode;
use weighbridge_engine::{EngineError, RequestFailure};
use weighbridge_serving::{FaultClass, LoadErrorKind, ServeError};
use weighbridge_types::request::FailureClass;

/// A refusal: its status, a code that programs read, and words for people. It holds no secret and no path of this host that
/// the client did not send.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// What went wrong, as one word.
    pub code: &'static str,
    /// What failed and what to do.
    pub message: String,
    /// How long to wait before another try.
    pub retry_after: Option<Duration>,
    /// How it counts among the failures.
    pub class: FaultClass,
}

impl ApiError {
    /// A request that is wrong, and stays wrong.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message, FaultClass::Request)
    }

    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>, class: FaultClass) -> Self {
        Self { status, code, message: message.into(), retry_after: None, class }
    }

    /// Seconds for the header `Retry-After`, rounded up.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after.map(|wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
    }

    /// The family that OpenAI's and Anthropic's clients sort errors by.
    pub(crate) fn family(&self) -> &'static str {
        match self.status.as_u16() {
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            400..=499 => "invalid_request_error",
            503 | 529 => "overloaded_error",
            _ => "api_error",
        }
    }
}

impl From<ServeError> for ApiError {
    fn from(error: ServeError) -> Self {
        let (status, code, class) = match &error {
            ServeError::UnknownModel { .. } => (StatusCode::NOT_FOUND, "model_not_found", FaultClass::Request),
            ServeError::TooLarge { .. } => (StatusCode::INSUFFICIENT_STORAGE, "model_too_large", FaultClass::Memory),
            ServeError::AtLimit { .. } => (StatusCode::SERVICE_UNAVAILABLE, "memory_limit", FaultClass::Memory),
            ServeError::NoRoom { .. } => (StatusCode::SERVICE_UNAVAILABLE, "no_room", FaultClass::Memory),
            ServeError::Load { error, .. } => match error.kind {
                LoadErrorKind::Memory => (StatusCode::SERVICE_UNAVAILABLE, "out_of_memory", FaultClass::Memory),
                LoadErrorKind::Broken => (StatusCode::SERVICE_UNAVAILABLE, "model_unavailable", FaultClass::Model),
                LoadErrorKind::Unreachable => (StatusCode::BAD_GATEWAY, "upstream_unreachable", FaultClass::Network),
            },
            ServeError::QueueFull { .. } => (StatusCode::SERVICE_UNAVAILABLE, "queue_full", FaultClass::Overload),
            ServeError::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, "rate_limited", FaultClass::Overload),
            ServeError::Late { .. } => (StatusCode::SERVICE_UNAVAILABLE, "timeout", FaultClass::Timeout),
            ServeError::Open { .. } => (StatusCode::SERVICE_UNAVAILABLE, "circuit_open", FaultClass::Overload),
            ServeError::Draining => (StatusCode::SERVICE_UNAVAILABLE, "shutting_down", FaultClass::Overload),
        };
        let hint = error.hint();
        let message = format!("failed to {error}{}{hint}", if hint.is_empty() { "" } else { "; " });
        let usual = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(Duration::from_secs(1));
        Self { retry_after: error.retry_after().or(usual), ..Self::new(status, code, message, class) }
    }
}

impl From<RequestFailure> for ApiError {
    fn from(failure: RequestFailure) -> Self {
        let (status, code, class) = match failure.class {
            FailureClass::Timeout
            | FailureClass::TimeoutConnect
            | FailureClass::TimeoutFirstToken
            | FailureClass::TimeoutStall => (StatusCode::GATEWAY_TIMEOUT, "timeout", FaultClass::Timeout),
            FailureClass::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "rate_limited", FaultClass::Overload),
            // As engines in process say it; those elsewhere have words of their own.
            FailureClass::ClientError if failure.message.contains("into a context of") => {
                (StatusCode::BAD_REQUEST, "context_length_exceeded", FaultClass::Request)
            }
            FailureClass::ClientError => (StatusCode::BAD_REQUEST, "invalid_request", FaultClass::Request),
            FailureClass::Connect | FailureClass::Tls => {
                (StatusCode::BAD_GATEWAY, "upstream_unreachable", FaultClass::Network)
            }
            FailureClass::ServerError | FailureClass::Truncated | FailureClass::Empty | FailureClass::Malformed => {
                (StatusCode::BAD_GATEWAY, "upstream_failed", FaultClass::Network)
            }
            FailureClass::Engine => (StatusCode::INTERNAL_SERVER_ERROR, "engine_failed", FaultClass::Model),
        };
        let said = failure.message;
        let message = match failure.class {
            FailureClass::ClientError => format!("failed to {said}"),
            FailureClass::Engine => format!("the model failed: {said}"),
            FailureClass::Connect | FailureClass::Tls => format!("failed to reach the server of the model: {said}"),
            FailureClass::Timeout
            | FailureClass::TimeoutConnect
            | FailureClass::TimeoutFirstToken
            | FailureClass::TimeoutStall => format!("failed to answer in time: {said}"),
            FailureClass::RateLimited
            | FailureClass::ServerError
            | FailureClass::Truncated
            | FailureClass::Empty
            | FailureClass::Malformed => format!("the server of the model failed: {said}"),
        };
        Self { retry_after: failure.retry_after, ..Self::new(status, code, message, class) }
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        let message = format!("failed to {error}");
        match error {
            EngineError::ContextOverflow { .. } => {
                Self::new(StatusCode::BAD_REQUEST, "context_length_exceeded", message, FaultClass::Request)
            }
            EngineError::Unsupported { .. } | EngineError::InvalidRequest { .. } => Self::invalid(message),
            EngineError::Failed { .. } => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "engine_failed", message, FaultClass::Model)
            }
        }
    }
}
