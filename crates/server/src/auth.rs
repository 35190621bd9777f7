//! Who asks: keys are known by their digests alone.

use std::collections::HashMap;
use std::fmt;

use axum::http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};
use weighbridge_serving::FaultClass;

use crate::error::ApiError;

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Ask models.
    Infer,
    /// Also load and unload them, and read what failed.
    Admin,
}

/// The keys of a service, by the SHA-256 of each: a look-up by digest tells nothing of other keys by the time that it takes.
#[derive(Clone, Default)]
pub struct Keys {
    by_digest: HashMap<[u8; 32], (String, Scope)>,
}

impl Keys {
    /// Adds a key with the name by which it is counted.
    pub fn add(&mut self, name: impl Into<String>, key: &str, scope: Scope) {
        self.by_digest.insert(Sha256::digest(key.as_bytes()).into(), (name.into(), scope));
    }

    /// Whether there is none, so that everybody may ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_digest.is_empty()
    }

    /// The name of who asks: that of the key, or `anonymous` where there are no keys.
    ///
    /// # Errors
    /// 401 without a key or with an unknown one, 403 where its scope is too small.
    pub fn check(&self, headers: &HeaderMap, wanted: Scope) -> Result<&str, ApiError> {
        if self.is_empty() {
            return Ok("anonymous");
        }
        let unknown =
            |message: &str| ApiError::new(StatusCode::UNAUTHORIZED, "invalid_api_key", message, FaultClass::Request);
        let bearer = headers.get("authorization").and_then(|value| value.to_str().ok());
        let bearer = bearer.and_then(|value| value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("bearer ")));
        let given = bearer.or_else(|| headers.get("x-api-key").and_then(|value| value.to_str().ok()));
        let given =
            given.ok_or_else(|| unknown("a key is needed: send it as `Authorization: Bearer` or `x-api-key`"))?;
        let digest: [u8; 32] = Sha256::digest(given.trim().as_bytes()).into();
        match self.by_digest.get(&digest) {
            None => Err(unknown("the key is not known")),
            Some((name, scope)) if *scope >= wanted => Ok(name),
            Some(_) => {
                let message = "the key may ask models, not administer the service";
                Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message, FaultClass::Request))
            }
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("count", &self.by_digest.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart_and_never_printed() {
        let mut keys = Keys::default();
        assert_eq!(keys.check(&HeaderMap::new(), Scope::Admin), Ok("anonymous"));
        keys.add("app", "sk-secret", Scope::Infer);
        keys.add("ops", "sk-admin", Scope::Admin);
        let with =
            |name: &'static str, value: &str| HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
        let status = |headers: HeaderMap, scope| {
            keys.check(&headers, scope).map_err(|error| error.status.as_u16()).map(str::to_owned)
        };
        assert_eq!(status(HeaderMap::new(), Scope::Infer), Err(401));
        assert_eq!(status(with("authorization", "Bearer ' OR '1'='1"), Scope::Infer), Err(401));
        assert_eq!(status(with("authorization", "Bearer sk-secret"), Scope::Infer), Ok("app".to_owned()));
        assert_eq!(status(with("x-api-key", "sk-secret"), Scope::Admin), Err(403));
        assert_eq!(status(with("x-api-key", "sk-admin"), Scope::Admin), Ok("ops".to_owned()));
        assert!(!format!("{keys:?}").contains("sk-"));
    }
}
