//! Why an endpoint cannot be weighed.

use weighbridge_engine::RequestFailure;
use weighbridge_types::request::FailureClass;

/// An endpoint that cannot be used. Failures of single requests are events, not errors.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The URL is no base URL of a server.
    #[error("read the URL `{url}`: {problem}")]
    Url {
        /// The URL, without credentials.
        url: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The key would travel in clear text.
    #[error("send a key over plain HTTP to `{host}`")]
    KeyInClear {
        /// The other machine.
        host: String,
    },
    /// The key holds characters that no header can carry.
    #[error("send the key: it holds characters that a header cannot carry")]
    KeyUnusable,
    /// A header field cannot be sent.
    #[error("send the header `{name}`: {problem}")]
    Header {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The file of certificate authorities cannot be used.
    #[error("trust the certificates of `{file}`: {problem}")]
    Certificates {
        /// The file.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// Nobody answers, or not in a way that can be used.
    #[error("reach `{url}`: {problem}")]
    Unreachable {
        /// The base URL.
        url: String,
        /// The class of the failure.
        class: FailureClass,
        /// What happened.
        problem: String,
    },
    /// The server does not have the model.
    #[error("find the model `{model}` at `{url}`: it has {}", list(.available))]
    ModelNotFound {
        /// The base URL.
        url: String,
        /// The model that was named.
        model: String,
        /// The models that the server lists.
        available: Vec<String>,
    },
    /// No model was named and the server does not have exactly one.
    #[error("choose a model at `{url}`: it has {}", list(.available))]
    ModelNotNamed {
        /// The base URL.
        url: String,
        /// The models that the server lists.
        available: Vec<String>,
    },
}

impl HttpError {
    pub(crate) fn unreachable(url: &str, failure: RequestFailure) -> Self {
        Self::Unreachable { url: url.to_owned(), class: failure.class, problem: failure.message }
    }

    pub(crate) fn slow(url: &str, timeout: std::time::Duration) -> Self {
        let problem = format!("no whole answer within {} s", timeout.as_secs_f64());
        Self::Unreachable { url: url.to_owned(), class: FailureClass::Timeout, problem }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Url { .. } => "write a base URL such as `http://127.0.0.1:8000/v1`; keys come from the environment",
            Self::KeyInClear { .. } => "use https, or allow keys over plain HTTP if the network is yours alone",
            Self::KeyUnusable => "check the environment variable that holds the key",
            Self::Header { .. } => "write a header as `name: value`, in plain characters and on one line",
            Self::Certificates { .. } => "give a PEM file with at least one certificate",
            Self::Unreachable { class, .. } => match class {
                FailureClass::Connect
                | FailureClass::Timeout
                | FailureClass::TimeoutConnect
                | FailureClass::TimeoutFirstToken
                | FailureClass::TimeoutStall => "check that the server runs and that the port is right",
                FailureClass::Tls => {
                    "check the certificate and its dates, or name its authority's PEM file (`load --ca-file`); a plain server needs `http://`"
                }
                FailureClass::ClientError => {
                    "check the key and the path: most servers want a base URL that ends in `/v1`"
                }
                FailureClass::Malformed => "check the path: this looks like a web page or another kind of server",
                FailureClass::RateLimited => "wait, or ask the provider for a higher limit",
                FailureClass::ServerError | FailureClass::Truncated | FailureClass::Empty | FailureClass::Engine => {
                    "look into the server's log"
                }
            },
            Self::ModelNotNamed { available, .. } | Self::ModelNotFound { available, .. } if available.is_empty() => {
                "check the path: most servers want a base URL that ends in `/v1`; one without a list of models needs `URL#MODEL`"
            }
            Self::ModelNotFound { .. } | Self::ModelNotNamed { .. } => "name one of them after the URL: `URL#MODEL`",
        }
    }
}

/// Names listed at most; a gateway may have hundreds.
const NAMES_LISTED: usize = 20;

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "no model".to_owned();
    }
    let shown: Vec<String> = names.iter().take(NAMES_LISTED).map(|name| format!("`{name}`")).collect();
    let more = names.len() - shown.len();
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}
