//! Who asks: keys are known by their digests alone.

use std::fmt;
use std::hint::black_box;

use axum::http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};
use weighbridge_serving::FaultClass;

use crate::error::ApiError;

/// Who asks where there are no keys.
pub(crate) const ANONYMOUS: &str = "anonymous";

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Ask models.
    Infer,
    /// Also load and unload them, and read what failed.
    Admin,
}

/// SHA-256 of a key.
type KeyDigest = [u8; 32];

/// The keys of a service, by the SHA-256 of each. A key that is given is held against all of them, each byte of each: the time that
/// it takes tells nothing.
#[derive(Clone, Default)]
pub struct Keys {
    known: Vec<Known>,
}

#[derive(Clone)]
struct Known {
    digest: KeyDigest,
    name: String,
    scope: Scope,
}

impl Keys {
    /// Adds a key with the name by which it is counted.
    pub fn add(&mut self, name: impl Into<String>, key: &str, scope: Scope) {
        self.add_digest(name, digest_of(key), scope);
    }

    /// Adds a key by its SHA-256 alone.
    pub fn add_digest(&mut self, name: impl Into<String>, digest: KeyDigest, scope: Scope) {
        self.known.push(Known { digest, name: name.into(), scope });
    }

    /// Whether there is none, so that everybody may ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The name of who asks: that of the key, or `anonymous` where there are no keys.
    ///
    /// # Errors
    /// 401 without a key or with an unknown one, 403 where its scope is too small.
    pub fn check(&self, headers: &HeaderMap, wanted: Scope) -> Result<&str, ApiError> {
        if self.is_empty() {
            return Ok(ANONYMOUS);
        }
        let unknown =
            |message: &str| ApiError::new(StatusCode::UNAUTHORIZED, "invalid_api_key", message, FaultClass::Request);
        let given = given(headers)
            .ok_or_else(|| unknown("a key is needed: send it as `Authorization: Bearer` or `x-api-key`"))?;
        match self.find(given) {
            None => Err(unknown("the key is not known")),
            Some(known) if known.scope >= wanted => Ok(&known.name),
            Some(_) => {
                let message = "the key may ask models, not administer the service";
                Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message, FaultClass::Request))
            }
        }
    }

    /// The name of the key that is given, whatever it may; `None` of one that is not known.
    pub(crate) fn name(&self, headers: &HeaderMap) -> Option<&str> {
        if self.is_empty() {
            return Some("anonymous");
        }
        self.find(given(headers)?).map(|known| known.name.as_str())
    }

    fn find(&self, given: &str) -> Option<&Known> {
        let digest = digest_of(given.trim());
        let mut found = None;
        for known in &self.known {
            if is_same(&known.digest, &digest) {
                found = Some(known);
            }
        }
        found
    }
}

fn given(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text("authorization");
    let bearer = bearer.and_then(|value| value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("bearer ")));
    bearer.or_else(|| text("x-api-key"))
}

fn digest_of(key: &str) -> KeyDigest {
    Sha256::digest(key.as_bytes()).into()
}

/// Whether two digests are the same, in a time that does not depend on where they differ.
fn is_same(a: &KeyDigest, b: &KeyDigest) -> bool {
    let mut difference = 0;
    for (a, b) in a.iter().zip(b) {
        // Out of the compiler's sight, which would else leave the loop early.
        difference = black_box(difference | (a ^ b));
    }
    difference == 0
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("count", &self.known.len()).finish_non_exhaustive()
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
        let named = |key: &'static str| keys.name(&with("x-api-key", key)).map(str::to_owned);
        assert_eq!((named("sk-secret"), named("sk-other")), (Some("app".to_owned()), None));
    }

    #[test]
    fn a_digest_is_held_against_every_byte() {
        let digest = digest_of("sk-secret");
        assert!(is_same(&digest, &digest_of("sk-secret")));
        for place in 0..32 {
            for bit in 0..8 {
                let mut other = digest;
                other[place] ^= 1 << bit;
                assert!(!is_same(&digest, &other), "byte {place}");
            }
        }
    }

    #[test]
    fn a_key_is_known_by_its_digest_alone() {
        let mut keys = Keys::default();
        keys.add_digest("app", digest_of("sk-secret"), Scope::Infer);
        let headers = HeaderMap::from_iter([("x-api-key".parse().unwrap(), "sk-secret".parse().unwrap())]);
        assert_eq!(keys.check(&headers, Scope::Infer), Ok("app"));
    }
}
