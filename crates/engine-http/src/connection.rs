//! Connections: how they are opened, driven, and kept.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use weighbridge_engine::RequestFailure;
use weighbridge_types::request::FailureClass;
use weighbridge_types::time::{Clock, Stamp};

use crate::exchange::ResponseFuture;
use crate::failure::{failure, root_cause};
use crate::stamped::{Marks, SharedMarks, Stamped, Transport};

type Driver = http1::Connection<TokioIo<Transport>, Full<Bytes>>;

/// One HTTP/1.1 connection.
///
/// Whoever uses it drives it: hyper's connection future is polled in the task of the request, not in one of its own.
/// A read therefore happens only after the chunk before it was taken, and the mark of the last read is that chunk's.
pub(crate) struct Link {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Pin<Box<Driver>>,
    closed: bool,
    marks: SharedMarks,
}

impl Link {
    pub(crate) fn marks(&self) -> &SharedMarks {
        &self.marks
    }

    /// Begins a request; marks before it are forgotten.
    pub(crate) fn send(&mut self, request: Request<Full<Bytes>>, clock: Clock) -> ResponseFuture {
        *self.marks.lock() = Marks::begin(clock);
        Box::pin(self.sender.send_request(request))
    }

    /// Lets the connection read and write. Errors reach the request that they concern.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.closed {
            self.closed = self.driver.as_mut().poll(cx).is_ready();
        }
    }

    fn is_ready(&self) -> bool {
        !self.closed && self.sender.is_ready()
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("closed", &self.closed).field("marks", &self.marks).finish_non_exhaustive()
    }
}

/// Opens connections to one server.
pub(crate) struct Dialer {
    /// Resolved once, so that name lookups are no part of any request.
    addresses: Vec<SocketAddr>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    timeout: Duration,
}

impl Dialer {
    pub(crate) fn new(
        addresses: Vec<SocketAddr>,
        tls: Option<(TlsConnector, ServerName<'static>)>,
        timeout: Duration,
    ) -> Self {
        Self { addresses, tls, timeout }
    }

    /// Opens a connection and says when it stood.
    pub(crate) async fn open(&self, clock: Clock) -> Result<(Link, Stamp), RequestFailure> {
        match tokio::time::timeout(self.timeout, self.open_patiently(clock)).await {
            Ok(opened) => opened,
            Err(_) => {
                let message = format!("no connection within {} s", self.timeout.as_secs_f64());
                Err(failure(FailureClass::Timeout, message))
            }
        }
    }

    async fn open_patiently(&self, clock: Clock) -> Result<(Link, Stamp), RequestFailure> {
        let no_connection = |error: std::io::Error| failure(FailureClass::Connect, error.to_string());
        let socket = TcpStream::connect(&*self.addresses).await.map_err(no_connection)?;
        socket.set_nodelay(true).map_err(no_connection)?;
        let marks = SharedMarks::new(clock);
        let socket = Stamped::new(socket, marks.clone());
        let transport = match &self.tls {
            None => Transport::Plain(socket),
            Some((connector, name)) => match connector.connect(name.clone(), socket).await {
                Ok(socket) => Transport::Tls(Box::new(socket)),
                Err(error) => {
                    let message = format!("the TLS handshake failed: {}", root_cause(&error));
                    return Err(failure(FailureClass::Tls, message));
                }
            },
        };
        let stood = clock.now();
        let (sender, driver) = http1::handshake(TokioIo::new(transport))
            .await
            .map_err(|error| failure(FailureClass::Connect, root_cause(&error)))?;
        Ok((Link { sender, driver: Box::pin(driver), closed: false, marks }, stood))
    }
}

/// Connections kept for later requests, the last one used on top.
pub(crate) struct Pool {
    kept: Mutex<Vec<Kept>>,
    limit: usize,
    /// Longest time that a kept connection is trusted.
    age_limit: Duration,
    clock: Clock,
}

struct Kept {
    link: Link,
    since: Stamp,
}

impl Pool {
    pub(crate) fn new(limit: usize, age_limit: Duration) -> Self {
        Self { kept: Mutex::new(Vec::new()), limit, age_limit, clock: Clock::start() }
    }

    /// Takes a kept connection that is neither too old nor closed by the server, as far as can be seen.
    pub(crate) fn take(&self, cx: &mut Context<'_>) -> Option<Link> {
        loop {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if self.clock.now() - kept.since > self.age_limit {
                continue;
            }
            // A closed half shows as the end of the driver.
            kept.link.drive(cx);
            if kept.link.is_ready() {
                return Some(kept.link);
            }
        }
    }

    /// Keeps a connection whose answer was read to its end, if the server keeps it too.
    pub(crate) fn put(&self, link: Link) {
        if !link.is_ready() {
            return;
        }
        let kept = Kept { link, since: self.clock.now() };
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < self.limit {
            all.push(kept);
        }
    }
}
