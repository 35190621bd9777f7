//! Connections to a server: bounded in number, and each question in time.

use std::io::{self, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use weighbridge_types::address::is_off_limits;
use weighbridge_types::time::{Clock, Stamp};

use super::RemoteError;
use super::address::Address;

/// Addresses of a host name that are tried.
const ADDRESSES: usize = 2;

/// Bounds of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteSettings {
    /// Longest wait for a connection.
    pub connect: Duration,
    /// Longest wait for an answer, and for a free connection.
    pub command: Duration,
    /// Most connections at once.
    pub most_connections: usize,
}

impl Default for RemoteSettings {
    fn default() -> Self {
        Self { connect: Duration::from_millis(500), command: Duration::from_millis(250), most_connections: 20 }
    }
}

/// Why a question has no answer.
pub(super) enum Problem {
    /// The connection is of no more use.
    Io(io::Error),
    /// The server said no; the connection is well.
    Refused(String),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What a client of one protocol adds to a pool.
pub(super) type Greeting = fn(&mut Wire, &Address) -> Result<(), Problem>;

/// Connections that are used in turns.
#[derive(Debug)]
pub(super) struct Pool {
    address: Address,
    settings: RemoteSettings,
    clock: Clock,
    greeting: Greeting,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Wire>,
    /// Connections that are in use.
    used: usize,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Wire {
    from: BufReader<Timed>,
}

/// A stream that is read until a moment, not for a time: one that drips answers ends as well.
#[derive(Debug)]
struct Timed {
    stream: TcpStream,
    clock: Clock,
    until: Stamp,
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.until - self.clock.now();
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(buffer)
    }
}

impl Wire {
    /// Sends a question; the reader of its answer.
    pub(super) fn ask(&mut self, question: &[u8]) -> io::Result<&mut impl io::BufRead> {
        self.from.get_mut().stream.write_all(question)?;
        Ok(&mut self.from)
    }
}

impl Pool {
    pub(super) fn new(address: Address, settings: RemoteSettings, clock: Clock, greeting: Greeting) -> Self {
        Self { address, settings, clock, greeting, state: Mutex::default(), returned: Condvar::new() }
    }

    /// Asks over a connection of its own. One that the server has closed in the meantime is replaced once.
    pub(super) fn ask<T>(&self, mut question: impl FnMut(&mut Wire) -> Result<T, Problem>) -> Result<T, RemoteError> {
        let idle = self.take()?;
        // Counts this connection as used until here, whatever happens.
        let _used = Used(self);
        if let Some(mut wire) = idle {
            match self.try_with(&mut wire, &mut question) {
                Err(Problem::Io(error)) if !is_timeout(&error) => self.state().idle.clear(),
                answer => return self.finish(wire, answer),
            }
        }
        let mut wire = self.connect().map_err(|source| self.failed("connect to", source))?;
        let answer = match (self.greeting)(&mut wire, &self.address) {
            Ok(()) => self.try_with(&mut wire, &mut question),
            // It has not let us in: the next question must not find this connection.
            Err(Problem::Refused(message)) => return Err(self.refused(message)),
            Err(problem) => Err(problem),
        };
        self.finish(wire, answer)
    }

    fn try_with<T>(
        &self,
        wire: &mut Wire,
        question: &mut impl FnMut(&mut Wire) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        wire.from.get_mut().until = self.clock.now().after(self.settings.command);
        question(wire)
    }

    fn finish<T>(&self, wire: Wire, answer: Result<T, Problem>) -> Result<T, RemoteError> {
        let answer = match answer {
            Ok(answer) => Ok(answer),
            Err(Problem::Io(source)) => return Err(self.failed("ask", source)),
            Err(Problem::Refused(message)) => Err(self.refused(message)),
        };
        // Bytes that nobody asked for would be read as the next answer.
        if wire.from.buffer().is_empty() {
            self.state().idle.push(wire);
        }
        answer
    }

    /// The right to a connection, and one that is idle if there is.
    fn take(&self) -> Result<Option<Wire>, RemoteError> {
        let most = self.settings.most_connections;
        let is_full = |state: &mut State| state.used >= most;
        let waited = self.returned.wait_timeout_while(self.state(), self.settings.command, is_full);
        let (mut state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() && state.used >= most {
            return Err(RemoteError::Busy { server: self.address.to_string(), most });
        }
        state.used += 1;
        Ok(state.idle.pop())
    }

    fn connect(&self) -> io::Result<Wire> {
        let mut last = io::ErrorKind::NotFound.into();
        for address in (self.address.host.as_str(), self.address.port).to_socket_addrs()?.take(ADDRESSES) {
            if is_off_limits(address.ip()) {
                let problem = "it leads to a link-local address or to a metadata service, which is asked nothing";
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, problem));
            }
            match TcpStream::connect_timeout(&address, self.settings.connect) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_write_timeout(Some(self.settings.command))?;
                    let (clock, until) = (self.clock, self.clock.now().after(self.settings.command));
                    return Ok(Wire { from: BufReader::new(Timed { stream, clock, until }) });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn failed(&self, action: &'static str, source: io::Error) -> RemoteError {
        RemoteError::Io { action, server: self.address.to_string(), source }
    }

    fn refused(&self, message: String) -> RemoteError {
        RemoteError::Refused { server: self.address.to_string(), message }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to a connection.
struct Used<'a>(&'a Pool);

impl Drop for Used<'_> {
    fn drop(&mut self) {
        self.0.state().used -= 1;
        self.0.returned.notify_one();
    }
}

fn is_timeout(error: &io::Error) -> bool {
    // A read that takes too long is the one or the other, by platform.
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}
