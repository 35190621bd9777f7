//! A client of Redis and what speaks like it.

use std::time::Duration;

use weighbridge_types::time::Clock;

use super::address::Address;
use super::pool::{Pool, Problem, RemoteSettings, Wire};
use super::resp::{self, Reply};
use super::{Remote, RemoteError, lease_name, name};
use crate::clock::millis;
use crate::key::Key;

/// Gives a lease back only if it is still that of the token.
const RELEASE: &str =
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end";

/// A server that speaks RESP2. It is connected to when it is first asked; the connection is not encrypted.
#[derive(Debug)]
pub struct Redis {
    pool: Pool,
}

impl Redis {
    /// The server at `redis://[[user]:password@]host[:port][/database]`; `clock` bounds the wait for answers.
    ///
    /// # Errors
    /// When the address has another form. That the server answers is only known once it is asked.
    pub fn new(address: &str, settings: RemoteSettings, clock: Clock) -> Result<Self, RemoteError> {
        let address = Address::parse(address, "redis", 6379)?;
        Ok(Self { pool: Pool::new(address, settings, clock, greet) })
    }

    fn ask(&self, parts: &[&[u8]]) -> Result<Reply, RemoteError> {
        let question = resp::command(parts);
        self.pool.ask(|wire| ask(wire, &question))
    }
}

impl Remote for Redis {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, RemoteError> {
        match self.ask(&[b"GET", name(key).as_bytes()])? {
            Reply::Bytes(bytes) => Ok(bytes),
            _ => Ok(None),
        }
    }

    fn put(&self, key: &Key, value: &[u8], ttl: Duration) -> Result<bool, RemoteError> {
        self.ask(&[b"SET", name(key).as_bytes(), value, b"PX", time(ttl).as_bytes()])?;
        Ok(true)
    }

    fn try_lease(&self, key: &Key, token: &str, ttl: Duration) -> Result<bool, RemoteError> {
        let reply =
            self.ask(&[b"SET", lease_name(key).as_bytes(), token.as_bytes(), b"NX", b"PX", time(ttl).as_bytes()])?;
        Ok(matches!(reply, Reply::Status(_)))
    }

    fn release(&self, key: &Key, token: &str) -> Result<(), RemoteError> {
        self.ask(&[b"EVAL", RELEASE.as_bytes(), b"1", lease_name(key).as_bytes(), token.as_bytes()])?;
        Ok(())
    }
}

fn ask(wire: &mut Wire, question: &[u8]) -> Result<Reply, Problem> {
    match resp::read(wire.ask(question)?)? {
        Reply::Error(message) => Err(Problem::Refused(message)),
        reply => Ok(reply),
    }
}

/// Logs in and chooses the database.
fn greet(wire: &mut Wire, address: &Address) -> Result<(), Problem> {
    if let Some(password) = &address.password {
        let mut parts = vec![b"AUTH".as_slice()];
        parts.extend(address.user.as_ref().map(|user| user.as_bytes()));
        parts.push(password.as_bytes());
        ask(wire, &resp::command(&parts))?;
    }
    if address.database != 0 {
        ask(wire, &resp::command(&[b"SELECT", address.database.to_string().as_bytes()]))?;
    }
    Ok(())
}

/// Milliseconds as the server takes them: none is an error there.
fn time(ttl: Duration) -> String {
    // Beyond a hundred years it refuses as well.
    millis(ttl).clamp(1, 100 * 365 * 86_400_000).to_string()
}
