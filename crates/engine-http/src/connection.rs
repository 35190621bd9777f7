//! Connections: how they are opened.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use weighbridge_engine::RequestFailure;
use weighbridge_types::request::FailureClass;
use weighbridge_types::time::{Clock, Stamp};

use crate::failure::{failure, keep_files_free, no_connection};
use crate::socket::Socket;
use crate::tls::handshake_problem;
use crate::transport::Transport;

/// Opens connections to one server.
pub(crate) struct Dialer {
    /// Resolved once, so that name lookups are no part of any request.
    addresses: Vec<SocketAddr>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    timeout: Duration,
    kernel_stamps: bool,
}

impl Dialer {
    /// Kernel stamps are for plain connections: under TLS a read of the socket is no read of the answer.
    pub(crate) fn new(
        addresses: Vec<SocketAddr>,
        tls: Option<(TlsConnector, ServerName<'static>)>,
        timeout: Duration,
        kernel_stamps: bool,
    ) -> Self {
        let kernel_stamps = kernel_stamps && tls.is_none();
        Self { addresses, tls, timeout, kernel_stamps }
    }

    /// Opens a connection and says when it stood.
    pub(crate) async fn open(&self, clock: Clock) -> Result<(Transport, Stamp), RequestFailure> {
        let deadline = clock.instant(clock.now().after(self.timeout));
        let late = |what: &str| {
            failure(FailureClass::TimeoutConnect, format!("{what} within {} s", self.timeout.as_secs_f64()))
        };
        let Ok(opened) = tokio::time::timeout_at(deadline, self.open_socket(clock)).await else {
            return Err(late("no connection"));
        };
        let socket = opened.map_err(|error| no_connection(&error))?;
        let transport = match &self.tls {
            None => Transport::Plain(socket),
            Some((connector, name)) => {
                match tokio::time::timeout_at(deadline, connector.connect(name.clone(), socket)).await {
                    Err(_) => return Err(late("a plain server needs `http://`: no answer to the TLS handshake")),
                    Ok(Ok(stream)) => Transport::Tls(Box::new(stream)),
                    Ok(Err(error)) => {
                        let message = format!("the TLS handshake failed: {}", handshake_problem(&error));
                        return Err(failure(FailureClass::Tls, message));
                    }
                }
            }
        };
        Ok((transport, clock.now()))
    }

    async fn open_socket(&self, clock: Clock) -> io::Result<Socket> {
        let socket = TcpStream::connect(&*self.addresses).await?;
        keep_files_free(&socket)?;
        socket.set_nodelay(true)?;
        Ok(Socket::new(socket, clock, self.kernel_stamps))
    }
}
