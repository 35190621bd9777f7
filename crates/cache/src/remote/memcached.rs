//! A client of memcached, in its text protocol.

use std::time::Duration;

use weighbridge_types::time::Clock;

use super::address::Address;
use super::pool::{Pool, Problem, RemoteSettings, Wire};
use super::resp;
use super::{Remote, RemoteError, lease_name, name};
use crate::key::Key;
use crate::segment::{ENTRY_HEAD, LONGEST};

/// Longest time in seconds; a larger number is a date to the server.
const LONGEST_TTL_S: u64 = 30 * 86_400;

/// A server that speaks the text protocol of memcached. It is connected to when it is first asked; the connection is neither encrypted
/// nor logged in to.
#[derive(Debug)]
pub struct Memcached {
    pool: Pool,
}

impl Memcached {
    /// The server at `memcached://host[:port]`; `clock` bounds the wait for answers.
    ///
    /// # Errors
    /// When the address has another form. That the server answers is only known once it is asked.
    pub fn new(address: &str, settings: RemoteSettings, clock: Clock) -> Result<Self, RemoteError> {
        let address = Address::parse(address, "memcached", 11_211)?;
        if address.password.is_some() || address.database != 0 {
            return Err(RemoteError::Address("memcached has neither logins nor databases"));
        }
        Ok(Self { pool: Pool::new(address, settings, clock, |_, _| Ok(())) })
    }

    /// Sends a command with a value; the line that the server answers.
    fn store(&self, command: &str, name: &str, value: &[u8], ttl: Duration) -> Result<String, RemoteError> {
        let ttl_s = (ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0)).clamp(1, LONGEST_TTL_S);
        let mut question = format!("{command} {name} 0 {ttl_s} {}\r\n", value.len()).into_bytes();
        question.extend(value);
        question.extend(b"\r\n");
        self.pool.ask(|wire| line(wire, &question))
    }

    fn find(&self, name: &str) -> Result<Option<Vec<u8>>, RemoteError> {
        let question = format!("get {name}\r\n");
        self.pool.ask(|wire| {
            let from = wire.ask(question.as_bytes())?;
            let head = told(resp::line(from)?)?;
            if head == "END" {
                return Ok(None);
            }
            let mut parts = head.split(' ');
            let is_ours = parts.next() == Some("VALUE") && parts.next() == Some(name);
            let length = parts.nth(1).and_then(|length| length.parse().ok()).filter(|_| is_ours);
            let length = length.filter(|length| *length <= ENTRY_HEAD + LONGEST).ok_or_else(resp::invalid)?;
            let value = resp::block(&mut *from, length)?;
            if resp::line(from)? == "END" { Ok(Some(value)) } else { Err(resp::invalid().into()) }
        })
    }
}

impl Remote for Memcached {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, RemoteError> {
        self.find(&name(key))
    }

    fn put(&self, key: &Key, value: &[u8], ttl: Duration) -> Result<bool, RemoteError> {
        match self.store("set", &name(key), value, ttl) {
            Ok(line) => Ok(line == "STORED"),
            // A bound of its own, usually of a megabyte: nothing is wrong with the server.
            Err(RemoteError::Refused { message, .. }) if message.contains("too large") => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn try_lease(&self, key: &Key, token: &str, ttl: Duration) -> Result<bool, RemoteError> {
        Ok(self.store("add", &lease_name(key), token.as_bytes(), ttl)? == "STORED")
    }

    /// Looks whose the lease is, then deletes it: between the two it may end and become another's. That one is then computed
    /// twice, which costs time and breaks nothing.
    fn release(&self, key: &Key, token: &str) -> Result<(), RemoteError> {
        let name = lease_name(key);
        if self.find(&name)?.is_some_and(|holder| holder == token.as_bytes()) {
            let question = format!("delete {name}\r\n");
            self.pool.ask(|wire| line(wire, question.as_bytes()))?;
        }
        Ok(())
    }
}

fn line(wire: &mut Wire, question: &[u8]) -> Result<String, Problem> {
    told(resp::line(wire.ask(question)?)?)
}

/// A line that is no error.
fn told(line: String) -> Result<String, Problem> {
    let is_error = ["ERROR", "CLIENT_ERROR", "SERVER_ERROR"].contains(&line.split(' ').next().unwrap_or_default());
    if is_error { Err(Problem::Refused(line)) } else { Ok(line) }
}
